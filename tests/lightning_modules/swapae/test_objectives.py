"""The terms of the objective: what they measure, where their gradients go, and that one pass is as good as three."""

from __future__ import annotations

import torch
from torch import nn

from lightning_modules.swapae import objectives
from tests.lightning_modules.swapae.networks import translator


def networks():
    made = translator()
    return made.discriminator.double(), made.patch_discriminator.double()


def images(count, seed):
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)).double() * 2 - 1


def test_one_pass_has_the_values_and_gradients_of_separate_ones():
    judge, _ = networks()
    batches = images(4, 0), images(2, 1), images(4, 2)
    one, other = (
        sum(logits.square().sum() for logits in objectives.passed(judge, *batches, together=together))
        for together in (True, False)
    )
    torch.testing.assert_close(one, other)
    gradients = (torch.autograd.grad(value, list(judge.parameters())) for value in (one, other))
    for of_one, of_other in zip(*gradients, strict=True):
        torch.testing.assert_close(of_one, of_other)


def test_penalties_are_the_squared_gradients_of_each_image():
    judge, patches = networks()
    real = images(3, 0).requires_grad_()
    crops = [torch.rand(3, 2, 3, 8, 8).double().requires_grad_() for _ in (0, 1)]
    terms = objectives.gradient_penalties(judge, patches, real, *crops)
    (of_real,) = torch.autograd.grad(judge(real).sum(), real)
    of_crops = torch.autograd.grad(patches(*crops).sum(), crops)
    torch.testing.assert_close(terms["r1"], of_real.square().sum() / 3)
    torch.testing.assert_close(terms["patch_r1"], sum(g.square().sum() for g in of_crops) / 3)
    assert real.grad is None
    gradients = torch.autograd.grad(
        sum(terms.values()), [*judge.parameters(), *patches.parameters()], allow_unused=True
    )
    assert sum(g is not None and bool(g.any()) for g in gradients) > len(gradients) / 2


def test_second_derivatives_of_the_penalty_equal_differences():
    judge, patches = networks()
    real, crops = images(2, 0), torch.rand(2, 1, 3, 8, 8).double()
    weight = judge.blocks[0].conv2.conv.weight

    def penalty():
        return objectives.gradient_penalties(judge, patches, real, crops, crops)["r1"]

    (slope,) = torch.autograd.grad(penalty(), weight)
    step, direction = 1e-5, torch.randn_like(weight)
    with torch.no_grad():
        weight += step * direction
        above = penalty().item()
        weight -= 2 * step * direction
        below = penalty().item()
    torch.testing.assert_close((slope * direction).sum().item(), (above - below) / (2 * step), rtol=1e-4, atol=1e-8)


def test_penalties_do_not_care_for_autocast():
    made = translator()
    real, crops = torch.rand(2, 3, 16, 16), torch.rand(2, 1, 3, 8, 8)
    networks = made.discriminator, made.patch_discriminator
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = objectives.gradient_penalties(*networks, real, crops, crops)
    outside = objectives.gradient_penalties(*networks, real, crops, crops)
    assert all(torch.equal(inside[name], outside[name]) for name in outside)
    assert inside["r1"].dtype == torch.float32


def test_reference_crops_of_the_generators_term_have_no_gradient():
    _, patches = networks()
    reference, swap = (torch.rand(2, 2, 3, 8, 8).double().requires_grad_() for _ in (0, 1))
    objectives.patch_generator_terms(patches, reference, swap)["adversarial_patch"].backward()
    assert reference.grad is None
    assert swap.grad.any()


def test_code_consistency_is_zero_for_the_codes_themselves_and_moves_only_what_was_read():
    content, style = torch.randn(2, 4, 2, 2), torch.randn(2, 16)
    assert objectives.code_consistency(content, style, content, style) == 0
    read, target = nn.Parameter(content + 1), nn.Parameter(content)
    value = objectives.code_consistency(read, style + 1, target, style, style_factor=16)
    torch.testing.assert_close(value, torch.tensor(17.0))
    value.backward()
    assert target.grad is None
    assert read.grad.any()


def test_content_alignment_wants_the_swap_inside_and_the_original_outside():
    swap, original = torch.rand(2, 3, 8, 8).requires_grad_(), torch.rand(2, 3, 8, 8)
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :2] = 1
    pasted = mask * swap.detach() + (1 - mask) * original
    assert objectives.content_alignment(pasted, swap, original, mask) == 0
    off = (pasted + mask).requires_grad_()
    value = objectives.content_alignment(off, swap, original, mask)
    torch.testing.assert_close(value, torch.tensor(0.25))
    torch.testing.assert_close(objectives.content_alignment(off, swap, original, mask, by_area=True), torch.tensor(1.0))
    value.backward()
    assert swap.grad is None, "the swap is a fixed target"

"""SPADE's fused modulation, its block, and spectral norms that change only when asked."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from datamodules.bad_input import BadInput
from lightning_modules.cocosnet.initialisation import initialise
from lightning_modules.cocosnet.non_local import NonLocalBlock
from lightning_modules.cocosnet.spade import PositionalModulation, ResizedCondition, SpadeBlock
from lightning_modules.cocosnet.spectral import advance, fold, spectral_norm


def plain_modulation(x, modulation, slope):
    scale, shift = modulation.chunk(2, dim=1)
    normal = (x - x.mean(dim=1, keepdim=True)) / (x.var(dim=1, keepdim=True) + 1e-5).sqrt()
    return F.leaky_relu(normal * (1 + scale) + shift, slope)


@pytest.mark.parametrize("slope", [0.2, 1.0])
def test_positional_modulation_equals_its_formula(slope):
    torch.manual_seed(0)
    x, modulation = torch.randn(2, 6, 3, 4, requires_grad=True), torch.randn(2, 12, 3, 4, requires_grad=True)
    ours, reference = PositionalModulation.apply(x, modulation, slope, 1e-5), plain_modulation(x, modulation, slope)
    torch.testing.assert_close(ours, reference)
    upstream = torch.randn_like(ours)
    for mine, theirs in zip(
        torch.autograd.grad(ours, (x, modulation), upstream),
        torch.autograd.grad(reference, (x, modulation), upstream),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", ["position", "instance"])
def test_recomputing_a_block_changes_nothing(norm):
    """Also with spectral norms in training mode, where reading a weight twice must give the same weight."""
    torch.manual_seed(1)
    block = SpadeBlock(8, 4, 3, norm=norm)
    x, condition = torch.randn(2, 8, 6, 6, requires_grad=True), torch.randn(2, 3, 6, 6, requires_grad=True)
    inputs = [x, condition, *block.parameters()]
    gradients = []
    for block.recompute in (False, True):
        gradients.append(torch.autograd.grad(block(x, condition).square().sum(), inputs))
    for kept, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, recomputed)


def test_recomputing_with_batch_norm_is_refused():
    with pytest.raises(BadInput, match="statistics twice"):
        SpadeBlock(4, 4, 3, norm="batch", recompute=True)


def test_reading_a_normed_weight_never_changes_it():
    layer = spectral_norm(torch.nn.Conv2d(3, 5, 3))
    first, second = layer.weight.detach().clone(), layer.weight.detach().clone()
    assert torch.equal(first, second)
    with torch.no_grad():
        layer.parametrizations.weight.original.mul_(torch.rand(5, 3, 3, 3) + 0.5)
    for _ in range(30):
        advance(layer)
    assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)


def test_folding_keeps_the_function_and_drops_the_vectors():
    torch.manual_seed(2)
    block = SpadeBlock(4, 2, 3).eval()
    x, condition = torch.randn(1, 4, 5, 5), torch.randn(1, 3, 5, 5)
    before = block(x, condition)
    fold(block)
    torch.testing.assert_close(block(x, condition), before)
    assert not any("parametrizations" in name for name in block.state_dict())


def test_a_condition_is_resized_once_per_size():
    condition = ResizedCondition(torch.rand(1, 2, 8, 8))
    assert condition.at((4, 4)) is condition.at(torch.Size((4, 4)))
    assert condition.at((4, 4)).shape == (1, 2, 4, 4)


def test_a_new_non_local_block_passes_its_input_on():
    x = torch.randn(1, 16, 4, 4)
    block = NonLocalBlock(16)
    assert torch.equal(block(x), x)
    block(x).sum().backward()
    assert block.gate.grad is not None


def test_initialisation_draws_fused_convolutions_part_by_part():
    torch.manual_seed(3)
    block = initialise(SpadeBlock(32, 32, 4))
    # Xavier over one SPADE's own 128 hidden channels, not over those of both.
    expected = 0.02 * (2 / (9 * (4 + 128))) ** 0.5
    assert block.shared.weight.std().item() == pytest.approx(expected, rel=0.05)
    expected = 0.02 * (2 / (9 * (128 + 32))) ** 0.5
    assert block.modulation_0.scale_shift.weight.std().item() == pytest.approx(expected, rel=0.05)
    assert block.conv_0.bias.abs().max() == 0
    assert block.conv_0.parametrizations.weight.original.std() > 0.03, "spectral-normed weights keep PyTorch's scale"

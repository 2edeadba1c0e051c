"""Adversarial losses and the gradient penalty: closed forms, signs, precision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lightning_modules.losses.adversarial import AdversarialLoss, gradient_penalty

MODES = ["lsgan", "vanilla", "nonsaturating", "wgangp", "hinge"]
SCORES = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])


def test_vanilla_is_cross_entropy_with_logits():
    loss = AdversarialLoss("vanilla")
    assert torch.allclose(loss.real(SCORES), F.binary_cross_entropy_with_logits(SCORES, torch.ones(5)))
    assert torch.allclose(loss.fake(SCORES), F.binary_cross_entropy_with_logits(SCORES, torch.zeros(5)))
    assert torch.equal(AdversarialLoss("nonsaturating").generator(SCORES), loss.real(SCORES))


def test_hinge_stops_paying_beyond_its_margin():
    loss = AdversarialLoss("hinge")
    assert loss.real(torch.tensor([1.5])) == 0
    assert loss.fake(torch.tensor([-1.5])) == 0
    assert loss.real(torch.tensor([0.0])) == loss.fake(torch.tensor([0.0])) == 1
    assert loss.generator(torch.tensor([3.0])) == -3


@pytest.mark.parametrize("mode", MODES)
def test_players_pull_in_opposite_directions(mode):
    """Near 0, a discriminator gains by scoring real images higher and generated ones lower; a generator the reverse."""
    loss = AdversarialLoss(mode)
    for term, sign in ((loss.real, -1), (loss.fake, 1), (loss.generator, -1)):
        score = torch.tensor([0.1], requires_grad=True)
        term(score).backward()
        assert score.grad is not None
        assert score.grad.sign().item() == sign


@pytest.mark.parametrize("mode", MODES)
def test_half_precision_scores_are_judged_in_float32_and_float64_stays(mode):
    loss = AdversarialLoss(mode)
    for term in (loss.real, loss.fake, loss.generator):
        assert term(SCORES.bfloat16()).dtype == torch.float32
        assert term(SCORES.double()).dtype == torch.float64


def linear(weight: torch.Tensor):
    return lambda x: (x * weight).flatten(1).sum(1)


def test_the_penalty_of_a_linear_function_is_that_of_its_slope():
    weight = torch.randn(1, 3, 4, 4)
    real, fake = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    penalty = gradient_penalty(linear(weight), real, fake)
    assert penalty.item() == pytest.approx((weight.norm().item() - 1) ** 2, rel=1e-5)
    assert gradient_penalty(linear(weight / weight.norm()), real, fake).item() == pytest.approx(0, abs=1e-8)
    assert gradient_penalty(linear(weight), real, fake, norm=weight.norm().item()).item() == pytest.approx(0, abs=1e-8)


def test_the_points_lie_between_real_and_fake():
    seen = []

    def square(x):
        seen.append(x.detach())
        return x.square().sum((1, 2, 3))

    real, fake = torch.zeros(64, 1, 1, 1), torch.ones(64, 1, 1, 1)
    gradient_penalty(square, real, fake)
    assert seen[0].min() >= 0
    assert seen[0].max() <= 1
    assert seen[0].std() > 0.2  # one share for each image


def test_it_trains_the_discriminator_and_nothing_else():
    discriminator = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3))
    fake = torch.randn(2, 3, 8, 8, requires_grad=True)
    gradient_penalty(discriminator, torch.randn(2, 3, 8, 8), fake).backward()
    assert all(p.grad is not None for p in discriminator[0].parameters() if p.ndim == 4)
    assert fake.grad is None


def test_a_discriminator_without_slope_has_a_finite_penalty():
    weight = torch.zeros(1, 3, 4, 4, requires_grad=True)
    penalty = gradient_penalty(linear(weight), torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4))
    penalty.backward()
    assert penalty.item() == pytest.approx(1)
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


def test_under_autocast_it_is_computed_in_float32():
    discriminator = nn.Conv2d(3, 1, 3)
    real, fake = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    mix = torch.rand(2)
    expected = gradient_penalty(discriminator, real.bfloat16(), fake.bfloat16(), mix=mix)
    with torch.autocast("cpu", torch.bfloat16):
        penalty = gradient_penalty(discriminator, real.bfloat16(), fake.bfloat16(), mix=mix)
    assert penalty.dtype == torch.float32
    assert torch.equal(penalty, expected)

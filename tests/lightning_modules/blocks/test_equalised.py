"""Equalised layers keep the scale of what passes them, whatever their size."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from lightning_modules.blocks.equalised import (
    LEAK,
    EqualConv2d,
    EqualLinear,
    ScaledLeakyReLU,
    full_precision,
    scaled_leaky_relu,
    unit_rms,
)


@pytest.mark.parametrize(("width", "size"), [(16, 1), (64, 3)])
def test_a_fresh_convolution_keeps_unit_variance(width, size):
    torch.manual_seed(0)
    y = EqualConv2d(width, 256, size)(torch.randn(4, width, 16, 16))
    assert y.var().item() == pytest.approx(1, abs=0.15)


def test_the_activation_keeps_unit_mean_square():
    torch.manual_seed(0)
    y = ScaledLeakyReLU(8)(torch.randn(16, 8, 32, 32))
    assert y.square().mean().item() == pytest.approx(1.04, abs=0.03)  # 2 (1 + 0.2²) / 2


def test_a_slow_layer_starts_like_any_other_and_learns_by_lr_mul():
    torch.manual_seed(0)
    slow, x = EqualLinear(128, 64, bias_init=1.0, lr_mul=0.01), torch.randn(512, 128)
    y = slow(x)
    assert y.mean().item() == pytest.approx(1, abs=0.1)
    assert y.var().item() == pytest.approx(1, abs=0.15)
    with torch.no_grad():
        slow.bias += 1
    torch.testing.assert_close(slow(x) - y, torch.full_like(y, 0.01), atol=1e-5, rtol=0)


def test_a_map_is_mapped_at_every_place():
    linear, x = EqualLinear(6, 4, activate=True), torch.randn(2, 6, 3, 5)
    places = linear(x.permute(0, 2, 3, 1).reshape(-1, 6)).reshape(2, 3, 5, 4).permute(0, 3, 1, 2)
    torch.testing.assert_close(linear(x), places)


def test_unit_rms_holds_small_numbers_in_half_precision():
    x = torch.full((1, 4), 1e-3, dtype=torch.float16)
    torch.testing.assert_close(unit_rms(x), torch.ones(1, 4), atol=0.01, rtol=0)
    assert full_precision(x.double()).dtype == torch.float64


@pytest.mark.parametrize("with_bias", [False, True])
def test_a_scaled_leaky_relu_is_as_defined_twice_differentiable_and_leaves_its_input(with_bias):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, 1, 1, dtype=torch.float64, requires_grad=True) if with_bias else None
    before = x.detach().clone()
    y = scaled_leaky_relu(x, bias)
    torch.testing.assert_close(y, F.leaky_relu(x if bias is None else x + bias, LEAK) * math.sqrt(2))
    assert torch.equal(x, before)
    given = (x,) if bias is None else (x, bias)
    assert torch.autograd.gradcheck(scaled_leaky_relu, given)
    assert torch.autograd.gradgradcheck(scaled_leaky_relu, given)


def test_an_activation_keeps_one_map_for_the_backward_pass():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        ScaledLeakyReLU(8)(torch.randn(2, 8, 16, 16, requires_grad=True))
    assert kept == [2 * 8 * 16 * 16]

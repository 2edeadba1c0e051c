"""Resampling is what its definition says, at any factors and paddings, and can be differentiated twice."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from lightning_modules.blocks.fir_resample import Resample, downsample_padding, fir_kernel, resample, upsample_padding


def by_definition(x, kernel, up, down, padding):
    """Zeros written between samples, padded or cropped, one channel at a time, every down-th sample kept."""
    if kernel.ndim == 1:
        kernel = torch.outer(kernel, kernel)
    batch, channels, height, width = x.shape
    spread = x.new_zeros(batch, channels, height * up, width * up)
    spread[..., ::up, ::up] = x
    spread = F.pad(spread, (*padding, *padding)).flatten(0, 1)[:, None]
    filtered = F.conv2d(spread, kernel.flip(0, 1)[None, None].to(x))
    return filtered.unflatten(0, (batch, channels)).squeeze(2)[..., ::down, ::down]


@pytest.mark.parametrize("padding", [(0, 0), (2, 1), (1, 2), (3, -1), (-1, 2)])
@pytest.mark.parametrize(("up", "down"), list(itertools.product([1, 2, 3], [1, 2, 3])))
def test_every_factor_and_padding_equals_the_definition(up, down, padding):
    x = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    kernel = torch.randn(4, 3, dtype=torch.float64)
    ours, theirs = resample(x, kernel, up, down, padding), by_definition(x, kernel, up, down, padding)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("taps", [3, 6, 12])
def test_a_separable_filter_is_the_outer_product_of_its_factor_however_long_it_is(taps):
    x, factor = torch.randn(1, 2, 16, 13, dtype=torch.float64), torch.randn(taps, dtype=torch.float64)
    for up, down, padding in ((1, 1, (2, 1)), (2, 1, (7, 5)), (1, 2, (1, 4))):
        ours, theirs = resample(x, factor, up, down, padding), by_definition(x, factor, up, down, padding)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("up", "down", "padding"), [(1, 1, (1, 1)), (1, 2, (1, 0)), (2, 1, (2, 1)), (2, 3, (2, -1))])
def test_first_and_second_derivatives_are_right_in_double_precision(up, down, padding):
    kernel = fir_kernel([1, 3, 3, 1]).double()
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)

    def bent(x):
        return resample(x, kernel, up, down, padding) ** 2

    assert torch.autograd.gradcheck(bent, x)
    assert torch.autograd.gradgradcheck(bent, x)


def test_a_constant_stays_a_constant_when_doubled_and_halved():
    x = torch.full((1, 2, 8, 8), 3.0)
    up = Resample([1, 3, 3, 1], up=2, padding=upsample_padding(4), gain=4)(x)
    down = Resample([1, 3, 3, 1], down=2, padding=downsample_padding(4))(x)
    assert up.shape[2:] == (16, 16)
    assert down.shape[2:] == (4, 4)
    torch.testing.assert_close(up[..., 4:-4, 4:-4], torch.full((1, 2, 8, 8), 3.0))
    torch.testing.assert_close(down[..., 1:-1, 1:-1], torch.full((1, 2, 2, 2), 3.0))


def test_the_kernel_is_no_entry_of_a_state_dict_but_follows_the_module():
    layer = Resample([1, 2, 1])
    assert not layer.state_dict()
    assert layer.double().kernel.dtype == torch.float64

"""Modulation without a weight per sample is modulation with one; styles may be maps or regions, in batches of any size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lightning_modules.blocks.modulated_conv import ModulatedConv2d, RegionStyle, SharedModulatedConv2d, resize_weights

RESAMPLINGS = (None, "up", "down")


def layer_of(kind, resampling=None, demodulate=True):
    torch.manual_seed(0)
    return kind(4, 6, 3, 5, demodulate=demodulate, resampling=resampling).double()


def with_a_weight_per_sample(layer, x, weights):
    """What official code does: B weights, one convolution in B groups."""
    batch = x.shape[0]
    together = x.reshape(1, -1, *x.shape[2:])
    if layer.resampling == "up":
        y = F.conv_transpose2d(together, weights.transpose(1, 2).flatten(0, 1), stride=2, groups=batch)
        return layer.blur(y.reshape(batch, -1, *y.shape[2:]))
    if layer.resampling == "down":
        together = layer.blur(x).reshape(1, -1, x.shape[2] + 1, x.shape[3] + 1)
        y = F.conv2d(together, weights.flatten(0, 1), stride=2, groups=batch)
    else:
        y = F.conv2d(together, weights.flatten(0, 1), padding=1, groups=batch)
    return y.reshape(batch, -1, *y.shape[2:])


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("resampling", RESAMPLINGS)
def test_stylegan2s_equals_the_weight_of_each_sample(resampling, demodulate):
    layer = layer_of(ModulatedConv2d, resampling, demodulate)
    x, style = torch.randn(3, 4, 8, 6).double(), torch.randn(3, 5).double()
    weights = layer.weight[None] * layer.scale * layer.modulation(style)[:, None, :, None, None]
    if demodulate:
        weights = weights * (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    torch.testing.assert_close(layer(x, style), with_a_weight_per_sample(layer, x, weights))


@pytest.mark.parametrize("resampling", RESAMPLINGS)
def test_the_shared_weight_equals_its_repetition_with_gradients(resampling):
    layer = layer_of(SharedModulatedConv2d, resampling)
    x, style = torch.randn(3, 4, 8, 6).double().requires_grad_(), torch.randn(3, 5).double()
    scales = layer.modulation(style)
    scales = scales * (scales.square().mean(1, keepdim=True) + 1e-8).rsqrt()
    weight = layer.weight * layer.scale
    weight = weight * (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
    ours = layer(x, style)
    theirs = with_a_weight_per_sample(layer, x * scales[..., None, None], weight[None].expand(3, -1, -1, -1, -1))
    torch.testing.assert_close(ours, theirs)
    inputs = (x, *layer.parameters())
    for mine, other in zip(*(torch.autograd.grad(y.square().sum(), inputs) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("kind", [ModulatedConv2d, SharedModulatedConv2d])
def test_second_derivatives_are_right(kind):
    layer = layer_of(kind, "up")
    x = torch.randn(2, 4, 3, 3).double().requires_grad_()
    style = torch.randn(2, 5).double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda a, b: layer(a, b), (x, style))


def test_a_map_of_one_style_is_that_style_and_maps_work_in_batches():
    layer, x = layer_of(SharedModulatedConv2d, "up"), torch.randn(3, 4, 8, 6).double()
    style = torch.randn(3, 5).double()
    torch.testing.assert_close(layer(x, style[..., None, None].expand(-1, -1, 2, 3)), layer(x, style))
    maps = torch.randn(3, 5, 2, 3).double()
    alone = torch.cat([layer(x[i : i + 1], maps[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(layer(x, maps), alone)


def test_a_style_map_modulated_before_it_is_resized_is_the_one_modulated_after():
    layer, maps = layer_of(SharedModulatedConv2d), torch.randn(2, 5, 3, 2).double()
    resized_first = layer.scales(F.interpolate(maps, (8, 6), mode="bilinear", align_corners=False), 8, 6)
    torch.testing.assert_close(layer.scales(maps, 8, 6), resized_first)


@pytest.mark.parametrize("fusion", ["modulation", "features"])
@pytest.mark.parametrize("demodulate", [True, False])
def test_a_region_that_is_everywhere_is_its_style_alone(fusion, demodulate):
    layer, x = layer_of(SharedModulatedConv2d, "up", demodulate), torch.randn(2, 4, 8, 6).double()
    codes = torch.randn(2, 3, 5).double()
    weights = torch.zeros(2, 3, 16, 12).double()
    weights[:, 1] = 1
    torch.testing.assert_close(layer(x, RegionStyle(codes, weights, fusion)), layer(x, codes[:, 1]))


def test_without_demodulation_both_fusions_are_one_where_the_convolution_sees_one_place():
    torch.manual_seed(0)
    layer, x = SharedModulatedConv2d(4, 3, 1, 5, demodulate=False), torch.randn(2, 4, 8, 6)
    soft = torch.rand(2, 1, 8, 6)
    codes, weights = torch.randn(2, 2, 5), torch.cat([soft, 1 - soft], dim=1)
    one, other = (layer(x, RegionStyle(codes, weights, fusion)) for fusion in ("modulation", "features"))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("size", [(4, 4), (5, 3), (64, 48)])
def test_weights_that_add_up_to_one_still_do_at_another_size(size):
    weights = torch.rand(2, 3, 16, 12).softmax(1)
    torch.testing.assert_close(resize_weights(weights, *size).sum(1), torch.ones(2, *size))


def test_autocast_does_not_touch_the_modulation():
    layer = layer_of(SharedModulatedConv2d).float()
    style = torch.randn(2, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = layer.scales(style, 4, 4)
    assert torch.equal(inside, layer.scales(style, 4, 4))

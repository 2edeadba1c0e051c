"""Noise predictor and texture encoder: what they promise beside equality with the published networks (tests/test_parity.py)."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from datamodules.bad_input import BadInput
from lightning_modules.pidm.network import Network
from lightning_modules.pidm.texture import TextureDiffusionBlock, interpolated
from tests.lightning_modules.pidm.networks import awake, conditions, small

MIXES = ["attention", "concatenation", "input"]


@pytest.mark.parametrize("changes", [*({"mix": mix} for mix in MIXES), {"cosine_attention": True, "coordinates": True}])
def test_every_parameter_has_an_effect(changes):
    network = awake(small(**changes))
    noisy, t, structure, source = conditions()
    network(noisy, t, structure, network.texture(source)).square().mean().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


def test_a_new_network_predicts_zero():
    network = small()
    noisy, t, structure, source = conditions()
    assert not network(noisy, t, structure, network.texture(source)).any()


@pytest.mark.parametrize("mix", MIXES)
def test_pose_source_time_and_noise_all_matter(mix):
    network = awake(small(mix=mix))
    noisy, t, structure, source = conditions()
    out = network(noisy, t, structure, network.texture(source))
    assert out.shape == (2, 6, 16, 8)
    assert not torch.allclose(out, network(noisy, t, structure * 0, network.texture(source)))
    assert not torch.allclose(out, network(noisy, t, structure, network.texture(source * 0)))
    assert not torch.allclose(out, network(noisy, t + 1, structure, network.texture(source)))
    assert not torch.allclose(out, network(noisy * 0, t, structure, network.texture(source)))


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize(("height", "width"), [(16, 8), (22, 9), (5, 7)])
def test_images_of_any_size_come_out_at_their_size(mix, height, width):
    network = awake(small(mix=mix))
    noisy, t, structure, source = conditions(height=height, width=width)
    assert network(noisy, t, structure, network.texture(source)).shape == (2, 6, height, width)


def test_padding_continues_the_image_evenly():
    network = awake(small())
    noisy, t, structure, source = conditions(width=6)
    wide = [F.pad(x, (1, 1, 0, 0), mode="replicate") for x in (noisy, structure, source)]
    expected = network(wide[0], t, wide[1], network.texture(wide[2]))[..., 1:-1]
    torch.testing.assert_close(network(noisy, t, structure, network.texture(source)), expected)


def test_patches_stack_pixels_and_keep_the_size():
    network = awake(small(patch=2))
    noisy, t, structure, source = conditions()
    assert network.stride == 8
    assert network(noisy, t, structure, network.texture(source)).shape == (2, 6, 16, 8)


def test_heads_attend_each_on_its_own_channels():
    torch.manual_seed(0)
    block = TextureDiffusionBlock(8, 6, heads=2)
    torch.nn.init.normal_(block.out.weight)
    x, feature = torch.randn(2, 8, 4, 3), torch.randn(2, 6, 5, 2)
    query = block.to_query(block.norm(x).flatten(2).transpose(1, 2))
    key, value = block.to_key_and_value(feature.flatten(2).transpose(1, 2)).chunk(2, dim=2)
    heads = []
    for own in (slice(0, 4), slice(4, 8)):
        weights = torch.softmax(query[..., own] @ key[..., own].transpose(1, 2) / 4**0.5, dim=-1)
        heads.append(weights @ value[..., own])
    expected = x + block.out(torch.cat(heads, dim=2)).transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(block(x, block.project(feature)), expected)


def test_cosine_attention_looks_where_directions_agree_most():
    torch.manual_seed(0)
    block = TextureDiffusionBlock(8, 6, heads=2, cosine=True)
    torch.nn.init.normal_(block.out.weight)
    assert block.sharpness is not None
    torch.nn.init.uniform_(block.sharpness, 1, 3)
    x, feature = torch.randn(2, 8, 4, 3), torch.randn(2, 6, 5, 2)
    query = block.to_query(block.norm(x).flatten(2).transpose(1, 2))
    key, value = block.to_key_and_value(feature.flatten(2).transpose(1, 2)).chunk(2, dim=2)
    heads = []
    for own, sharpness in zip((slice(0, 4), slice(4, 8)), block.sharpness.exp(), strict=True):
        cosines = F.cosine_similarity(query[:, :, None, own], key[:, None, :, own], dim=-1)
        heads.append(torch.softmax(sharpness * cosines, dim=-1) @ value[..., own])
    expected = x + block.out(torch.cat(heads, dim=2)).transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(block(x, block.project(feature)), expected)


@pytest.mark.parametrize("mix", MIXES)
def test_checkpointing_changes_no_gradient(mix):
    gradients = []
    for checkpointing in (False, True):
        network = awake(small(mix=mix, checkpointing=checkpointing))
        noisy, t, structure, source = conditions()
        network(noisy, t, structure, network.texture(source)).square().mean().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for kept, computed_again in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, computed_again)


def test_interpolating_textures_is_interpolating_features():
    network = awake(small())
    encoder = network.texture_encoder
    assert encoder is not None
    first, second = (conditions(seed=seed)[3] for seed in (0, 1))
    between = {k: torch.lerp(a, encoder(second)[k], 0.3) for k, a in encoder(first).items()}
    expected = network.predictor.project(between)
    found = interpolated(network.texture(first), network.texture(second), 0.3)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "wrong", [{"heads": 3}, {"attention_strides": (3,)}, {"blocks": 0}, {"multipliers": ()}, {"patch": 0}]
)
def test_numbers_that_make_no_network_are_refused(wrong):
    with pytest.raises(BadInput, match=f"model.{next(iter(wrong))}"):
        small(**wrong)


def test_fewer_groups_than_channels_fit_narrow_networks():
    with pytest.raises(BadInput, match=r"model\.groups=32"):
        Network(3, channels=48, multipliers=[1, 2], attention_strides=[2])
    Network(3, channels=48, multipliers=[1, 2], attention_strides=[2], groups=8)


@pytest.mark.parametrize("coordinates", [False, True])
def test_the_texture_of_one_colour_differs_from_place_to_place_only_by_coordinates(coordinates):
    encoder = awake(small(coordinates=coordinates)).texture_encoder
    feature = encoder(torch.zeros(1, 3, 64, 64))[min(encoder.reads)]
    inside = feature[:, :, 8:-8, 8:-8]  # the borders are told by the convolutions' zeros
    assert inside.shape[2:].numel() > 1
    assert inside.std(dim=(2, 3)).max().item() > 1e-3 if coordinates else inside.std(dim=(2, 3)).max().item() < 1e-5

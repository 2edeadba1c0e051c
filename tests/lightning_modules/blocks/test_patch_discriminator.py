"""Discriminators of patches and pixels: the paper's numbers, and what a score can see."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.blocks.patch_discriminator import PatchDiscriminator, PixelDiscriminator

LAYERS = {  # layers: (receptive field, parameters, scores for sides of 64, 128, 256)
    1: (16, 136_385, (30, 62, 126)),
    2: (34, 662_977, (14, 30, 62)),
    3: (70, 2_764_737, (6, 14, 30)),
    4: (142, 6_959_553, (2, 6, 14)),
    5: (286, 11_154_369, (0, 2, 6)),
}


@pytest.mark.parametrize("layers", LAYERS)
def test_it_has_as_many_parameters_and_scores_as_the_published_one(layers):
    _, count, sides = LAYERS[layers]
    with torch.device("meta"):
        network = PatchDiscriminator(layers=layers)
        assert sum(p.numel() for p in network.parameters()) == count
        for side, scores in zip((64, 128, 256), sides, strict=True):
            if scores > 0:
                assert network(torch.empty(1, 3, side, side)).shape == (1, 1, scores, scores)


def test_with_a_condition_and_batch_norm_it_is_the_published_one_of_pix2pix():
    with torch.device("meta"):
        assert sum(p.numel() for p in PatchDiscriminator(6, norm="batch").parameters()) == 2_768_705


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_score_sees_its_receptive_field_and_nothing_else(layers):
    field = LAYERS[layers][0]
    x = torch.randn(1, 1, 160, 160, requires_grad=True)
    scores = PatchDiscriminator(1, 4, layers, "none")(x)
    middle = scores.shape[-1] // 2
    scores[0, 0, middle, middle].backward()
    assert x.grad is not None
    seen = x.grad[0, 0].abs().sum(0).nonzero()
    assert seen.max() - seen.min() + 1 == field


def test_people_of_128x64_get_14x6_scores():
    assert PatchDiscriminator(3, 4)(torch.zeros(1, 3, 128, 64)).shape == (1, 1, 14, 6)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_the_smallest_size_works_and_the_next_smaller_is_refused(norm):
    network = PatchDiscriminator(3, 4, 3, norm)
    assert network(torch.randn(1, 3, 24, 24)).shape == (1, 1, 1, 1)
    with pytest.raises(BadInput, match="at least 24 pixels, not 24x23: layers=2 or fewer fit"):
        network(torch.randn(1, 3, 24, 23))


def test_no_layers_are_refused():
    with pytest.raises(BadInput, match="at least one layer"):
        PatchDiscriminator(layers=0)


def test_the_pixel_discriminator_scores_every_pixel_by_itself():
    with torch.device("meta"):
        assert sum(p.numel() for p in PixelDiscriminator().parameters()) == 8_705
    x = torch.randn(1, 3, 5, 7, requires_grad=True)
    scores = PixelDiscriminator(3, 4, "none")(x)
    assert scores.shape == (1, 1, 5, 7)
    scores[0, 0, 2, 3].backward()
    assert x.grad is not None
    assert x.grad[0].abs().sum(0).nonzero().tolist() == [[2, 3]]

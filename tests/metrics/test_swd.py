"""The sliced Wasserstein distance is the published one, and a function of the images alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from metrics import swd


def test_pyramid_is_the_reference(golden: Any, pictures: tuple[Tensor, Tensor]) -> None:
    expected = golden.values["swd.laplacian_pyramid"]
    pyramid = swd.laplacian_pyramid(pictures[0][:, :, :64, :64].double(), 3)
    assert [level.shape[-1] for level in pyramid] == [64, 32, 16]
    assert [level.mean().item() for level in pyramid] == pytest.approx(expected["level_mean"], rel=1e-6)
    assert [level.std(correction=0).item() for level in pyramid] == pytest.approx(expected["level_std"], rel=1e-6)
    assert [level.flatten()[0].item() for level in pyramid] == pytest.approx(expected["level_first"], rel=1e-6)


@pytest.mark.parametrize(
    ("entry", "prepare"),
    [("swd.raw_descriptors", lambda patches: patches), ("swd.normalised_descriptors", swd.normalise)],
)
def test_distance_is_the_reference(golden: Any, entry: str, prepare: Any) -> None:
    a = golden.draw("metrics.swd.a", 256, 3, 7, 7)
    b = 1.1 * golden.draw("metrics.swd.b", 256, 3, 7, 7) + 0.05
    b[:, 1] *= 1.5
    directions = golden.draw("metrics.swd.dirs", 147, 128).double()
    directions /= directions.norm(dim=0)
    a, b = (prepare(patches.double()).flatten(1) for patches in (a, b))
    assert swd.sliced_distance(a, b, directions).item() == pytest.approx(golden.values[entry], rel=1e-6)


def test_patches_lie_inside_and_reach_every_edge() -> None:
    # Each pixel holds its own position, so that a patch says where it is from.
    rows = torch.arange(16.0).view(1, 1, 16, 1).expand(4, 1, 16, 10)
    columns = torch.arange(10.0).view(1, 1, 1, 10).expand(4, 1, 16, 10)
    image = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 16, 10)
    begin = swd.corners(4, 16, 10, torch.Generator().manual_seed(0))
    drawn = swd.patches(torch.cat([rows, columns, image], dim=1), begin)
    assert drawn.shape == (4 * swd.PATCHES_PER_IMAGE, 3, 7, 7)
    assert (drawn[:, 0].amin(), drawn[:, 0].amax()) == (0, 15)
    assert (drawn[:, 1].amin(), drawn[:, 1].amax()) == (0, 9)
    assert torch.equal(drawn[:, 0] - drawn[:, 0, :1], torch.arange(7.0).view(1, 7, 1).expand(512, 7, 7))
    assert torch.equal(drawn[:, 2, 0, 0], torch.arange(4.0).repeat_interleave(swd.PATCHES_PER_IMAGE))


@pytest.mark.parametrize(
    ("size", "levels"),
    [((256, 256), 5), ((256, 176), 5), ((128, 64), 4), ((64, 32), 3), ((16, 16), 1), ((33, 20), 0), ((32, 8), 0)],
)
def test_number_of_levels(size: tuple[int, int], levels: int) -> None:
    assert swd.levels(*size) == levels


def test_equal_sets_have_no_distance_and_noise_has_one(pictures: tuple[Tensor, Tensor]) -> None:
    generated, target = (images[:, :, :64, :32] for images in pictures)
    assert swd.sliced_wasserstein(target, target) == [0, 0, 0]
    finest, *coarser = swd.sliced_wasserstein(generated, target)
    assert finest > max(coarser) > 0  # white noise was added: it is strongest at the finest level


def test_value_is_repeatable_and_leaves_torchs_generator_alone(pictures: tuple[Tensor, Tensor]) -> None:
    generated, target = (images[:, :, :32, :32] for images in pictures)
    before = torch.get_rng_state()
    first = swd.sliced_wasserstein(generated, target)
    assert torch.equal(torch.get_rng_state(), before)
    assert swd.sliced_wasserstein(generated, target, chunk=1) == pytest.approx(first, rel=1e-5)


def test_a_constant_set_is_measured() -> None:
    grey = torch.full((2, 3, 16, 16), 100, dtype=torch.uint8)
    noise = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.tensor(swd.sliced_wasserstein(grey, noise)).isfinite().all()


def test_sets_must_match() -> None:
    images = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    with pytest.raises(ValueError, match="one shape"):
        swd.sliced_wasserstein(images, images[:1])
    with pytest.raises(ValueError, match="not defined for images of 34 x 15"):
        swd.sliced_wasserstein(torch.zeros(2, 3, 34, 15), torch.zeros(2, 3, 34, 15))

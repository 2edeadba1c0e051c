"""PSNR, L1 and the four SSIMs are those of the reference implementations, and behave at the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from metrics import image_quality as quality

Measure = Callable[[Tensor, Tensor], Tensor]


@pytest.mark.parametrize(
    ("measure", "entry", "tolerance"),
    [
        (quality.ssim, "ssim.skimage.gaussian1.5.range255", 1e-6),
        (quality.ssim_pose, "ssim.pose.sigma1.5.range_of_pred", 1e-6),
        (quality.ssim_pidm, "ssim.pidm.sigma1.2.range_of_pred", 1e-6),
        (quality.ssim_gfla, "ssim.gfla.uniform51.sample_cov.float32_01", 1e-4),
        (quality.psnr, "psnr.skimage.uint8.per_image", 1e-6),
    ],
)
def test_values_are_those_of_the_reference(
    golden: Any, pictures: tuple[Tensor, Tensor], measure: Measure, entry: str, tolerance: float
) -> None:
    expected = torch.tensor(golden.values[entry], dtype=torch.float64)
    torch.testing.assert_close(measure(*pictures), expected, rtol=tolerance, atol=0)


def test_l1_is_half_of_patns(golden: Any, pictures: tuple[Tensor, Tensor]) -> None:
    expected = torch.tensor(golden.values["l1.pose"], dtype=torch.float64)
    torch.testing.assert_close(2 * quality.l1(*pictures), expected, rtol=1e-6, atol=0)


def test_white_padding_raises_ssim_as_in_patns_table(golden: Any, pictures: tuple[Tensor, Tensor]) -> None:
    padded = [torch.nn.functional.pad(images, (40, 40), value=255) for images in pictures]
    expected = torch.tensor(golden.values["ssim.patn.white_padded40.sigma1.5.range_of_pred"], dtype=torch.float64)
    torch.testing.assert_close(quality.ssim_pose(*padded), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("measure", [quality.ssim, quality.ssim_pose, quality.ssim_pidm, quality.ssim_gfla])
def test_ssim_of_equal_images_is_one(pictures: tuple[Tensor, Tensor], measure: Measure) -> None:
    torch.testing.assert_close(measure(pictures[0], pictures[0]), torch.ones(3, dtype=torch.float64))


def test_a_value_does_not_depend_on_the_rest_of_the_batch(pictures: tuple[Tensor, Tensor]) -> None:
    generated, target = pictures
    alone = torch.cat([quality.ssim_pose(generated[i : i + 1], target[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(quality.ssim_pose(generated, target), alone)


def test_ssim_needs_images_of_its_window() -> None:
    small = torch.zeros(1, 3, 50, 128, dtype=torch.uint8)
    with pytest.raises(ValueError, match="window of 51 pixels needs larger images than 50 x 128"):
        quality.ssim_gfla(small, small)


def test_psnr_of_equal_images_is_finite() -> None:
    images = torch.full((2, 3, 8, 8), 7, dtype=torch.uint8)
    assert quality.psnr(images, images).tolist() == [quality.PSNR_OF_EQUAL_IMAGES] * 2


def test_psnr_inside_a_mask_ignores_the_outside() -> None:
    target = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    generated = target.clone()
    generated[..., :4] = 255  # wrong outside the mask
    generated[..., 4:] = 51  # off by a fifth of the range inside
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 4:] = 1
    assert quality.psnr(generated, target, mask).item() == pytest.approx(20 * torch.tensor(5.0).log10().item())


def test_psnr_inside_an_empty_mask_is_not_a_number() -> None:
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    assert quality.psnr(images, images, torch.zeros(1, 1, 8, 8)).isnan().all()


def test_quantising_rounds_clamps_and_survives_what_is_no_number() -> None:
    values = torch.tensor([-1.0, 1.0, 0.0, -1 + 0.49 / 127.5, -1 + 0.51 / 127.5, 1.5, -3.0, float("nan")])
    assert quality.quantise(values).tolist() == [0, 255, 128, 0, 1, 255, 0, 0]


def test_quantising_undoes_reading() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(quality.quantise(levels.float() / 127.5 - 1), levels)

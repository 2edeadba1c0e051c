"""Masks, references and the way between two noises."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from lightning_modules.pidm.diffusion import CLEAN, Diffusion
from lightning_modules.pidm.editing import Reference, mask_for, pasted, slerp
from lightning_modules.pidm.samplers import SeededNoise

PROCESS = Diffusion()


def test_slerp_starts_and_ends_and_keeps_the_power_of_noise():
    start, end = SeededNoise([1, 2], "cpu").initial(32, 32), SeededNoise([3, 4], "cpu").initial(32, 32)
    assert torch.allclose(slerp(start, end, 0.0), start, atol=1e-6)
    assert torch.allclose(slerp(start, end, 1.0), end, atol=1e-6)
    middle = slerp(start, end, 0.5)
    assert float(middle.std()) == pytest.approx(1.0, abs=0.03)
    assert float(torch.lerp(start, end, 0.5).std()) < 0.75, "which a straight line does not"


def test_slerp_between_equal_noises_stays():
    noise = SeededNoise([1], "cpu").initial(8, 8)
    assert torch.allclose(slerp(noise, noise, 0.3), noise, atol=1e-6)


def test_each_sample_goes_its_own_way():
    start, end = SeededNoise([1, 2], "cpu").initial(8, 8), SeededNoise([3, 4], "cpu").initial(8, 8)
    assert torch.allclose(slerp(start, end, 0.4)[1:], slerp(start[1:], end[1:], 0.4), atol=1e-6)


def test_a_reference_is_pasted_with_the_noise_of_its_level():
    y, reference, noise = torch.full((1, 3, 4, 4), 9.0), torch.full((1, 3, 4, 4), 0.5), torch.ones(1, 3, 4, 4)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    level = PROCESS.level(500)
    found = pasted(y, reference, mask, level, noise)
    assert torch.equal(found[..., :2], y[..., :2])
    assert torch.allclose(found[..., 2:], torch.tensor(level.signal * 0.5 + level.noise))


@pytest.mark.parametrize(("order", "kept_noise"), [("next", 0.0), ("official", 0.01)])
def test_the_last_paste_leaves_the_reference_clean_unless_in_the_released_order(order, kept_noise):
    image = torch.zeros(1, 3, 32, 32)
    reference = Reference(image, torch.zeros(1, 1, 32, 32), SeededNoise([1], "cpu"), order)
    left = reference(torch.randn(1, 3, 32, 32), PROCESS.level(0), CLEAN)
    assert float(left.std()) == pytest.approx(kept_noise, abs=1e-3)


def test_masks_are_read_from_files_and_thresholded_with_a_warning(tmp_path, caplog):
    pixels = np.zeros((6, 4), np.uint8)
    pixels[:3], pixels[3] = 255, 100
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    with caplog.at_level(logging.WARNING):
        mask = mask_for(tmp_path / "mask.png", 6, 4)
    assert mask.shape == (1, 1, 6, 4)
    assert mask[0, 0, :, 0].tolist() == [1, 1, 1, 0, 0, 0]
    assert "not binary" in caplog.text


def test_a_mask_of_another_size_is_resized_with_a_warning(tmp_path, caplog):
    pixels = np.zeros((60, 40), np.uint8)
    pixels[:30] = 255
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    with caplog.at_level(logging.WARNING):
        mask = mask_for(tmp_path / "mask.png", 6, 4)
    assert mask[0, 0].equal(torch.tensor([1.0, 1, 1, 0, 0, 0])[:, None].expand(6, 4))
    assert "60 x 40" in caplog.text
    assert "not binary" not in caplog.text


def test_masks_that_cannot_be_are_refused(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    for mask, sentence in [
        (tmp_path / "none.png", "mask .* does not exist"),
        (tmp_path / "text.png", "mask .* is not an image"),
        (torch.full((6, 4), 3.0), r"outside of \[0, 1\]"),
        (torch.zeros(6, 4), "black everywhere"),
        (torch.ones(6), "must be an image file or a tensor"),
        (7, "must be an image file or a tensor"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            mask_for(mask, 6, 4)

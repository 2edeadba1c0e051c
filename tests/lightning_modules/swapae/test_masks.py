"""Random masks are as announced; a user's masks are taken or refused with a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from lightning_modules.swapae.masks import placed_mask, random_masks, user_mask


def test_random_masks_are_binary_differ_and_cover_a_tenth_to_nine_tenths():
    torch.manual_seed(0)
    masks = random_masks(200, 32, 48)
    assert masks.shape == (200, 1, 32, 48)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    areas = masks.mean((1, 2, 3))
    assert areas.min() >= 0.1
    assert areas.max() <= 0.9
    assert len({m.numpy().tobytes() for m in masks}) > 190
    corners = masks[:, 0, 0, 0].mean()
    assert 0.3 < corners < 0.7, "half of them are complemented"


def test_a_file_is_resized_to_the_images_and_may_be_soft(tmp_path):
    Image.linear_gradient("L").save(tmp_path / "mask.png")
    mask = user_mask(str(tmp_path / "mask.png"), 3, 16, 12)
    assert mask.shape == (3, 1, 16, 12)
    assert mask[0, 0, 0, 0] < 0.1 < 0.4 < mask[0, 0, 8, 0] < 0.6 < 0.9 < mask[0, 0, -1, 0]


@pytest.mark.parametrize("shape", [(16, 12), (1, 16, 12), (1, 1, 16, 12), (3, 1, 16, 12)])
def test_tensors_of_the_images_size_are_masks(shape):
    assert user_mask(torch.ones(shape, dtype=torch.bool), 3, 16, 12).shape == (3, 1, 16, 12)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (torch.ones(8, 12), r"shape \[8, 12\] does not fit 3 images of 16x12"),
        (torch.ones(2, 1, 16, 12), "does not fit 3 images"),
        (torch.ones(3, 3, 16, 12), r"make it \[3, 1, 16, 12\]"),
        (torch.full((16, 12), 255, dtype=torch.uint8), "divide 8-bit masks by 255"),
        (torch.full((16, 12), 2.0), r"in \[0, 1\], not in \[2, 2\]"),
        (torch.full((16, 12), torch.nan), "must lie in"),
        (np.ones((16, 12)), "not ndarray"),
    ],
)
def test_other_masks_are_refused(mask, reason):
    with pytest.raises(BadInput, match=reason):
        user_mask(mask, 3, 16, 12)


def test_masks_of_the_users_pictures_are_placed_like_them(tmp_path):
    (tmp_path / "of_a.png").touch()
    (tmp_path / "of_b.png").touch()
    where = {"of_a": torch.zeros(1, 4, 2), "of_b": torch.ones(1, 4, 2), "alone": torch.eye(4)[None, :, :2]}

    def place(file, kind):
        assert kind == "mask"
        return where[Path(file).stem]

    assert placed_mask("alone.png", place) is where["alone"]
    kept = torch.ones(2, 2)
    assert placed_mask(kept, place) is kept
    of_folder = user_mask(placed_mask(str(tmp_path), place), 2, 4, 2, ["of_b", "of_a"])
    assert of_folder.mean((1, 2, 3)).tolist() == [1, 0]
    with pytest.raises(BadInput, match="no mask for of_c"):
        user_mask(placed_mask(str(tmp_path), place), 1, 4, 2, ["of_c"])

"""Files that options name are read like the pictures of datasets, or refused with what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from lightning_modules.blocks.option_files import mask_of, picture_of


def test_pictures_of_any_size_come_in_that_of_the_model(tmp_path):
    Image.new("L", (40, 30), 255).save(tmp_path / "white.png")
    assert torch.equal(picture_of(tmp_path / "white.png", 8, 4), torch.ones(3, 8, 4))
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    same = picture_of(str(tmp_path / "ramp.png"), 16, 16)
    assert torch.equal(((same + 1) * 127.5).round().byte()[1], torch.from_numpy(ramp))


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
def test_grey_pictures_of_any_depth_are_masks(mode, tmp_path):
    values = np.zeros((8, 6), dtype=np.uint16 if mode == "I;16" else np.uint8)
    values[:, :3] = 65535 if mode == "I;16" else 255
    picture = Image.fromarray(values)
    (picture if mode == "I;16" else picture.convert(mode)).save(tmp_path / "mask.png")
    torch.testing.assert_close(mask_of(tmp_path / "mask.png"), torch.tensor([1.0, 1, 1, 0, 0, 0]).expand(8, 6))


def test_what_is_no_picture_or_no_mask_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "red.png")
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "numbers.tif")
    for name, reason in (("none.png", "does not exist"), ("text.png", "is not an image"), (".", "is a folder"),
                         ("red.png", "is a colour picture"), ("numbers.tif", "floating point")):  # fmt: skip
        with pytest.raises(BadInput, match=f"mask .*{reason}"):
            mask_of(tmp_path / name)
        if name != "red.png":
            with pytest.raises(BadInput, match=f"style .*{reason}"):
                picture_of(tmp_path / name, 8, 8, "style")

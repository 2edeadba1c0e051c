"""Framings of the official code; its pixels are compared in tests/test_parity.py."""

from __future__ import annotations

import pytest
from PIL import Image

from datamodules.bad_input import BadInput
from datamodules.preprocess import cropped, resized


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        ("resize_and_crop", (50, 40), (36, 36)),
        ("crop", (50, 40), (50, 40)),
        ("scale_width", (40, 75), (36, 67)),
        ("scale_width", (90, 30), (36, 32)),
        ("scale_width_and_crop", (36, 50), (36, 50)),
        ("none", (50, 41), (48, 40)),
        ("none", (30, 32), (32, 32)),
    ],
)
def test_size_before_the_crop(mode, size, expected):
    assert resized(Image.new("RGB", size), mode, 36, 32).size == expected


def test_a_crop_is_at_its_place_and_too_small_a_picture_is_refused():
    picture = Image.new("L", (10, 8))
    picture.putpixel((4, 3), 255)
    assert cropped(picture, (3, 1), 4).getpixel((1, 2)) == 255
    assert cropped(picture, (3, 1), 4).size == (4, 4)
    with pytest.raises(BadInput, match=r"10x8 .* too small for a crop of 9"):
        cropped(picture, (0, 0), 9)

"""Framings of a picture that keep its proportions or cut parts out of it, as the code of CycleGAN and pix2pix offers them.

`resized` and `cropped` are those of junyanz/pytorch-CycleGAN-and-pix2pix's `--preprocess`, pixel for pixel (Pillow, bicubic).
"""

from __future__ import annotations

from typing import Literal

from PIL import Image

from datamodules.bad_input import BadInput

Preprocess = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]

CROPS: tuple[Preprocess, ...] = ("resize_and_crop", "crop", "scale_width_and_crop")
"""The modes whose results all have one size."""


def resized(image: Image.Image, mode: Preprocess, load_size: int, crop_size: int) -> Image.Image:
    """The picture at the size that it has before a crop.

    Args:
        mode: resize_and_crop squashes it to load_size x load_size; scale_width and scale_width_and_crop give it the width
            load_size and keep its proportions, but for a height of at least crop_size; crop leaves it; none rounds its
            sides to multiples of 4, which networks with two halvings need.
    """
    height, width = size_before_crop(mode, image.size[::-1], (load_size, load_size), (crop_size, crop_size))
    size = width, height
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def size_before_crop(
    mode: Preprocess, size: tuple[int, int], load: tuple[int, int], crop: tuple[int, int]
) -> tuple[int, int]:
    """What `resized` makes of a picture's size, with sizes (height, width) that need not be square."""
    height, width = size
    if mode == "resize_and_crop":
        return load
    if mode in ("scale_width", "scale_width_and_crop"):
        if width == load[1] and height >= crop[0]:
            return size
        return int(max(load[1] * height / width, crop[0])), load[1]
    if mode == "none":
        # Not to nothing, as the official code would make of 2 pixels.
        return max(4, round(height / 4) * 4), max(4, round(width / 4) * 4)
    return size


def cropped(image: Image.Image, position: tuple[int, int], crop_size: int) -> Image.Image:
    """The square of side crop_size whose upper left corner is at `position` (x, y); a picture of that size as it is.

    Raises:
        BadInput: the picture has a shorter side.
    """
    if image.size == (crop_size, crop_size):
        return image
    if min(image.size) < crop_size:
        raise BadInput(
            f"a picture of {image.width}x{image.height} (width x height) is too small for a crop of {crop_size}: resize first"
        )
    x, y = position
    return image.crop((x, y, x + crop_size, y + crop_size))

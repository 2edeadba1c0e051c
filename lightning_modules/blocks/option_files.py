"""A picture or mask that an option names, read from its file.

For options that name files. `translate.py` places such files as it places the pictures that they belong to, and hands tensors on
(`Translator.placed_options`); whoever calls a method directly may name files too, and these are what reads them.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules import reading
from datamodules.bad_input import BadInput


def picture_of(path: str | Path, height: int, width: int, what: str = "picture") -> Tensor:
    """(3, height, width) in [-1, 1] from an image file of any size, resized to that size.

    Raises:
        BadInput: it cannot be read; the message begins with `what` it is.
    """
    try:
        pixels = torch.from_numpy(reading.read_picture(str(path))).permute(2, 0, 1)
    except reading.Unreadable as error:
        raise BadInput(f"{what} {error}") from error
    resized = F.interpolate(pixels[None].float(), (height, width), mode="bicubic", antialias=True, align_corners=False)
    return resized[0].round().clamp(0, 255) / 127.5 - 1


def mask_of(path: str | Path) -> Tensor:
    """(H, W) in [0, 1], white inside, from a grey image of 1, 8 or 16 bits; an alpha channel is ignored.

    Raises:
        BadInput: it cannot be read, or is a colour picture.
    """
    try:
        return torch.from_numpy(reading.read_mask(str(path))).float() / 255
    except reading.Unreadable as error:
        raise BadInput(f"mask {error}") from error

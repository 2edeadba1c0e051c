"""Structure maps as a picture: what the domain of structures looks like to a method that translates pictures."""

from __future__ import annotations

import colorsys
from functools import cache

import torch
from torch import Tensor

from datamodules.structures.labels import palette
from datamodules.structures.structure import Annotation


def drawn(maps: Tensor, kind: Annotation) -> Tensor:
    """(B, S, H, W) in [0, 1] -> (B, 3, H, W) in [-1, 1]: each channel in its colour, on black.

    Args:
        kind: what the maps were drawn from. Classes have the colours in which a file of labels is shown, the first of
            them black; a single channel is white; joints and contours have hues around the circle.
    """
    mixed = torch.einsum("bshw,sc->bchw", maps, _colours(maps.shape[1], kind).to(maps))
    return mixed.clamp(0, 1).mul(2).sub(1)


@cache
def _colours(channels: int, kind: Annotation) -> Tensor:
    """(S, 3) in [0, 1]."""
    if kind == "labels":
        return torch.from_numpy(palette(channels)[:channels].astype("float32")).div(255)
    if channels == 1:
        return torch.ones(1, 3)
    if kind == "parts":
        # Of CoCosNet's 15 channels the first holds all contours; the others are distances, which fill the whole picture.
        return torch.tensor([[1.0, 1.0, 1.0]] + [[0.0, 0.0, 0.0]] * (channels - 1))
    if kind == "skeleton":
        # The first three channels are the skeleton in colours, blue first; the others are distances too.
        return torch.cat([torch.eye(3).flip(0), torch.zeros(channels - 3, 3)])
    return torch.tensor([colorsys.hsv_to_rgb(channel / channels, 1.0, 1.0) for channel in range(channels)])

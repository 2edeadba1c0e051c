"""A structure as a picture: what people look at in grids and panels."""

from __future__ import annotations

import colorsys

import torch
from torch import Tensor

SKELETON_MAP = 20
"""The pose map of NTED, PIDM and CoCosNet: a drawn skeleton in three channels, then 17 maps of distance to a limb."""


def structure_picture(structure: Tensor) -> Tensor:
    """(B, S, H, W) in [0, 1] -> (B, 3, H, W) in [-1, 1].

    Three channels are a picture already and one is grey; a drawn skeleton is shown without its distance maps; any other
    structure (heatmaps, one-hot labels) is painted with one colour per channel.
    """
    structure = structure.float()
    channels = structure.shape[1]
    if channels == SKELETON_MAP:
        painted = structure[:, :3]
    elif channels == 3:
        painted = structure
    elif channels == 1:
        painted = structure.expand(-1, 3, -1, -1)
    else:
        painted = torch.einsum("bshw,sc->bchw", structure, channel_colours(channels).to(structure))
    return painted.clamp(0, 1) * 2 - 1


def channel_colours(channels: int) -> Tensor:
    """(S, 3) colours in [0, 1], neighbours far apart in hue: steps of the golden ratio around the colour circle."""
    golden = 0.61803398875
    return torch.tensor(
        [colorsys.hsv_to_rgb(i * golden % 1, 0.75 if i % 3 else 0.95, 0.95 if i % 2 else 0.75) for i in range(channels)]
    )

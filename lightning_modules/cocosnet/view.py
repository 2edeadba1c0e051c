"""A correspondence made visible: where each position looks, as colours, and how sure it is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_modules.cocosnet.correlation import Matches, position_grid

CORNERS = ((0.95, 0.25, 0.2), (0.95, 0.85, 0.15), (0.2, 0.3, 0.95), (0.1, 0.8, 0.45))
"""Colours at top left, top right, bottom left and bottom right of the exemplar; bilinear between them."""


def colour_field(matches: Matches, size: tuple[int, int]) -> Tensor:
    """(B, 3, H, W) in [-1, 1]: each position in the colour of the place of the exemplar that it looks at.

    Read it next to `colour_key`, which paints the exemplar's own positions.
    """
    return F.interpolate(position_colours(matches.expected), size, mode="nearest")


def colour_key(size: tuple[int, int], count: int = 1, device: torch.device | str = "cpu") -> Tensor:
    """(count, 3, H, W) in [-1, 1]: the colour of every place of an exemplar."""
    return position_colours(position_grid(size, device).unsqueeze(0)).expand(count, -1, -1, -1)


def confidence_picture(matches: Matches, size: tuple[int, int]) -> Tensor:
    """(B, 3, H, W) in [-1, 1]: white where one position gets all the weight, black where all get the same."""
    return F.interpolate(matches.confidence * 2 - 1, size, mode="nearest").expand(-1, 3, -1, -1)


def position_colours(positions: Tensor) -> Tensor:
    """(B, 2, h, w) of x, y in [-1, 1] -> colours (B, 3, h, w) in [-1, 1]."""
    right, down = ((positions + 1) / 2).clamp(0, 1).unsqueeze(2).unbind(1)
    corners = positions.new_tensor(CORNERS).view(4, 3, 1, 1)
    top = corners[0] * (1 - right) + corners[1] * right
    bottom = corners[2] * (1 - right) + corners[3] * right
    return (top * (1 - down) + bottom * down) * 2 - 1

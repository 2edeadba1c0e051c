"""The two codes of an image: normalising them, swapping them within a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.bad_input import BadInput
from lightning_modules.blocks.equalised import full_precision


def normalise(code: Tensor, dim: int = 1) -> Tensor:
    """A code scaled to unit length over `dim`: v / sqrt(sum of v² + 1e-8)."""
    code = full_precision(code)
    return code * torch.rsqrt(code.square().sum(dim, keepdim=True) + 1e-8)


def swap_order(batch: int) -> list[int]:
    """Whose content each image of a batch gets: neighbours trade places, 1, 0, 3, 2, ...; the last three of an odd batch
    trade in a circle. Nobody keeps its own.

    Raises:
        BadInput: a batch of one.
    """
    if batch < 2:
        raise BadInput("a swap needs two images: set data.batch_size to at least 2, or train on both images of pairs")
    order = [i ^ 1 for i in range(batch)]
    if batch % 2:
        order[-3:] = [batch - 2, batch - 1, batch - 3]
    return order


def half(batch: int) -> int:
    """How many images of a batch are reconstructed: half, rounded up."""
    return (batch + 1) // 2


def content_picture(content: Tensor, height: int, width: int) -> Tensor:
    """Content codes to look at: their three main components over all places of the batch as colours.

    Args:
        content: (B, C, h, w).

    Returns:
        (B, 3, height, width) in [-1, 1].
    """
    content = full_precision(content.detach())
    places = content.permute(0, 2, 3, 1).flatten(0, 2)
    places = places - places.mean(0)
    axes = torch.linalg.eigh(places.T @ places).eigenvectors.flip(1)[:, :3]
    # An axis has no sign of its own: the largest entry is made positive, so that pictures can be compared.
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    components = places @ (axes * largest.sign())
    low, high = components.amin(0), components.amax(0)
    colours = (components - low) / (high - low).clamp_min(1e-8) * 2 - 1
    colours = F.pad(colours, (0, 3 - colours.shape[1]))
    picture = colours.unflatten(0, (content.shape[0], *content.shape[2:])).permute(0, 3, 1, 2)
    return F.interpolate(picture, (height, width), mode="bilinear", align_corners=False)

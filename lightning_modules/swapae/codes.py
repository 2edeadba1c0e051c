"""The two codes of an image: normalising them, swapping them within a batch."""

from __future__ import annotations

import torch
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
        raise BadInput("a swap needs two images: make the batch at least 2 per device")
    order = [i ^ 1 for i in range(batch)]
    if batch % 2:
        order[-3:] = [batch - 2, batch - 1, batch - 3]
    return order


def half(batch: int) -> int:
    """How many images of a batch are reconstructed: half, rounded up."""
    return (batch + 1) // 2

"""The random crops that the patch discriminator sees (arXiv 2007.00653, 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_modules.blocks.equalised import full_precision


@dataclass(frozen=True)
class CropDraws:
    """Uniform numbers in (0, 1) that crops are made of; crop t of image b is entry b * T + t."""

    flip: Tensor
    """(B * T, 1, 1, 1)"""
    scale: Tensor
    """(B * T, 1, 1, 2): along x and y."""
    offset: Tensor
    """(B * T, 1, 1, 2): along x and y."""

    @classmethod
    def random(cls, count: int, device: torch.device | str) -> CropDraws:
        """Draws for `count` crops."""
        shapes = (1, 2, 2)
        return cls(*(torch.rand(count, 1, 1, size, device=device) for size in shapes))


def random_crop(
    image: Tensor,
    count: int,
    size: int,
    scales: tuple[float, float] = (1 / 8, 1 / 4),
    draws: CropDraws | None = None,
) -> Tensor:
    """`count` crops of each image, mirrored or not, each side of its own random length, resampled to size x size.

    Args:
        image: (B, 3, H, W).
        scales: least and greatest length of a crop's side as a part of the image's.
        draws: the random numbers; None draws them from torch's global generator.

    Returns:
        (B, count, 3, size, size).
    """
    batch = image.shape[0]
    draws = draws or CropDraws.random(batch * count, image.device)
    least, greatest = scales
    flip = 2 * draws.flip.round() - 1
    scale = least + (greatest - least) * draws.scale
    offset = (2 * draws.offset - 1) * (1 - scale)
    line = torch.linspace(-1, 1, size, device=image.device, dtype=draws.scale.dtype)
    x = (flip * line.view(1, 1, -1, 1)).expand(-1, size, -1, -1)
    y = line.view(1, -1, 1, 1).expand(batch * count, -1, size, -1)
    grid = scale * torch.cat([x, y], dim=3) + offset
    # The crops of one image as one tall grid: the image is not repeated.
    image = full_precision(image)  # places in the image have more digits than half precision
    tall = grid.view(batch, count * size, size, 2).to(image.dtype)
    crops = F.grid_sample(image, tall, mode="bilinear", padding_mode="zeros", align_corners=False)
    return crops.unflatten(2, (count, size)).transpose(1, 2)

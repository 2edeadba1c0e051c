"""Sliced Wasserstein distance of Laplacian-pyramid patches (progressive GAN, Karras et al. 2018; used by CoCosNet).

It compares two sets of images, needs no weights and no pairs. Patches and directions are drawn from a generator of
their own with a fixed seed, the same for both sets, so that a value is a function of the images alone.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

PATCH = 7
PATCHES_PER_IMAGE = 128
COARSEST = 16
REPEATS = 4
DIRECTIONS = 128


def levels(height: int, width: int) -> int:
    """How many levels a pyramid of this size has: halving down to a height of 16.

    0 when the measure is not defined: a side is odd before the last level, or the last is smaller than a patch.
    """
    count = 1
    while height >= 2 * COARSEST:
        if height % 2 or width % 2:
            return 0
        height, width, count = height // 2, width // 2, count + 1
    return count if min(height, width) >= PATCH else 0


def _blur(images: Tensor, gain: float = 1.0) -> Tensor:
    """5 x 5 binomial filter [1 4 6 4 1] / 16 per direction; beyond the border the image is mirrored at the edge pixel."""
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=images.device, dtype=images.dtype) / 16
    planes = F.pad(images.flatten(0, 1).unsqueeze(1), (2, 2, 2, 2), mode="reflect")
    planes = F.conv2d(F.conv2d(planes, kernel.view(1, 1, 5, 1)), kernel.view(1, 1, 1, 5) * gain)
    return planes.view(images.shape)


def laplacian_pyramid(images: Tensor, count: int) -> list[Tensor]:
    """(N, 3, H, W) in 0..255 -> `count` levels, finest first: each minus its blurred neighbour, the last the low-pass."""
    pyramid = []
    for _ in range(count - 1):
        coarse = _blur(images)[..., ::2, ::2]
        spread = torch.zeros_like(images)
        spread[..., ::2, ::2] = coarse
        pyramid.append(images - _blur(spread, gain=4.0))
        images = coarse
    return [*pyramid, images]


def corners(number: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Where 128 patches of each of `number` images begin: (number, 128, 2) row and column, uniform, inside the image.

    Raises:
        ValueError: the images are smaller than a patch.
    """
    if min(height, width) < PATCH:
        raise ValueError(f"A pyramid level of {height} x {width} has no patch of {PATCH} x {PATCH}.")
    drawn = [
        torch.randint(0, side - PATCH + 1, (number, PATCHES_PER_IMAGE), generator=generator) for side in (height, width)
    ]
    return torch.stack(drawn, dim=2)


def patches(level: Tensor, begin: Tensor) -> Tensor:
    """The 7 x 7 patches of (N, 3, H, W) images that begin at (N, P, 2) positions -> (N * P, 3, 7, 7)."""
    offset = torch.arange(PATCH, device=level.device)
    rows = begin[..., 0, None, None].to(level.device) + offset.view(-1, 1)
    columns = begin[..., 1, None, None].to(level.device) + offset
    image = torch.arange(level.shape[0], device=level.device).view(-1, 1, 1, 1)
    # Indexing with the channel sliced in between puts it last: (N, P, 7, 7, 3).
    return level[image, :, rows, columns].flatten(0, 1).permute(0, 3, 1, 2)


def normalise(descriptors: Tensor) -> Tensor:
    """Per channel, over all patches: zero mean and unit (population) deviation. (M, 3, 7, 7) -> the same shape.

    A channel that is constant over the whole set has no deviation; it stays at zero instead of becoming NaN.
    """
    mean = descriptors.mean(dim=(0, 2, 3), keepdim=True)
    deviation = descriptors.std(dim=(0, 2, 3), keepdim=True, correction=0)
    return (descriptors - mean) / torch.where(deviation > 0, deviation, torch.ones_like(deviation))


def sliced_distance(a: Tensor, b: Tensor, directions: Tensor) -> Tensor:
    """Mean over directions of the 1-d Wasserstein distance: (M, D), (M, D), (D, R) with unit columns -> scalar."""
    return (_sorted(directions.T @ a.T) - _sorted(directions.T @ b.T)).abs().mean()


def _sorted(rows: Tensor) -> Tensor:
    """Each row in ascending order. On a processor NumPy's sort is several times faster than torch's."""
    if rows.device.type == "cpu":
        return torch.from_numpy(np.sort(rows.numpy(), axis=1))
    return rows.sort(dim=1).values


def sliced_wasserstein(generated: Tensor, real: Tensor, seed: int = 0, chunk: int = 256) -> list[float]:
    """The distance at every level of the pyramid, finest first, times 1000; tables show their mean.

    Args:
        generated, real: (N, 3, H, W) uint8, the same N and size; the order is of no consequence beyond which patches
            of which image are drawn.
        seed: of patches and directions.
        chunk: how many images are turned into a pyramid at once.

    Raises:
        ValueError: the sets differ in shape, or the measure is not defined for this size (see `levels`).
    """
    if generated.shape != real.shape:
        raise ValueError(f"The sets must have one shape, not {tuple(generated.shape)} and {tuple(real.shape)}.")
    count = levels(*generated.shape[-2:])
    if count == 0:
        raise ValueError(f"SWD is not defined for images of {generated.shape[-2]} x {generated.shape[-1]}.")
    described = [_descriptors(images, count, seed, chunk) for images in (generated, real)]
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for a, b in zip(*described, strict=True):
        sums = []
        for _ in range(REPEATS):
            directions = torch.randn(a.shape[1], DIRECTIONS, generator=generator)
            directions = directions / directions.norm(dim=0, keepdim=True)
            sums.append(sliced_distance(a, b, directions.to(a)))
        distances.append(1000 * torch.stack(sums).mean().item())
    return distances


def _descriptors(images: Tensor, count: int, seed: int, chunk: int) -> list[Tensor]:
    """The normalised, flattened patches of every level of a set: `count` tensors (N * 128, 147)."""
    generator = torch.Generator().manual_seed(seed)
    number, _, height, width = images.shape
    begin = [corners(number, height >> level, width >> level, generator) for level in range(count)]
    collected: list[list[Tensor]] = [[] for _ in range(count)]
    for first in range(0, number, chunk):
        part = slice(first, first + chunk)
        for level, pyramid in enumerate(laplacian_pyramid(images[part].float(), count)):
            collected[level].append(patches(pyramid, begin[level][part]))
    return [normalise(torch.cat(drawn)).flatten(1) for drawn in collected]

"""Region masks: random ones for training, a user's for editing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.bad_input import BadInput
from lightning_modules.blocks.option_files import mask_of
from lightning_modules.translator import Place

MOST_SHAPES = 4
SIDES = (0.2, 0.7)
"""Least and greatest side of a shape, as a part of the image's."""
AREA = (0.1, 0.9)
"""Least and greatest part of the image that a mask covers."""
CANDIDATES = 6


def random_masks(batch: int, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Binary masks for content alignment: unions of one to four rectangles and ellipses, every other one complemented.

    Each mask is the first of a few candidates that covers between 10 % and 90 % of the image; the last candidate, a single
    rectangle, always does. So no draw has to be repeated and nothing waits for the device.

    Returns:
        (batch, 1, height, width) of 0 and 1.
    """
    candidates = _unions(batch * CANDIDATES, height, width, device).unflatten(0, (batch, CANDIDATES))
    candidates = torch.cat(
        [candidates, _shapes(batch, 1, height, width, device, sides=(0.5, 0.7), ellipses=0.0)], dim=1
    )
    area = candidates.float().mean((2, 3))
    fits = (area >= AREA[0]) & (area <= AREA[1])
    fits[:, -1] = True
    first = fits.float().argmax(1)
    masks = candidates[torch.arange(batch, device=first.device), first][:, None]
    complemented = torch.rand(batch, 1, 1, 1, device=masks.device) < 0.5
    return (masks ^ complemented).float()


def _unions(count: int, height: int, width: int, device: torch.device | str) -> Tensor:
    shapes = _shapes(count, MOST_SHAPES, height, width, device, SIDES, ellipses=0.5)
    used = torch.arange(MOST_SHAPES, device=device) < torch.randint(1, MOST_SHAPES + 1, (count, 1), device=device)
    return (shapes & used[..., None, None]).any(1)


def _shapes(
    count: int,
    each: int,
    height: int,
    width: int,
    device: torch.device | str,
    sides: tuple[float, float],
    ellipses: float,
) -> Tensor:
    """(count, each, height, width) bool: rectangles, or ellipses with the given probability, that lie within the image."""
    half_sides = (sides[0] + (sides[1] - sides[0]) * torch.rand(count, each, 2, 1, 1, device=device)) / 2
    centres = half_sides + (1 - 2 * half_sides) * torch.rand(count, each, 2, 1, 1, device=device)
    is_ellipse = torch.rand(count, each, 1, 1, device=device) < ellipses
    y = (torch.arange(height, device=device) + 0.5).view(-1, 1) / height
    x = (torch.arange(width, device=device) + 0.5).view(1, -1) / width
    dy, dx = (y - centres[:, :, 0]) / half_sides[:, :, 0], (x - centres[:, :, 1]) / half_sides[:, :, 1]
    return torch.where(is_ellipse, dy.square() + dx.square() <= 1, (dy.abs() <= 1) & (dx.abs() <= 1))


Mask = str | Path | Tensor | Callable[[str], Tensor]


def user_mask(mask: Mask, batch: int, height: int, width: int, names: Sequence[str] = ()) -> Tensor:
    """A user's mask for a batch of images.

    Args:
        mask: a file (grey, white is inside, grey is half inside; resized to the images); a folder of such files, one for
            each image; a tensor (H, W), (1, H, W), (1, 1, H, W) or (batch, 1, H, W) of bool, or of floats in [0, 1]; or
            what makes a tensor from an image's name.
        names: what the images are called, and their masks in a folder: the files' names without extensions.

    Returns:
        (batch, 1, height, width) in [0, 1].

    Raises:
        BadInput: it is neither, is of another size, or has other values.
    """
    if isinstance(mask, str | Path) and Path(mask).is_dir():
        return torch.cat([user_mask(_mask_of(Path(mask), name), 1, height, width) for name in names])
    if isinstance(mask, str | Path):
        given = F.interpolate(
            mask_of(mask)[None, None], (height, width), mode="bilinear", antialias=True, align_corners=False
        )
        return given.clamp(0, 1).expand(batch, -1, -1, -1)
    if not isinstance(mask, Tensor):
        if callable(mask):
            return torch.cat([user_mask(mask(name), 1, height, width) for name in names])
        raise BadInput(f"a mask must be an image file, a folder of them or a tensor, not {type(mask).__name__}")
    shaped = mask.view(1, *mask.shape) if mask.ndim == 3 else mask.view(1, 1, *mask.shape) if mask.ndim == 2 else mask
    if shaped.ndim != 4 or shaped.shape[0] not in (1, batch) or tuple(shaped.shape[1:]) != (1, height, width):
        raise BadInput(
            f"a mask of shape {list(mask.shape)} does not fit {batch} images of {height}x{width}: "
            f"make it {[batch, 1, height, width]}, or {[height, width]} for all of them"
        )
    if shaped.dtype != torch.bool and not shaped.dtype.is_floating_point:
        raise BadInput(f"a mask must be of bool, or of floats in [0, 1], not {shaped.dtype}: divide 8-bit masks by 255")
    if not bool(((shaped >= 0) & (shaped <= 1)).all()):
        raise BadInput(f"a mask must lie in [0, 1], not in [{shaped.min():.3g}, {shaped.max():.3g}]")
    return shaped.float().expand(batch, -1, -1, -1)


def placed_mask(mask: Any, place: Place) -> Any:
    """What `user_mask` takes for a file, or a folder of them, whose masks lie where the user's pictures do; anything else
    stays."""
    if not isinstance(mask, str | Path):
        return mask
    if Path(mask).is_dir():
        return lambda name: place(str(_mask_of(Path(mask), name)), "mask")
    return place(str(mask), "mask")


def _mask_of(folder: Path, name: str) -> Path:
    """The mask of one image in a folder of them."""
    found = sorted(file for file in folder.iterdir() if file.stem == name)
    if not found:
        raise BadInput(f"mask {folder}: the folder has no mask for {name}, such as {name}.png")
    return found[0]

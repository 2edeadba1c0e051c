"""Control over what is sampled (section 4.4 of the paper): appearance in a masked region, and between two styles."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.bad_input import BadInput
from lightning_modules.blocks.option_files import mask_of
from lightning_modules.pidm.diffusion import Level
from lightning_modules.pidm.samplers import SeededNoise

log = logging.getLogger(__name__)


# y_t = m ⊙ y_t + (1 - m) ⊙ y_t^ref,  y_t^ref = √ᾱ_t y_ref + √(1 - ᾱ_t) ε
@dataclass
class Reference:
    """An image that is kept outside of a mask, while new texture grows inside: called after every step of a sampler."""

    image: Tensor
    """y_ref, (B, 3, H, W) in [-1, 1]."""
    mask: Tensor
    """m, (B or 1, 1, H, W): 1 where the image is made anew."""
    noise: SeededNoise
    order: Literal["next", "official"] = "next"
    """At which noise level the reference is pasted: at that of the step's result, so that both parts fit and the kept part
    ends up clean; or as in the released code at that of the step's beginning, which is noisier."""

    def __call__(self, y: Tensor, now: Level, to: Level) -> Tensor:
        return pasted(y, self.image, self.mask, now if self.order == "official" else to, self.noise.fresh(y))


def pasted(y: Tensor, reference: Tensor, mask: Tensor, level: Level, noise: Tensor) -> Tensor:
    """y inside the mask, the reference with the noise of a level outside."""
    return mask * y + (1 - mask) * (level.signal * reference + level.noise * noise)


# Figure 7 b: z = sin((1 - a) θ) / sin θ z_1 + sin(a θ) / sin θ z_2
def slerp(start: Tensor, end: Tensor, amount: float) -> Tensor:
    """Between two noises (B, ...) along the sphere, each sample for itself: what lies between is noise of the same power."""
    a, b = start.flatten(1).double(), end.flatten(1).double()
    cosine = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    angle = torch.arccos(cosine.clamp(-1, 1)).unsqueeze(1)
    straight = angle.sin() < 1e-6  # parallel: the arc is a line
    safe = torch.where(straight, torch.ones_like(angle), angle)
    first = torch.where(straight, 1 - amount, torch.sin((1 - amount) * safe) / torch.sin(safe))
    second = torch.where(straight, amount, torch.sin(amount * safe) / torch.sin(safe))
    return (first * a + second * b).view(start.shape).to(start.dtype)


def mask_for(mask: str | Path | Tensor, height: int, width: int) -> Tensor:
    """A user's mask, (B or 1, 1, height, width) in {0, 1}: 1 where the image is made anew.

    Args:
        mask: an image file (white inside) or a tensor (H, W), (1, H, W) or (B, 1, H, W) in [0, 1]. What lies between is
            thresholded at one half, with a warning; a mask of another size is resized, with a warning.

    Raises:
        BadInput: it cannot be read, or inside of it there is nothing.
    """
    given = mask_of(mask) if isinstance(mask, str | Path) else mask
    where = f"mask {mask}" if isinstance(mask, str | Path) else "the mask"
    if not isinstance(given, Tensor) or given.ndim not in (2, 3, 4):
        raise BadInput(f"{where} must be an image file or a tensor (H, W) or (B, 1, H, W)")
    shaped = given.float().view(-1, 1, *given.shape[-2:])
    if not bool(((shaped >= 0) & (shaped <= 1)).all()):
        raise BadInput(f"{where} has values outside of [0, 1]; 1 is where the image is made anew")
    if shaped.shape[2:] != (height, width):
        log.warning(
            "%s is %d x %d, but the images are %d x %d (height x width): it is resized",
            *(where[0].upper() + where[1:], *shaped.shape[2:], height, width),
        )
        was_binary = bool(((shaped == 0) | (shaped == 1)).all())
        shaped = F.interpolate(shaped, (height, width), mode="bilinear", antialias=True)
        if was_binary:  # between its pixels only
            shaped = (shaped >= 0.5).float()
    if not bool(((shaped == 0) | (shaped == 1)).all()):
        log.warning("%s is not binary; it is thresholded at one half", where[0].upper() + where[1:])
    binary = (shaped >= 0.5).float()
    if not bool(binary.any()):
        raise BadInput(f"{where} is black everywhere: paint what is to be made anew white")
    return binary

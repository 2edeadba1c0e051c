"""Directions of style: the principal components of many style codes (arXiv 2007.00653, section 4.2).

    python -m lightning_modules.swapae.directions ckpt=runs/.../checkpoints/last.ckpt out=directions

writes `directions.safetensors`, which `translate.py ... +options.directions=FILE +options.component=0 +options.shift=2` applies,
how much variance each component holds, and a strip for each that shows what it does to a few images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from datamodules.bad_input import BadInput


@dataclass(frozen=True)
class Directions:
    """Axes of a cloud of style codes, the widest first."""

    mean: Tensor
    """(S,)"""
    axes: Tensor
    """(K, S), orthonormal."""
    deviations: Tensor
    """(K,): the standard deviation along each axis."""
    total: Tensor
    """(): the variance along all axes together."""

    @classmethod
    def of(cls, codes: Tensor, count: int = 10) -> Directions:
        """The principal components of style codes (N, S).

        Raises:
            BadInput: fewer than two codes.
        """
        if len(codes) < 2:
            raise BadInput(f"{len(codes)} style code has no directions: take at least two images, better some hundreds")
        codes = codes.detach().double().cpu()
        mean = codes.mean(0)
        _, spread, axes = torch.linalg.svd(codes - mean, full_matrices=False)
        variances = spread.square() / (len(codes) - 1)
        # An axis has no sign of its own: the largest entry is made positive, so that runs agree.
        axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
        count = min(count, len(codes) - 1, len(axes))
        return cls(mean.float(), axes[:count].float(), variances[:count].sqrt().float(), variances.sum().float())

    @property
    def explained(self) -> Tensor:
        """(K,): which part of all variance each axis holds."""
        return self.deviations.square() / self.total.clamp_min(1e-12)

    def shifted(self, style: Tensor, component: int, amount: float) -> Tensor:
        """Style codes (B, S), `amount` deviations further along a component.

        Raises:
            BadInput: there is no such component, or the codes are of another width.
        """
        if not 0 <= component < len(self.axes):
            raise BadInput(f"component={component}: there are {len(self.axes)} directions, 0 to {len(self.axes) - 1}")
        if style.shape[1] != self.axes.shape[1]:
            raise BadInput(
                f"the directions are of {self.axes.shape[1]} style channels, the model has {style.shape[1]}: "
                f"compute them with its own checkpoint"
            )
        return style + amount * (self.deviations[component] * self.axes[component]).to(style)

    def write(self, path: str | Path) -> None:
        """Into a safetensors file."""
        save_file({"mean": self.mean, "axes": self.axes, "deviations": self.deviations, "total": self.total}, path)

    @classmethod
    def read(cls, source: Directions | str | Path) -> Directions:
        """From a file that `write` wrote; what is read already is passed through.

        Raises:
            BadInput: no such file, or none of directions.
        """
        if isinstance(source, Directions):
            return source
        if not Path(source).is_file():
            raise BadInput(f"directions={source}: there is no such file")
        try:
            return cls(**load_file(source))
        except (SafetensorError, TypeError) as error:
            raise BadInput(f"directions={source} is no file of style directions: {error}") from error


@torch.inference_mode()
def style_codes(autoencoder: Any, pictures: Iterable[Tensor], limit: int) -> Tensor:
    """The style codes (N, S) of up to `limit` pictures, given in batches (B, 3, H, W) in [-1, 1]."""
    codes: list[Tensor] = []
    count = 0
    for images in pictures:
        codes.append(autoencoder.encode(images[: limit - count]).style.float().cpu())
        count += len(codes[-1])
        if count >= limit:
            break
    return torch.cat(codes)


@torch.inference_mode()
def direction_strips(
    autoencoder: Any, directions: Directions, images: Tensor, deviations: float = 3.0, steps: int = 5
) -> Tensor:
    """What each direction does to images (B, 3, H, W): (K, 3, B * H, steps * W), from -deviations to +deviations."""
    codes = autoencoder.encode(images)
    noise = autoencoder.fixed_noise(codes)
    amounts = torch.linspace(-deviations, deviations, steps).tolist()
    rows = [
        torch.cat([autoencoder.decode(codes, directions.shifted(codes.style, k, t), noise) for t in amounts], dim=3)
        for k in range(len(directions.axes))
    ]
    return torch.stack([torch.cat(list(row), dim=1) for row in rows])

"""What `translate` can be asked for, beside what the config says: other guidance or sampling, a mask, a way between styles."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from datamodules.bad_input import BadInput, nearest
from datamodules.batch import Batch
from lightning_modules.blocks.option_files import picture_of
from lightning_modules.pidm.editing import Reference, mask_for
from lightning_modules.pidm.guidance import Guidance
from lightning_modules.pidm.samplers import Sampler, SeededNoise
from lightning_modules.translator import key

OF_GUIDANCE = ("pose", "style", "interval", "batched")
OF_SAMPLER = ("steps", "eta", "spacing", "clip", "bf16", "progress")
OF_FILES: dict[str, Literal["picture", "mask"]] = {"mask": "mask", "reference": "picture", "towards": "picture"}
"""Options that may name a file, and what it shows."""


@dataclass(frozen=True)
class Options:
    """The options of `PIDM.translate`; None leaves what the config says."""

    guidance: Guidance | str | None = None
    """Mode, or all of it."""
    pose: float | None = None
    style: float | None = None
    interval: Sequence[float] | None = None
    batched: bool | None = None
    sampler: Sampler | str | None = None
    """Name, or all of it."""
    steps: int | None = None
    eta: float | None = None
    spacing: str | None = None
    clip: bool | None = None
    bf16: bool | None = None
    progress: bool | None = None

    seed: int | Sequence[int] | None = None
    """Of the noise: one for all samples, or one for each. A sample with a seed is the same in whatever batch. None draws
    one for each from torch's global generator."""

    mask: Any = None
    """Make only this region anew and keep the rest of a reference image: a file (white inside) or a tensor."""
    reference: Any = None
    """That image: a file or a tensor (B, 3, H, W) in [-1, 1]; None is the batch's target."""
    paste: Literal["next", "official"] = "next"
    """At which noise level the reference is pasted, see `editing.Reference`."""

    towards: Any = None
    """A second appearance to go to: an image file or a tensor (B, 3, H, W) in [-1, 1]."""
    towards_seed: int | None = None
    """A second noise to go to."""
    amount: float | None = None
    """How far to go, 0 to 1; None makes a strip of `strip` images from 0 to 1, side by side."""
    strip: int = 7

    @classmethod
    def of(cls, options: dict[str, Any]) -> Options:
        """
        Raises:
            BadInput: an option that there is not, or one that does not go with another.
        """
        known = list(inspect.signature(cls).parameters)
        for name in options:
            if name not in known:
                raise BadInput(f"PIDM has no option {name!r}, only {', '.join(known)}.{nearest(name, known)}")
        found = cls(**options)
        found._check()
        return found

    def _check(self) -> None:
        if self.paste not in ("next", "official"):
            raise BadInput(f"paste={self.paste!r} must be 'next' or 'official'")
        if self.mask is None and self.reference is not None:
            raise BadInput("reference=... is what a mask keeps: give mask=... too")
        if isinstance(self.strip, bool) or not isinstance(self.strip, int) or self.strip < 2:
            raise BadInput(f"strip={self.strip!r} must be a whole number of at least 2")
        if self.amount is not None and (isinstance(self.amount, bool) or not isinstance(self.amount, int | float)):
            raise BadInput(f"amount={self.amount!r} must be a number")

    def guided(self, default: Guidance) -> Guidance:
        """The guidance to use."""
        base = default if self.guidance is None else self.guidance
        if not isinstance(base, Guidance):
            base = replace(default, mode=base)  # type: ignore[arg-type]
        return replace(base, **self._given(OF_GUIDANCE))

    def sampled(self, default: Sampler) -> Sampler:
        """The sampler to use."""
        base = default if self.sampler is None else self.sampler
        if not isinstance(base, Sampler):
            base = replace(default, name=base)
        return replace(base, **self._given(OF_SAMPLER))

    def _given(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def seeds(self, count: int) -> list[int]:
        """A seed for every sample of a batch.

        Raises:
            BadInput: not as many as there are samples, or no whole numbers.
        """
        if self.seed is None:
            drawn = int(torch.randint(2**62, ()))
            return [key(drawn, position) for position in range(count)]
        seeds = [self.seed] * count if isinstance(self.seed, int) else list(self.seed)
        if len(seeds) != count or not all(isinstance(seed, int) for seed in seeds):
            raise BadInput(f"seed={self.seed!r} must be a whole number, or {count} of them, one for each image")
        return seeds

    @property
    def interpolates(self) -> bool:
        return self.towards is not None or self.towards_seed is not None

    @property
    def amounts(self) -> list[float]:
        """Where on the way from one style or noise to the other images are made."""
        return torch.linspace(0, 1, self.strip).tolist() if self.amount is None else [float(self.amount)]

    def reference_for(self, batch: Batch, noise: SeededNoise) -> Reference | None:
        """What is kept outside of the mask, if there is one."""
        if self.mask is None:
            return None
        height, width = batch.target_structure.shape[2:]
        image = batch.target if self.reference is None else picture_for(self.reference, batch, "reference")
        mask = mask_for(self.mask, height, width).to(image)
        if len(mask) not in (1, batch.size):
            raise BadInput(f"{len(mask)} masks for {batch.size} images: give one, or one for each")
        return Reference(image, mask, noise, self.paste)


def picture_for(given: Any, batch: Batch, what: str) -> Tensor:
    """An image for every sample of a batch, (B, 3, H, W) in [-1, 1], from a file or a tensor.

    Raises:
        BadInput: it cannot be read, or is of another size.
    """
    height, width = batch.target_structure.shape[2:]
    if not isinstance(given, Tensor):
        given = picture_of(given, height, width, what)
    shaped = given if given.ndim == 4 else given[None]
    if shaped.shape[1:] != (3, height, width) or len(shaped) not in (1, batch.size):
        raise BadInput(f"{what} of shape {list(given.shape)} does not fit {batch.size} images of {height}x{width}")
    return shaped.to(batch.source).expand(batch.size, -1, -1, -1)

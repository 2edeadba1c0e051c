"""What one does with codes: swap, interpolate, edit regions, shift along directions. For batches of any size.

Every function decodes with the noise it is given: with the same maps, what an edit does not touch stays as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from datamodules.bad_input import BadInput, nearest
from datamodules.batch import Batch
from datamodules.reading import EXTENSIONS
from lightning_modules.blocks.modulated_conv import RegionStyle, Style
from lightning_modules.blocks.option_files import picture_of
from lightning_modules.swapae.autoencoder import Autoencoder, Codes
from lightning_modules.swapae.directions import Directions
from lightning_modules.swapae.generator import Noise
from lightning_modules.swapae.masks import placed_mask, user_mask
from lightning_modules.translator import Place

Fusion = Literal["modulation", "features"]


def interpolate(start: Tensor, end: Tensor, amount: float) -> Tensor:
    """Style codes between two, along the straight line (the generator makes them of unit length again)."""
    return torch.lerp(start, end, amount)


@dataclass(frozen=True)
class Region:
    """A part of the image with a style of its own."""

    mask: Tensor
    """(B, 1, H, W) in [0, 1]."""
    style: Tensor
    """(B, S)."""


def region_style(base: Tensor, regions: Sequence[Region], fusion: Fusion = "modulation") -> RegionStyle:
    """A base style (B, S) with regions laid over it, later ones over earlier ones; soft masks let through what is below."""
    weights = [torch.ones_like(regions[0].mask)] if regions else [base.new_ones(len(base), 1, 1, 1)]
    for region in regions:
        weights = [*(weight * (1 - region.mask) for weight in weights), region.mask]
    return RegionStyle(
        torch.stack([base, *(region.style for region in regions)], dim=1), torch.cat(weights, dim=1), fusion
    )


def swap_grid(autoencoder: Autoencoder, contents: Codes, styles: Codes, noise: Noise, batch_size: int = 8) -> Tensor:
    """Every content with every style: (M, N, 3, H, W), `batch_size` images at a time."""
    pairs = [(i, j) for i in range(len(contents)) for j in range(len(styles))]
    images = [
        autoencoder.decode(contents.select([i for i, _ in some]), styles.style[[j for _, j in some]], noise)
        for some in (pairs[start : start + batch_size] for start in range(0, len(pairs), batch_size))
    ]
    return torch.cat(images).unflatten(0, (len(contents), len(styles)))


def translate(
    autoencoder: Autoencoder, batch: Batch, noise: Literal["fixed", "random", "none"], **options: Any
) -> Tensor:
    """Images of a batch's targets in the style of its sources, or as the options say: see `Edit`.

    Raises:
        BadInput: an unknown option, or one that does not go with another.
    """
    known = list(inspect.signature(Edit).parameters)
    for name in options:
        if name not in known:
            raise BadInput(
                f"the swapping autoencoder has no option {name!r}, only {', '.join(known)}.{nearest(name, known)}"
            )
    try:
        edit = TypeAdapter(Edit).validate_python(options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][:2]))
        raise BadInput(f"options.{where}={first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}") from error
    return edit.apply(autoencoder, batch, noise)


@dataclass(frozen=True)
class Edit:
    """What to do with a batch; each field is an option of `translate`."""

    amount: float = 1.0
    """How far to go from the target's own style (0) to the source's (1), or beyond."""
    steps: int | None = None
    """So many amounts from 0 to `amount`, side by side: a strip."""
    mask: Any = None
    """Where to change the style: an image file, white inside; a folder with a mask for each target, of its name; or a tensor;
    see `masks.user_mask`."""
    regions: Sequence[dict[str, Any]] | None = None
    """Several regions, each `{mask: ..., style: FILE}`, later ones over earlier ones; without a style, the source's. A style
    may be a tensor (3, H, W), too."""
    fusion: Fusion = "modulation"
    """What is mixed along masks: modulations, or features."""
    directions: Any = None
    """A file of `lightning_modules.swapae.directions`; its component number `component` is added, `shift` deviations of it."""
    component: int = 0
    shift: float = 0.0
    grid: bool = False
    """Each target in the styles of all sources of the batch, side by side after the target itself."""
    styles: Any = None
    """A folder of images, a list of them, or a tensor (N, 3, H, W): each target in all their styles, side by side after the
    target itself."""
    seed: int = 0
    """Of the fixed noise maps."""

    def apply(self, autoencoder: Autoencoder, batch: Batch, noise: Literal["fixed", "random", "none"]) -> Tensor:
        """The images (B, 3, H, W); strips and grids are several times as wide."""
        self._check()
        contents, styles = _encoded(autoencoder, batch)
        maps = autoencoder.noise(contents, noise, self.seed)
        if self.styles is not None:
            styles = self._styles_of_files(autoencoder, contents)
        if self.grid or self.styles is not None:
            swaps = swap_grid(autoencoder, contents, styles, maps, batch_size=max(len(contents), 8))
            return strip([batch.target, *swaps.unbind(1)])
        if self.steps is not None:
            amounts = torch.linspace(0, 1, self.steps).tolist()
            edited = (self._style(autoencoder, contents, styles, t, batch.target_key) for t in amounts)
            return strip([autoencoder.decode(contents, style, maps) for style in edited])
        return autoencoder.decode(contents, self._style(autoencoder, contents, styles, 1.0, batch.target_key), maps)

    def _check(self) -> None:
        if self.regions is not None and not self.regions:
            raise BadInput("regions=[] names no region: give at least one {mask: FILE, style: FILE}")
        if self.directions is None and (self.shift or self.component):
            raise BadInput(
                "component and shift need directions=FILE, as python -m lightning_modules.swapae.directions writes it"
            )
        if self.directions is not None and not self.shift:
            raise BadInput(
                "directions=FILE changes nothing without shift=NUMBER: how many deviations to go, such as shift=2"
            )
        if self.grid and self.styles is not None:
            raise BadInput("give either grid=true, for the styles of all sources, or styles=..., not both")
        if self.mask is not None and self.regions:
            raise BadInput(
                "give either mask=... or regions=[...], not both: a mask is one region with the source's style"
            )
        if self.steps is not None and self.steps < 2:
            raise BadInput(f"steps={self.steps} makes no strip: take at least 2")
        whole = self.grid or self.styles is not None
        changed = self.mask is not None or self.regions or self.steps is not None or self.directions is not None
        if whole and (changed or self.amount != 1):
            raise BadInput(
                "grid=true and styles=... show whole swaps: leave out amount, mask, regions, steps and directions"
            )

    def _styles_of_files(self, autoencoder: Autoencoder, contents: Codes) -> Codes:
        given = self.styles if isinstance(self.styles, Tensor) else _pictures_of(self.styles)
        encoded = []
        for start in range(0, len(given), 8):
            some = [_picture(one, contents) for one in given[start : start + 8]]
            encoded.append(autoencoder.encode(torch.stack(some).to(contents.style.device)))
        first = encoded[0]
        codes = torch.cat([e.content for e in encoded]), torch.cat([e.style for e in encoded])
        return Codes(*codes, first.height, first.width)

    def _style(
        self, autoencoder: Autoencoder, contents: Codes, styles: Codes, part: float, keys: Sequence[str]
    ) -> Style:
        """The style to decode with, `part` of the way to the whole edit.

        Args:
            keys: the targets' files, whose masks a folder may hold.
        """
        own = contents.style

        def towards(style: Tensor) -> Tensor:
            style = interpolate(own, style, part * self.amount)
            if self.directions is None:
                return style
            return Directions.read(self.directions).shifted(style, self.component, part * self.shift)

        if self.mask is None and not self.regions:
            return towards(styles.style)
        size = len(contents), contents.height, contents.width
        names = [Path(key).stem for key in keys]
        regions = []
        for region in self.regions or [{"mask": self.mask}]:
            unknown = sorted(set(region) - {"mask", "style"})
            if unknown or "mask" not in region:
                raise BadInput(f"a region is {{mask: FILE, style: FILE}}, not {dict(region)}")
            style = styles.style
            if region.get("style") is not None:
                picture = _picture(region["style"], contents).to(own.device)
                style = autoencoder.encode(picture[None]).style.expand(len(contents), -1)
            regions.append(Region(user_mask(region["mask"], *size, names).to(own.device), towards(style)))
        return region_style(own, regions, self.fusion)


def placed_options(options: dict[str, Any], place: Place) -> dict[str, Any]:
    """The options with masks and pictures in place of their files, where the user's pictures are. What is malformed stays as it
    is, for `translate` to refuse."""
    placed = dict(options)
    if "mask" in options:
        placed["mask"] = placed_mask(options["mask"], place)
    if isinstance(options.get("regions"), list | tuple):
        placed["regions"] = [_placed_region(region, place) for region in options["regions"]]
    if isinstance(options.get("styles"), str | list | tuple):
        placed["styles"] = torch.stack([place(path, "picture") for path in _pictures_of(options["styles"])])
    return placed


def _placed_region(region: Any, place: Place) -> Any:
    if not isinstance(region, Mapping):
        return region
    placed = {**region}
    if "mask" in region:
        placed["mask"] = placed_mask(region["mask"], place)
    if isinstance(region.get("style"), str):
        placed["style"] = place(region["style"], "picture")
    return placed


def _pictures_of(styles: Any) -> list[str]:
    """The files of a folder, or of a list of them."""
    if not isinstance(styles, str | list | tuple):
        raise BadInput(f"styles={styles!r} must be a folder of images, or a list of them")
    paths = [styles] if isinstance(styles, str) else [str(path) for path in styles]
    if len(paths) == 1 and Path(paths[0]).is_dir():
        paths = sorted(str(path) for path in Path(paths[0]).iterdir() if path.suffix.lower() in EXTENSIONS)
    if not paths:
        raise BadInput(f"styles={styles}: there are no pictures ({', '.join(sorted(EXTENSIONS))})")
    return paths


def _picture(given: Any, contents: Codes) -> Tensor:
    """A style's picture (3, H, W): as it is, or read from its file and resized to the images."""
    return given if isinstance(given, Tensor) else picture_of(given, contents.height, contents.width, "style")


def _encoded(autoencoder: Autoencoder, batch: Batch) -> tuple[Codes, Codes]:
    """Codes of the batch's targets (whose content counts) and sources (whose style counts); in one pass where possible."""
    if batch.source.shape != batch.target.shape:
        return autoencoder.encode(batch.target), autoencoder.encode(batch.source)
    both = autoencoder.encode(torch.cat([batch.target, batch.source]))
    return both.select(slice(0, batch.size)), both.select(slice(batch.size, None))


def strip(images: Sequence[Tensor]) -> Tensor:
    """Batches (B, 3, H, W) side by side: (B, 3, H, n W)."""
    return torch.cat(list(images), dim=3)

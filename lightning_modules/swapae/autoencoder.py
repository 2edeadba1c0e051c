"""Encoder and generator as one: images of any size in, codes, images of that size out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.bad_input import BadInput
from lightning_modules.blocks.modulated_conv import RegionStyle, Style
from lightning_modules.swapae.encoder import Encoder
from lightning_modules.swapae.generator import Generator, Noise


@dataclass(frozen=True)
class Codes:
    """What images are taken apart into."""

    content: Tensor
    """C (B, c, h, w): the layout."""
    style: Tensor
    """S (B, s): the appearance."""
    height: int
    width: int
    """The images' size, before padding."""

    def __len__(self) -> int:
        return self.content.shape[0]

    def select(self, items: slice | list[int]) -> Codes:
        """The codes of some of the images."""
        return Codes(self.content[items], self.style[items], self.height, self.width)


@dataclass(frozen=True)
class Autoencoder:
    """E and G that belong together."""

    encoder: Encoder
    generator: Generator

    def __post_init__(self) -> None:
        for what in ("content_channels", "style_channels", "stride"):
            ours, theirs = getattr(self.encoder, what), getattr(self.generator, what)
            if ours != theirs:
                raise BadInput(
                    f"encoder and generator do not fit: {what.replace('_', ' ')} {ours} and {theirs}; make them equal "
                    f"in model.encoder and model.generator"
                )

    def encode(self, image: Tensor) -> Codes:
        """(B, 3, H, W) in [-1, 1] -> codes. Sides that are no multiple of the stride are padded by reflection, at the right
        and the bottom.

        Raises:
            BadInput: the image is smaller than the encoder's least size.
        """
        height, width = image.shape[2:]
        stride = self.encoder.stride
        self.encoder.check_size(height, width, padded=True)
        down, right = -height % stride, -width % stride
        if down or right:
            image = F.pad(image, (0, right, 0, down), mode="reflect")
        content, style = self.encoder(image)
        return Codes(content, style, height, width)

    def decode(self, codes: Codes, style: Style | None = None, noise: Noise = "random") -> Tensor:
        """Codes -> images of the size that they were encoded from.

        Args:
            style: to take in place of the codes' own.
        """
        style = codes.style if style is None else style
        if isinstance(style, RegionStyle):
            style = self._padded(style, codes)
        image = self.generator(codes.content, style, noise)
        return image[..., : codes.height, : codes.width]

    def _padded(self, style: RegionStyle, codes: Codes) -> RegionStyle:
        """Regions of the images, extended to the padded images that the codes are of."""
        height, width = (n * self.encoder.stride for n in codes.content.shape[2:])
        if tuple(style.weights.shape[2:]) != (codes.height, codes.width) or (codes.height, codes.width) == (
            height,
            width,
        ):
            return style
        weights = F.pad(style.weights, (0, width - codes.width, 0, height - codes.height), mode="replicate")
        return RegionStyle(style.codes, weights, style.fusion)

    def fixed_noise(self, codes: Codes, seed: int = 0) -> list[Tensor]:
        """Noise maps for images of that size, the same on every device and in every batch."""
        generator = torch.Generator().manual_seed(seed)
        maps = self.generator.draw_noise(1, codes.content.shape[2:], "cpu", generator)
        return [noise.to(codes.content.device) for noise in maps]

    def noise(self, codes: Codes, kind: Literal["fixed", "random", "none"], seed: int = 0) -> Noise:
        """What to pass to `decode` for noise of that kind."""
        return self.fixed_noise(codes, seed) if kind == "fixed" else kind

"""The encoder E: an image -> (content code C, style code S), both of unit length (arXiv 2007.00653, section 3 and appendix).

The content code, called structure code by the paper, keeps the layout of the image at a sixteenth of its size; the style
code, called texture code, has none. Both heads sit on one trunk.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.equalised import EqualLinear
from lightning_modules.blocks.memory_layout import channels_together
from lightning_modules.swapae.codes import normalise
from lightning_modules.swapae.residual_block import ConvLayer, ResidualBlock

TAPS = (1, 2, 1)


class Encoder(nn.Module):
    """Trunk, content head H_c and style head H_s. Fully convolutional: any size from `least_size` up."""

    def __init__(
        self,
        content_channels: int = 8,
        style_channels: int = 2048,
        content_downsamplings: int | Literal["auto"] = 4,
        style_downsamplings: int = 2,
        capacity: float = 1.0,
        steepness: float = 2.0,
        height: int | None = None,
        width: int | None = None,
    ) -> None:
        """
        Args:
            content_channels: of the content code C.
            style_channels: of the style code S; no layer is wider.
            content_downsamplings: halvings of the trunk: C has 1 / 2**this of the image's height and width; auto, see
                `halvings`.
            style_downsamplings: further halvings in the style head.
            capacity, steepness: layer i is round(steepness**(5 + i) * capacity) wide.
            height, width: of the images, for auto.

        Raises:
            BadInput: codes of one channel.
        """
        super().__init__()
        for name, channels in (("content_channels", content_channels), ("style_channels", style_channels)):
            if channels < 2:
                raise BadInput(
                    f"model.encoder.{name}={channels}: codes have unit length, so that one channel is a mere sign, from which "
                    "nothing is learned; give it at least 2"
                )
        content_downsamplings = halvings(content_downsamplings, height, width, style_downsamplings)
        widths = [
            min(style_channels, round(steepness ** (5 + i) * capacity))
            for i in range(content_downsamplings + style_downsamplings + 1)
        ]
        self.content_channels, self.style_channels = content_channels, style_channels
        self.stride = 2**content_downsamplings
        # The style head does not pad: each of its layers needs three cells to make one.
        self.least_size = self.stride * least_cells(style_downsamplings)
        self.trunk = Trunk(widths[: content_downsamplings + 1])
        self.content_head = ContentHead(widths[content_downsamplings], content_channels)
        self.style_head = StyleHead(widths[content_downsamplings:], style_channels)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) in [-1, 1] -> C (B, content_channels, H / stride, W / stride), S (B, style_channels).

        Raises:
            BadInput: the image is smaller than the least size, or its sides are not multiples of the stride.
        """
        self.check_size(*image.shape[2:])
        features = self.trunk(image)
        return normalise(self.content_head(features)), normalise(self.style_head(features))

    def check_size(self, height: int, width: int, padded: bool = False) -> None:
        """Whether images of that size can be encoded.

        Args:
            padded: whether their sides are still to be padded to multiples of the stride.

        Raises:
            BadInput: they cannot.
        """
        beside = -min(height, width) % self.stride if padded else 0
        if min(height, width) + beside < self.least_size:
            raise BadInput(
                f"an image of {height}x{width} is too small for this encoder: each side must be at least "
                f"{self.least_size}; enlarge it, or build the encoder with fewer downsamplings"
            )
        if not padded and (height % self.stride or width % self.stride):
            raise BadInput(
                f"an image of {height}x{width} does not fit this encoder: the sides must be multiples of {self.stride}; "
                f"crop or pad it"
            )

    def pooled_features(self, image: Tensor, size: int = 7) -> Tensor:
        """The first layer of the style head on features that are reflected at the left and top, as (B, C, size, size)."""
        features = F.pad(self.trunk(image), (1, 0, 1, 0), mode="reflect")
        return F.interpolate(self.style_head.convs[0](features), (size, size), mode="bilinear", align_corners=False)


MOST_HALVINGS = 4


def least_cells(style_downsamplings: int) -> int:
    """How many cells of the content code the style head needs on each side: three to make one, seven to make three."""
    return int(2 ** (style_downsamplings + 1)) - 1


def halvings(wanted: int | Literal["auto"], height: int | None, width: int | None, style_downsamplings: int) -> int:
    """How often a trunk halves: as often as wanted; auto: four times as published, fewer where images are small.

    Raises:
        BadInput: images that leave the style head nothing to work with.
    """
    if wanted == "auto":
        if height is None or width is None:
            raise BadInput("with auto, the networks need the height and width of the images: set both")
        cells = min(height, width) // least_cells(style_downsamplings)
        return max(min(MOST_HALVINGS, cells.bit_length() - 1), 1)
    least = 2**wanted * least_cells(style_downsamplings)
    if height is not None and width is not None and min(height, width) + 2**wanted <= least:
        raise BadInput(
            f"images of {height}x{width} are too small for {wanted} halvings and {style_downsamplings} more in the style head: "
            f"each side must be at least {least}; take content_downsamplings=auto or fewer"
        )
    return wanted


class Trunk(nn.Module):
    """What both heads see: features at the resolution of the content code."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.from_rgb = ConvLayer(3, widths[0], 1)
        self.blocks = nn.Sequential(
            *(ResidualBlock(a, b, taps=TAPS, padding="reflect") for a, b in itertools.pairwise(widths))
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.blocks(self.from_rgb(channels_together(image)))


class ContentHead(nn.Sequential):
    """H_c: channel by channel compression, place by place."""

    def __init__(self, in_channels: int, content_channels: int) -> None:
        super().__init__(
            ConvLayer(in_channels, in_channels, 1), ConvLayer(in_channels, content_channels, 1, activate=False)
        )


class StyleHead(nn.Module):
    """H_s: further halvings without padding, so that no position leaks in from the border; then the mean over places."""

    def __init__(self, widths: list[int], style_channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *(ConvLayer(a, b, 3, down=True, taps=(1,), padding="none") for a, b in itertools.pairwise(widths))
        )
        self.linear = EqualLinear(widths[-1], style_channels)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.convs(features).mean((2, 3)))

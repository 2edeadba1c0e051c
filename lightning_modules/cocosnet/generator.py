"""The translation network: paints the structure, fetching style and detail from the warped exemplar at every level."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.cocosnet.non_local import NonLocalBlock
from lightning_modules.cocosnet.spade import HIDDEN, SLOPE, ResizedCondition, SpadeBlock
from lightning_modules.cocosnet.spectral import advance

REDUCTION = 32
"""The first feature map has 1/32 of the image's size, as published."""


class SpadeGenerator(nn.Module):
    """Seven SPADE blocks from 1/32 of the size to all of it, with a non-local block at 1/2 of it.

    There is no latent: the first features are a convolution of the reduced condition, (warped exemplar, structure).
    """

    def __init__(
        self,
        structure_channels: int,
        *,
        width: int = 64,
        norm: Literal["position", "batch", "instance"] = "position",
        hidden: int = HIDDEN,
        attention: bool = True,
        condition: Literal["warp_and_structure", "warp", "structure"] = "warp_and_structure",
        reduction: Literal[16, 32, "auto"] = 32,
        image_size: tuple[int, int] | None = None,
        recompute: Literal["none", "large", "all"] = "none",
    ) -> None:
        """
        Args:
            structure_channels: of the structure map.
            width: of the last block (ngf); the first has 16 times as many channels.
            norm: what SPADE normalises over.
            hidden: of its SPADE blocks, see `SpadeBlock`.
            attention: the non-local block before the last but one SPADE block.
            condition: what conditions every block (CBN_intype).
            reduction: the first features have 1/reduction of the image's size; 16 leaves the first doubling out; auto: 32 as
                published where the image's sides are multiples of it, else 16.
            image_size: height and width, for auto.
            recompute: which SPADE blocks are computed again in the backward pass instead of keeping their activations:
                the three of greatest size, or all.

        Raises:
            BadInput: auto without a size.
        """
        super().__init__()
        self.condition, self.reduction = condition, reduction_for(image_size) if reduction == "auto" else reduction
        channels = {"warp_and_structure": 3 + structure_channels, "warp": 3, "structure": structure_channels}[condition]

        def block(channels_in: int, channels_out: int, large: bool = False) -> SpadeBlock:
            again = recompute == "all" or (recompute == "large" and large)
            return SpadeBlock(
                channels_in * width, channels_out * width, channels, norm=norm, hidden=hidden, recompute=again
            )

        self.start = nn.Conv2d(channels, 16 * width, 3, padding=1)
        self.head = block(16, 16)
        self.middle_0 = block(16, 16)
        self.middle_1 = block(16, 16)
        self.up_0 = block(16, 8)
        self.up_1 = block(8, 4, large=True)
        self.attention = NonLocalBlock(4 * width) if attention else nn.Identity()
        self.up_2 = block(4, 2, large=True)
        self.up_3 = block(2, 1, large=True)
        self.to_image = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, warped: Tensor, structure: Tensor) -> Tensor:
        """The warped exemplar (B, 3, H, W) in [-1, 1] and the structure (B, S, H, W) -> image (B, 3, H, W) in [-1, 1].

        Raises:
            BadInput: H or W is not a multiple of `reduction`, or smaller than twice that.
        """
        check_size(structure.shape[-2], structure.shape[-1], self.reduction)
        if self.training:
            advance(self)
        parts = {"warp_and_structure": (warped, structure), "warp": (warped,), "structure": (structure,)}
        condition = ResizedCondition(torch.cat([part.to(warped.dtype) for part in parts[self.condition]], dim=1))
        height, width = (side // self.reduction for side in structure.shape[-2:])
        x = self.start(condition.at((height, width)))
        x = self.head(x, condition.at(x.shape[-2:]))
        if self.reduction == REDUCTION:
            x = _double(x)
        x = self.middle_0(x, condition.at(x.shape[-2:]))
        x = self.middle_1(x, condition.at(x.shape[-2:]))
        for block in (self.up_0, self.up_1):
            x = _double(x)
            x = block(x, condition.at(x.shape[-2:]))
        x = self.attention(_double(x))
        x = self.up_2(x, condition.at(x.shape[-2:]))
        x = _double(x)
        x = self.up_3(x, condition.at(x.shape[-2:]))
        return torch.tanh(self.to_image(F.leaky_relu(x, SLOPE)))


def reduction_for(image_size: tuple[int, int] | None) -> Literal[16, 32]:
    """How small the first features are: 1/32 of the image as published, 1/16 where 1/32 has no whole size."""
    if image_size is None:
        raise BadInput("model.generator.reduction=auto goes by model.generator.image_size: set it, or take 16 or 32")
    return 16 if any(side % 32 or side < 64 for side in image_size) else 32


def check_size(height: int, width: int, reduction: int = REDUCTION) -> None:
    """Raise BadInput for an image that the generator cannot halve down to 1/reduction of its size."""
    if height % reduction or width % reduction or min(height, width) < 2 * reduction:
        smaller = "" if reduction == 16 else ", or model.generator.reduction=auto for multiples of 16, at least 32"
        raise BadInput(
            f"CoCosNet's generator starts at 1/{reduction} of the image, and {height} x {width} has no such size; choose "
            f"data.height and data.width as multiples of {reduction}, at least {2 * reduction}{smaller}."
        )


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")

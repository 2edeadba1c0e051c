"""The image discriminator D: StyleGAN2's residual one (arXiv 1912.04958), without the minibatch deviation."""

from __future__ import annotations

import itertools
import math

from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.equalised import EqualLinear
from lightning_modules.blocks.memory_layout import channels_together
from lightning_modules.swapae.residual_block import ConvLayer, ResidualBlock


class Discriminator(nn.Module):
    """One logit for an image of the size that the discriminator is built for.

    Blocks halve the longer side down to about four. The published networks are square; any other shape sizes the first
    linear layer by the feature map that is really left.
    """

    def __init__(self, height: int = 256, width: int = 256, capacity: float = 1.0, widest: int = 512) -> None:
        """
        Args:
            height, width: of the images to judge.
            capacity: factor on the widths of layers that work above 8x8.
            widest: the width of the others, and of the linear layer; at most this up to 32x32.
        """
        super().__init__()
        self.size = height, width
        # 768 works as 1024 does, with three cells left on a side instead of four; but no side may vanish.
        levels = min(round(math.log2(max(height, width))), int(math.log2(min(height, width))) + 2)
        if levels < 3:
            raise BadInput(f"a discriminator of {height}x{width} images has nothing to halve: make a side at least 8")
        widths = [self.width_at(2**level, capacity, widest) for level in range(levels, 1, -1)]
        self.from_rgb = ConvLayer(3, widths[0], 1)
        self.blocks = nn.Sequential(*(ResidualBlock(a, b) for a, b in itertools.pairwise(widths)))
        self.final_conv = ConvLayer(widths[-1], widest, 3)
        cells = (height >> len(self.blocks)) * (width >> len(self.blocks))
        self.head = nn.Sequential(EqualLinear(widest * cells, widest, activate=True), EqualLinear(widest, 1))

    @staticmethod
    def width_at(size: int, capacity: float, widest: int) -> int:
        """The channels of the layers that work at size x size."""
        if size <= 8:
            return widest
        width = int(min(512, 2**14 // size) * 2 * capacity)
        return min(widest, width) if size <= 32 else width

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, height, width) -> logits (B, 1): high for real.

        Raises:
            BadInput: images of another size.
        """
        return self.head(self.features(image).flatten(1))

    def features(self, image: Tensor) -> Tensor:
        """What the linear layers see: (B, 512, h, w)."""
        if tuple(image.shape[2:]) != self.size:
            raise BadInput(
                f"the discriminator is built for images of {self.size[0]}x{self.size[1]}, not "
                f"{image.shape[2]}x{image.shape[3]}: set its height and width to those of the data"
            )
        return self.final_conv(self.blocks(self.from_rgb(channels_together(image))))

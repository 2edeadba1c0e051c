"""The U-Net generator of pix2pix (Isola et al. 2017, arXiv 1611.07004, section 3.2.1 and appendix 6.1).

An encoder halves the image `depth` times, a decoder doubles it as often, and each decoder level also sees the encoder's
features of its size. At depth 8 a 256x256 image ends as 1x1; 54.4 million parameters with batch norm. In the words of the
paper: encoder C64-C128-C256-C512-C512-C512-C512-C512, decoder, before concatenation, CD512-CD512-CD512-C512-C256-C128-C64.

Two places differ from the paper's letter, as in the authors' later code: the innermost map has no norm (it would be
normalised to zero at 1x1, and the paper's errata drop it), and the innermost decoder level has no dropout.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.norms import NormKind, make_norm, wants_bias

Upsampling = Literal["transposed", "nearest", "bilinear"]


class Down(nn.Module):
    """One level of the encoder: LeakyReLU, convolution to half the size, norm."""

    def __init__(self, inputs: int, outputs: int, *, activate: bool, norm: NormKind, bias: bool) -> None:
        super().__init__()
        self.activate = activate
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=4, stride=2, padding=1, bias=bias)
        self.norm = make_norm(norm, outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.activate:
            x = F.leaky_relu(x, 0.2)
        return self.norm(self.conv(x))


class Up(nn.Module):
    """One level of the decoder: ReLU, convolution to double the size, norm, dropout."""

    def __init__(
        self, inputs: int, outputs: int, *, norm: NormKind, bias: bool, dropout: float, upsampling: Upsampling
    ) -> None:
        super().__init__()
        self.conv: nn.Module
        if upsampling == "transposed":
            self.conv = nn.ConvTranspose2d(inputs, outputs, kernel_size=4, stride=2, padding=1, bias=bias)
        else:
            self.conv = nn.Sequential(
                nn.Upsample(scale_factor=2, mode=upsampling), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
            )
        self.norm = make_norm(norm, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.norm(self.conv(F.relu(x))))


class UNetGenerator(nn.Module):
    """(B, input_channels, H, W) -> (B, output_channels, H, W) in [-1, 1], for H and W that are multiples of 2^depth."""

    def __init__(
        self,
        input_channels: int,
        output_channels: int = 3,
        depth: int = 8,
        width: int = 64,
        norm: NormKind = "batch",
        dropout: bool = True,
        bias: bool | None = None,
        upsampling: Upsampling = "transposed",
    ) -> None:
        """
        Args:
            input_channels: of the condition.
            output_channels: of the image.
            depth: how often the image is halved; the paper's 8 is for 256x256.
            width: channels of the first level; they double at each level up to 8 * width.
            norm: of all levels but the outermost and, on the way down, the innermost.
            dropout: half of the features of the decoder levels between two maps of 8 * width channels, the innermost
                excepted: the generator's only noise.
            bias: of convolutions with a norm after them; None is the rule of `wants_bias`.
            upsampling: how the decoder doubles: transposed convolutions of 4x4, the paper's, which leave a checkerboard until
                they have learnt not to (Odena et al. 2016, doi 10.23915/distill.00003); or interpolation, nearest or bilinear,
                followed by a convolution of 3x3.
        """
        super().__init__()
        if depth < 2:
            raise BadInput(f"A U-Net halves the image at least twice; depth={depth} is too few")
        bias = wants_bias(norm) if bias is None else bias
        self.depth = depth
        widths = [width * min(2**level, 8) for level in range(depth)]
        innermost = depth - 1
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level in range(depth):  # from the outermost to the innermost
            outer = level == 0
            self.downs.append(
                Down(
                    input_channels if outer else widths[level - 1],
                    widths[level],
                    activate=not outer,
                    norm="none" if outer or level == innermost else norm,
                    bias=bias,
                )
            )
            self.ups.append(
                Up(
                    widths[level] * (1 if level == innermost else 2),  # twice: the features from below and the skip
                    output_channels if outer else widths[level - 1],
                    norm="none" if outer else norm,
                    bias=bias or outer,
                    upsampling=upsampling,
                    dropout=0.5 if dropout and 4 <= level < innermost else 0.0,
                )
            )

    def check_size(self, height: int, width: int) -> None:
        """
        Raises:
            BadInput: an image of this size cannot be halved `depth` times.
        """
        if height % 2**self.depth or width % 2**self.depth:
            deepest = deepest_for(height, width)
            remedy = f"depth={deepest} is the deepest that fits, or" if deepest >= 2 else "no U-Net fits it;"
            raise BadInput(
                f"A U-Net of depth {self.depth} needs height and width in multiples of {2**self.depth}, not "
                f"{height}x{width}: {remedy} resize to {_nearest_multiple(height, 2**self.depth)}x"
                f"{_nearest_multiple(width, 2**self.depth)}"
            )

    def forward(self, x: Tensor) -> Tensor:
        self.check_size(*x.shape[-2:])
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        skips.pop()  # the innermost map is not a skip: it is where the decoder starts
        for level in reversed(range(self.depth)):
            x = self.ups[level](x)
            if level > 0:
                x = torch.cat([skips.pop(), x], dim=1)
        return torch.tanh(x)


def deepest_for(height: int, width: int) -> int:
    """How often an image can be halved: 8 for 256x256, 6 for 128x64 (ends as 2x1), 4 for 256x176 (ends as 16x11)."""
    depth = 0
    while height % 2 ** (depth + 1) == 0 and width % 2 ** (depth + 1) == 0:
        depth += 1
    return depth


def _nearest_multiple(size: int, of: int) -> int:
    return max(1, round(size / of)) * of

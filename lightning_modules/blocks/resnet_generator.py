"""The residual generator of CycleGAN (Zhu et al. 2017, arXiv 1703.10593, section 4 and appendix 7.2).

Johnson et al.'s network for style transfer (arXiv 1603.08155): two halvings, residual blocks, two doublings. In the words of
the paper, for 9 blocks: c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3. The paper takes 6 blocks for 128x128 and 9 for
256x256 and larger; 11.4 million parameters with 9 blocks and instance norm.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.norms import NormKind, make_norm, wants_bias

Padding = Literal["reflect", "replicate", "zeros"]


class ConvNorm(nn.Module):
    """A convolution (or transposed convolution) and its norm."""

    def __init__(self, conv: nn.Module, channels: int, norm: NormKind) -> None:
        super().__init__()
        self.conv = conv
        self.norm = make_norm(norm, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class ResidualBlock(nn.Module):
    """x + (convolution, norm, ReLU, dropout, convolution, norm), with no activation after the sum."""

    def __init__(self, channels: int, norm: NormKind, dropout: float, bias: bool, padding: Padding) -> None:
        super().__init__()

        def conv() -> ConvNorm:
            layer = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding, bias=bias)
            return ConvNorm(layer, channels, norm)

        self.first, self.second = conv(), conv()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.dropout(F.relu(self.first(x))))


class ResNetGenerator(nn.Module):
    """(B, input_channels, H, W) -> (B, output_channels, H, W) in [-1, 1], for H and W that are multiples of 4."""

    def __init__(
        self,
        input_channels: int = 3,
        output_channels: int = 3,
        blocks: int = 9,
        width: int = 64,
        norm: NormKind = "instance",
        dropout: bool = False,
        padding: Padding = "reflect",
        bias: bool | None = None,
    ) -> None:
        """
        Args:
            input_channels: of the image or condition that is translated.
            output_channels: of the translation.
            blocks: residual blocks.
            width: channels at full size; twice and four times as many at a half and a quarter of it.
            norm: of all convolutions but the last.
            dropout: half of the features inside each residual block.
            padding: at the borders inside the residual blocks; the two 7x7 convolutions always reflect.
            bias: of convolutions with a norm after them; None is the rule of `wants_bias`.
        """
        super().__init__()
        bias = wants_bias(norm) if bias is None else bias
        self.padding = padding

        def halve(inputs: int) -> ConvNorm:
            conv = nn.Conv2d(inputs, 2 * inputs, 3, stride=2, padding=1, bias=bias)
            return ConvNorm(conv, 2 * inputs, norm)

        def double(inputs: int) -> ConvNorm:
            conv = nn.ConvTranspose2d(inputs, inputs // 2, 3, stride=2, padding=1, output_padding=1, bias=bias)
            return ConvNorm(conv, inputs // 2, norm)

        stem = nn.Conv2d(input_channels, width, 7, padding=3, padding_mode="reflect", bias=bias)
        self.stem = ConvNorm(stem, width, norm)
        self.downs = nn.ModuleList([halve(width), halve(2 * width)])
        self.blocks = nn.ModuleList(
            ResidualBlock(4 * width, norm, 0.5 if dropout else 0.0, bias, padding) for _ in range(blocks)
        )
        self.ups = nn.ModuleList([double(4 * width), double(2 * width)])
        self.head = nn.Conv2d(width, output_channels, 7, padding=3, padding_mode="reflect")

    def check_size(self, height: int, width: int) -> None:
        """
        Raises:
            BadInput: an image of this size would come out larger than it went in, or is smaller than the padding allows.
        """
        if height % 4 or width % 4 or min(height, width) < 8:
            fitting = "x".join(str(max(8, round(side / 4) * 4)) for side in (height, width))
            raise BadInput(
                f"The ResNet generator needs height and width in multiples of 4, from 8 on, not {height}x{width}: "
                f"resize to {fitting}"
            )

    def forward(self, x: Tensor) -> Tensor:
        self.check_size(*x.shape[-2:])
        x = F.relu(self.stem(x))
        for down in self.downs:
            x = F.relu(down(x))
        for block in self.blocks:
            x = block(x)
        for up in self.ups:
            x = F.relu(up(x))
        return torch.tanh(self.head(x))

"""The convolution layer and the residual block of encoder and discriminators (StyleGAN2's discriminator block)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.blocks.equalised import EqualConv2d, ScaledLeakyReLU
from lightning_modules.blocks.fir_resample import Resample

Padding = Literal["zero", "reflect", "none"]


class ConvLayer(nn.Module):
    """[blur] -> equalised convolution -> [bias and scaled leaky ReLU].

    Halving blurs first, so that nothing above the new resolution is folded into it. A 1x1 layer blurs only the samples that
    it keeps: a quarter of the work.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        down: bool = False,
        taps: Sequence[float] = (1, 3, 3, 1),
        padding: Padding = "zero",
        bias: bool = True,
        activate: bool = True,
    ) -> None:
        """
        Args:
            down: halve the size.
            taps: of the blur before halving; one tap is no blur.
            padding: what is beyond the border; "none" computes only what the input covers.
            bias: whether there is one: the activation's if there is an activation, else the convolution's.
        """
        super().__init__()
        surplus = len(taps) - 2 + (kernel_size - 1) if down else 2 * (kernel_size // 2)
        around = (0, 0) if padding == "none" else ((surplus + 1) // 2, surplus // 2)
        self.reflected = around if padding == "reflect" and surplus else None
        inside = (0, 0) if self.reflected else around
        blurs = down and len(taps) > 1
        keeps_only = blurs and kernel_size == 1
        self.blur = Resample(taps, down=2 if keeps_only else 1, padding=inside) if blurs else None
        self.conv = EqualConv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=2 if down and not keeps_only else 1,
            padding=0 if blurs else inside[0],
            bias=bias and not activate,
        )
        self.activation = ScaledLeakyReLU(out_channels) if activate else None

    def forward(self, x: Tensor) -> Tensor:
        if self.reflected:
            before, after = self.reflected
            x = F.pad(x, (before, after, before, after), mode="reflect")
        if self.blur is not None:
            x = self.blur(x)
        x = self.conv(x)
        return x if self.activation is None else self.activation(x)


class ResidualBlock(nn.Module):
    """(conv2(conv1(x)) + skip(x)) / sqrt(2), halving the size unless `down` is off.

    The skip has neither bias nor activation, and its blur pads with zeros even where the convolutions reflect: so it is in
    the published networks.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        down: bool = True,
        taps: Sequence[float] = (1, 3, 3, 1),
        padding: Padding = "zero",
    ) -> None:
        super().__init__()
        self.conv1 = ConvLayer(in_channels, in_channels, 3, padding=padding)
        self.conv2 = ConvLayer(in_channels, out_channels, 3, down=down, taps=taps, padding=padding)
        self.skip = ConvLayer(in_channels, out_channels, 1, down=down, taps=taps, bias=False, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)).div_(math.sqrt(2))

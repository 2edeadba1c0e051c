"""The generator G: (content code C, style code S) -> an image (arXiv 2007.00653, appendix).

Residual blocks at the content's resolution, then doubling ones; every convolution is modulated by the style. Unlike
StyleGAN2 it has no mapping network and no colour skips.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.blocks.equalised import EqualLinear, ScaledLeakyReLU, full_precision
from lightning_modules.blocks.memory_layout import channels_together
from lightning_modules.blocks.modulated_conv import RegionStyle, SharedModulatedConv2d, Style
from lightning_modules.blocks.noise_injection import NoiseInjection
from lightning_modules.swapae.codes import normalise
from lightning_modules.swapae.encoder import halvings
from lightning_modules.swapae.residual_block import ConvLayer

Noise = Literal["random", "none"] | Sequence[Tensor]
"""Drawn anew, left out, or one map (B or 1, 1, h, w) for each layer, as `Generator.draw_noise` makes them."""


class Generator(nn.Module):
    """G. Fully convolutional: the image has the content code's size times 2**upsamplings."""

    def __init__(
        self,
        content_channels: int = 8,
        style_channels: int = 2048,
        upsamplings: int | Literal["auto"] = 4,
        capacity: float = 1.0,
        head_blocks: int = 2,
        noise: bool = True,
        style_downsamplings: int = 2,
        height: int | None = None,
        width: int | None = None,
    ) -> None:
        """
        Args:
            content_channels: of the content code C.
            style_channels: of the style code S.
            upsamplings: doublings; as many as the encoder's trunk halves; auto, see `encoder.halvings`.
            capacity: a layer with j doublings to go is int(min(512, 128 * 2**j) * capacity) wide.
            head_blocks: blocks at the content's resolution, growing from few channels to the first width.
            noise: whether the doubling blocks inject noise (those at the content's resolution always do).
            style_downsamplings, height, width: of the encoder and the images, for auto.
        """
        super().__init__()
        upsamplings = halvings(upsamplings, height, width, style_downsamplings)
        widths = [int(min(512, 128 * 2**j) * capacity) for j in range(upsamplings, -1, -1)]
        # round() takes halves to the even number; published widths depend on it.
        heads = [
            content_channels,
            *(max(content_channels, round((i + 1) / head_blocks * widths[0])) for i in range(head_blocks)),
        ]
        widths = [heads[-1], *widths[1:]]
        self.content_channels, self.style_channels = content_channels, style_channels
        self.stride = 2**upsamplings
        self.code_modulation = CodeModulation(content_channels, style_channels)
        self.head = nn.ModuleList(HeadBlock(a, b, style_channels) for a, b in itertools.pairwise(heads))
        self.up = nn.ModuleList(UpBlock(a, b, style_channels, noise) for a, b in itertools.pairwise(widths))
        self.to_rgb = ToRGB(widths[-1], style_channels)

    def forward(self, content: Tensor, style: Style, noise: Noise = "random") -> Tensor:
        """The image of the codes; they need not be of unit length, so sums of codes are codes.

        Args:
            content: (B, content_channels, h, w).
            style: one per image, a map of them, or regions with one each.

        Returns:
            (B, 3, h * stride, w * stride), about [-1, 1] but not clipped.
        """
        style = _normalised(style)
        maps = iter([noise] * (2 * (len(self.head) + len(self.up))) if isinstance(noise, str) else noise)
        x = channels_together(self.code_modulation(normalise(content), style))
        for block in (*self.head, *self.up):
            x = block(x, style, next(maps), next(maps))
        return self.to_rgb(x, style).contiguous()

    def draw_noise(
        self, batch: int, size: Sequence[int], device: torch.device | str, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """One map for each layer, for content codes of that height and width: to make the same image, or alike ones, again."""
        height, width = size
        factors = [1] * 2 * len(self.head) + [2 ** (j + 1) for j in range(len(self.up)) for _ in (1, 2)]
        return [
            torch.randn(batch, 1, height * factor, width * factor, device=device, generator=generator)
            for factor in factors
        ]


def _normalised(style: Style) -> Style:
    if isinstance(style, RegionStyle):
        return RegionStyle(normalise(style.codes, dim=2), style.weights, style.fusion)
    return normalise(style)


class CodeModulation(nn.Module):
    """The content code scaled and shifted by the style, channel by channel."""

    def __init__(self, content_channels: int, style_channels: int) -> None:
        super().__init__()
        self.scale = EqualLinear(style_channels, content_channels)
        self.bias = EqualLinear(style_channels, content_channels)

    def forward(self, content: Tensor, style: Style) -> Tensor:
        size = content.shape[2:]
        if isinstance(style, RegionStyle):
            weights = full_precision(style.weights_at(*size))
            # Linear in the style, so that mixing modulations is mixing results.
            scale, bias = (
                torch.einsum("bkc,bkhw->bchw", layer(style.codes), weights) for layer in (self.scale, self.bias)
            )
        elif style.ndim == 4:
            scale, bias = (
                F.interpolate(layer(style), size, mode="bilinear", align_corners=False)
                for layer in (self.scale, self.bias)
            )
        else:
            scale, bias = self.scale(style)[..., None, None], self.bias(style)[..., None, None]
        return content * scale + bias


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, activation."""

    def __init__(
        self, in_channels: int, out_channels: int, style_channels: int, *, up: bool = False, noisy: bool = True
    ) -> None:
        super().__init__()
        self.conv = SharedModulatedConv2d(in_channels, out_channels, 3, style_channels, resampling="up" if up else None)
        self.noise = NoiseInjection()
        self.activation = ScaledLeakyReLU(out_channels)
        self.noisy = noisy

    def forward(self, x: Tensor, style: Style, noise: Tensor | Literal["random", "none"]) -> Tensor:
        x = self.conv(x, style)
        if self.noisy and not (isinstance(noise, str) and noise == "none"):
            x = self.noise(x, None if isinstance(noise, str) else noise)
        return self.activation(x)


class HeadBlock(nn.Module):
    """A residual block that keeps the resolution."""

    def __init__(self, in_channels: int, out_channels: int, style_channels: int) -> None:
        super().__init__()
        self.conv1 = StyledConv(in_channels, out_channels, style_channels)
        self.conv2 = StyledConv(out_channels, out_channels, style_channels)
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else ConvLayer(in_channels, out_channels, 1, bias=False, activate=False)

    def forward(self, x: Tensor, style: Style, *noise: Tensor | Literal["random", "none"]) -> Tensor:
        y = self.conv2(self.conv1(x, style, noise[0]), style, noise[1])
        return (self.skip(x) + y).div_(math.sqrt(2))


class UpBlock(nn.Module):
    """A residual block that doubles the resolution."""

    def __init__(self, in_channels: int, out_channels: int, style_channels: int, noisy: bool) -> None:
        super().__init__()
        self.conv1 = StyledConv(in_channels, out_channels, style_channels, up=True, noisy=noisy)
        self.conv2 = StyledConv(out_channels, out_channels, style_channels, noisy=noisy)
        self.skip = nn.Identity() if in_channels == out_channels else ConvLayer(in_channels, out_channels, 1)

    def forward(self, x: Tensor, style: Style, *noise: Tensor | Literal["random", "none"]) -> Tensor:
        y = self.conv2(self.conv1(x, style, noise[0]), style, noise[1])
        skip = F.interpolate(self.skip(x), scale_factor=2, mode="bilinear", align_corners=False)
        return (skip + y).div_(math.sqrt(2))


class ToRGB(nn.Module):
    """Features -> colours: a modulated 1x1 convolution that is not demodulated, and a bias."""

    def __init__(self, in_channels: int, style_channels: int) -> None:
        super().__init__()
        self.conv = SharedModulatedConv2d(in_channels, 3, 1, style_channels, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, style: Style) -> Tensor:
        return self.conv(x, style) + self.bias.to(x.dtype)[:, None, None]

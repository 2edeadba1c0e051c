"""Convolutions whose input channels a style scales: StyleGAN2's, and the swapping autoencoder's.

StyleGAN2 (arXiv 1912.04958, section 2.2) multiplies the weight by each sample's style and normalises the product, so every
sample has a weight of its own. Scaling the input by the style and the output by the norm is the same map with one weight
for all. The swapping autoencoder (arXiv 2007.00653) normalises style and weight apart: its weight does not depend on the
sample at all. Neither needs a weight per sample in memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.blocks.equalised import EqualLinear, full_precision, unit_rms, without_autocast
from lightning_modules.blocks.fir_resample import Resample

EPS = 1e-8


@dataclass(frozen=True)
class RegionStyle:
    """Several styles, each in its own region of the image."""

    codes: Tensor
    """(B, K, S): the styles."""
    weights: Tensor
    """(B, K, H, W) in [0, 1], adding up to 1 over K at every place: how much of each style is where. Any resolution."""
    fusion: Literal["modulation", "features"] = "modulation"
    """What is mixed at every layer: the modulations (one convolution), or the results of each style (K convolutions)."""
    _sizes: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False, compare=False)

    def weights_at(self, height: int, width: int) -> Tensor:
        """The weights for a feature map of that size: averaged over areas, or interpolated when the map is larger."""
        if (height, width) not in self._sizes:
            self._sizes[height, width] = resize_weights(self.weights, height, width)
        return self._sizes[height, width]


Style = Tensor | RegionStyle
"""(B, S): one style for the whole image; (B, S, h, w): a map of styles; or a few styles with their regions."""


def resize_weights(weights: Tensor, height: int, width: int) -> Tensor:
    """Maps (B, K, H, W) at another resolution; what adds up to 1 over K still does."""
    if weights.shape[2:] == (height, width):
        return weights
    if weights.shape[2] >= height and weights.shape[3] >= width:
        return F.adaptive_avg_pool2d(weights, (height, width))
    return F.interpolate(weights, (height, width), mode="bilinear", align_corners=False)


class _ModulatedConv2d(nn.Module):
    """What both modulated convolutions share: weight, modulation, resampling."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        style_channels: int,
        demodulate: bool = True,
        resampling: Literal["up", "down"] | None = None,
        taps: tuple[float, ...] = (1, 3, 3, 1),
    ) -> None:
        """
        Args:
            demodulate: whether the output is brought back to unit variance; not in a layer that makes colours.
            resampling: double or halve the size.
            taps: of the low-pass filter that goes with it.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.modulation = EqualLinear(style_channels, in_channels, bias_init=1.0)
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.demodulate, self.resampling, self.padding = demodulate, resampling, kernel_size // 2
        if resampling == "up":
            surplus = len(taps) - 2 - (kernel_size - 1)
            self.blur = Resample(taps, padding=((surplus + 1) // 2 + 1, surplus // 2 + 1), gain=4)
        elif resampling == "down":
            surplus = len(taps) - 2 + (kernel_size - 1)
            self.blur = Resample(taps, padding=((surplus + 1) // 2, surplus // 2))

    def modulate(self, style: Tensor) -> Tensor:
        """The scales of the input channels, one vector for each style, in full precision whatever autocast says."""
        with without_autocast(style):
            return full_precision(self.modulation(style.to(self.modulation.weight.dtype)))

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """The convolution with its resampling, one weight for all samples."""
        weight = weight.to(x.dtype)
        if self.resampling == "up":
            return self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        if self.resampling == "down":
            return F.conv2d(self.blur(x), weight, stride=2)
        return F.conv2d(x, weight, padding=self.padding)

    def extra_repr(self) -> str:
        out_channels, in_channels, size, _ = self.weight.shape
        return f"{in_channels}, {out_channels}, {size}, demodulate={self.demodulate}, resampling={self.resampling}"


class ModulatedConv2d(_ModulatedConv2d):
    """StyleGAN2's: output o of sample b is conv(x s_b, W)_o / sqrt(sum over i, k of (W_oik s_bi)² + 1e-8)."""

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, C_in, H, W) and styles (B, S) -> (B, C_out, H', W')."""
        scales = self.modulate(style)
        weight = full_precision(self.weight) * self.scale
        y = self.convolve(x * scales[..., None, None].to(x.dtype), weight)
        if not self.demodulate:
            return y
        with without_autocast(x):
            power = torch.einsum("bi,oi->bo", scales.square(), weight.square().sum((2, 3)))
        return y * torch.rsqrt(power + EPS)[..., None, None].to(y.dtype)


class SharedModulatedConv2d(_ModulatedConv2d):
    """The swapping autoencoder's: conv(x s, W / sqrt(sum over i, k of W² + 1e-8)), s of unit RMS over the channels.

    Without demodulation neither is normalised. The style may differ from place to place (see `Style`): modulation is linear
    and comes before resizing, so a map of styles costs no more than its own resolution.
    """

    def forward(self, x: Tensor, style: Style) -> Tensor:
        """(B, C_in, H, W) and a style -> (B, C_out, H', W')."""
        if isinstance(style, RegionStyle) and style.fusion == "features":
            return self._mixed(x, style)
        return self.convolve(x * self.scales(style, x.shape[2], x.shape[3]).to(x.dtype), self.shared_weight())

    def shared_weight(self) -> Tensor:
        """The weight in use: the same for every sample."""
        weight = full_precision(self.weight)
        if not self.demodulate:
            return weight * self.scale
        # One factor for each output: at low resolutions, passes over the weight cost as much as the convolution.
        power = torch.linalg.vector_norm(weight, dim=(1, 2, 3), keepdim=True).square() * self.scale**2
        return weight * (torch.rsqrt(power + EPS) * self.scale)

    def scales(self, style: Style, height: int, width: int) -> Tensor:
        """s for a feature map of that size: (B, C_in, height, width), or (B, C_in, 1, 1) for one style per image."""
        if isinstance(style, RegionStyle):
            weights, scales = full_precision(style.weights_at(height, width)), self.modulate(style.codes)
            with without_autocast(weights):
                scales = torch.einsum("bkc,bkhw->bchw", scales, weights)
        elif style.ndim == 4:
            scales = F.interpolate(self.modulate(style), (height, width), mode="bilinear", align_corners=False)
        else:
            scales = self.modulate(style)[..., None, None]
        return unit_rms(scales) if self.demodulate else scales

    def _mixed(self, x: Tensor, style: RegionStyle) -> Tensor:
        """Each style's own result, mixed by the regions."""
        scales = self.modulate(style.codes)
        scales = unit_rms(scales, dim=2) if self.demodulate else scales
        styled = x[:, None] * scales[..., None, None].to(x.dtype)
        y = self.convolve(styled.flatten(0, 1), self.shared_weight()).unflatten(0, scales.shape[:2])
        return (y * style.weights_at(*y.shape[3:])[:, :, None].to(y.dtype)).sum(1)

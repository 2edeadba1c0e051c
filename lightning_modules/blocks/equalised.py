"""Layers with equalised learning rate (Karras et al. 2018, arXiv 1710.10196) and the activation that goes with them.

Weights are stored with unit variance and divided by sqrt(fan in) when they are used, so that Adam's steps, which do not know
of a layer's scale, are equally large for every layer.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2


def scaled_leaky_relu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """sqrt(2) * leaky_relu(x + bias, 0.2): keeps the variance of a normal input about one.

    The factor comes first, which changes nothing for a function that is linear on either side of zero: so the result is the
    only map of x's size that is made, and the only one that the backward pass needs.
    """
    gain = math.sqrt(2)
    return F.leaky_relu_(x * gain if bias is None else torch.add(bias * gain, x, alpha=gain), LEAK)


def full_precision(x: Tensor) -> Tensor:
    """x in float32, or as it is in float64: for sums and small constants that half precision cannot hold."""
    return x if x.dtype == torch.float64 else x.float()


def without_autocast(x: Tensor) -> AbstractContextManager[Any]:
    """Within it, autocast leaves operations on x's device alone; devices without autocast (meta) have nothing to leave."""
    device = x.device.type
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def unit_rms(x: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x divided by its root mean square over `dim` ("pixel norm"), in full precision."""
    x = full_precision(x)
    return x * torch.rsqrt(x.square().mean(dim, keepdim=True) + eps)


class ScaledLeakyReLU(nn.Module):
    """A bias for each channel, then `scaled_leaky_relu`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias.to(x.dtype).view(1, -1, *[1] * (x.ndim - 2))
        return scaled_leaky_relu(x, bias)


class EqualConv2d(nn.Module):
    """A convolution whose weight is N(0, 1) at the start and is divided by sqrt(C_in k²) in use."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)

    def extra_repr(self) -> str:
        out_channels, in_channels, size, _ = self.weight.shape
        return f"{in_channels}, {out_channels}, {size}, stride={self.stride}, padding={self.padding}"


class EqualLinear(nn.Module):
    """A linear map whose weight is N(0, 1) / lr_mul at the start and is multiplied by lr_mul / sqrt(in) in use.

    A map (B, C, H, W) is mapped at every place, as by a 1x1 convolution.
    """

    def __init__(
        self, in_features: int, out_features: int, bias_init: float = 0.0, lr_mul: float = 1.0, activate: bool = False
    ) -> None:
        """
        Args:
            bias_init: the bias in use at the start.
            lr_mul: how much slower than others this layer learns.
            activate: whether `scaled_leaky_relu` follows.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_mul)
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init) / lr_mul))
        self.scale = lr_mul / math.sqrt(in_features)
        self.lr_mul, self.activate = lr_mul, activate

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight * self.scale, self.bias * self.lr_mul
        y = F.linear(x, weight, bias) if x.ndim != 4 else F.conv2d(x, weight[..., None, None], bias)
        return scaled_leaky_relu(y) if self.activate else y

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}, lr_mul={self.lr_mul}, activate={self.activate}"

"""Spatially adaptive normalisation and the residual block made of it, as CoCosNet changed them from SPADE.

SPADE (Park et al. 2019, arXiv 1903.07291) normalises a feature map and lets a condition, resized to its size, scale and
shift every position: n(x) (1 + γ(c)) + β(c). CoCosNet normalises each position over its channels (PONO, Li et al. 2019,
arXiv 1907.04312) and pads by reflection.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from datamodules.bad_input import BadInput
from lightning_modules.cocosnet.spectral import spectral_norm

SLOPE = 0.2
"""Of every LeakyReLU of the method."""
HIDDEN = 128
"""Channels between a condition and its γ and β, as published."""
Norm = Literal["position", "batch", "instance"]


class PositionalModulation(torch.autograd.Function):
    """n(x) (1 + γ) + β, then LeakyReLU of `slope` (1: none), n = positional normalisation with unbiased variance.

    Saves x and [γ, β] alone. Composed of single operations it would save five maps of x's size instead of one, which is
    most of the memory of a SPADE network in training.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, modulation: Tensor, slope: float, eps: float) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            variance, mean = torch.var_mean(x.float(), dim=1, keepdim=True)
            inverse = (variance + eps).rsqrt()
            ctx.save_for_backward(x, modulation, mean, inverse)
            ctx.slope = slope
            scale, shift = modulation.float().chunk(2, dim=1)
            result = ((x.float() - mean).mul_(inverse)).mul_(scale + 1).add_(shift)
            return F.leaky_relu_(result, slope).to(x.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_result: Tensor) -> tuple[Any, ...]:
        x, modulation, mean, inverse = ctx.saved_tensors
        with torch.autocast(x.device.type, enabled=False):
            scale, shift = modulation.float().chunk(2, dim=1)
            normal = (x.float() - mean).mul_(inverse)
            scale = scale + 1
            gradient = d_result.float()
            if ctx.slope != 1:
                gradient = torch.where(torch.addcmul(shift, normal, scale) > 0, gradient, gradient * ctx.slope)
            d_modulation = torch.cat((gradient * normal, gradient), dim=1)
            d_normal = scale.mul_(gradient)
            slant = (d_normal * normal).sum(dim=1, keepdim=True) / (x.shape[1] - 1)
            d_normal -= d_normal.mean(dim=1, keepdim=True)
            d_x = d_normal.sub_(normal.mul_(slant)).mul_(inverse)
        return d_x.to(x.dtype), d_modulation.to(modulation.dtype), None, None


class Modulation(nn.Module):
    """One SPADE of a block: from the block's hidden condition features to n(x) (1 + γ) + β, activated."""

    def __init__(self, channels: int, norm: Norm, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.scale_shift = reflecting_conv(hidden, 2 * channels)
        self.norm: nn.Module | None = None
        if norm == "batch":
            self.norm = nn.BatchNorm2d(channels, affine=False)
        elif norm == "instance":
            self.norm = nn.InstanceNorm2d(channels, affine=False)

    def forward(self, x: Tensor, hidden: Tensor, slope: float) -> Tensor:
        modulation = self.scale_shift(hidden)
        if self.norm is None:
            return PositionalModulation.apply(x, modulation, slope, 1e-5)
        scale, shift = modulation.chunk(2, dim=1)
        return F.leaky_relu(self.norm(x) * (1 + scale) + shift, slope)


class SpadeBlock(nn.Module):
    """Residual block of two SPADEs and two convolutions, and a third SPADE in the shortcut where the width changes.

    The condition's first convolution is shared by its SPADEs: they read the same map, so it is one product.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        condition: int,
        *,
        norm: Norm = "position",
        hidden: int = HIDDEN,
        dilation: int = 1,
        excitation: bool = False,
        recompute: bool = False,
    ) -> None:
        """
        Args:
            channels_in, channels_out: of the feature map.
            condition: channels of the condition.
            norm: what SPADE normalises over: each position's channels, the batch, or each channel's positions.
            hidden: channels between the condition and each γ and β.
            dilation: of the two convolutions.
            excitation: gate the residual's channels by squeeze and excitation.
            recompute: keep only the input for the backward pass and compute the block again there.
        """
        super().__init__()
        if norm == "batch" and recompute:
            raise BadInput(
                "Computing SPADE blocks again in the backward pass would update batch norm's statistics twice; set the "
                "network's norm to position or instance, or its recompute to false (none)."
            )
        middle = min(channels_in, channels_out)
        self.widens = channels_in != channels_out
        self.recompute = recompute
        self.hidden = hidden
        self.shared = reflecting_conv(condition, hidden * (3 if self.widens else 2))
        self.modulation_0 = Modulation(channels_in, norm, hidden)
        self.modulation_1 = Modulation(middle, norm, hidden)
        self.conv_0 = spectral_norm(reflecting_conv(channels_in, middle, dilation))
        self.conv_1 = spectral_norm(reflecting_conv(middle, channels_out, dilation))
        if self.widens:
            self.modulation_s = Modulation(channels_in, norm, hidden)
            self.conv_s = spectral_norm(nn.Conv2d(channels_in, channels_out, 1, bias=False))
        self.excitation = SqueezeExcitation(channels_out) if excitation else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (B, channels_in, H, W) and its condition (B, condition, H, W) -> (B, channels_out, H, W)."""
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self._block, x, condition, use_reentrant=False)
        return self._block(x, condition)

    def _block(self, x: Tensor, condition: Tensor) -> Tensor:
        hidden = F.relu_(self.shared(condition)).split(self.hidden, dim=1)
        residual = self.conv_0(self.modulation_0(x, hidden[0], SLOPE))
        residual = self.conv_1(self.modulation_1(residual, hidden[1], SLOPE))
        shortcut = self.conv_s(self.modulation_s(x, hidden[2], slope=1)) if self.widens else x
        return shortcut + self.excitation(residual)


class SqueezeExcitation(nn.Module):
    """Channels scaled by gates from their spatial means (Hu et al. 2018, arXiv 1709.01507), reduction 16."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // 16, bias=False)
        self.excite = nn.Linear(channels // 16, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gates = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * gates[:, :, None, None]


def reflecting_conv(channels_in: int, channels_out: int, dilation: int = 1) -> nn.Conv2d:
    """3 x 3 convolution that keeps the size and pads by reflection."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=dilation, dilation=dilation, padding_mode="reflect")


class ResizedCondition:
    """A condition map at any size (nearest neighbour), resized once per size however many blocks ask for it."""

    def __init__(self, condition: Tensor) -> None:
        self._at = {tuple(condition.shape[-2:]): condition}
        self._full = condition

    def at(self, size: torch.Size | tuple[int, int]) -> Tensor:
        """The condition at a (height, width)."""
        size = (size[0], size[1])
        if size not in self._at:
            self._at[size] = F.interpolate(self._full, size, mode="nearest")
        return self._at[size]

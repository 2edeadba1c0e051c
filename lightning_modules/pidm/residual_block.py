"""The residual block of both networks, as in guided diffusion (arXiv 2105.05233, "BigGAN up/downsampling")."""

from __future__ import annotations

from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Resampling = Literal["none", "down", "up"]
Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


GROUPS = 32
"""Of a group norm, at most."""


class GroupNorm(nn.GroupNorm):
    """Group norm in at most `GROUPS` groups, its statistics in float32 also where features have fewer bits."""

    def __init__(self, channels: int) -> None:
        super().__init__(min(GROUPS, channels), channels, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        # Autocast computes it in float32 on a GPU; on a CPU the kernel itself does, for inputs of 16 bits.
        return super().forward(x).to(x.dtype)


class ResidualBlock(nn.Module):
    """x, e -> skip(x) + conv(dropout(silu(GN(conv(resample(silu(GN(x))))) (1 + scale(e)) + shift(e))))."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        embedding_channels: int | None = None,
        *,
        dropout: float = 0.0,
        resampling: Resampling = "none",
    ) -> None:
        """
        Args:
            in_channels, out_channels: of the features.
            embedding_channels: of the time embedding that scales and shifts them; None: there is none.
            dropout: before the last convolution.
            resampling: halve height and width by averaging, double them by repeating, or neither.
        """
        super().__init__()
        self.resampling = resampling
        self.norm1 = GroupNorm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.embedding = None if embedding_channels is None else nn.Linear(embedding_channels, 2 * out_channels)
        self.norm2 = GroupNorm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zero(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        """
        Args:
            x: (B, in_channels, H, W).
            embedding: (B, embedding_channels), after its SiLU, which is the same for all blocks.
        """
        h = self.conv1(self._resampled(F.silu(self.norm1(x))))
        h = self.norm2(h)
        if self.embedding is not None:
            scale, shift = self.embedding(embedding)[..., None, None].chunk(2, dim=1)
            h = torch.addcmul(shift, h, 1 + scale)
        return self.skip(self._resampled(x)) + self.conv2(self.dropout(F.silu(h)))

    def _resampled(self, x: Tensor) -> Tensor:
        if self.resampling == "down":
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2, mode="nearest") if self.resampling == "up" else x


def zero(module: Layer) -> Layer:
    """The same layer, starting at zero: its branch adds nothing before it has learned."""
    nn.init.zeros_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module

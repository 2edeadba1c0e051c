"""The non-local block of generator, discriminator and (optionally) adaptors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.cocosnet.attention import attend
from lightning_modules.cocosnet.spectral import spectral_norm


class NonLocalBlock(nn.Module):
    """x + gate · o(softmax(θ(x)ᵀ φ(x)) g(x)), keys and values max-pooled by 2 (SAGAN, Zhang et al. 2019, arXiv 1805.08318)."""

    def __init__(self, channels: int, spectral: bool = True) -> None:
        """
        Args:
            channels: of the feature map; at least 8.
            spectral: whether its 1 x 1 convolutions have spectral norms.
        """
        super().__init__()
        norm = spectral_norm if spectral else lambda layer: layer
        self.theta = norm(nn.Conv2d(channels, channels // 8, 1, bias=False))
        self.phi = norm(nn.Conv2d(channels, channels // 8, 1, bias=False))
        self.g = norm(nn.Conv2d(channels, channels // 2, 1, bias=False))
        self.o = norm(nn.Conv2d(channels // 2, channels, 1, bias=False))
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape; at least 2 x 2 positions."""
        query = self.theta(x).flatten(2).transpose(1, 2)
        key = F.max_pool2d(self.phi(x), 2).flatten(2).transpose(1, 2)
        value = F.max_pool2d(self.g(x), 2).flatten(2).transpose(1, 2)
        found = attend(query, key, value).transpose(1, 2).unflatten(2, x.shape[-2:])
        return x + self.gate * self.o(found.to(x.dtype))

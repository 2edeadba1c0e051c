"""Noise as an input of every layer (StyleGAN, arXiv 1812.04948): where a generator gets detail that no code holds."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NoiseInjection(nn.Module):
    """x + w * n with one learned scale w, zero at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """
        Args:
            noise: (B or 1, 1, H, W); None draws it anew, which happens in training and in evaluation alike: whoever wants
                the same image twice passes it.
        """
        if noise is None:
            noise = x.new_empty(x.shape[0], 1, *x.shape[2:]).normal_()
        return x + self.weight.to(x.dtype) * noise.to(x.dtype)

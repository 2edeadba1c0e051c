"""Where each place of a feature map lies, as channels (CoordConv, arXiv 1807.03247)."""

from __future__ import annotations

import torch
from torch import Tensor


def coordinates_of(features: Tensor) -> Tensor:
    """(B, 2, H, W): x and y of every place of (B, C, H, W), -1 at the first and 1 at the last."""
    y, x = (torch.linspace(-1, 1, size, dtype=features.dtype, device=features.device) for size in features.shape[2:])
    return torch.stack(torch.meshgrid(x, y, indexing="xy")).expand(len(features), -1, -1, -1)

"""Does the generated person stand where the target's does? Measured against the truth that a replica knows."""

from __future__ import annotations

import torch
from torch import Tensor


def distance_to_backgrounds(images: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """How far every pixel's colour lies from what the two backgrounds, or any mixture of them, show there.

    The mixtures of two colours are the segment between them in RGB; the distance is Euclidean, in units in which
    black and white differ by sqrt(3). All three (B, 3, H, W) in [-1, 1] -> (B, 1, H, W).
    """
    images, one, other = ((picture.float() + 1) / 2 for picture in (images, one, other))
    direction = other - one
    length = direction.square().sum(dim=1, keepdim=True)
    along = ((images - one) * direction).sum(dim=1, keepdim=True) / length.clamp(min=1e-12)
    nearest = one + along.clamp(0, 1) * direction
    return (images - nearest).square().sum(dim=1, keepdim=True).sqrt()


def generated_silhouette(
    images: Tensor, source_background: Tensor, target_background: Tensor, threshold: float
) -> Tensor:
    """Where a generated image shows the person: every pixel that no mixture of the plausible backgrounds explains.

    A translation may keep the source's background, guess the target's, or blend them: all three are background.

    Returns:
        (B, 1, H, W) bool.
    """
    return distance_to_backgrounds(images, source_background, target_background) > threshold


def intersection_over_union(found: Tensor, truth: Tensor) -> Tensor:
    """|found and truth| / |found or truth| of each pair of masks, (B, 1, H, W) -> (B,) float64; 1 when both are empty."""
    found, truth = found > 0, truth > 0
    both = (found & truth).sum(dim=(1, 2, 3)).double()
    either = (found | truth).sum(dim=(1, 2, 3)).double()
    return torch.where(either > 0, both / either.clamp(min=1), torch.ones_like(both))

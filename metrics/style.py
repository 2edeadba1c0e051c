"""Does an image have the exemplar's colours, region by region? The style relevance of exemplar-guided translation, on RGB."""

from __future__ import annotations

import torch
from torch import Tensor


def colour_distance(images: Tensor, regions: Tensor, exemplars: Tensor, exemplar_regions: Tensor) -> Tensor:
    """How far the mean colours of regions are from those of the same regions of the exemplar; lower is better.

    The mean absolute difference over red, green and blue in [0, 1], averaged over the regions that both show by their area in
    `regions`. Region 0 (background, unlabelled) does not count.

    Args:
        images: (B, 3, H, W) in [-1, 1], and `regions` (B, 1, H, W), the number of the region that each pixel is to show.
        exemplars: (B, 3, H', W') in [-1, 1], and `exemplar_regions` (B, 1, H', W').

    Returns:
        (B,) float64; NaN where no region is in both.
    """
    values = []
    for image, region, exemplar, theirs in zip(images, regions, exemplars, exemplar_regions, strict=True):
        common = [number for number in region.unique().tolist() if number > 0 and bool((theirs == number).any())]
        areas = torch.tensor([(region == number).sum() for number in common], dtype=torch.float64)
        distances = [
            (_mean_colour(image, region == number) - _mean_colour(exemplar, theirs == number)).abs().mean()
            for number in common
        ]
        of_regions = torch.stack(distances).cpu().double() if common else torch.zeros(0, dtype=torch.float64)
        values.append((of_regions * areas).sum() / areas.sum())
    return torch.stack(values)


def _mean_colour(image: Tensor, where: Tensor) -> Tensor:
    """(3,) in [0, 1]."""
    return (image[:, where[0]].float().mean(dim=1) + 1) / 2

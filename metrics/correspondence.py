"""Does every place of a person look at the same place of the body in another picture? Against the dense truth of a replica."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from datamodules.replica.truth import correspondence

NEAR = 0.1
"""How far from the true place a match may be, as a part of the image's height."""


def true_places(truth: Mapping[str, Tensor]) -> Tensor:
    """Where each pixel of the target is in the source: (B, 2, H, W), x and y in pixels; NaN where that place of the body is
    hidden in the source, and off the body.

    Args:
        truth: `Batch.truth` of pairs that show one person.
    """
    part_a, part_b = (truth[f"{side}_part"][:, 0].cpu().numpy().astype(np.uint8) for side in ("target", "source"))
    uv_a, uv_b = (truth[f"{side}_place"].permute(0, 2, 3, 1).cpu().numpy() for side in ("target", "source"))
    found = [correspondence(*pictures) for pictures in zip(part_a, uv_a, part_b, uv_b, strict=True)]
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)


def right_part(matches: Tensor, truth: Mapping[str, Tensor]) -> Tensor:
    """The share of the target's pixels that look at the body part that they show; of those whose part the source shows.

    Args:
        matches: (B, 2, H, W) int64, x and y of the source's pixel that each pixel of the target looks at.
        truth: `Batch.truth`.

    Returns:
        (B,) float64; NaN where the pictures have no part in common.
    """
    wanted, there = (truth[f"{side}_part"][:, 0].long() for side in ("target", "source"))
    visible = torch.stack([torch.isin(mine, theirs) for mine, theirs in zip(wanted, there, strict=True)])
    return _share(_looked_up(there, matches) == wanted, visible & (wanted > 0))


def near_the_place(matches: Tensor, places: Tensor, near: float = NEAR) -> Tensor:
    """The share of pixels that look at most `near` of the image's height beside their true place; of those that have one.

    Args:
        matches: as for `right_part`.
        places: what `true_places` gives.

    Returns:
        (B,) float64; NaN where no place of the body shows in both pictures.
    """
    distance = (matches.to(places) - places).norm(dim=1)
    return _share(distance <= near * matches.shape[2], places[:, 0].isfinite())


def of_positions(best: Tensor, columns: int, stride: int) -> Tensor:
    """Matches of feature positions as matches of pixels: a pixel looks at the same pixel within the best position.

    Args:
        best: (B, h, w) int64: for each position of the target, the position of the source, row by row.
        columns: positions in a row of the source.
        stride: pixels per position.

    Returns:
        (B, 2, h · stride, w · stride) int64, x and y.
    """
    x, y = (
        (side * stride).repeat_interleave(stride, dim=1).repeat_interleave(stride, dim=2)
        for side in (best % columns, best // columns)
    )
    return torch.stack((x, y), dim=1) + same_coordinates(*x.shape[1:]).to(best.device) % stride


def same_coordinates(height: int, width: int) -> Tensor:
    """(2, height, width) int64: every pixel looks at its own coordinates, the match that knows nothing."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack((x, y))


def _looked_up(values: Tensor, matches: Tensor) -> Tensor:
    """(B, H, W) of the source, at the matches of each pixel of the target."""
    x, y = matches.unbind(dim=1)
    return values.flatten(1).gather(1, (y * values.shape[2] + x).flatten(1)).view_as(x)


def _share(hits: Tensor, among: Tensor) -> Tensor:
    return (hits & among).flatten(1).sum(dim=1).double() / among.flatten(1).sum(dim=1).double()

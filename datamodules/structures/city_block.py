"""Exact city-block distances to what is marked: OpenCV's distance transform on a processor, running minima elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

# One picture is too small to be shared among threads: waking them costs more than the work, in every worker process.
cv2.setNumThreads(0)

FAR = 16_000
"""The distance where nothing is marked: more than any picture's, and twice of it still fits 16 bits."""


def city_block(marked: Tensor) -> Tensor:
    """The distance |dx| + |dy| of each pixel to the nearest marked one: (..., h, w) bool -> int16, `FAR` where there is none."""
    if marked.device.type == "cpu":
        return _by_opencv(marked)
    return _by_running_minima(marked)


def _by_running_minima(marked: Tensor) -> Tensor:
    """A minimum over columns of a minimum over rows, and each of these two running minima."""
    distance = torch.where(marked, 0, FAR).short()
    for axis in (-1, -2):
        steps = torch.arange(distance.shape[axis], dtype=torch.int16, device=distance.device)
        steps = steps if axis == -1 else steps[:, None]
        before = torch.cummin(distance - steps, axis).values + steps
        after = torch.cummin((distance + steps).flip(axis), axis).values.flip(axis) - steps
        distance = torch.minimum(before, after)
    return distance


def _by_opencv(marked: Tensor) -> Tensor:
    free = (~marked).to(torch.uint8).flatten(0, -3).numpy()
    found = [cv2.distanceTransform(one, cv2.DIST_L1, 3) if not one.all() else np.full(one.shape, FAR) for one in free]
    return torch.from_numpy(np.stack(found).astype(np.int16)).view(marked.shape)

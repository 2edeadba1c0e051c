"""The plain loader that `benchmarks.data` measures against reads and draws the same: the comparison is of like with like."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.reference_loader import gaussian_maps, one_hot, skeleton_and_distances
from datamodules.structures import labels
from datamodules.structures.pose import heatmaps
from datamodules.structures.pose_map import PoseMap, drawn


@pytest.fixture
def points() -> np.ndarray:
    rng = np.random.default_rng(0)
    places = rng.integers(4, 60, (18, 2))
    return np.column_stack([places, rng.random(18) < 0.8]).astype(np.float32)


def test_heatmaps_are_those_of_this_project(points):
    expected = heatmaps(torch.from_numpy(points), 64, 72, 6.0)
    torch.testing.assert_close(gaussian_maps(points, 64, 72), expected, atol=1e-6, rtol=1e-4)


def test_pose_maps_are_those_of_this_project_to_the_bit(points):
    expected = PoseMap().maps(drawn(points, 64, 72)[None], torch.zeros(1, 3, 64, 72))[0]
    assert skeleton_and_distances(points, 64, 72).equal(expected)


def test_label_maps_are_those_of_this_project_to_the_bit():
    indices = torch.randint(0, 19, (2, 8, 6), generator=torch.Generator().manual_seed(0))
    assert one_hot(indices[:, None].float(), 19).equal(labels.one_hot(indices, 19))

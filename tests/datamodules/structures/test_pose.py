"""Pose heatmaps: a Gaussian at every joint, nothing where a joint is missing."""

import math

import numpy as np
import pytest
import torch

from datamodules.bad_input import BadInput
from datamodules.structures.pose import JOINTS, MIRROR, PoseHeatmaps, heatmaps


def test_a_joint_is_a_gaussian_of_the_distance_to_it():
    maps = heatmaps(torch.tensor([[[20.0, 50.0, 1.0]]]), height=128, width=64, sigma=6.0)
    assert maps.shape == (1, 1, 128, 64)
    for y, x in [(50, 20), (50, 26), (41, 20), (0, 63), (127, 0)]:
        expected = math.exp(-((y - 50) ** 2 + (x - 20) ** 2) / (2 * 6**2))
        assert maps[0, 0, y, x].item() == pytest.approx(expected, rel=1e-4, abs=1e-12)


def test_a_missing_joint_is_zero_everywhere_whatever_its_coordinates():
    keypoints = torch.tensor([[[10.0, 10.0, 0.0], [float("nan"), -1.0, 0.0], [10.0, 10.0, 1.0]]])
    maps = heatmaps(keypoints, 32, 32, sigma=2.0)
    assert maps[0, :2].eq(0).all()
    assert maps[0, 2].max() == 1


def test_a_joint_just_outside_still_shows_its_flank():
    maps = heatmaps(torch.tensor([[[-3.0, 16.0, 1.0]]]), 32, 32, sigma=6.0)
    assert maps[0, 0].argmax() == 16 * 32
    assert 0 < maps[0, 0].max() < 1


def test_mirroring_exchanges_right_and_left_and_keeps_the_middle():
    names = np.array(JOINTS)
    assert [str(name) for name in names[MIRROR][:5]] == [
        *("nose", "neck", "left_shoulder", "left_elbow", "left_wrist"),
    ]
    assert (MIRROR[MIRROR] == np.arange(18)).all()
    # The pairs that the published annotation has: (2,5)(3,6)(4,7)(8,11)(9,12)(10,13)(14,15)(16,17).
    assert MIRROR.tolist() == [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]


def test_a_width_of_nothing_is_refused():
    with pytest.raises(BadInput, match=r"data\.sigma must be greater than 0"):
        PoseHeatmaps(0)

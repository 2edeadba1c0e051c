"""The 20 maps of a pose: what a missing joint, a border and a mirror do to them. Published numbers: tests/parity/pose_map.py."""

import cv2
import numpy as np
import pytest
import torch

from datamodules.structures.pose import JOINTS, MIRROR
from datamodules.structures.pose_map import LIMBS, PoseMap, _by_planes, drawn
from datamodules.transforms import Framing

STANDING = np.array(
    [
        *(
            (64, 20),
            (64, 34),
            (50, 35),
            (46, 52),
            (44, 68),
            (78, 35),
            (84, 52),
            (88, 66),
            (55, 70),
            (53, 92),
            (52, 115),
        ),
        *((73, 70), (75, 92), (77, 115), (61, 17), (67, 17), (58, 19), (70, 19)),
    ],
    float,
)
POSE = np.concatenate([STANDING, np.ones((18, 1))], axis=1).astype(np.float32)


def maps(annotation):
    return PoseMap().maps(annotation[None], torch.zeros(1, 3, *annotation.shape, dtype=torch.uint8))[0]


def joint(name):
    return JOINTS.index(name)


def test_a_limb_is_where_its_distance_is_zero_and_grows_by_a_third_of_a_level_per_pixel():
    found = maps(drawn(POSE, 128, 128))
    assert found.shape == (20, 128, 128)
    for channel, (first, second) in enumerate(LIMBS, start=3):
        x, y = POSE[[first, second], :2].mean(0).astype(int)
        assert found[channel, y, x] == 0
        assert found[channel].max() < 1
    thigh = 3 + LIMBS.index((joint("right_hip"), joint("right_knee")))
    levels = (found[thigh, 81, :40].flip(0) * 255).round()
    assert (levels.diff() >= 0).all()
    assert levels[9:].diff().sum() == pytest.approx(len(levels[9:]) / 3, abs=1)


def test_a_missing_joint_takes_its_limbs_with_it_and_nothing_else():
    whole, without = POSE.copy(), POSE.copy()
    without[joint("left_elbow")] = (np.nan, -1, 0)
    before, after = maps(drawn(whole, 128, 128)), maps(drawn(without, 128, 128))
    for channel, limb in enumerate(LIMBS, start=3):
        if joint("left_elbow") in limb:
            assert (after[channel] == 1).all()
        else:
            assert after[channel].equal(before[channel])
    assert not after[:3].equal(before[:3])


def test_nobody_is_black_and_far_away():
    found = maps(drawn(np.zeros((18, 3), np.float32), 32, 24))
    assert (found[:3] == 0).all()
    assert (found[3:] == 1).all()


def test_a_joint_outside_is_drawn_as_far_as_it_is_seen():
    cut = POSE.copy()
    cut[:, 0] -= 50  # the right shoulder lies on the border, the right hand outside
    found = maps(drawn(cut, 128, 128))
    upper_arm = 3 + LIMBS.index((joint("right_shoulder"), joint("right_elbow")))
    assert (found[upper_arm] == 0).any()
    assert (found[upper_arm, :, 8:] > 0).all()
    forearm = 3 + LIMBS.index((joint("right_elbow"), joint("right_wrist")))
    cut[:, 0] -= 20
    assert (maps(drawn(cut, 128, 128))[forearm] == 1).all()


def test_every_limb_is_the_polygon_that_opencv_fills_on_the_whole_canvas():
    rng = np.random.default_rng(0)
    for _ in range(20):
        places = rng.uniform(-30, 120, (18, 2)).round(2)
        found = drawn(np.concatenate([places, np.ones((18, 1))], 1), 96, 80).numpy()
        for number, (first, second) in enumerate(LIMBS):
            dx, dy = places[first] - places[second]
            middle = ((places[first] + places[second]) / 2).astype(int).tolist()
            axes = (int(np.hypot(dx, dy) / 2), 4)
            polygon = cv2.ellipse2Poly(middle, axes, int(np.degrees(np.arctan2(dy, dx))), 0, 360, 1)
            expected = cv2.fillConvexPoly(np.zeros((96, 80), np.uint8), polygon, 1)
            assert (found >> number & 1 == expected).all()


@pytest.mark.parametrize("size", [(96, 80), (31, 900), (900, 31)])
def test_both_ways_of_drawing_give_the_same_maps(size):
    rng = np.random.default_rng(0)
    places, seen = rng.uniform(-20, max(size), (6, 18, 2)), rng.random((6, 18, 1)) < 0.8
    places[..., 0] %= size[1] + 20
    places[..., 1] %= size[0] + 20
    seen[0] = False
    annotation = torch.stack([drawn(np.concatenate(pose, 1), *size) for pose in zip(places, seen, strict=True)])
    picture = torch.zeros(6, 3, *size, dtype=torch.uint8)
    assert (PoseMap().maps(annotation, picture) == _by_planes(annotation)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_gpu_draws_the_same_maps():
    annotation = drawn(POSE, 128, 128)[None]
    picture = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    assert PoseMap().maps(annotation.cuda(), picture.cuda()).cpu().equal(PoseMap().maps(annotation, picture))


def test_whole_numbers_survive_the_arithmetic_of_32_bits():
    noisy = POSE.copy()
    noisy[:, :2] -= 1e-5
    assert drawn(noisy, 128, 128).equal(drawn(POSE, 128, 128))


def test_a_mirrored_person_keeps_her_left_and_right():
    straight, turned = drawn(POSE, 128, 128), drawn(POSE, 128, 128, mirrored=True)
    official = drawn(POSE, 128, 128, mirrored=True, exchanged=False)
    assert maps(official).equal(maps(straight).flip(-1))
    for channel, (first, second) in enumerate(LIMBS, start=3):
        other = 3 + LIMBS.index((MIRROR[first], MIRROR[second]))
        assert maps(turned)[channel].equal(maps(straight)[other].flip(-1))


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_framing_mirrors_a_skeleton_with_its_picture(exchanges):
    framing = Framing(96, 80, 120, 100, top=7, left=11, mirrored=True, exchanges=exchanges)
    found = framing.annotation(POSE, "skeleton", (128, 128))
    x = 79 - (POSE[joint("neck"), 0] * 100 / 128 - 11)
    y = POSE[joint("neck"), 1] * 120 / 128 - 7
    assert found.shape == (96, 80)
    assert found[round(float(y)), round(float(x))] > 0
    points = framing.keypoints(POSE, (128, 128))
    assert (points[joint("right_shoulder"), 0] < points[joint("left_shoulder"), 0]) == exchanges

"""What is laid over a picture: where the structure is, in its colours, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules import structures
from datamodules.structures.face_parts import BIT
from datamodules.structures.labels import NOTHING, palette
from datamodules.structures.overlay import CONTOUR, EDGE, FACES, alone, overlaid
from datamodules.structures.part_edges import framed_parts
from datamodules.structures.pose_map import COLOURS, drawn
from datamodules.transforms import Framing

GREY = torch.zeros(1, 3, 64, 48)
BYTES = torch.full((1, 3, 64, 48), 128, dtype=torch.uint8)


def person() -> np.ndarray:
    points = np.zeros((18, 3), np.float32)
    points[2], points[5] = (10, 20, 1), (36, 20, 1)  # the right shoulder is on the left of a frontal picture
    points[1] = 23, 20, 1
    return points


def test_each_joint_has_its_colour_and_far_from_all_the_picture_is_untouched():
    maps = structures.build("pose_heatmaps", sigma=3).maps(torch.from_numpy(person())[None], BYTES)
    shown = overlaid("pose_heatmaps", maps, GREY)
    for joint, (x, y) in ((2, (10, 20)), (5, (36, 20))):
        colour = torch.tensor(COLOURS[joint]) / 127.5 - 1
        assert torch.allclose(shown[0, :, y, x], colour * 0.9, atol=0.01)
    assert torch.allclose(shown[0, :, 55], GREY[0, :, 55], atol=1e-3)


def test_a_skeleton_covers_its_limbs_alone_and_glows_where_it_stands_alone():
    maps = structures.build("pose_map").maps(drawn(person(), 64, 48)[None], BYTES)
    shown, by_itself = overlaid("pose_map", maps, GREY), alone("pose_map", maps)
    changed = (shown != GREY).any(1)[0]
    assert torch.equal(changed, (maps[0, :3] > 0).any(0))
    assert changed[20, 16]
    assert not changed[40, 16]
    below, far = by_itself[0, 0, 30, 16], by_itself[0, 0, 63, 16]
    assert -1 < far < below < 0
    nobody = structures.build("pose_map").maps(drawn(np.zeros((18, 3), np.float32), 64, 48)[None], BYTES)
    assert torch.equal(overlaid("pose_map", nobody, GREY), GREY)
    assert torch.equal(alone("pose_map", nobody), torch.full_like(GREY, -1))


def test_labels_have_the_colours_of_the_palette_and_no_class_shows_the_picture():
    labels = torch.zeros(1, 64, 48, dtype=torch.uint8)
    labels[0, 10:20], labels[0, 20:30], labels[0, 30:40] = 5, 150, NOTHING
    maps = structures.build("labels", classes=151).maps(labels, BYTES)
    flat = (alone("labels", maps)[0] + 1) * 127.5
    for row, index in ((15, 5), (25, 150), (35, NOTHING), (5, 0)):
        assert torch.allclose(flat[:, row, 0], torch.from_numpy(palette(151)[index]).float(), atol=0.01)
    over = overlaid("labels", maps, GREY)[0]
    assert torch.equal(over[:, 35], GREY[0, :, 35])
    assert torch.equal(over[:, 5], GREY[0, :, 5])
    assert not torch.allclose(over[:, 15], GREY[0, :, 15], atol=0.1)


def test_faces_have_the_colours_of_their_authors_and_glasses_are_seen_through():
    maps = torch.zeros(1, 19, 64, 48)
    maps[:, 1], maps[:, 16, :20] = 1, 1
    flat = (alone("labels", maps)[0] + 1) * 127.5
    assert flat[:, 30, 0].round().tolist() == list(FACES[1])
    assert flat[:, 10, 0].tolist() == pytest.approx((np.add(FACES[1], FACES[16]) / 2).tolist(), abs=0.1)


def test_contours_of_parts_differ_from_other_edges():
    stack = np.zeros((64, 48), np.int32)
    stack[16:48, 12:36] = BIT["skin"]
    pixels = np.zeros((64, 48, 3), np.uint8)
    pixels[:8] = 255
    maps = structures.build("part_edges").maps(framed_parts(stack, Framing.whole(64, 48), pixels)[None], BYTES)
    shown = (overlaid("part_edges", maps, GREY)[0] + 1) / 2
    assert shown[:, 16, 20].tolist() == pytest.approx(CONTOUR)
    edges = (maps[0, 0] > 0) & (maps[0, 14] == 0)
    assert edges.any()
    assert torch.allclose(shown[:, edges], torch.tensor(EDGE)[:, None])


def test_edges_are_drawn_and_a_picture_is_shown_as_it_is():
    pixels = BYTES.clone()
    pixels[..., :24] = 0
    maps = structures.build("edges").maps(None, pixels)
    shown = (overlaid("edges", maps, GREY)[0] + 1) / 2
    assert torch.allclose(shown[:, maps[0, 0] > 0], torch.tensor(EDGE)[:, None])
    picture = torch.rand(1, 3, 64, 48)
    for look in (overlaid("image", picture, GREY), alone("image", picture)):
        assert torch.equal(look, picture * 2 - 1)

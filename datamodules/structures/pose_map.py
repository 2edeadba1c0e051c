"""A pose as 20 maps: a coloured skeleton and the distance to each of 17 limbs.

The condition of CoCosNet (Zhang et al., CVPR 2020), NTED (Ren et al., CVPR 2022) and PIDM (Bhunia et al., CVPR 2023), equal
to the published ones to the bit.

| channel | |
|---|---|
| 0 ... 2 | the skeleton: a disc per joint, over it a translucent ellipse per limb, in the colours of OpenPose |
| 3 ... 19 | for each of `LIMBS`: the city-block distance to its ellipse, 1 at 765 pixels; 1 everywhere where it is missing |

Who does what: workers fill the shapes with OpenCV and hand out one number per pixel, 20 times less than the maps: bit i for
limb i, and above these bits the number of the joint (from 1) whose disc is seen. Colours and distances follow on the device.

The maps are drawn at the size of the picture, as NTED and PIDM do. CoCosNet draws at 256 x 256 and then resizes to
load_size: equal to this where that is 256.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from datamodules.structures.city_block import city_block
from datamodules.structures.pose import JOINTS, MIRROR
from datamodules.structures.structure import Annotation

LIMBS = tuple(
    (JOINTS.index(first), JOINTS.index(second))
    for first, second in (
        ("neck", "right_shoulder"),
        ("neck", "left_shoulder"),
        ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"),
        ("left_shoulder", "left_elbow"),
        ("left_elbow", "left_wrist"),
        ("neck", "right_hip"),
        ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"),
        ("neck", "left_hip"),
        ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"),
        ("neck", "nose"),
        ("nose", "right_eye"),
        ("right_eye", "right_ear"),
        ("nose", "left_eye"),
        ("left_eye", "left_ear"),
    )
)
"""The limbs in the order of their channels, as two joints each."""

COLOURS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0)),
    *((0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255)),
    *((170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
"""Of joint i, and of limb i. The published code takes them for BGR: channel 0 of the maps holds the third number."""

RADIUS = 4
"""Of a joint's disc, and half of a limb's width."""


class PoseMap:
    """The 20 maps of a pose."""

    annotation: Annotation = "skeleton"

    def maps(self, annotation: Tensor | None, picture: Tensor) -> Tensor:
        """(B, 20, H, W) of what `drawn` made: (B, H, W) int32."""
        assert annotation is not None, "a pose cannot be told from a picture"
        limbs = torch.arange(len(LIMBS), dtype=torch.int32, device=annotation.device)[:, None, None]
        marked = (annotation[:, None] >> limbs & 1).bool()
        # As published: whole thirds of the distance in 8 bits.
        steps = city_block(marked).float().div(3).floor().clamp(max=255)
        return torch.cat([_skeleton(annotation, marked), steps], dim=1).div_(255)


def drawn(points: np.ndarray, height: int, width: int, mirrored: bool = False, exchanged: bool = True) -> Tensor:
    """The shapes of a skeleton as one number per pixel: (height, width) int32; see the top of this file.

    Args:
        points: (18, 3) x, y, visible in pixels of the map before it is mirrored; joints may lie outside.
        mirrored: turn the drawing as its picture is turned: pixel by pixel, so that the two stay aligned.
        exchanged: a mirrored person's right hand stays her right hand: left and right change colours and channels. False:
            as the official code augments.
    """
    if mirrored and exchanged:
        points = points[MIRROR]
    places = points[:, :2].astype(np.float64)
    present = (points[:, 2] > 0) & np.isfinite(places).all(1)
    canvas = np.zeros((height, width), np.int32)
    for joint in np.flatnonzero(present).tolist():
        cv2.circle(canvas, _whole(places[joint]), RADIUS, float((joint + 1) << len(LIMBS)), cv2.FILLED)
    for number, (first, second) in enumerate(LIMBS):
        if present[first] and present[second]:
            _mark(canvas, _ellipse(places[first], places[second]), 1 << number)
    return torch.from_numpy(np.ascontiguousarray(canvas[:, ::-1]) if mirrored else canvas)


def _ellipse(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, 2) the polygon of a limb between two places."""
    dx, dy = (first - second).tolist()
    half, angle = _whole(np.array([math.hypot(dx, dy) / 2, math.degrees(math.atan2(dy, dx))]))
    return np.asarray(cv2.ellipse2Poly(_whole((first + second) / 2), (half, RADIUS), angle, 0, 360, 1))


def _whole(numbers: np.ndarray) -> tuple[int, int]:
    """Two numbers without their fractions. Framing computes in 32 bits: 127.99999 is meant to be 128."""
    first, second = (numbers + np.copysign(1e-4, numbers)).astype(int).tolist()
    return first, second


def _mark(canvas: np.ndarray, polygon: np.ndarray, bit: int) -> None:
    """Set a bit inside a polygon. Only the pixels around it are touched: a limb covers a hundredth of a picture."""
    height, width = canvas.shape
    left, top = np.maximum(polygon.min(0), 0)
    right, bottom = np.minimum(polygon.max(0) + 1, (width, height))
    if left >= right or top >= bottom:
        return
    inside = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillConvexPoly(inside, polygon - (left, top), 1)
    canvas[top:bottom, left:right] |= inside.astype(np.int32) * bit


def _skeleton(annotation: Tensor, marked: Tensor) -> Tensor:
    """(B, 3, H, W) whole numbers in 0 ... 255: discs, then the limbs one after another, each over what is there at 60 %."""
    colours = torch.tensor(COLOURS, dtype=torch.float32, device=annotation.device).flip(1)
    discs = torch.cat([torch.zeros_like(colours[:1]), colours])
    canvas = discs[annotation >> len(LIMBS)].movedim(-1, 1).contiguous()
    for limb in range(len(LIMBS)):
        # Fifths of whole numbers are never half-way between two: every device rounds them alike.
        canvas.lerp_(colours[limb, :, None, None], 0.6 * marked[:, limb, None]).round_()
    return canvas

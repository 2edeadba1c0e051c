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

_BLUE_FIRST = np.array(COLOURS, np.int32)[:, ::-1]

RADIUS = 4
"""Of a joint's disc, and half of a limb's width."""


class PoseMap:
    """The 20 maps of a pose."""

    annotation: Annotation = "skeleton"

    def maps(self, annotation: Tensor | None, picture: Tensor) -> Tensor:
        """(B, 20, H, W) of what `drawn` made: (B, H, W) int32."""
        assert annotation is not None, "a pose cannot be told from a picture"
        if annotation.device.type == "cpu":
            return torch.from_numpy(_by_opencv(annotation.numpy()))
        return _by_planes(annotation)


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


def _by_planes(annotation: Tensor) -> Tensor:
    """The maps by operations on whole planes, which suit a GPU."""
    limbs = torch.arange(len(LIMBS), dtype=torch.int32, device=annotation.device)[:, None, None]
    marked = (annotation[:, None] >> limbs & 1).bool()
    # As published: whole thirds of the distance in 8 bits.
    steps = city_block(marked).float().div(3).floor().clamp(max=255)
    return torch.cat([_skeleton(annotation, marked), steps], dim=1).div_(255)


def _skeleton(annotation: Tensor, marked: Tensor) -> Tensor:
    """(B, 3, H, W) whole numbers in 0 ... 255: discs, then the limbs one after another, each over what is there at 60 %."""
    colours = torch.tensor(COLOURS, dtype=torch.float32, device=annotation.device).flip(1)
    discs = torch.cat([torch.zeros_like(colours[:1]), colours])
    canvas = discs[annotation >> len(LIMBS)].movedim(-1, 1).contiguous()
    for limb in range(len(LIMBS)):
        # Fifths of whole numbers are never half-way between two: every device rounds them alike.
        canvas.lerp_(colours[limb, :, None, None], 0.6 * marked[:, limb, None]).round_()
    return canvas


def _by_opencv(annotation: np.ndarray) -> np.ndarray:
    """The same maps by operations on the few pixels that a limb covers, ten times as fast on a processor."""
    count, height, width = annotation.shape
    # NumPy asks the system for large pages, PyTorch does not: without them half of the time goes into getting memory.
    maps = np.empty((count, 3 + len(LIMBS), height, width), np.float32)
    for canvas, found in zip(annotation, maps, strict=True):
        _paint_skeleton(canvas, found[:3])
        in_rows, in_columns = np.bitwise_or.reduce(canvas, 1), np.bitwise_or.reduce(canvas, 0)
        for limb, channel in enumerate(found[3:]):
            rows, columns = np.flatnonzero(in_rows & 1 << limb), np.flatnonzero(in_columns & 1 << limb)
            if len(rows) == 0:
                channel.fill(1)
                continue
            top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
            free = (canvas[top:bottom, left:right] & 1 << limb) == 0
            near = cv2.distanceTransform(free.view(np.uint8), cv2.DIST_L1, 3).astype(np.uint16)
            distance = _around(near, top, left, height, width)
            # As published: whole thirds of the distance in 8 bits.
            np.floor_divide(distance, 3, out=distance)
            if height + width > 3 * 255:
                np.minimum(distance, 255, out=distance)
            np.divide(distance, np.float32(255), out=channel)
    return maps


def _around(near: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """City-block distances in a whole picture (height, width), from those in the smallest box around what they lead to.

    From outside, every shortest way enters the box where it is nearest: the distance is that of this pixel, and the way to it.

    Args:
        near: (h, w) uint16, the distances in the box.
        top, left: the place of the box.
    """
    below, beside = height - top - len(near), width - left - near.shape[1]
    wide = cv2.copyMakeBorder(near, 0, 0, left, beside, cv2.BORDER_REPLICATE)
    wide += _steps(left, near.shape[1], beside)
    whole = cv2.copyMakeBorder(wide, top, below, 0, 0, cv2.BORDER_REPLICATE)
    whole += _steps(top, len(near), below)[:, None]
    return whole


def _steps(before: int, length: int, after: int) -> np.ndarray:
    """before ... 2, 1, then zeros of a length, then 1, 2 ... after: how far it is to the zeros."""
    steps = np.zeros(before + length + after, np.uint16)
    steps[:before] = np.arange(before, 0, -1)
    steps[before + length :] = np.arange(1, after + 1)
    return steps


def _paint_skeleton(canvas: np.ndarray, found: np.ndarray) -> None:
    """Write the skeleton of a canvas (height, width) into channels (3, height, width), in [0, 1]."""
    found.fill(0)
    places = np.flatnonzero(canvas.ravel() != 0)
    kinds, which = np.unique(canvas.ravel()[places], return_inverse=True)
    discs = np.concatenate([np.zeros((1, 3), np.int32), _BLUE_FIRST])
    colours = discs[kinds >> len(LIMBS)]
    for limb in range(len(LIMBS)):
        over = (2 * colours + 3 * _BLUE_FIRST[limb] + 2) // 5  # rounded, as in `_skeleton`
        colours = np.where((kinds >> limb & 1)[:, None] == 1, over, colours)
    shown = colours.astype(np.float32) / np.float32(255)
    for channel, values in zip(found.reshape(3, -1), shown.T, strict=True):
        channel[places] = values[which]

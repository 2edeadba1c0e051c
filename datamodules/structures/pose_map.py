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
from functools import lru_cache

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

_NUMBERS = np.arange(len(LIMBS), dtype=np.int32)[:, None]

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
    present = ((points[:, 2] > 0) & np.isfinite(places).all(1)).tolist()
    # Python's own numbers: NumPy takes longer to begin than these few take to compute.
    joints = [(x, y) for x, y in places.tolist()]
    canvas, alone = np.zeros((2, height, width), np.int32)
    for joint, (x, y) in enumerate(joints):
        if present[joint]:
            cv2.circle(canvas, (_whole(x), _whole(y)), RADIUS, float((joint + 1) << len(LIMBS)), cv2.FILLED)
    for number, (first, second) in enumerate(LIMBS):
        if present[first] and present[second]:
            _mark(canvas, _ellipse(joints[first], joints[second]), 1 << number, alone)
    return torch.from_numpy(cv2.flip(canvas, 1) if mirrored else canvas)


def _ellipse(first: tuple[float, float], second: tuple[float, float]) -> np.ndarray:
    """(N, 2) the polygon of a limb between two places."""
    (x, y), (to_x, to_y) = first, second
    middle = _whole((x + to_x) / 2), _whole((y + to_y) / 2)
    half, angle = math.hypot(x - to_x, y - to_y) / 2, math.degrees(math.atan2(y - to_y, x - to_x))
    return np.asarray(cv2.ellipse2Poly(middle, (_whole(half), RADIUS), _whole(angle), 0, 360, 1))


def _whole(number: float) -> int:
    """A number without its fraction. Framing computes in 32 bits: 127.99999 is meant to be 128."""
    return int(number + math.copysign(1e-4, number))


def _mark(canvas: np.ndarray, polygon: np.ndarray, bit: int, alone: np.ndarray) -> None:
    """Set a bit inside a polygon. Only the pixels around it are touched: a limb covers a hundredth of a picture.

    Args:
        alone: zeros in the form of the canvas, to draw the polygon by itself; zeros again afterwards.
    """
    left, top, across, down = cv2.boundingRect(polygon)
    box = slice(max(top, 0), max(top + down, 0)), slice(max(left, 0), max(left + across, 0))
    cv2.fillConvexPoly(alone, polygon, float(bit))
    canvas[box] |= alone[box]
    alone[box] = 0


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
    distance = np.empty((height, width), np.uint16)
    steps = np.abs(np.arange(-max(height, width), max(height, width) + 1)).astype(np.uint16)
    for canvas, found in zip(annotation, maps, strict=True):
        in_rows, in_columns = np.bitwise_or.reduce(canvas, 1), np.bitwise_or.reduce(canvas, 0)
        _paint_skeleton(canvas, np.flatnonzero(in_rows), np.flatnonzero(in_columns), found[:3])
        rows, columns = _extents(in_rows), _extents(in_columns)
        for limb, (channel, (top, bottom), (left, right)) in enumerate(zip(found[3:], rows, columns, strict=True)):
            if top == bottom:
                channel.fill(1)
                continue
            free = (canvas[top:bottom, left:right] & 1 << limb) == 0
            distance[top:bottom, left:right] = cv2.distanceTransform(free.view(np.uint8), cv2.DIST_L1, 3)
            _spread(distance, top, bottom, left, right, steps)
            # As published: whole thirds of the distance in 8 bits.
            np.floor_divide(distance, 3, out=distance)
            if height + width > 3 * 255:
                np.minimum(distance, 255, out=distance)
            np.divide(distance, np.float32(255), out=channel)
    return maps


def _extents(bits: np.ndarray) -> list[tuple[int, int]]:
    """For each limb, from where to where its bit is set in (N,) numbers; 0, 0 where it is nowhere."""
    marked = (bits >> _NUMBERS & 1).astype(bool)
    first, last = marked.argmax(1), len(bits) - marked[:, ::-1].argmax(1)
    last[~marked.any(1)] = 0
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _spread(distance: np.ndarray, top: int, bottom: int, left: int, right: int, steps: np.ndarray) -> None:
    """City-block distances in a whole picture (height, width), from those in the smallest box around what they lead to.

    From outside, every shortest way enters the box where it is nearest: the distance is that of this pixel, and the way to it.

    Args:
        distance: (height, width) uint16, right inside of the box; filled in elsewhere.
        top, bottom, left, right: the box.
        steps: (2 N + 1,) from N to 0 and back to N, where N is no less than height and width.
    """
    height, width = distance.shape
    middle = len(steps) // 2
    beside = distance[top:bottom]
    np.add(beside[:, left : left + 1], steps[middle - left : middle], out=beside[:, :left])
    np.add(beside[:, right - 1 : right], steps[middle + 1 : middle + 1 + width - right], out=beside[:, right:])
    np.add(distance[top], steps[middle - top : middle, None], out=distance[:top])
    np.add(distance[bottom - 1], steps[middle + 1 : middle + 1 + height - bottom, None], out=distance[bottom:])


def _paint_skeleton(canvas: np.ndarray, rows: np.ndarray, columns: np.ndarray, found: np.ndarray) -> None:
    """Write the skeleton of a canvas (height, width) into channels (3, height, width), in [0, 1].

    Args:
        rows, columns: those of the canvas that are not empty, ascending.
    """
    found.fill(0)
    if len(rows) == 0:
        return
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    shown = canvas[box]
    pixels = shown.ravel()
    # Row by row, neighbours are mostly equal: a colour is found for each run of them, and for each number once.
    starts = np.flatnonzero(np.concatenate([[True], pixels[1:] != pixels[:-1]]))
    runs = pixels[starts]
    ordered = np.sort(runs)
    kinds = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    which = np.repeat(np.searchsorted(kinds, runs), np.diff(starts, append=len(pixels)))
    packed = np.array([_colour(kind) for kind in kinds.tolist()], np.int32)
    for channel, shift in zip(found, (0, 8, 16), strict=True):
        values = (packed >> shift & 255).astype(np.float32) / np.float32(255)
        channel[box] = values[which].reshape(shown.shape)


@lru_cache(maxsize=4096)
def _colour(kind: int) -> int:
    """What is seen of a disc and the limbs over it, each at 60 %: of a number of the canvas, red x 2^16 + green x 2^8 + blue."""
    disc = kind >> len(LIMBS)
    colour = COLOURS[disc - 1] if disc else (0, 0, 0)
    for limb, over in enumerate(COLOURS[: len(LIMBS)]):
        if kind >> limb & 1:
            red, green, blue = ((2 * below + 3 * above + 2) // 5 for below, above in zip(colour, over, strict=True))
            colour = red, green, blue  # rounded, as in `_skeleton`
    return colour[0] << 16 | colour[1] << 8 | colour[2]

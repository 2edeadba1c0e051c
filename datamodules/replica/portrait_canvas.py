"""A canvas for flat shapes with soft edges, and the head that says where in the picture a place of the face is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""OpenCV's results are of no particular type."""
Coverage = NDArray[Any]
"""(size, size) uint8: how much of each pixel is covered, 0 ... 255."""
Box = tuple[slice, slice]

AXES = np.array((0.88, 1.36, 0.92))
"""Half-axes of the ellipsoid that faces lie on: to the side, up and down, to the front."""


@dataclass(frozen=True)
class Head:
    """An ellipsoid before the camera. x: to the image's right, y: down, z: to the camera, in half-widths of a head."""

    yaw: float
    pitch: float
    roll: float
    """Radians."""
    scale: float
    """Pixels per unit."""
    eyes: tuple[float, float]
    """The pixel (x, y) around which the face is centred, at the height of the eyes."""

    @cached_property
    def rotation(self) -> Array:
        """(3, 3): from the head's axes to the camera's."""
        sy, cy, sp, cp = math.sin(self.yaw), math.cos(self.yaw), math.sin(self.pitch), math.cos(self.pitch)
        sr, cr = math.sin(self.roll), math.cos(self.roll)
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return lean @ nod @ turn

    @cached_property
    def origin(self) -> Array:
        """(2,) pixel of the centre of the ellipsoid. Pictures are aligned by eyes and mouth, which lie in front of it."""
        middle = self.rotation @ np.array([0, 0.3, surface(np.array(0.0), np.array(0.3))])
        return np.array(self.eyes) - self.scale * (middle[:2] - (0, 0.3))

    def at(self, points: Array) -> Array:
        """(N, 3) places in space -> (N, 2) pixels."""
        return points @ self.rotation[:2].T * self.scale + self.origin

    def on(self, points: Array, depth: Array | float = 0.0) -> Array:
        """(N, 2) places x, y on the face -> (N, 2) pixels; `depth`: how far in front of it."""
        z = surface(points[:, 0], points[:, 1]) + depth
        return self.at(np.column_stack([points, z]))

    def canonical(self, size: int, step: int) -> tuple[Array, NDArray[np.bool_]]:
        """What place of the face each pixel of a picture of side `size` shows, on a grid of every `step`-th pixel.

        Returns (n, n, 3) places x, y, z and (n, n) whether the ray of the pixel meets the ellipsoid at all; where it does
        not, the place is that of the nearest one that does, about.
        """
        centres = (np.arange(0, size, step, dtype=np.float32) + (step - 1) / 2).astype(np.float32)
        u = ((centres - np.float32(self.origin[0])) / np.float32(self.scale))[None, :]
        v = ((centres - np.float32(self.origin[1])) / np.float32(self.scale))[:, None]
        # The ray p = R^T (u, v, w) for all w, in units of the ellipsoid's axes, meets the unit sphere.
        axes = (self.rotation / AXES).astype(np.float32)
        base = u[..., None] * axes[0] + v[..., None] * axes[1]
        along = axes[2]
        a = float(along @ along)
        b = base @ along
        c = np.einsum("ijk,ijk->ij", base, base) - 1
        under = b * b - a * c
        w = (-b + np.sqrt(np.maximum(under, 0))) / a
        return (base + w[..., None] * along) * AXES.astype(np.float32), under > 0


def surface(x: Array, y: Array) -> Array:
    """z of the face at x, y."""
    inside = 1 - (x / AXES[0]) ** 2 - (y / AXES[1]) ** 2
    return AXES[2] * np.sqrt(np.maximum(inside, 0.02))


class Canvas:
    """A picture in the making, and which part is seen at each of its pixels."""

    def __init__(self, background: Array) -> None:
        self.image = background.astype(np.float32).copy()
        self.size = self.image.shape[0]
        self.part = np.zeros((self.size, self.size), np.uint8)

    def fill(self, *polygons: Array) -> Coverage:
        """How much of each pixel lies in any of the polygons (N, 2): (size, size), 0 ... 255."""
        cover = np.zeros((self.size, self.size), np.uint8)
        for polygon in polygons:
            cv2.fillPoly(cover, [(polygon * 16).round().astype(np.int32)], 255, cv2.LINE_AA, 4)
        return cover

    def stroke(self, *lines: Array, width: float, closed: bool = False) -> Coverage:
        """How much of each pixel lies on any of the lines (N, 2) of a width in pixels."""
        cover = np.zeros((self.size, self.size), np.uint8)
        points = [(line * 16).round().astype(np.int32) for line in lines]
        cv2.polylines(cover, points, closed, 255, max(1, round(width)), cv2.LINE_AA, 4)
        # Lines are as thin as a pixel; thinner ones are paler.
        return cover if width >= 1 else (cover * width).astype(np.uint8)

    def paint(
        self,
        cover: Coverage,
        colour: Array,
        part: int | None = None,
        opacity: float = 1.0,
        soft: float = 0.0,
        shade: Array | float = 1.0,
    ) -> None:
        """Lay a colour, (3,) or (size, size, 3) float32, over the covered pixels.

        Args:
            part: which part they show from now on; None: what they showed before.
            soft: pixels by which the edge is softened.
            shade: a factor of the colour, one number or (size, size) float32.
        """
        box = bounds(cover, math.ceil(2.5 * soft))
        if box is None:
            return
        window = cover[box]
        if part is not None:
            self.part[box][window > 127] = part
        alpha: Array = window.astype(np.float32)
        if soft > 0:
            alpha = cv2.GaussianBlur(alpha, (0, 0), soft)
        alpha *= np.float32(opacity / 255)
        under = self.image[box]
        over = np.empty_like(under)
        local = shade if isinstance(shade, float) else shade[box][..., None]
        np.multiply(colour.astype(np.float32) if colour.ndim == 1 else colour[box], np.float32(local), out=over)
        under[:] = cv2.blendLinear(over, under, alpha, 1 - alpha)


def bounds(cover: Coverage, margin: int = 0) -> Box | None:
    """The rows and columns that are covered, and a margin."""
    x, y, w, h = cv2.boundingRect(cover)
    if w == 0 or h == 0:
        return None
    size = cover.shape[0]
    return slice(max(0, y - margin), min(size, y + h + margin)), slice(max(0, x - margin), min(size, x + w + margin))


@lru_cache(maxsize=64)
def _spline(count: int, closed: bool, fine: int) -> Array:
    """(fine, count): the weights of Catmull-Rom's spline through `count` points."""
    spans = count if closed else count - 1
    t = np.linspace(0, spans, fine, endpoint=not closed)
    start = np.minimum(t.astype(int), spans - 1)
    f = t - start
    basis = [
        (-f + 2 * f**2 - f**3) / 2, (2 - 5 * f**2 + 3 * f**3) / 2, (f + 4 * f**2 - 3 * f**3) / 2, (f**3 - f**2) / 2,
    ]  # fmt: skip
    weights = np.zeros((fine, count))
    for offset, values in zip((-1, 0, 1, 2), basis, strict=True):
        place = (start + offset) % count if closed else np.clip(start + offset, 0, count - 1)
        np.add.at(weights, (np.arange(fine), place), values)
    return weights


def smooth(points: Array, closed: bool = True) -> Array:
    """A smooth line through points (N, D)."""
    return _spline(len(points), closed, 8 * len(points)) @ points


def mirrored(points: Array, side: float) -> Array:
    """Points (N, 2) of the right half of the image, or of the left one where `side` is negative."""
    return points * np.array((1.0 if side > 0 else -1.0, 1.0))

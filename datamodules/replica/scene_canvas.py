"""A photograph of a scene in the making: the picture and its label map, drawn together from far to near.

Places are metres: x to the right of the camera, y above the ground, z away from it. `Mood` is the light of a scene.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.replica.scene_surface import Array, leaves, noise

NEAR = 0.25
"""What is nearer than this is behind the camera."""
_FAR_OUT = 4000.0
"""Coordinates beyond this are cut off: OpenCV's are short."""

_TOO_SMALL = 0.3
"""What covers fewer pixels is not seen."""

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Mood:
    """The light of a scene."""

    gain: Array
    """(3,) what the picture is multiplied with: brightness and tint."""
    haze: Array
    """(3,) the colour of what is far away."""
    density: float
    """How much of it is seen through a metre of air."""
    sky: tuple[Array, Array]
    """Colours at the top and at the horizon."""
    night: bool
    sun: float
    """From which side the light comes: -1 left, 1 right."""

    def under_a_roof(self, rng: np.random.Generator) -> Self:
        """The same time of day in a room, which lamps light as well."""
        lamps = np.array([1, 0.86, 0.66] if self.night else [1, 0.95, 0.88], np.float32) * rng.uniform(0.75, 1.0)
        return replace(self, gain=(0.35 * self.gain + 0.65 * lamps).astype(np.float32), density=0.0)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Mood:
        """Noon, a grey day, dusk or night."""
        time = rng.choice(4, p=[0.5, 0.22, 0.16, 0.12])
        gain, top, low = (
            ((1.08, 1.05, 1.0), (0.25, 0.48, 0.85), (0.72, 0.84, 0.95)),
            ((0.84, 0.87, 0.9), (0.62, 0.66, 0.7), (0.82, 0.83, 0.85)),
            ((0.98, 0.78, 0.62), (0.32, 0.34, 0.56), (0.98, 0.66, 0.4)),
            ((0.46, 0.5, 0.66), (0.08, 0.11, 0.28), (0.32, 0.31, 0.46)),
        )[time]
        tint = rng.normal(1, 0.05, 3)
        colours = [np.clip(np.array(c) * tint, 0, 1).astype(np.float32) for c in (top, low)]
        return cls(
            gain=(np.array(gain) * rng.normal(1, 0.08) * rng.normal(1, 0.02, 3)).astype(np.float32),
            haze=colours[1],
            density=float(rng.uniform(0.001, 0.008)),
            sky=(colours[0], colours[1]),
            night=bool(time == 3),
            sun=float(rng.choice([-1, 1])),
        )


class Canvas:
    """The picture (float, linear steps of colour) and the label map of one scene."""

    def __init__(self, height: int, width: int, mood: Mood, rng: np.random.Generator, *, eye: float, zoom: float,
                 horizon: float) -> None:  # fmt: skip
        """
        Args:
            eye: height of the camera above the ground, in metres.
            zoom: focal length as a share of the picture's mean side.
            horizon: where the horizon lies, as a share of the height from above.
        """
        self.image = np.zeros((height, width, 3), np.float32)
        self.labels = np.zeros((height, width), np.uint8)
        self.height, self.width, self.mood, self.rng, self.eye = height, width, mood, rng, eye
        focus = zoom * (height + width) / 2
        self.horizon = horizon * height
        self.lens = np.array([[focus, 0, width * rng.uniform(0.42, 0.58)], [0, focus, self.horizon], [0, 0, 1]])

    def seen(self, point: Point) -> tuple[float, float, float]:
        """Pixel x and y of a place, and how many pixels a metre has there."""
        x, y, z = point
        metre = float(self.lens[0, 0]) / max(z, NEAR)
        return float(self.lens[0, 2]) + metre * x, self.horizon + metre * (self.eye - y), metre

    # Flat shapes, in pixels.

    def polygon(
        self,
        points: Iterable[Sequence[float] | NDArray[np.floating]],
        label: int,
        surface: Array,
        matrix: NDArray[np.floating] | None = None,
    ) -> None:
        """Fill a polygon (N, 2) with a colour (3,), or with a surface that `matrix` brings to its place."""
        # Plain numbers: most polygons have four corners, for which numpy is slow.
        places = [(_kept_in(x), _kept_in(y)) for x, y in points]
        xs, ys = [place[0] for place in places], [place[1] for place in places]
        left, top = max(math.floor(min(xs)) - 1, 0), max(math.floor(min(ys)) - 1, 0)
        width, height = min(math.ceil(max(xs)) + 2, self.width) - left, min(math.ceil(max(ys)) + 2, self.height) - top
        if width <= 0 or height <= 0 or (max(xs) - min(xs)) * (max(ys) - min(ys)) < _TOO_SMALL:
            return
        mask = np.zeros((height, width), np.uint8)
        corners = np.array([(round((x - left) * 16), round((y - top) * 16)) for x, y in places], np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 4)
        shown: NDArray[Any] = surface
        if surface.ndim == 3 and matrix is None:
            shown = cv2.resize(surface, (width, height), interpolation=cv2.INTER_AREA)
        elif matrix is not None:
            moved = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ matrix
            shown = cv2.warpPerspective(surface, moved, (width, height), borderMode=cv2.BORDER_REPLICATE)
        area = slice(top, top + height), slice(left, left + width)
        part = self.image[area]
        part += (mask * np.float32(1 / 255))[..., None] * (shown - part)
        self.labels[area][mask > 127] = label

    def ellipse(self, x: float, y: float, rx: float, ry: float, label: int, surface: Array) -> None:
        """An upright ellipse with half axes rx, ry."""
        angles = np.linspace(0, 2 * np.pi, 25)[:-1]
        self.polygon(np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], 1), label, surface)

    def cloud_of_leaves(self, x: float, y: float, rx: float, ry: float, label: int, base: Array) -> None:
        """A crown, a bush: a ragged ellipse, brighter on the side of the sun."""
        rng = self.rng
        angles = np.linspace(0, 2 * np.pi, 33)[:-1]
        radius = 1 + 0.16 * rng.standard_normal(32) + 0.08 * np.sin(5 * angles + rng.uniform(0, 6))
        surface = leaves(rng, base, fine=float(np.clip(rx / 3, 5, 11)), contrast=0.3)
        rows, columns = np.mgrid[-1:1:96j, -1:1:96j].astype(np.float32)
        surface *= (1 - 0.28 * rows + 0.2 * self.mood.sun * columns)[..., None]
        points = np.stack([x + rx * radius * np.cos(angles), y + ry * radius * np.sin(angles)], 1)
        self.polygon(points, label, surface)

    def ridge(
        self, base: float, rough: float, label: int, surface: Array, cells: float = 3, bottom: float = 1.0
    ) -> None:
        """All below an uneven line: hills, woods, mountains. `base`, `rough` and `bottom` as shares of the height."""
        line = base + rough * noise(self.rng, 1, self.width, (1, cells))[0]
        x = np.arange(self.width)
        points = [
            *zip(x.tolist(), (line * self.height).tolist(), strict=True),
            (self.width, bottom * self.height),
            (0, bottom * self.height),
        ]
        self.polygon(points, label, surface)

    def band(self, top: float, bottom: float, label: int, surface: Array) -> None:
        """All between two heights, as shares of the height."""
        y0, y1 = top * self.height, bottom * self.height
        self.polygon([(-2, y0), (self.width + 2, y0), (self.width + 2, y1), (-2, y1)], label, surface)

    # Faces and bodies, in metres.

    def face(self, corner: Point, across: Point, down: Point, label: int, surface: Array, light: float = 1.0) -> None:
        """A flat face that `across` and `down` span from its upper left corner; seen through the haze of its distance."""
        corners = [
            [corner[i] + a * across[i] + b * down[i] for i in range(3)] for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))
        ]
        if min(c[2] for c in corners) < NEAR:
            corners = _clipped(corners)
            if len(corners) < 3:
                return
        focus, centre = float(self.lens[0, 0]), float(self.lens[0, 2])
        pixels = [(centre + focus * x / z, self.horizon + focus * (self.eye - y) / z) for x, y, z in corners]
        camera = None
        if surface.ndim == 3:
            rows, columns = surface.shape[:2]
            o, u, v = (np.array((p[0], -p[1], p[2]), float) for p in (corner, across, down))
            o[1] += self.eye
            camera = self.lens @ np.stack([u / columns, v / rows, o], 1)
        away = 1 - math.exp(-self.mood.density * sum(c[2] for c in corners) / len(corners))
        seen = surface * np.float32(light)
        if away > 0:
            seen = seen + np.float32(away) * (self.mood.haze - seen)
        self.polygon(pixels, label, seen, camera)

    def upright(self, x0: float, x1: float, y0: float, y1: float, z: float, label: int, surface: Array,
                light: float = 1.0) -> None:  # fmt: skip
        """A face that looks at the camera."""
        self.face((x0, y1, z), (x1 - x0, 0, 0), (0, y0 - y1, 0), label, surface, light)

    def sideways(self, x: float, y0: float, y1: float, z0: float, z1: float, label: int, surface: Array,
                 light: float = 1.0) -> None:  # fmt: skip
        """A face that looks to the left or right; z0 is nearer."""
        self.face((x, y1, z0), (0, 0, z1 - z0), (0, y0 - y1, 0), label, surface, light)

    def level(self, x0: float, x1: float, y: float, z0: float, z1: float, label: int, surface: Array,
              light: float = 1.0) -> None:  # fmt: skip
        """A face that looks up or down; z0 is nearer."""
        self.face((x0, y, z1), (x1 - x0, 0, 0), (0, 0, z0 - z1), label, surface, light)

    def box(self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], label: int, surface: Array,
            front: Array | None = None, top: Array | None = None) -> None:  # fmt: skip
        """The faces of a block that are seen; the side away from the light is darker."""
        if y[1] < self.eye:
            self.level(*x, y[1], *z, label, surface if top is None else top, 1.12)
        if x[0] > 0:
            self.sideways(x[0], *y, *z, label, surface, 0.9 if self.mood.sun < 0 else 0.68)
        if x[1] < 0:
            self.sideways(x[1], *y, *z, label, surface, 0.9 if self.mood.sun > 0 else 0.68)
        self.upright(*x, *y, z[0], label, surface if front is None else front)

    def shadow(self, x0: float, x1: float, z0: float, z1: float, depth: float = 0.4, y: float = 0.0) -> None:
        """Darken the ground under a thing; labels stay."""
        corners = [self.seen(p) for p in ((x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1))]
        places = np.clip(np.array(corners)[:, :2], -_FAR_OUT, _FAR_OUT)
        low = np.maximum(np.floor(places.min(0)).astype(int) - 4, 0)
        high = np.minimum(np.ceil(places.max(0)).astype(int) + 5, (self.width, self.height))
        if (high <= low).any():
            return
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        cv2.fillPoly(mask, [np.round(places - low).astype(np.int32)], 255)
        soft = cv2.GaussianBlur(mask, (0, 0), 1 + 0.012 * self.height).astype(np.float32) / 255
        self.image[low[1] : high[1], low[0] : high[0]] *= 1 - depth * soft[..., None]

    def sky(self) -> None:
        """The sky over the whole picture: a gradient, clouds, the sun's glow or the lights of a night."""
        rng, rows = self.rng, np.linspace(0, 1, self.height, dtype=np.float32)[:, None, None]
        edge = np.float32(max(self.horizon / self.height, 0.1))
        share = np.clip(rows / edge, 0, 1) ** np.float32(rng.uniform(0.7, 1.6))
        picture = self.mood.sky[0] + share * (self.mood.sky[1] - self.mood.sky[0])
        picture = np.broadcast_to(picture, self.image.shape).copy()
        cover = noise(rng, self.height, self.width, (4, 3)) + rng.uniform(-1.8, 0.7)
        white = np.float32(0.3 if self.mood.night else 1.0) * np.array([1, 0.98, 0.97], np.float32)
        picture += np.clip(0.45 * cover, 0, 0.85)[..., None] * (white * (0.55 + 0.45 * share) - picture)
        # The picture is multiplied with `gain` in the end, which is the light on things and not that of the sky.
        self.image[:] = picture / np.maximum(self.mood.gain, 0.3) * self.mood.gain.mean()
        self.labels[:] = 3

    def developed(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8: the picture as a camera records it."""
        rng = self.rng
        y, x = np.mgrid[-1 : 1 : self.height * 1j, -1 : 1 : self.width * 1j].astype(np.float32)
        vignette = 1 - np.float32(rng.uniform(0.02, 0.14)) * (x * x + y * y)
        picture = cv2.GaussianBlur(self.image, (0, 0), float(rng.uniform(0.3, 0.6)))
        picture = np.clip(picture * self.mood.gain * vignette[..., None], 0, None)
        # A soft shoulder instead of burnt lights.
        picture = np.where(picture > 0.75, 0.75 + 0.25 * np.tanh((picture - 0.75) * 2.2), picture)
        grain = rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(0.003, 0.014))
        return np.clip((picture + grain) * 255 + 0.5, 0, 255).astype(np.uint8)


def _kept_in(coordinate: float) -> float:
    return min(max(float(coordinate), -_FAR_OUT), _FAR_OUT)


def _clipped(points: list[list[float]]) -> list[list[float]]:
    """The part of a polygon of places that lies before the camera."""
    kept: list[list[float]] = []
    for a, b in zip(points, [*points[1:], points[0]], strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            share = (NEAR - a[2]) / (b[2] - a[2])
            kept.append([p + share * (q - p) for p, q in zip(a, b, strict=True)])
    return kept

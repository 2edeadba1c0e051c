"""Tubes: the one solid that figures are made of, and how it becomes pixels.

A tube is a bone with elliptical cross-sections: two ends in space, a half-width and a half-depth along it, and rounded
caps. Limbs, torso, head, hair, skirts and bags are all tubes. Its surface has coordinates that stay with it whatever
the pose: `u` runs around it (0.5 is the front, growing to the subject's left, 0 and 1 meet at the back) and `v` runs
along it from 0 to 1. Painting by these coordinates is what anchors a garment's stripes, and storing them is the dense
ground truth.

Space: metres, x to the right of the image, y up, z towards the camera. Projection: parallel, looking down by a pitch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Paint = Callable[[Array, Array, Array, Array], Array]
"""(longitude in radians, position along the bone, metres around, metres along) -> (N, 3) colours in [0, 1]."""
Mask = NDArray[np.bool_]
Keep = Callable[[Array, Array], Mask]
"""(longitude, position along the bone) -> whether the surface exists there (hair leaves the face free)."""

STATIONS = np.linspace(0.0, 1.0, 129)


@lru_cache(maxsize=4096)
def profile(*knots: tuple[float, float]) -> Array:
    """A smooth curve through (position, value) knots, sampled at `STATIONS`; read-only, since it is made only once."""
    at, value = (np.asarray(column, dtype=float) for column in zip(*knots, strict=True))
    fine = np.interp(np.linspace(-0.04, 1.04, 139), at, value)
    kernel = np.hanning(13)[1:-1]
    curve = np.convolve(fine, kernel / kernel.sum(), mode="valid")
    curve.flags.writeable = False
    return curve


@dataclass(frozen=True)
class Tube:
    """A bone with a surface. Vectors are (3,) in space; profiles are sampled at `STATIONS` from start to end, in metres."""

    part: int
    start: Array
    end: Array
    left: Array
    """Unit vector to the subject's left, across the bone."""
    front: Array
    """Unit vector to the part's front, across the bone."""
    half_width: Array
    half_depth: Array
    paint: Paint
    caps: tuple[float, float] = (0.0, 0.0)
    """Length in metres of the rounded ends beyond start and end."""
    bow: Array | None = None
    """How far the centre line bends to the front, in metres."""
    length: float | None = None
    """Length of the bone when drawn as it is painted; by default the distance between its ends."""
    keep: Keep | None = None

    @property
    def bone(self) -> float:
        """Length without caps, in metres of the surface."""
        return self.length or math.dist(self.start, self.end)

    @property
    def total(self) -> float:
        """Length with caps."""
        return self.caps[0] + self.bone + self.caps[1]

    @property
    def girth(self) -> float:
        """Radius of a circle about as long as the mean cross-section."""
        mean_square = (self.half_width @ self.half_width + self.half_depth @ self.half_depth) / (2 * len(STATIONS))
        return math.sqrt(mean_square)


@dataclass(frozen=True)
class View:
    """Where the camera is: a point of space lands at `origin + scale * ...` pixels."""

    scale: float
    """Pixels per metre."""
    origin: tuple[float, float]
    """Pixel (x, y) of the point (0, 0, 0)."""
    pitch: float = 0.0
    """Radians by which the camera looks down."""

    @cached_property
    def axes(self) -> Array:
        """(3, 3): the rows are the image's right, its down, and the way to the camera."""
        sin, cos = float(np.sin(self.pitch)), float(np.cos(self.pitch))
        return np.array([[1.0, 0.0, 0.0], [0.0, -cos, sin], [0.0, sin, cos]])

    def direction(self, vectors: Array) -> Array:
        """(..., 3) vectors in space -> (..., 3): metres to the right, metres down, metres towards the camera."""
        return np.asarray(vectors) @ self.axes.T

    def project(self, points: Array) -> Array:
        """(..., 3) points in space -> (..., 3): pixel x, pixel y (centres at whole numbers), depth in metres."""
        seen = self.direction(points) * np.array([self.scale, self.scale, 1.0])
        return seen + np.array([*self.origin, 0.0])

    def magnified(self, samples: int) -> View:
        """The same view of an image with `samples` times as many pixels along each side."""
        x, y = ((samples * (value + 0.5) - 0.5) for value in self.origin)
        return View(self.scale * samples, (x, y), self.pitch)


@dataclass
class Outline:
    """A tube as one camera sees it, tabulated at even steps (stations) along its projected axis."""

    origin: Array
    along: Array
    normal: Array
    """Unit vectors of the image: along the projected axis and across it."""
    first: float
    step: float
    """Pixels along the axis, from the start of the bone: the first station, and from one to the next."""
    window: tuple[slice, slice] | None
    """Rows and columns of the image that the tube may touch; None when it lies outside."""
    half: Array
    """Half-width in pixels."""
    centre: Array
    """Offset of the centre line along `normal`, in pixels."""
    depth: Array
    depth_across: Array
    depth_bulge: Array
    """With s in [-1, 1] across: depth = depth + depth_across s + depth_bulge sqrt(1 - s^2), in metres."""
    turn: Array
    sign: Array
    """Longitude = turn + sign arccos(s), in radians."""
    metres: Array
    """Metres along the surface, from the tip of the first cap."""
    slope: Array
    """How much the half-width shrinks per pixel."""


def outlines(tubes: list[Tube], view: View, shape: tuple[int, int]) -> list[Outline]:
    """Project tubes into an image, all at once.

    A cross-section (a sin L, b cos L) with longitude L spans w cos(L - turn) across the projected axis, w^2 = (a l)^2 +
    (b f)^2 and tan(turn) = a l / b f, where l and f are the shares of left and front that point across.
    """
    start = view.project(np.stack([tube.start for tube in tubes]))
    end = view.project(np.stack([tube.end for tube in tubes]))
    left = view.direction(np.stack([tube.left for tube in tubes]))[:, :, None]
    front = view.direction(np.stack([tube.front for tube in tubes]))[:, :, None]
    caps = np.array([tube.caps for tube in tubes])
    bone = np.array([tube.bone for tube in tubes])[:, None]
    axis = end[:, :2] - start[:, :2]
    flat = np.linalg.norm(axis, axis=1)
    along = np.where(flat[:, None] > 1e-3, axis / np.maximum(flat, 1e-3)[:, None], np.array([0.0, 1.0]))
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    span = flat + caps.sum(axis=1) * view.scale
    count = max(48, int(1.2 * span.max()))
    step = span[:, None] / (count - 1)
    x = np.arange(count) * step - caps[:, :1] * view.scale
    position = np.clip(x / np.maximum(flat, 1e-6)[:, None], 0.0, 1.0)
    beyond = (x - position * flat[:, None]) / view.scale
    reach = np.maximum(np.where(beyond < 0, caps[:, :1], caps[:, 1:]), 1e-9)
    round_ = np.sqrt(np.clip(1 - (beyond / reach) ** 2, 0.0, 1.0))
    shapes = [(t.half_width, t.half_depth, np.zeros(len(STATIONS)) if t.bow is None else t.bow) for t in tubes]
    a, b, bow = _between(np.array(shapes), position)
    a, b = a * round_, b * round_
    left_n = (left[:, :2, 0] * normal).sum(axis=1)[:, None]
    front_n = (front[:, :2, 0] * normal).sum(axis=1)[:, None]
    half = np.hypot(a * left_n, b * front_n) + 1e-9
    sin, cos = a * left_n / half, b * front_n / half
    bulge = a * left[:, 2] * cos - b * front[:, 2] * sin
    half, centre = half * view.scale, bow * front_n * view.scale
    # Caps are joints: shaded as steeply as they are, limbs would look like a doll's.
    slope = np.clip(-np.gradient(half, axis=1) / step, -3, 3) * np.where(beyond == 0, 1.0, 0.3)
    tables = [
        half, centre, start[:, 2:] + position * (end - start)[:, 2:] + bow * front[:, 2],
        a * left[:, 2] * sin + b * front[:, 2] * cos, np.abs(bulge), np.arctan2(sin, cos),
        np.where(bulge >= 0, 1.0, -1.0), caps[:, :1] + position * bone + beyond, slope,
    ]  # fmt: skip
    middle = start[:, :2, None] + x[:, None] * along[:, :, None] + centre[:, None] * normal[:, :, None]
    spread = half[:, None] * np.abs(normal)[:, :, None] + 1.0
    low = np.maximum(np.floor((middle - spread).min(axis=2)), 0).astype(int).tolist()
    high = np.minimum(np.ceil((middle + spread).max(axis=2)) + 1, shape[::-1]).astype(int).tolist()
    windows = [
        (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None
        for (x0, y0), (x1, y1) in zip(low, high, strict=True)
    ]
    columns = np.stack(tables, axis=1).astype(np.float32)
    return [
        Outline(start[i, :2], along[i], normal[i], float(x[i, 0]), float(step[i, 0]), windows[i], *columns[i])
        for i in range(len(tubes))
    ]


def _between(profiles: Array, position: Array) -> Array:
    """Interpolate (T, 3, stations) profiles at (T, K) positions: (3, T, K)."""
    place = position * (profiles.shape[2] - 1)
    below = np.minimum(place.astype(np.intp), profiles.shape[2] - 2)
    share = (place - below)[:, None]
    index = np.broadcast_to(below[:, None], (len(below), profiles.shape[1], below.shape[1]))
    low, high = np.take_along_axis(profiles, index, 2), np.take_along_axis(profiles, index + 1, 2)
    return np.moveaxis(low + share * (high - low), 1, 0)


@dataclass
class Hit:
    """Where one tube may be seen: a window of the image and, per pixel of it, the station and the place across."""

    tube: Tube
    outline: Outline
    window: tuple[slice, slice]
    station: NDArray[np.intp]
    across: Array

    def longitude(self, station: NDArray[np.intp], across: Array) -> Array:
        """Radians around the tube, 0 at its front, in [-pi, pi)."""
        angle = self.outline.turn[station] + self.outline.sign[station] * np.arccos(across)
        return (angle + np.pi) % (2 * np.pi) - np.pi


def rasterise(tubes: list[Tube], view: View, shape: tuple[int, int]) -> tuple[Array, NDArray[np.uint8], list[Hit]]:
    """Which tube is nearest at each pixel.

    Returns depth (H, W) float32 in metres (-inf where nothing is), owner (H, W): 1 + the index of the hit, or 0, and
    the hits, from which `surface` finds the coordinates of the visible pixels.
    """
    depth = np.full(shape, -np.inf, dtype=np.float32)
    owner = np.zeros(shape, dtype=np.uint8)
    hits: list[Hit] = []
    for tube, outline in zip(tubes, outlines(tubes, view, shape), strict=True):
        window = outline.window
        if window is None:
            continue
        hit, inside, nearness = _cast(tube, outline, window)
        nearer = inside & (nearness > depth[window])
        np.copyto(depth[window], nearness, where=nearer)
        hits.append(hit)
        owner[window][nearer] = len(hits)
    return depth, owner, hits


def _cast(
    tube: Tube, outline: Outline, window: tuple[slice, slice]
) -> tuple[Hit, NDArray[np.bool_], NDArray[np.float32]]:
    """The pixels of a window that lie on a tube, and how near its surface is there."""
    rows, columns = window
    dy = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(outline.origin[1])
    dx = np.arange(columns.start, columns.stop, dtype=np.float32) - np.float32(outline.origin[0])
    along = (outline.along / outline.step).astype(np.float32)
    normal = outline.normal.astype(np.float32)
    last = len(outline.half) - 1
    place = dx * along[0] + (dy * along[1] + np.float32(0.5 - outline.first / outline.step))
    inside = (place >= 0) & (place < last + 1)
    station = np.clip(place, 0, last, out=place).astype(np.intp)
    across = (dx * normal[0] + dy * normal[1]) * (1 / outline.half)[station]
    if tube.bow is not None:
        across -= (outline.centre / outline.half)[station]
    np.clip(across, -1, 1, out=across)
    inside &= np.abs(across) < 1
    nearness = np.sqrt(1 - across * across) * outline.depth_bulge[station]
    nearness += outline.depth_across[station] * across
    nearness += outline.depth[station]
    hit = Hit(tube, outline, window, station, across)
    if tube.keep is not None:
        position = ((outline.metres - np.float32(tube.caps[0])) / np.float32(tube.bone))[station]
        inside &= tube.keep(hit.longitude(station, across), position)
    return hit, inside, nearness


@dataclass
class Surface:
    """The visible pixels of one tube: flat indices into the image and what lies there."""

    pixels: NDArray[np.intp]
    around: Array
    """(N,) u in [0, 1]."""
    along: Array
    """(N,) v in [0, 1]."""
    normal: Array
    """(3, N) unit vectors: right, down, towards the camera."""
    colour: Array
    """(N, 3)."""


def surface(hit: Hit, index: int, owner: NDArray[np.uint8]) -> Surface | None:
    """The coordinates, normals and colours where the `index`-th hit owns the pixel; None where it is hidden."""
    rows, columns = hit.window
    mine = np.flatnonzero(owner[hit.window] == index + 1)
    if not len(mine):
        return None
    outline, tube = hit.outline, hit.tube
    station, across = hit.station.ravel()[mine], hit.across.ravel()[mine]
    longitude = hit.longitude(station, across)
    metres = outline.metres[station]
    length = metres - np.float32(tube.caps[0])
    slope = outline.slope[station]
    shrink = 1 / np.sqrt(1 + slope * slope)
    steep = slope * shrink
    flat = across * shrink
    across_x, across_y = outline.normal.astype(np.float32)
    along_x, along_y = outline.along.astype(np.float32)
    towards = np.sqrt(1 - across * across) * shrink
    row, column = np.divmod(mine, columns.stop - columns.start)
    return Surface(
        pixels=(row + rows.start) * owner.shape[1] + column + columns.start,
        around=longitude / np.float32(2 * np.pi) + np.float32(0.5),
        along=metres / np.float32(tube.total),
        normal=np.stack([flat * across_x + steep * along_x, flat * across_y + steep * along_y, towards]),
        colour=tube.paint(longitude, length / np.float32(tube.bone), longitude * np.float32(tube.girth), length),
    )

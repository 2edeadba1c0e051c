"""Tubes: the one solid that figures are made of, and how it becomes pixels.

A tube is a bone with elliptical cross-sections: two ends in space, a half-width and a half-depth along it, and rounded
caps. Limbs, torso, head, hair, skirts and bags are all tubes. Its surface has coordinates that stay with it whatever the
pose: `u` runs around it (0.5 is the front, growing to the subject's left, 0 and 1 meet at the back) and `v` runs along it
from 0 to 1. Painting by these coordinates is what anchors a garment's stripes, and storing them is the dense ground truth.

Space: metres, x to the right of the image, y up, z towards the camera. Projection: parallel, looking down by a pitch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Paint = Callable[[Array, Array, Array, Array], Array]
"""(longitude in radians, position along the bone, metres around, metres along) -> (N, 3) colours in [0, 1]."""
Keep = Callable[[Array, Array], NDArray[np.bool_]]
"""(longitude, position along the bone) -> whether the surface exists there (hair leaves the face free)."""

STATIONS = np.linspace(0.0, 1.0, 129)


def profile(knots: list[tuple[float, float]]) -> Array:
    """A smooth curve through (position, value) knots, sampled at `STATIONS`."""
    at, value = (np.asarray(column, dtype=float) for column in zip(*knots, strict=True))
    fine = np.interp(np.linspace(-0.04, 1.04, 139), at, value)
    kernel = np.hanning(13)[1:-1]
    return np.convolve(fine, kernel / kernel.sum(), mode="valid")


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
    bias: float = 0.0
    """Metres added to the depth, for what lies on top of another part."""


@dataclass(frozen=True)
class View:
    """Where the camera is: a point of space lands at `origin + scale * ...` pixels."""

    scale: float
    """Pixels per metre."""
    origin: tuple[float, float]
    """Pixel (x, y) of the point (0, 0, 0)."""
    pitch: float = 0.0
    """Radians by which the camera looks down."""

    def direction(self, vectors: Array) -> Array:
        """(..., 3) vectors in space -> (..., 3): metres to the right, metres down, metres towards the camera."""
        x, y, z = np.moveaxis(np.asarray(vectors, dtype=float), -1, 0)
        cos, sin = np.cos(self.pitch), np.sin(self.pitch)
        return np.stack([x, z * sin - y * cos, y * sin + z * cos], axis=-1)

    def project(self, points: Array) -> Array:
        """(..., 3) points in space -> (..., 3): pixel x, pixel y (centres at whole numbers), depth in metres."""
        seen = self.direction(points)
        seen[..., 0] = self.origin[0] + self.scale * seen[..., 0]
        seen[..., 1] = self.origin[1] + self.scale * seen[..., 1]
        return seen

    def magnified(self, samples: int) -> View:
        """The same view of an image with `samples` times as many pixels along each side."""
        x, y = ((samples * (value + 0.5) - 0.5) for value in self.origin)
        return View(self.scale * samples, (x, y), self.pitch)


@dataclass
class Hit:
    """Where one tube may be seen: a window of the image and, per pixel of it, the station and the place across."""

    tube: Tube
    outline: Outline
    window: tuple[slice, slice]
    station: NDArray[np.intp]
    across: Array


@dataclass
class Outline:
    """A tube as one camera sees it, tabulated at even steps along its projected axis."""

    origin: Array
    along: Array
    normal: Array
    first: float
    step: float
    half: Array
    """Half-width in pixels."""
    centre: Array
    """Offset of the centre line along `normal`, in pixels."""
    depth: Array
    depth_across: Array
    depth_bulge: Array
    turn: Array
    """Longitude of the rim towards +normal."""
    sign: Array
    metres: Array
    """Metres along the surface, from the tip of the first cap."""
    total: float
    position: Array
    """0 at the start of the bone, 1 at its end, beyond within the caps."""

    @classmethod
    def of(cls, tube: Tube, view: View) -> Outline:
        """Project a tube. Its cross-section (a sin L, b cos L) spans w cos(L - turn) across the projected axis."""
        start, end = view.project(np.stack([tube.start, tube.end]))
        axis = end[:2] - start[:2]
        flat = float(np.hypot(*axis))
        along = axis / flat if flat > 1e-3 else np.array([0.0, 1.0])
        normal = np.array([-along[1], along[0]])
        length = tube.length or float(np.linalg.norm(tube.end - tube.start))
        before, after = tube.caps[0] * view.scale, tube.caps[1] * view.scale
        count = max(48, int(1.5 * (before + flat + after)))
        x, step = np.linspace(-before, flat + after, count, retstep=True)
        position = np.clip(x / max(flat, 1e-6), 0.0, 1.0)
        under = np.clip(-x, 0.0, None) / view.scale
        over = np.clip(x - flat, 0.0, None) / view.scale
        cap = np.sqrt(
            np.clip(1 - (under / max(tube.caps[0], 1e-9)) ** 2 - (over / max(tube.caps[1], 1e-9)) ** 2, 0.0, 1.0)
        )
        a = np.interp(position, STATIONS, tube.half_width) * cap
        b = np.interp(position, STATIONS, tube.half_depth) * cap
        bow = np.zeros(count) if tube.bow is None else np.interp(position, STATIONS, tube.bow)
        left, front = view.direction(np.stack([tube.left, tube.front]))
        left_n, front_n = float(left[:2] @ normal), float(front[:2] @ normal)
        half = np.hypot(a * left_n, b * front_n)
        turn = np.arctan2(a * left_n, b * front_n)
        sin, cos = np.sin(turn), np.cos(turn)
        bulge = a * left[2] * cos - b * front[2] * sin
        sign = np.where(bulge >= 0, 1.0, -1.0)
        metres = tube.caps[0] + position * length - under + over
        return cls(
            origin=start[:2],
            along=along,
            normal=normal,
            first=-before,
            step=float(step),
            half=half * view.scale,
            centre=bow * front_n * view.scale,
            depth=start[2] + position * (end[2] - start[2]) + bow * front[2] + tube.bias,
            depth_across=a * left[2] * sin + b * front[2] * cos,
            depth_bulge=np.abs(bulge),
            turn=turn,
            sign=sign,
            metres=metres,
            total=tube.caps[0] + length + tube.caps[1],
            position=(metres - tube.caps[0]) / length,
        )

    def window(self, shape: tuple[int, int]) -> tuple[slice, slice] | None:
        """The rows and columns of an image that the tube may touch, or None."""
        x = self.first + self.step * np.arange(len(self.half))
        middle = self.origin + x[:, None] * self.along + self.centre[:, None] * self.normal
        reach = self.half[:, None] * np.abs(self.normal) + 1.0
        low = np.maximum(np.floor((middle - reach).min(axis=0)), 0).astype(int)
        high = np.minimum(np.ceil((middle + reach).max(axis=0)) + 1, [shape[1], shape[0]]).astype(int)
        if (low >= high).any():
            return None
        return slice(low[1], high[1]), slice(low[0], high[0])


def rasterise(tubes: list[Tube], view: View, shape: tuple[int, int]) -> tuple[Array, NDArray[np.uint8], list[Hit]]:
    """Which tube is nearest at each pixel.

    Returns depth (H, W) float32 in metres (-inf where nothing is), owner (H, W): 1 + the index of the tube, or 0, and
    what `surface` needs to find the coordinates of the visible pixels.
    """
    depth = np.full(shape, -np.inf, dtype=np.float32)
    owner = np.zeros(shape, dtype=np.uint8)
    hits: list[Hit] = []
    for index, tube in enumerate(tubes):
        outline = Outline.of(tube, view)
        window = outline.window(shape)
        if window is None:
            continue
        dy = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None] - np.float32(outline.origin[1])
        dx = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None, :] - np.float32(outline.origin[0])
        along, normal = outline.along.astype(np.float32), outline.normal.astype(np.float32)
        place = (dx * (along[0] / outline.step) + dy * (along[1] / outline.step)) + np.float32(
            0.5 - outline.first / outline.step
        )
        inside = (place >= 0) & (place < len(outline.half))
        station = np.where(inside, place, 0).astype(np.intp)
        half = np.maximum(outline.half, 1e-4).astype(np.float32)
        across = ((dx * normal[0] + dy * normal[1]) - outline.centre.astype(np.float32)[station]) / half[station]
        inside &= np.abs(across) < 1
        across = np.clip(across, -1, 1)
        nearness = (
            outline.depth.astype(np.float32)[station]
            + outline.depth_across.astype(np.float32)[station] * across
            + outline.depth_bulge.astype(np.float32)[station] * np.sqrt(1 - across * across)
        )
        hit = Hit(tube, outline, window, station, across)
        if tube.keep is not None:
            longitude = outline.turn[station] + outline.sign[station] * np.arccos(across)
            inside &= tube.keep(wrapped(longitude), outline.position[station])
        nearer = inside & (nearness > depth[window])
        depth[window] = np.where(nearer, nearness, depth[window])
        owner[window] = np.where(nearer, np.uint8(len(hits) + 1), owner[window])
        hits.append(hit)
    return depth, owner, hits


def wrapped(angle: Array) -> Array:
    """The same angle in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


@dataclass
class Surface:
    """The visible pixels of one tube: flat indices into the image and what lies there."""

    pixels: NDArray[np.intp]
    uv: Array
    normal: Array
    """(N, 3) unit vectors: right, down, towards the camera."""
    colour: Array


def surface(hit: Hit, index: int, owner: NDArray[np.uint8]) -> Surface | None:
    """The coordinates, normals and colours where the `index`-th hit owns the pixel; None where it is hidden."""
    mine = owner[hit.window] == index + 1
    rows, columns = np.nonzero(mine)
    if not len(rows):
        return None
    outline, tube = hit.outline, hit.tube
    station, across = hit.station[mine], hit.across[mine].astype(float)
    longitude = wrapped(outline.turn[station] + outline.sign[station] * np.arccos(across))
    position = outline.position[station]
    length = outline.total - sum(tube.caps)
    girth = float(np.sqrt((tube.half_width**2).mean() / 2 + (tube.half_depth**2).mean() / 2))
    slope = np.clip(-np.gradient(outline.half, outline.step), -4, 4)[station]
    towards = np.sqrt(np.clip(1 - across * across, 0, 1))
    normal = np.concatenate(
        [across[:, None] * outline.normal + slope[:, None] * outline.along, towards[:, None]], axis=1
    )
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    return Surface(
        pixels=(rows + hit.window[0].start) * owner.shape[1] + columns + hit.window[1].start,
        uv=np.stack([longitude / (2 * np.pi) + 0.5, outline.metres[station] / outline.total], axis=1),
        normal=normal,
        colour=tube.paint(longitude, position, longitude * girth, position * length),
    )

"""The land of scenes outdoors: grounds, roads, water, what stands at the horizon, and what they look like."""

from __future__ import annotations

import numpy as np

from datamodules.replica.scene_canvas import Canvas
from datamodules.replica.scene_surface import Array, any_colour, colour, facade, leaves, noise, plain, tiles

FAR = 90.0
"""Where a street ends, in metres."""
NEAR_ROAD = 0.6
"""Where the ground begins."""
GREY = np.array([0.33, 0.33, 0.35], np.float32)


def ground(canvas: Canvas, label: int, surface: Array) -> None:
    """A plain up to the horizon. Seen at a low angle its pattern gets lost far away, so it is drawn in two parts."""
    canvas.band(canvas.horizon / canvas.height, 1.0, label, hazy(canvas, surface.mean((0, 1)), 60))
    canvas.level(-60, 60, 0, 12, FAR, label, surface)
    canvas.level(-14, 14, 0, NEAR_ROAD, 12.2, label, surface)


def road(canvas: Canvas, half: float, pavement: float) -> None:
    """A road with its markings, and pavements where `pavement` (their width) is not 0."""
    rng = canvas.rng
    asphalt = plain(rng, GREY * np.float32(rng.uniform(0.7, 1.4)), 0.05, (9, 9))
    if pavement:
        slabs = tiles(rng, colour(rng, 0.09, 0.08, rng.uniform(0.45, 0.7)), 40, 3)
        for side in (-1, 1):
            inner, outer = side * half, side * (half + pavement)
            canvas.level(min(inner, outer), max(inner, outer), 0.1, NEAR_ROAD, FAR, 12, slabs)
            canvas.sideways(inner, 0, 0.1, NEAR_ROAD, FAR, 12, GREY * 1.5)
    canvas.level(-half, half, 0, NEAR_ROAD, FAR, 7, asphalt)
    paint, gap = np.array([0.86, 0.86, 0.82], np.float32), float(rng.uniform(4, 7))
    lines = [0.0] if half < 5 else [-half / 3, half / 3]
    for x in lines:
        for z in np.arange(2, 60, gap):
            canvas.level(x - 0.08, x + 0.08, 0, z, z + gap * 0.45, 7, paint)
    if rng.random() < 0.3 and pavement:
        z = rng.uniform(7, 12)
        for x in np.arange(-half + 0.3, half - 0.3, 1.0):
            canvas.level(x, x + 0.5, 0, z, z + 2.5, 7, paint)


def path(canvas: Canvas, label: int = 53) -> None:
    """A path that winds into the distance."""
    rng = canvas.rng
    z = np.geomspace(1, 45, 14)
    bend = rng.uniform(-0.08, 0.08) * z + rng.uniform(0.3, 1.6) * np.sin(z / rng.uniform(4, 9) + rng.uniform(0, 6))
    left, right = ([canvas.seen((b + side, 0, d))[:2] for b, d in zip(bend, z, strict=True)] for side in (-0.9, 0.9))
    sand = colour(rng, 0.09, 0.25, 0.6)
    canvas.polygon([*left, *reversed(right)], label, plain(rng, sand, 0.08, (9, 9)))


def water(canvas: Canvas, top: float, bottom: float, label: int) -> None:
    """Water that mirrors the sky, with waves that are finer far away."""
    canvas.band(top, bottom, label, ripples(canvas))


def ripples(canvas: Canvas) -> Array:
    """The face of water."""
    rng = canvas.rng
    base = colour(rng, rng.choice([0.52, 0.57, 0.42]), 0.45, 0.48)
    rows = np.linspace(0, 1, 96, dtype=np.float32)[:, None, None]
    mirror = canvas.mood.sky[1] / np.maximum(canvas.mood.gain, 0.4) * canvas.mood.gain.mean()
    waves = noise(rng, 96, 96, (26, 4))[..., None] * (0.03 + 0.1 * rows)
    return (mirror + (rows**0.6) * (base - mirror)) * (1 + waves)


def row_of_houses(canvas: Canvas, side: int, edge: float, end: float) -> None:
    """The houses of one side of a street."""
    rng, z = canvas.rng, 2.0
    fronts = []
    while z < end:
        depth = float(rng.uniform(7, 15))
        fronts.append((z, z + depth, float(rng.uniform(6, 16)), float(rng.uniform(0, 0.6))))
        z += depth + (float(rng.uniform(1, 5)) if rng.random() < 0.25 else 0)
    for near, far, high, back in reversed(fronts):
        wall = any_colour(rng, 0.25, 0.62)
        floors, columns = max(2, round(high / 3.2)), max(2, round((far - near) / 2.6))
        x = side * (edge + back)
        front = facade(rng, wall, floors, columns, canvas.mood.night)
        light = 0.95 if side * canvas.mood.sun < 0 else 0.72
        canvas.upright(min(x, x + side * 12), max(x, x + side * 12), 0, high, near, 2, plain(rng, wall), 0.85)
        canvas.sideways(x, 0, high, near, far, 2, front, light)
        shop = plain(rng, any_colour(rng, 0.6, 0.5))
        if rng.random() < 0.45:
            canvas.sideways(x - side * 0.05, 2.6, 3.3, near + 0.5, far - 0.5, 44, shop, light)
        if rng.random() < 0.35:
            canvas.face((x - side * 1.3, 2.4, near + 1), (0, 0, 3.5), (side * 1.3, 0.5, 0), 87, shop, 1.1)
        if rng.random() < 0.7:
            door = rng.uniform(near + 0.5, far - 2)
            canvas.sideways(x - side * 0.04, 0, 2.2, door, door + 1.1, 15, plain(rng, any_colour(rng, 0.4, 0.3)), light)


def skyline(canvas: Canvas, count: int, z: float, label: int) -> None:
    """Tall buildings side by side."""
    rng = canvas.rng
    for _ in range(count):
        x, half = rng.uniform(-0.75, 0.75) * z, rng.uniform(0.04, 0.1) * z
        high, deep = rng.uniform(0.2, 0.62) * z, z + rng.uniform(-6, 6)
        wall = any_colour(rng, 0.15, 0.5)
        front = facade(rng, wall, int(rng.integers(8, 18)), int(rng.integers(4, 9)), canvas.mood.night)
        canvas.box((x - half, x + half), (0, high), (deep, deep + 8), label, front * np.float32(0.9), front=front)
        if rng.random() < 0.25:
            canvas.box(span(x, 0.06 * half), (high, high * 1.15), (deep, deep + 1), label, wall)


def bridge(canvas: Canvas, z: float) -> None:
    """A bridge across the picture."""
    concrete = plain(canvas.rng, GREY * 1.5, 0.05, (4, 8))
    canvas.upright(-60, 60, 5.5, 7.5, z, 62, concrete)
    for x in (-22, -9, 9, 22):
        canvas.box(span(x, 0.8), (0, 5.5), (z, z + 2), 62, concrete)


def wood(canvas: Canvas) -> tuple[int, Array]:
    """The far edge of a wood."""
    return 5, hazy(canvas, leaves(canvas.rng, green(canvas, 0.3), 11, 0.3), 35)


def crops(canvas: Canvas) -> tuple[int, Array]:
    """Crops in rows."""
    rng = canvas.rng
    base = colour(rng, rng.choice([0.12, 0.13, 0.22, 0.3]), 0.5, 0.62)
    rows = 0.14 * np.sign(np.sin(np.linspace(0, 2 * np.pi * rng.integers(16, 36), 192, dtype=np.float32)))
    grain = noise(rng, 96, 192, (12, 24)) * 0.12
    return 30, (1 + rows[None] + grain)[..., None] * base


def grass(canvas: Canvas) -> Array:
    """Grass."""
    return leaves(canvas.rng, green(canvas, 0.48), 14, 0.14)


def earth(canvas: Canvas) -> Array:
    """Bare soil."""
    return leaves(canvas.rng, colour(canvas.rng, 0.09, 0.3, 0.45), 9, 0.12)


def rock_face(canvas: Canvas, snow: bool = False) -> Array:
    """Rock, with snow on its upper part or without."""
    rng = canvas.rng
    rock = leaves(rng, colour(rng, rng.choice([0.08, 0.3, 0.6]), 0.2, 0.4), 4, 0.2)
    if snow:
        line = 30 + 8 * noise(rng, 1, 96, (1, 8)) - 9 * np.abs(noise(rng, 96, 96, (6, 14)))
        rock = np.where((np.arange(96)[:, None] < line)[..., None], np.array((0.93, 0.95, 1), np.float32), rock)
    return hazy(canvas, rock, rng.uniform(90, 240))


def green(canvas: Canvas, value: float) -> Array:
    """The green of a season."""
    autumn = canvas.mood.density > 0.0066
    return colour(canvas.rng, 0.09 if autumn else 0.27, 0.55, value + (0.12 if autumn else 0), 0.06)


def hazy(canvas: Canvas, surface: Array, distance: float) -> Array:
    """A surface as it is seen through so many metres of air."""
    away = np.float32(1 - np.exp(-canvas.mood.density * distance))
    return surface + away * (canvas.mood.haze - surface)


def span(x: float, half: float) -> tuple[float, float]:
    """From one side of a place to the other."""
    return x - half, x + half

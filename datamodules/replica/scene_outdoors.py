"""Scenes under the sky: streets, highways, mountains, fields, coasts, parks and skylines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datamodules.replica.scene_canvas import Canvas
from datamodules.replica.scene_surface import (
    Array,
    any_colour,
    bricks,
    colour,
    facade,
    leaves,
    noise,
    plain,
    planks,
    tiles,
)

FAR = 90.0
"""Where a street ends, in metres."""
_GREY = np.array([0.33, 0.33, 0.35], np.float32)


def street(canvas: Canvas) -> None:
    """Houses on both sides of a road, with what stands and drives there."""
    rng = canvas.rng
    canvas.sky()
    half, pavement = rng.uniform(3, 5.5), rng.uniform(2, 4)
    if rng.random() < 0.4:
        canvas.ridge(canvas.horizon / canvas.height - 0.06, 0.02, *_wood(canvas), cells=6)
    _ground(canvas, 14, _earth(canvas))
    for side in (-1, 1):
        _row_of_houses(canvas, side, half + pavement, end=FAR * rng.uniform(0.4, 1))
    _road(canvas, half, pavement)
    _street_life(canvas, half, pavement)


def highway(canvas: Canvas) -> None:
    """A wide road through open land."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    if rng.random() < 0.6:
        canvas.ridge(level - rng.uniform(0.06, 0.16), 0.03, 17, _mountain(canvas), cells=4)
    canvas.ridge(level - 0.02, 0.012, *_wood(canvas), cells=8)
    _ground(canvas, *(_field(canvas) if rng.random() < 0.5 else (10, _grass(canvas))))
    half = rng.uniform(5, 8)
    _road(canvas, half, 0)
    for z in np.arange(60, 3, -4):
        for side in (-1, 1):
            canvas.box(_span(side * (half + 0.6), 0.05), (0, 0.8), (z, z + 0.1), 39, _GREY * 1.4)
    for side in (-1, 1):
        canvas.sideways(side * (half + 0.6), 0.45, 0.8, 2, 70, 39, np.array([0.62, 0.63, 0.64], np.float32))
    places = np.sort(rng.uniform(7, 50, rng.integers(2, 7)))[::-1]
    for z in places:
        lane = rng.choice([-0.7, -0.25, 0.25, 0.7]) * half
        (car, truck, bus)[int(rng.choice(3, p=[0.65, 0.25, 0.1]))](canvas, float(lane), float(z))
    if rng.random() < 0.5:
        z = rng.uniform(18, 35)
        for side in (-1, 1):
            canvas.box(_span(side * (half + 0.9), 0.12), (0, 6.5), (z, z + 0.3), 94, _GREY)
        canvas.upright(-half, half, 5, 6.8, z, 44, plain(rng, colour(rng, rng.choice([0.38, 0.6]), 0.7, 0.4)))
    if rng.random() < 0.4:
        _bridge(canvas, rng.uniform(40, 70))


def mountain(canvas: Canvas) -> None:
    """Mountains behind hills, woods or a lake."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    for depth in range(int(rng.integers(1, 4))):
        height = rng.uniform(0.14, 0.36) * (1 - 0.25 * depth)
        canvas.ridge(level - height, 0.28 * height, 17, _mountain(canvas, snow=rng.random() < 0.5), cells=rng.uniform(2, 5))
    if rng.random() < 0.6:
        canvas.ridge(level - rng.uniform(0, 0.04), 0.02, 69, _hazy(canvas, leaves(rng, _green(canvas, 0.35)), 40), cells=3)
    canvas.ridge(level + 0.01, 0.012, *_wood(canvas), cells=10)
    if rng.random() < 0.5:
        _water(canvas, level + 0.03, 1.0, int(rng.choice([22, 128, 61])))
        canvas.ridge(rng.uniform(0.84, 0.95), 0.03, 10, _grass(canvas))
    else:
        canvas.band(level + 0.03, 1.0, 10, _grass(canvas))
        _path(canvas)
    _rocks(canvas, int(rng.integers(1, 6)))
    _trees(canvas, int(rng.integers(2, 7)), 8, 40)


def field(canvas: Canvas) -> None:
    """Crops or a meadow up to the horizon."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    if rng.random() < 0.5:
        canvas.ridge(level - rng.uniform(0.02, 0.08), 0.02, 69, _hazy(canvas, leaves(rng, _green(canvas, 0.4)), 70), cells=3)
    canvas.ridge(level - 0.015, 0.012, *_wood(canvas), cells=9)
    _ground(canvas, *_field(canvas))
    if rng.random() < 0.6:
        canvas.level(-40, 40, 0, 30, 60, 10, _grass(canvas))
    if rng.random() < 0.5:
        house(canvas, rng.uniform(-16, 16), rng.uniform(25, 45))
    if rng.random() < 0.5:
        _path(canvas, 92)
    _trees(canvas, int(rng.integers(0, 4)), 15, 50)
    if rng.random() < 0.6:
        _fence(canvas, rng.uniform(7, 14))
    for _ in range(int(rng.integers(0, 5))):
        _animal(canvas, rng.uniform(-8, 8), rng.uniform(9, 22))


def coast(canvas: Canvas) -> None:
    """Sand or rocks, and the sea."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    _water(canvas, level, 1.0, 27)
    if rng.random() < 0.5:
        height = rng.uniform(0.03, 0.12)
        canvas.ridge(level - height * 0.3, height * 0.5, 17, _mountain(canvas), cells=2, bottom=level + 0.004)
    for _ in range(int(rng.integers(0, 4))):
        _boat(canvas, rng.uniform(-20, 20), rng.uniform(20, 60))
    shore = rng.uniform(level + 0.12, 0.9)
    slope = rng.uniform(-0.2, 0.2)
    line = shore + slope * np.linspace(-1, 1, canvas.width) + 0.015 * noise(rng, 1, canvas.width, (1, 4))[0]
    x = np.arange(canvas.width)
    for rise, label, surface in (
        (-0.015, 27, np.array([0.92, 0.94, 0.95], np.float32)),
        (0.0, 47, leaves(rng, colour(rng, 0.11, 0.35, 0.78), 8, 0.07)),
    ):
        top = zip(x, (line + rise) * canvas.height, strict=True)
        canvas.polygon([*top, (canvas.width, canvas.height), (0, canvas.height)], label, surface)
    _rocks(canvas, int(rng.integers(0, 5)))
    for _ in range(int(rng.integers(0, 4))):
        person(canvas, rng.uniform(-5, 5), rng.uniform(5, 10))
    for _ in range(int(rng.integers(0, 4))):
        tree(canvas, rng.choice([-1, 1]) * rng.uniform(3, 6), rng.uniform(6, 12), palm=True)


def park(canvas: Canvas) -> None:
    """Lawns, trees, a path, benches and flowers."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    if rng.random() < 0.4:
        _skyline(canvas, int(rng.integers(3, 7)), 60, 2)
    canvas.ridge(level - rng.uniform(0.03, 0.1), 0.03, *_wood(canvas), cells=7)
    _ground(canvas, 10, _grass(canvas))
    if rng.random() < 0.35:
        canvas.level(-14, 14, 0, 12, 28, 128, _ripples(canvas))
    _path(canvas)
    _trees(canvas, int(rng.integers(3, 9)), 6, 35)
    for _ in range(int(rng.integers(1, 4))):
        bench(canvas, rng.choice([-1, 1]) * rng.uniform(1.6, 3.5), rng.uniform(5, 12))
    for _ in range(int(rng.integers(2, 7))):
        _flowers(canvas, rng.choice([-1, 1]) * rng.uniform(1.4, 5), rng.uniform(3.5, 9))
    for _ in range(int(rng.integers(0, 4))):
        person(canvas, rng.uniform(-2, 2), rng.uniform(5, 16))


def skyscraper(canvas: Canvas) -> None:
    """The towers of a city, behind trees or water."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    _skyline(canvas, int(rng.integers(5, 9)), 140, 49)
    _skyline(canvas, int(rng.integers(3, 7)), 90, int(rng.choice([2, 49])))
    canvas.ridge(level - 0.015, 0.012, *_wood(canvas), cells=12)
    if rng.random() < 0.5:
        _water(canvas, level + 0.02, 1.0, int(rng.choice([22, 61])))
        for _ in range(int(rng.integers(0, 3))):
            _boat(canvas, rng.uniform(-14, 14), rng.uniform(12, 40))
    else:
        _ground(canvas, 10, _grass(canvas))
        _road(canvas, rng.uniform(3, 6), 2)
        _street_life(canvas, 4, 2)


def house_scene(canvas: Canvas) -> None:
    """A house in its garden."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    canvas.ridge(level - rng.uniform(0.04, 0.1), 0.03, *_wood(canvas), cells=6)
    _ground(canvas, 10, _grass(canvas))
    z = rng.uniform(14, 22)
    house(canvas, rng.uniform(-3, 3), z, large=True)
    door = rng.uniform(-1, 1)
    canvas.level(door - 0.9, door + 0.9, 0.01, 3, z, 53, tiles(rng, colour(rng, 0.1, 0.12, 0.62), 16, 3))
    _trees(canvas, int(rng.integers(1, 4)), 9, 13)
    for _ in range(int(rng.integers(2, 6))):
        x, y, metre = canvas.seen((rng.choice([-1, 1]) * rng.uniform(1.8, 6), 0.4, rng.uniform(7, 12)))
        canvas.cloud_of_leaves(x, y, 0.9 * metre, 0.55 * metre, 18, _green(canvas, 0.36))
    if rng.random() < 0.5:
        car(canvas, rng.choice([-1, 1]) * rng.uniform(2.5, 4), rng.uniform(8, 11))
    if rng.random() < 0.5:
        _fence(canvas, rng.uniform(4.5, 6))


OUTDOORS: dict[str, Callable[[Canvas], None]] = {
    "street": street,
    "highway": highway,
    "mountain": mountain,
    "wheat_field": field,
    "coast": coast,
    "park": park,
    "skyscraper": skyscraper,
    "house": house_scene,
}
"""Scenes by the name of their category."""


# Things.


def car(canvas: Canvas, x: float, z: float) -> None:
    """A car seen from behind or before."""
    rng, paint = canvas.rng, any_colour(canvas.rng, 0.5, 0.55)
    label = int(rng.choice([21, 103], p=[0.85, 0.15]))
    high = 1.45 if label == 21 else 2.0
    dark = np.array([0.12, 0.13, 0.15], np.float32)
    canvas.shadow(x - 1, x + 1, z - 0.3, z + 4.2, 0.6)
    canvas.box((x - 0.9, x + 0.9), (0.3, 0.85), (z, z + 4.2), label, paint)
    canvas.box((x - 0.75, x + 0.75), (0.85, high), (z + 0.5, z + 3), label, dark * 2, top=paint)
    for side in (-0.72, 0.72):
        px, py, metre = canvas.seen((x + side, 0.3, z))
        canvas.ellipse(px, py, 0.16 * metre, 0.32 * metre, label, dark)
        px, py, metre = canvas.seen((x + side * 0.95, 0.66, z))
        lamp = np.array([0.9, 0.1, 0.08] if x > 0 else [1.6, 1.5, 1.2], np.float32)
        canvas.ellipse(px, py, 0.15 * metre, 0.08 * metre, label, lamp)


def truck(canvas: Canvas, x: float, z: float) -> None:
    """A lorry."""
    canvas.shadow(x - 1.2, x + 1.2, z - 0.3, z + 8, 0.6)
    canvas.box((x - 1.2, x + 1.2), (0.7, 3.6), (z, z + 8), 84, plain(canvas.rng, any_colour(canvas.rng, 0.2, 0.75)))
    canvas.box((x - 1.1, x + 1.1), (0.2, 0.75), (z, z + 8), 84, np.array([0.1, 0.1, 0.11], np.float32))


def bus(canvas: Canvas, x: float, z: float) -> None:
    """A bus."""
    paint, glass = any_colour(canvas.rng, 0.75, 0.65), np.array([0.15, 0.2, 0.24], np.float32)
    canvas.shadow(x - 1.3, x + 1.3, z - 0.3, z + 9, 0.6)
    canvas.box((x - 1.3, x + 1.3), (0.35, 1.4), (z, z + 9), 81, paint)
    canvas.box((x - 1.3, x + 1.3), (1.4, 2.5), (z, z + 9), 81, glass)
    canvas.box((x - 1.3, x + 1.3), (2.5, 3), (z, z + 9), 81, paint)


def person(canvas: Canvas, x: float, z: float) -> None:
    """Somebody who stands or walks."""
    rng = canvas.rng
    px, py, metre = canvas.seen((x, 0, z))
    size = metre * rng.uniform(1.55, 1.85) / 1.75
    skin = colour(rng, 0.06, 0.45, rng.uniform(0.35, 0.85))
    canvas.shadow(x - 0.35, x + 0.35, z - 0.2, z + 0.4)
    trousers, shirt = any_colour(rng, 0.3, 0.3), any_colour(rng, 0.55, 0.6)
    stride = rng.uniform(0.02, 0.2) * size
    for side in (-1, 1):
        foot = px + side * stride
        canvas.polygon(
            [(px + side * 0.02 * size, py - 0.88 * size), (px + side * 0.18 * size, py - 0.88 * size),
             (foot + 0.08 * size, py), (foot - 0.06 * size, py)], 13, trousers)  # fmt: skip
        canvas.polygon(
            [(px + side * 0.14 * size, py - 1.45 * size), (px + side * 0.24 * size, py - 1.4 * size),
             (px + side * 0.3 * size, py - 0.8 * size), (px + side * 0.22 * size, py - 0.8 * size)], 13, shirt * 0.85)  # fmt: skip
    canvas.polygon(
        [(px - 0.2 * size, py - 1.47 * size), (px + 0.2 * size, py - 1.47 * size), (px + 0.18 * size, py - 0.82 * size),
         (px - 0.18 * size, py - 0.82 * size)], 13, shirt)  # fmt: skip
    canvas.ellipse(px, py - 1.62 * size, 0.11 * size, 0.14 * size, 13, skin)
    canvas.ellipse(px, py - 1.68 * size, 0.115 * size, 0.09 * size, 13, any_colour(rng, 0.3, 0.2))


def tree(canvas: Canvas, x: float, z: float, palm: bool = False) -> None:
    """A tree or a palm; its trunk belongs to it."""
    rng = canvas.rng
    high = rng.uniform(4, 8)
    px, py, metre = canvas.seen((x, 0, z))
    bark, green = colour(rng, 0.08, 0.35, 0.28), _green(canvas, 0.36)
    label, lean = (73, rng.uniform(-1, 1)) if palm else (5, 0.0)
    canvas.shadow(x - 1.4, x + 1.4, z - 0.6, z + 0.8)
    top = (px + lean * metre, py - high * 0.75 * metre)
    width = 0.13 * metre
    canvas.polygon([(px - width, py), (px + width, py), (top[0] + 0.6 * width, top[1]), (top[0] - 0.6 * width, top[1])],
                   label, bark)  # fmt: skip
    if palm:
        for angle in rng.uniform(-0.3, 0.3) + np.linspace(-0.4, np.pi + 0.4, 9):
            reach = np.array([np.cos(angle), -0.7 * np.sin(angle)]) * metre * 1.9
            middle, end = np.array(top) + 0.55 * reach + (0, -0.1 * metre), np.array(top) + reach + (0, 0.5 * metre)
            across = 0.16 * metre * np.array([np.sin(angle), np.cos(angle)])
            canvas.polygon([top, middle + across, end, middle - across], label, green * np.float32(rng.uniform(0.7, 1.3)))
        return
    wide = rng.uniform(0.28, 0.45) * high
    for dx, dy, share in ((-0.45, 0.1, 0.7), (0.45, 0.05, 0.7), (0, -0.25, 0.75), (0, 0.1, 0.9)):
        canvas.cloud_of_leaves(
            top[0] + dx * wide * metre, top[1] + dy * wide * metre, share * wide * metre, share * wide * metre, 5, green
        )


def house(canvas: Canvas, x: float, z: float, large: bool = False) -> None:
    """A house with a gable roof."""
    rng = canvas.rng
    half, high = rng.uniform(3, 5) * (1.3 if large else 1), rng.uniform(2.8, 5.2)
    wall = any_colour(rng, 0.2, 0.75)
    floors, columns = max(1, round(high / 2.7)), int(rng.integers(3, 6))
    front = facade(rng, wall, floors, columns, canvas.mood.night)
    canvas.box((x - half, x + half), (0, high), (z, z + 8), 26, plain(rng, wall), front=front)
    roof, rise = tiles(rng, colour(rng, rng.choice([0.02, 0.06, 0.6]), 0.4, 0.4), 10, 20), rng.uniform(1.4, 2.6)
    corners = [canvas.seen(p) for p in ((x - half - 0.4, high, z), (x + half + 0.4, high, z),
                                        (x + 0.75 * half, high + rise, z + 4), (x - 0.75 * half, high + rise, z + 4))]  # fmt: skip
    canvas.polygon([corner[:2] for corner in corners], 26, roof)
    door = x + rng.uniform(-0.5, 0.5) * half
    canvas.upright(door - 0.5, door + 0.5, 0, 2.1, z - 0.05, 15, plain(rng, any_colour(rng, 0.5, 0.4)))


def bench(canvas: Canvas, x: float, z: float) -> None:
    """A bench."""
    wood = planks(canvas.rng, colour(canvas.rng, 0.08, 0.5, 0.45), 4, across=True)
    canvas.shadow(x - 0.8, x + 0.8, z - 0.1, z + 0.6)
    canvas.box((x - 0.8, x + 0.8), (0.5, 0.95), (z + 0.5, z + 0.56), 70, wood)
    canvas.box((x - 0.8, x + 0.8), (0.38, 0.46), (z, z + 0.5), 70, wood)
    for side in (-0.7, 0.66):
        canvas.box((x + side, x + side + 0.06), (0, 0.4), (z, z + 0.06), 70, np.array([0.12, 0.12, 0.13], np.float32))


# Grounds and backgrounds.


def _street_life(canvas: Canvas, half: float, pavement: float) -> None:
    """Cars, lamps, trees, signs and people, from far to near."""
    rng = canvas.rng
    kinds = [car, truck, bus, person, person, _street_light, _street_tree, _sign, _traffic_light, _bicycle]
    shares = np.array([0.34, 0.03, 0.05, 0.14, 0.1, 0.1, 0.14, 0.04, 0.03, 0.03])
    for z in np.sort(rng.uniform(6, 55, rng.integers(6, 16)))[::-1]:
        kind = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
        side = float(rng.choice([-1, 1]))
        on_road = kind in (car, truck, bus)
        place = side * (half * rng.choice([0.45, 0.72]) if on_road else half + 0.25 + rng.uniform(0.1, 0.8) * pavement)
        kind(canvas, float(place), float(z))


def _street_tree(canvas: Canvas, x: float, z: float) -> None:
    tree(canvas, x, z)


def _street_light(canvas: Canvas, x: float, z: float) -> None:
    canvas.box(_span(x, 0.07), (0, 6), (z, z + 0.14), 88, _GREY * 0.7)
    px, py, metre = canvas.seen((x - np.sign(x) * 0.6, 6, z))
    lamp = np.array([2.4, 2.0, 1.3] if canvas.mood.night else [0.85, 0.85, 0.8], np.float32)
    canvas.polygon([(px - 0.7 * metre, py - 0.1 * metre), (px + 0.7 * metre, py - 0.1 * metre),
                    (px + 0.7 * metre, py + 0.08 * metre), (px - 0.7 * metre, py + 0.08 * metre)], 88, _GREY)  # fmt: skip
    canvas.ellipse(px, py + 0.1 * metre, 0.35 * metre, 0.14 * metre, 88, lamp)


def _sign(canvas: Canvas, x: float, z: float) -> None:
    canvas.box(_span(x, 0.04), (0, 2.6), (z, z + 0.06), 94, _GREY)
    canvas.upright(x - 0.5, x + 0.5, 2.0, 3.0, z - 0.02, 44, plain(canvas.rng, any_colour(canvas.rng, 0.7, 0.7)))


def _traffic_light(canvas: Canvas, x: float, z: float) -> None:
    canvas.box(_span(x, 0.06), (0, 3), (z, z + 0.1), 137, _GREY * 0.5)
    canvas.box(_span(x, 0.22), (3, 4), (z, z + 0.3), 137, _GREY * 0.35)
    on = int(canvas.rng.integers(3))
    for place, shine in enumerate(((2.0, 0.2, 0.1), (2.0, 1.5, 0.2), (0.2, 1.8, 0.6))):
        px, py, metre = canvas.seen((x, 3.8 - 0.3 * place, z - 0.02))
        canvas.ellipse(px, py, 0.12 * metre, 0.12 * metre, 137, np.array(shine, np.float32) * (1 if place == on else 0.15))


def _bicycle(canvas: Canvas, x: float, z: float) -> None:
    px, py, metre = canvas.seen((x, 0.33, z))
    black = np.array([0.1, 0.1, 0.1], np.float32)
    for side in (-0.5, 0.5):
        canvas.ellipse(px + side * metre, py, 0.33 * metre, 0.33 * metre, 128, black)
    canvas.polygon([(px - 0.5 * metre, py), (px + 0.4 * metre, py - 0.7 * metre), (px + 0.5 * metre, py)], 128,
                   any_colour(canvas.rng, 0.7, 0.6))  # fmt: skip


def _animal(canvas: Canvas, x: float, z: float) -> None:
    coat = any_colour(canvas.rng, 0.25, 0.6)
    px, py, metre = canvas.seen((x, 0.85, z))
    way = float(canvas.rng.choice([-1, 1]))
    canvas.shadow(x - 0.8, x + 0.8, z - 0.2, z + 0.4)
    for leg in (-0.6, -0.45, 0.45, 0.6):
        canvas.polygon([(px + (leg - 0.06) * metre, py), (px + (leg + 0.06) * metre, py),
                        (px + (leg + 0.05) * metre, py + 0.85 * metre), (px + (leg - 0.05) * metre, py + 0.85 * metre)],
                       127, coat * 0.8)  # fmt: skip
    canvas.ellipse(px, py, 0.8 * metre, 0.38 * metre, 127, coat)
    canvas.ellipse(px + way * 0.95 * metre, py - 0.3 * metre, 0.28 * metre, 0.2 * metre, 127, coat * 0.9)


def _row_of_houses(canvas: Canvas, side: int, edge: float, end: float) -> None:
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
        if rng.random() < 0.3:
            front *= bricks(rng, np.ones(3, np.float32), front.shape[0] // 5, front.shape[1] // 10)[:1, :1]
        canvas.upright(*sorted((x, x + side * 12)), 0, high, near, 2, plain(rng, wall), 0.85)
        canvas.sideways(x, 0, high, near, far, 2, front, light)
        shop = plain(rng, any_colour(rng, 0.6, 0.5))
        if rng.random() < 0.45:
            canvas.sideways(x - side * 0.05, 2.6, 3.3, near + 0.5, far - 0.5, 44, shop, light)
        if rng.random() < 0.35:
            canvas.face((x - side * 1.3, 2.4, near + 1), (0, 0, 3.5), (side * 1.3, 0.5, 0), 87, shop, 1.1)
        if rng.random() < 0.7:
            door = rng.uniform(near + 0.5, far - 2)
            canvas.sideways(x - side * 0.04, 0, 2.2, door, door + 1.1, 15, plain(rng, any_colour(rng, 0.4, 0.3)), light)


def _skyline(canvas: Canvas, count: int, z: float, label: int) -> None:
    rng = canvas.rng
    for _ in range(count):
        x, half = rng.uniform(-0.75, 0.75) * z, rng.uniform(0.04, 0.1) * z
        high, deep = rng.uniform(0.2, 0.62) * z, z + rng.uniform(-6, 6)
        wall = any_colour(rng, 0.15, 0.5)
        front = facade(rng, wall, int(rng.integers(8, 18)), int(rng.integers(4, 9)), canvas.mood.night)
        canvas.box((x - half, x + half), (0, high), (deep, deep + 8), label, front * np.float32(0.9), front=front)
        if rng.random() < 0.25:
            canvas.box(_span(x, 0.06 * half), (high, high * 1.15), (deep, deep + 1), label, wall)


def _road(canvas: Canvas, half: float, pavement: float) -> None:
    rng = canvas.rng
    asphalt = plain(rng, _GREY * np.float32(rng.uniform(0.7, 1.4)), 0.05, (9, 9))
    if pavement:
        slabs = tiles(rng, colour(rng, 0.09, 0.08, rng.uniform(0.45, 0.7)), 40, 3)
        for side in (-1, 1):
            canvas.level(*sorted((side * half, side * (half + pavement))), 0.1, NEAR_ROAD, FAR, 12, slabs)
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


NEAR_ROAD = 0.6


def _ground(canvas: Canvas, label: int, surface: Array) -> None:
    """A plain up to the horizon. Seen at a low angle its pattern gets lost far away, so it is drawn in two parts."""
    canvas.band(canvas.horizon / canvas.height, 1.0, label, _hazy(canvas, surface.mean((0, 1)), 60))
    canvas.level(-60, 60, 0, 12, FAR, label, surface)
    canvas.level(-14, 14, 0, NEAR_ROAD, 12.2, label, surface)


def _path(canvas: Canvas, label: int = 53) -> None:
    """A path that winds into the distance."""
    rng = canvas.rng
    z = np.geomspace(1, 45, 14)
    bend = rng.uniform(-0.08, 0.08) * z + rng.uniform(0.3, 1.6) * np.sin(z / rng.uniform(4, 9) + rng.uniform(0, 6))
    left, right = ([canvas.seen((b + side, 0, d))[:2] for b, d in zip(bend, z, strict=True)] for side in (-0.9, 0.9))
    sand = colour(rng, 0.09, 0.25, 0.6)
    canvas.polygon([*left, *reversed(right)], label, plain(rng, sand, 0.08, (9, 9)))


def _water(canvas: Canvas, top: float, bottom: float, label: int) -> None:
    """Water that mirrors the sky, with waves that are finer far away."""
    canvas.band(top, bottom, label, _ripples(canvas))


def _ripples(canvas: Canvas) -> Array:
    rng = canvas.rng
    base = colour(rng, rng.choice([0.52, 0.57, 0.42]), 0.45, 0.48)
    rows = np.linspace(0, 1, 96, dtype=np.float32)[:, None, None]
    mirror = canvas.mood.sky[1] / np.maximum(canvas.mood.gain, 0.4) * canvas.mood.gain.mean()
    waves = noise(rng, 96, 96, (26, 4))[..., None] * (0.03 + 0.1 * rows)
    return (mirror + (rows**0.6) * (base - mirror)) * (1 + waves)


def _rocks(canvas: Canvas, count: int) -> None:
    rng = canvas.rng
    for z in np.sort(rng.uniform(3, 14, count))[::-1]:
        x, y, metre = canvas.seen((rng.uniform(-5, 5), 0, z))
        size = metre * rng.uniform(0.3, 1)
        angles = np.linspace(0, np.pi, 9)
        radius = rng.uniform(0.7, 1.15, 9)
        points = np.stack([x + size * radius * np.cos(angles), y - 0.75 * size * radius * np.sin(angles)], 1)
        canvas.polygon(points, 35, leaves(rng, colour(rng, 0.08, 0.1, 0.42), 6, 0.25))


def _trees(canvas: Canvas, count: int, near: float, far: float) -> None:
    rng = canvas.rng
    for z in np.sort(rng.uniform(near, far, count))[::-1]:
        tree(canvas, float(rng.choice([-1, 1]) * rng.uniform(0.15, 0.6) * z), float(z))


def _flowers(canvas: Canvas, x: float, z: float) -> None:
    rng = canvas.rng
    px, py, metre = canvas.seen((x, 0.2, z))
    canvas.cloud_of_leaves(px, py, 0.5 * metre, 0.3 * metre, 18, _green(canvas, 0.4))
    bloom = colour(rng, rng.choice([0.0, 0.13, 0.8, 0.92]), 0.75, 0.9)
    for dx, dy in rng.normal(0, 0.22, (9, 2)):
        canvas.ellipse(px + dx * metre, py - (0.06 + 0.5 * dy) * metre, 0.07 * metre, 0.07 * metre, 67, bloom)


def _fence(canvas: Canvas, z: float) -> None:
    wood = colour(canvas.rng, 0.09, 0.3, canvas.rng.uniform(0.35, 0.85))
    for y in (0.35, 0.75):
        canvas.upright(-z, z, y, y + 0.12, z, 33, wood)
    for x in np.arange(-z, z, 1.5):
        canvas.upright(x, x + 0.13, 0, 1.05, z - 0.03, 33, wood * np.float32(canvas.rng.uniform(0.8, 1.1)))


def _boat(canvas: Canvas, x: float, z: float) -> None:
    rng = canvas.rng
    px, py, metre = canvas.seen((x, 0, z))
    canvas.polygon([(px - 2.4 * metre, py - 0.9 * metre), (px + 2.4 * metre, py - 0.9 * metre),
                    (px + 1.7 * metre, py + 0.1 * metre), (px - 1.7 * metre, py + 0.1 * metre)], 77,
                   any_colour(rng, 0.5, 0.7))  # fmt: skip
    if rng.random() < 0.6:
        way = rng.choice([-1, 1])
        canvas.polygon([(px, py - 6 * metre), (px + way * 2 * metre, py - 1.2 * metre), (px, py - 1.2 * metre)], 77,
                       np.array([0.95, 0.94, 0.9], np.float32))  # fmt: skip


def _bridge(canvas: Canvas, z: float) -> None:
    concrete = plain(canvas.rng, _GREY * 1.5, 0.05, (4, 8))
    canvas.upright(-60, 60, 5.5, 7.5, z, 62, concrete)
    for x in (-22, -9, 9, 22):
        canvas.box(_span(x, 0.8), (0, 5.5), (z, z + 2), 62, concrete)


def _wood(canvas: Canvas) -> tuple[int, Array]:
    """The far edge of a wood."""
    return 5, _hazy(canvas, leaves(canvas.rng, _green(canvas, 0.3), 11, 0.3), 35)


def _field(canvas: Canvas) -> tuple[int, Array]:
    """Crops in rows."""
    rng = canvas.rng
    base = colour(rng, rng.choice([0.12, 0.13, 0.22, 0.3]), 0.5, 0.62)
    rows = 0.14 * np.sign(np.sin(np.linspace(0, 2 * np.pi * rng.integers(16, 36), 192, dtype=np.float32)))
    grain = noise(rng, 96, 192, (12, 24)) * 0.12
    return 30, (1 + rows[None] + grain)[..., None] * base


def _grass(canvas: Canvas) -> Array:
    return leaves(canvas.rng, _green(canvas, 0.48), 14, 0.14)


def _earth(canvas: Canvas) -> Array:
    return leaves(canvas.rng, colour(canvas.rng, 0.09, 0.3, 0.45), 9, 0.12)


def _mountain(canvas: Canvas, snow: bool = False) -> Array:
    rng = canvas.rng
    rock = leaves(rng, colour(rng, rng.choice([0.08, 0.3, 0.6]), 0.2, 0.4), 4, 0.2)
    if snow:
        line = 30 + 8 * noise(rng, 1, 96, (1, 8)) - 9 * np.abs(noise(rng, 96, 96, (6, 14)))
        rock = np.where((np.arange(96)[:, None] < line)[..., None], np.float32([0.93, 0.95, 1.0]), rock)
    return _hazy(canvas, rock, rng.uniform(90, 240))


def _green(canvas: Canvas, value: float) -> Array:
    """The green of a season."""
    autumn = canvas.mood.density > 0.0066
    return colour(canvas.rng, 0.09 if autumn else 0.27, 0.55, value + (0.12 if autumn else 0), 0.06)


def _hazy(canvas: Canvas, surface: Array, distance: float) -> Array:
    away = np.float32(1 - np.exp(-canvas.mood.density * distance))
    return surface + away * (canvas.mood.haze - surface)


def _span(x: float, half: float) -> tuple[float, float]:
    return x - half, x + half

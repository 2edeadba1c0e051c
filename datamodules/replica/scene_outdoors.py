"""Scenes under the sky: streets, highways, mountains, fields, coasts, parks and skylines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datamodules.replica.scene_canvas import Canvas
from datamodules.replica.scene_land import (
    FAR,
    GREY,
    bridge,
    crops,
    earth,
    grass,
    green,
    ground,
    hazy,
    path,
    ripples,
    road,
    rock_face,
    row_of_houses,
    skyline,
    span,
    water,
    wood,
)
from datamodules.replica.scene_surface import colour, leaves, noise, plain, tiles
from datamodules.replica.scene_things import (
    animal,
    bench,
    bicycle,
    boat,
    bus,
    car,
    fence,
    flowers,
    house,
    person,
    rocks,
    sign,
    street_light,
    traffic_light,
    tree,
    truck,
)


def street(canvas: Canvas) -> None:
    """Houses on both sides of a road, with what stands and drives there."""
    rng = canvas.rng
    canvas.sky()
    half, pavement = rng.uniform(3, 5.5), rng.uniform(2, 4)
    if rng.random() < 0.4:
        canvas.ridge(canvas.horizon / canvas.height - 0.06, 0.02, *wood(canvas), cells=6)
    ground(canvas, 14, earth(canvas))
    for side in (-1, 1):
        row_of_houses(canvas, side, half + pavement, end=FAR * rng.uniform(0.4, 1))
    road(canvas, half, pavement)
    _street_life(canvas, half, pavement)


def highway(canvas: Canvas) -> None:
    """A wide road through open land."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    if rng.random() < 0.6:
        canvas.ridge(level - rng.uniform(0.06, 0.16), 0.03, 17, rock_face(canvas), cells=4)
    canvas.ridge(level - 0.02, 0.012, *wood(canvas), cells=8)
    ground(canvas, *(crops(canvas) if rng.random() < 0.5 else (10, grass(canvas))))
    half = rng.uniform(5, 8)
    road(canvas, half, 0)
    for post in range(60, 3, -4):
        for side in (-1, 1):
            canvas.box(span(side * (half + 0.6), 0.05), (0, 0.8), (post, post + 0.1), 39, GREY * 1.4)
    for side in (-1, 1):
        canvas.sideways(side * (half + 0.6), 0.45, 0.8, 2, 70, 39, np.array([0.62, 0.63, 0.64], np.float32))
    places = np.sort(rng.uniform(7, 50, rng.integers(2, 7)))[::-1]
    for z in places:
        lane = rng.choice([-0.7, -0.25, 0.25, 0.7]) * half
        (car, truck, bus)[int(rng.choice(3, p=[0.65, 0.25, 0.1]))](canvas, float(lane), float(z))
    if rng.random() < 0.5:
        z = rng.uniform(18, 35)
        for side in (-1, 1):
            canvas.box(span(side * (half + 0.9), 0.12), (0, 6.5), (z, z + 0.3), 94, GREY)
        canvas.upright(-half, half, 5, 6.8, z, 44, plain(rng, colour(rng, rng.choice([0.38, 0.6]), 0.7, 0.4)))
    if rng.random() < 0.4:
        bridge(canvas, rng.uniform(40, 70))


def mountain(canvas: Canvas) -> None:
    """Mountains behind hills, woods or a lake."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    for depth in range(int(rng.integers(1, 4))):
        height = rng.uniform(0.14, 0.36) * (1 - 0.25 * depth)
        canvas.ridge(
            level - height, 0.28 * height, 17, rock_face(canvas, snow=rng.random() < 0.5), cells=rng.uniform(2, 5)
        )
    if rng.random() < 0.6:
        canvas.ridge(
            level - rng.uniform(0, 0.04), 0.02, 69, hazy(canvas, leaves(rng, green(canvas, 0.35)), 40), cells=3
        )
    canvas.ridge(level + 0.01, 0.012, *wood(canvas), cells=10)
    if rng.random() < 0.5:
        water(canvas, level + 0.03, 1.0, int(rng.choice([22, 128, 61])))
        canvas.ridge(rng.uniform(0.84, 0.95), 0.03, 10, grass(canvas))
    else:
        canvas.band(level + 0.03, 1.0, 10, grass(canvas))
        path(canvas)
    rocks(canvas, int(rng.integers(1, 6)))
    _trees(canvas, int(rng.integers(2, 7)), 8, 40)


def field(canvas: Canvas) -> None:
    """Crops or a meadow up to the horizon."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    if rng.random() < 0.5:
        canvas.ridge(
            level - rng.uniform(0.02, 0.08), 0.02, 69, hazy(canvas, leaves(rng, green(canvas, 0.4)), 70), cells=3
        )
    canvas.ridge(level - 0.015, 0.012, *wood(canvas), cells=9)
    ground(canvas, *crops(canvas))
    if rng.random() < 0.6:
        canvas.level(-40, 40, 0, 30, 60, 10, grass(canvas))
    if rng.random() < 0.5:
        house(canvas, rng.uniform(-16, 16), rng.uniform(25, 45))
    if rng.random() < 0.5:
        path(canvas, 92)
    _trees(canvas, int(rng.integers(0, 4)), 15, 50)
    if rng.random() < 0.6:
        fence(canvas, rng.uniform(7, 14))
    for _ in range(int(rng.integers(0, 5))):
        animal(canvas, rng.uniform(-8, 8), rng.uniform(9, 22))


def coast(canvas: Canvas) -> None:
    """Sand or rocks, and the sea."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    water(canvas, level, 1.0, 27)
    if rng.random() < 0.5:
        height = rng.uniform(0.03, 0.12)
        canvas.ridge(level - height * 0.3, height * 0.5, 17, rock_face(canvas), cells=2, bottom=level + 0.004)
    for _ in range(int(rng.integers(0, 4))):
        boat(canvas, rng.uniform(-20, 20), rng.uniform(20, 60))
    shore = rng.uniform(level + 0.12, 0.9)
    slope = rng.uniform(-0.2, 0.2)
    line = shore + slope * np.linspace(-1, 1, canvas.width) + 0.015 * noise(rng, 1, canvas.width, (1, 4))[0]
    x = np.arange(canvas.width)
    for rise, label, surface in (
        (-0.015, 27, np.array([0.92, 0.94, 0.95], np.float32)),
        (0.0, 47, leaves(rng, colour(rng, 0.11, 0.35, 0.78), 8, 0.07)),
    ):
        top = zip(x.tolist(), ((line + rise) * canvas.height).tolist(), strict=True)
        canvas.polygon([*top, (canvas.width, canvas.height), (0, canvas.height)], label, surface)
    rocks(canvas, int(rng.integers(0, 5)))
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
        skyline(canvas, int(rng.integers(3, 7)), 60, 2)
    canvas.ridge(level - rng.uniform(0.03, 0.1), 0.03, *wood(canvas), cells=7)
    ground(canvas, 10, grass(canvas))
    if rng.random() < 0.35:
        canvas.level(-14, 14, 0, 12, 28, 128, ripples(canvas))
    path(canvas)
    _trees(canvas, int(rng.integers(3, 9)), 6, 35)
    for _ in range(int(rng.integers(1, 4))):
        bench(canvas, rng.choice([-1, 1]) * rng.uniform(1.6, 3.5), rng.uniform(5, 12))
    for _ in range(int(rng.integers(2, 7))):
        flowers(canvas, rng.choice([-1, 1]) * rng.uniform(1.4, 5), rng.uniform(3.5, 9))
    for _ in range(int(rng.integers(0, 4))):
        person(canvas, rng.uniform(-2, 2), rng.uniform(5, 16))


def skyscraper(canvas: Canvas) -> None:
    """The towers of a city, behind trees or water."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    skyline(canvas, int(rng.integers(5, 9)), 140, 49)
    skyline(canvas, int(rng.integers(3, 7)), 90, int(rng.choice([2, 49])))
    canvas.ridge(level - 0.015, 0.012, *wood(canvas), cells=12)
    if rng.random() < 0.5:
        water(canvas, level + 0.02, 1.0, int(rng.choice([22, 61])))
        for _ in range(int(rng.integers(0, 3))):
            boat(canvas, rng.uniform(-14, 14), rng.uniform(12, 40))
    else:
        ground(canvas, 10, grass(canvas))
        road(canvas, rng.uniform(3, 6), 2)
        _street_life(canvas, 4, 2)


def house_scene(canvas: Canvas) -> None:
    """A house in its garden."""
    rng = canvas.rng
    canvas.sky()
    level = canvas.horizon / canvas.height
    canvas.ridge(level - rng.uniform(0.04, 0.1), 0.03, *wood(canvas), cells=6)
    ground(canvas, 10, grass(canvas))
    z = rng.uniform(14, 22)
    house(canvas, rng.uniform(-3, 3), z, large=True)
    door = rng.uniform(-1, 1)
    canvas.level(door - 0.9, door + 0.9, 0.01, 3, z, 53, tiles(rng, colour(rng, 0.1, 0.12, 0.62), 16, 3))
    _trees(canvas, int(rng.integers(1, 4)), 9, 13)
    for _ in range(int(rng.integers(2, 6))):
        x, y, metre = canvas.seen((rng.choice([-1, 1]) * rng.uniform(1.8, 6), 0.4, rng.uniform(7, 12)))
        canvas.cloud_of_leaves(x, y, 0.9 * metre, 0.55 * metre, 18, green(canvas, 0.36))
    if rng.random() < 0.5:
        car(canvas, rng.choice([-1, 1]) * rng.uniform(2.5, 4), rng.uniform(8, 11))
    if rng.random() < 0.5:
        fence(canvas, rng.uniform(4.5, 6))


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


def _street_life(canvas: Canvas, half: float, pavement: float) -> None:
    """Cars, lamps, trees, signs and people, from far to near."""
    rng = canvas.rng
    kinds = [car, truck, bus, person, person, street_light, _street_tree, sign, traffic_light, bicycle]
    shares = np.array([0.34, 0.03, 0.05, 0.14, 0.1, 0.1, 0.14, 0.04, 0.03, 0.03])
    for z in np.sort(rng.uniform(6, 55, rng.integers(6, 16)))[::-1]:
        kind = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
        side = float(rng.choice([-1, 1]))
        on_road = kind in (car, truck, bus)
        place = side * (half * rng.choice([0.45, 0.72]) if on_road else half + 0.25 + rng.uniform(0.1, 0.8) * pavement)
        kind(canvas, float(place), float(z))


def _trees(canvas: Canvas, count: int, near: float, far: float) -> None:
    rng = canvas.rng
    for z in np.sort(rng.uniform(near, far, count))[::-1]:
        tree(canvas, float(rng.choice([-1, 1]) * rng.uniform(0.15, 0.6) * z), float(z))


def _street_tree(canvas: Canvas, x: float, z: float) -> None:
    tree(canvas, x, z)

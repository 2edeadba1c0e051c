"""Scenes under a roof: bedrooms, living rooms, kitchens, bathrooms, dining rooms and offices.

A room is a box before the camera: walls at x0 and x1, the back wall at `depth`. Things are drawn from far to near.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datamodules.replica.scene_canvas import Canvas
from datamodules.replica.scene_furniture import (
    armchair,
    bed,
    bookcase,
    cabinet,
    chair,
    chandelier,
    clock,
    curtains,
    desk,
    door,
    floor_lamp,
    picture,
    plant,
    refrigerator,
    rug,
    sofa,
    stove,
    table,
    television,
    window,
)
from datamodules.replica.scene_surface import (
    Array,
    any_colour,
    bricks,
    cloth,
    colour,
    drawers,
    folds,
    noise,
    plain,
    planks,
    tiles,
)

WHITE = np.array([0.9, 0.9, 0.88], np.float32)


@dataclass(frozen=True)
class Room:
    """Where the walls are, in metres, and what wood is used."""

    x0: float
    x1: float
    depth: float
    height: float
    wood: Array

    def inside(self, share: float, margin: float = 0.0) -> float:
        """A place between the walls."""
        return self.x0 + margin + share * (self.x1 - self.x0 - 2 * margin)


def room(canvas: Canvas, *, tiled: bool = False) -> Room:
    """The empty room: floor, ceiling and walls."""
    rng = canvas.rng
    left = rng.uniform(1.4, 2.6)
    made = Room(-left, rng.uniform(3.4, 5.4) - left, rng.uniform(3.6, 5.6), rng.uniform(2.4, 3),
                colour(rng, 0.075, 0.5, rng.uniform(0.25, 0.75)))  # fmt: skip
    if tiled:
        base = colour(rng, rng.choice([0.55, 0.1, 0.3]), 0.12, 0.82)
        wall, floor = (
            tiles(rng, base, 14, 14),
            tiles(rng, any_colour(rng, 0.2, 0.6), 12, 10, any_colour(rng, 0.1, 0.75)),
        )
    else:
        base = any_colour(rng, 0.14, 0.78)
        wall = _wallpaper(canvas, base)
        floor = (
            planks(rng, made.wood * np.float32(0.9), 10)
            if rng.random() < 0.65
            else plain(rng, any_colour(rng, 0.2, 0.55), 0.05, (9, 9))
        )
    span = made.x0, made.x1
    canvas.level(*span, made.height, 0.3, made.depth, 6, plain(rng, colour(rng, 0.12, 0.05, 0.9)), 0.93)
    canvas.level(*span, 0, 0.3, made.depth, 4, floor)
    canvas.upright(*span, 0, made.height, made.depth, 1, wall)
    for x, side in ((made.x0, -1), (made.x1, 1)):
        light = 1.04 if side * canvas.mood.sun < 0 else 0.8
        canvas.sideways(x, 0, made.height, 0.3, made.depth, 1, wall, light)
        canvas.sideways(x - side * 0.02, 0, 0.1, 0.3, made.depth, 1, WHITE * 0.85, light)
    canvas.upright(*span, 0, 0.1, made.depth - 0.02, 1, WHITE * 0.85)
    # Corners are darker than the middle of a wall.
    canvas.shadow(*span, made.depth - 0.35, made.depth, 0.25)
    canvas.shadow(*span, made.depth - 0.35, made.depth, 0.2, made.height)
    return made


def bedroom(canvas: Canvas) -> None:
    """A bed at the back wall or a side wall, what stands beside it, and a window."""
    rng, here = canvas.rng, room(canvas)
    _openings(canvas, here)
    middle = here.inside(rng.uniform(0.4, 0.6))
    if rng.random() < 0.75:
        picture(canvas, middle + rng.uniform(-0.4, 0.4), 1.75, here.depth, rng.uniform(0.5, 1.1))
    if rng.random() < 0.5:
        side = rng.choice([-1, 1])
        x = here.x0 + 0.05 if side < 0 else here.x1 - 0.65
        cabinet(
            canvas, (x, x + 0.6), (0, rng.uniform(1.9, 2.2)), (here.depth - 2, here.depth - 0.8), 36, here.wood, 1, 2
        )
    rug(canvas, middle, here.depth - 1.9, rng.uniform(2.2, 3.2))
    width = rng.uniform(1.4, 2)
    for side in (-1, 1):
        if rng.random() < 0.85:
            x = middle + side * (width / 2 + 0.33)
            cabinet(canvas, (x - 0.25, x + 0.25), (0, 0.5), (here.depth - 0.45, here.depth - 0.02), 45, here.wood, 2, 1)
            _table_lamp(canvas, x, 0.5, here.depth - 0.25)
    bed(canvas, middle, here.depth - 2.1, width, here.wood)
    if rng.random() < 0.4:
        armchair(canvas, here.x0 + 0.55 if rng.random() < 0.5 else here.x1 - 0.55, here.depth - 2.6)
    _lights(canvas, here)


def living_room(canvas: Canvas) -> None:
    """A sofa and a low table on a rug; shelves, pictures, plants, a television or a fireplace."""
    rng, here = canvas.rng, room(canvas)
    _openings(canvas, here)
    middle = here.inside(rng.uniform(0.38, 0.62))
    if rng.random() < 0.4:
        x = here.x0 + 0.6 if rng.random() < 0.5 else here.x1 - 0.6
        bookcase(canvas, (x - 0.5, x + 0.5), here.depth - 0.35, rng.uniform(1.4, 2.2), here.wood)
    if rng.random() < 0.2:
        _fireplace(canvas, middle, here.depth)
    elif rng.random() < 0.25:
        television(canvas, middle, here.depth - 0.4, here.wood)
    else:
        for place in rng.uniform(-1, 1, rng.integers(1, 4)):
            picture(canvas, middle + place, rng.uniform(1.5, 1.9), here.depth, rng.uniform(0.4, 0.9))
        sofa(canvas, middle, here.depth - 1.1, rng.uniform(1.7, 2.4))
    rug(canvas, middle, here.depth - 2, rng.uniform(2, 3))
    for side, share in ((-1, 0.6), (1, 0.6)):
        if rng.random() < share:
            x = here.x0 + 0.5 if side < 0 else here.x1 - 0.5
            (armchair if rng.random() < 0.6 else plant)(canvas, x, here.depth - rng.uniform(1.5, 2.2))
    if rng.random() < 0.5:
        floor_lamp(canvas, here.inside(rng.choice([0.1, 0.9])), here.depth - 0.6)
    table(canvas, middle, here.depth - 2.2, rng.uniform(0.9, 1.2), 0.42, here.wood, label=65)
    _lights(canvas, here)


def kitchen(canvas: Canvas) -> None:
    """A row of cabinets with a stove, a sink and a refrigerator, and sometimes an island."""
    rng, here = canvas.rng, room(canvas, tiled=_chance(canvas, 0.5))
    front, metal = any_colour(rng, 0.3, rng.uniform(0.4, 0.9)), colour(rng, 0.6, 0.03, 0.7)
    z0, z1 = here.depth - 0.62, here.depth - 0.02
    if rng.random() < 0.6:
        window(canvas, here.inside(0.5), 1.15, here.depth, rng.uniform(0.8, 1.3), 0.9)
    else:
        canvas.upright(here.x0, here.x1, 0.9, 1.45, here.depth - 0.01, 1, tiles(rng, any_colour(rng, 0.3, 0.75), 4, 24))
    fridge = _chance(canvas, 0.75)
    start = here.x0 + (0.75 if fridge else 0.0)
    stone = plain(rng, any_colour(rng, 0.15, rng.uniform(0.2, 0.8)), 0.1, (12, 12))
    columns = max(3, round((here.x1 - start) / 0.5))
    canvas.box((start, here.x1), (0.1, 0.88), (z0, z1), 11, front, front=drawers(rng, front, 1, columns))
    canvas.upright(start, here.x1, 0, 0.1, z0 + 0.04, 11, front * 0.3)
    canvas.box((start - 0.02, here.x1), (0.88, 0.93), (z0 - 0.03, z1), 71, stone, front=stone * np.float32(0.85))
    hole = here.inside(rng.uniform(0.55, 0.65))
    canvas.level(hole - 0.3, hole + 0.3, 0.935, z0 + 0.12, z1 - 0.1, 48, plain(rng, metal * 0.7))
    canvas.box((hole - 0.02, hole + 0.02), (0.93, 1.2), (z1 - 0.1, z1 - 0.06), 48, metal)
    cook = here.inside(rng.uniform(0.8, 0.9))
    for x0, x1 in ((start, hole - 0.65), (hole + 0.65, here.x1)):
        if x1 - x0 > 0.4 and rng.random() < 0.85:
            canvas.box((x0, x1), (1.5, 2.2), (z1 - 0.35, z1), 11, front,
                       front=drawers(rng, front, 1, max(1, round((x1 - x0) / 0.5))))  # fmt: skip
    stove(canvas, cook, z0, z1)
    canvas.box((cook - 0.3, cook + 0.3), (1.5, 1.62), (z1 - 0.45, z1), 134, metal)
    if fridge:
        refrigerator(canvas, (here.x0 + 0.02, here.x0 + 0.72), (z0 - 0.05, z1))
    _things_on(canvas, start + 0.1, here.x1 - 0.1, 0.93, z0 + 0.2, kinds=(99, 125, 136, 126, 121))
    if rng.random() < 0.45:
        x, z = here.inside(0.5), here.depth - 2.1
        canvas.shadow(x - 0.9, x + 0.9, z, z + 0.8)
        canvas.box((x - 0.8, x + 0.8), (0, 0.88), (z, z + 0.7), 74, front, front=drawers(rng, front, 1, 3))
        canvas.box((x - 0.85, x + 0.85), (0.88, 0.93), (z - 0.05, z + 0.75), 71, stone)
        _things_on(canvas, x - 0.7, x + 0.7, 0.93, z + 0.3, kinds=(136, 121, 99))
        for side in (-0.4, 0.4):
            _stool(canvas, x + side, z - 0.4, here.wood)
    elif rng.random() < 0.6:
        _dining_table(canvas, here, here.depth - 2.3)
    _lights(canvas, here)


def bathroom(canvas: Canvas) -> None:
    """A bathtub or a shower, a sink under a mirror, a toilet and towels."""
    rng, here = canvas.rng, room(canvas, tiled=True)
    z1, way = here.depth, float(rng.choice([-1, 1]))
    wall = here.x0 if way < 0 else here.x1
    if rng.random() < 0.5:
        window(canvas, here.inside(0.5 + 0.12 * way), 1.4, here.depth, 0.7, 0.8)
    tub = sorted((wall, wall - way * 0.8))
    canvas.shadow(tub[0], tub[1], z1 - 1.9, z1)
    canvas.box((tub[0], tub[1]), (0, 0.58), (z1 - 1.8, z1), 38, WHITE)
    canvas.level(tub[0] + 0.08, tub[1] - 0.08, 0.585, z1 - 1.7, z1 - 0.08, 38, plain(rng, WHITE * 0.72))
    if rng.random() < 0.5:
        canvas.upright(tub[0], tub[1], 0.3, 2.1, z1 - 1.82, 19, folds(rng, any_colour(rng, 0.35, 0.75)))
    middle = here.inside(0.5 - 0.22 * way)
    wide = rng.uniform(0.35, 0.6)
    canvas.upright(middle - wide, middle + wide, 1.15, 2.0, z1 - 0.03, 28, _reflection(canvas))
    for side in (-1, 1):
        x, y, metre = canvas.seen((middle + side * (wide + 0.15), 1.75, z1 - 0.05))
        canvas.ellipse(x, y, 0.07 * metre, 0.11 * metre, 135, np.array([1.5, 1.4, 1.15], np.float32))
    front = any_colour(rng, 0.3, 0.6)
    cabinet(canvas, (middle - wide, middle + wide), (0.05, 0.78), (z1 - 0.5, z1 - 0.02), 11, front, 1, 2)
    canvas.box((middle - wide - 0.03, middle + wide + 0.03), (0.78, 0.86), (z1 - 0.53, z1 - 0.02), 48, WHITE)
    canvas.level(middle - 0.22, middle + 0.22, 0.865, z1 - 0.42, z1 - 0.12, 48, plain(rng, WHITE * 0.75))
    canvas.box((middle - 0.02, middle + 0.02), (0.86, 1.05), (z1 - 0.1, z1 - 0.06), 48, colour(rng, 0.6, 0.03, 0.6))
    _toilet(
        canvas,
        here.inside(0.5 + 0.02 * way) if rng.random() < 0.3 else (here.x0 if way > 0 else here.x1) + way * 0.4,
        z1,
    )
    if rng.random() < 0.7:
        x = here.inside(0.5 - 0.44 * way)
        canvas.upright(x - 0.22, x + 0.22, 0.9, 1.6, z1 - 0.05, 82, cloth(rng, any_colour(rng, 0.5, 0.7)))
    rug(canvas, middle, z1 - 1.3, 0.9)
    _lights(canvas, here)


def dining_room(canvas: Canvas) -> None:
    """A table with chairs under a chandelier."""
    rng, here = canvas.rng, room(canvas)
    _openings(canvas, here)
    if rng.random() < 0.6:
        picture(canvas, here.inside(0.5), 1.7, here.depth, rng.uniform(0.6, 1.2))
    if rng.random() < 0.6:
        x = here.inside(rng.choice([0.2, 0.8]), 0.3)
        cabinet(canvas, (x - 0.6, x + 0.6), (0, 0.9), (here.depth - 0.45, here.depth - 0.02), 100, here.wood, 2, 3)
        _things_on(canvas, x - 0.5, x + 0.5, 0.9, here.depth - 0.25, kinds=(136, 68, 99))
    rug(canvas, here.inside(0.5), here.depth - 2, 3)
    _dining_table(canvas, here, here.depth - 2)
    chandelier(canvas, here.inside(0.5), here.height, here.depth - 1.8)


def office(canvas: Canvas) -> None:
    """A desk with a computer, shelves and a chair."""
    rng, here = canvas.rng, room(canvas)
    _openings(canvas, here)
    middle = here.inside(rng.uniform(0.35, 0.65))
    if rng.random() < 0.7:
        x = here.x0 + 0.6 if middle > here.inside(0.5) else here.x1 - 0.6
        bookcase(canvas, (x - 0.55, x + 0.55), here.depth - 0.35, rng.uniform(1.6, 2.3), here.wood)
    if rng.random() < 0.5:
        clock(canvas, middle + rng.uniform(-1, 1), 2, here.depth)
    if rng.random() < 0.6:
        canvas.upright(
            middle - 0.6, middle + 0.6, 1.2, 1.9, here.depth - 0.03, 145, plain(rng, colour(rng, 0.08, 0.4, 0.6))
        )
    desk(canvas, middle, here.depth - 1.2, rng.uniform(1.3, 1.8), here.wood)
    chair(
        canvas, middle + rng.uniform(-0.3, 0.3), here.depth - 1.9, any_colour(rng, 0.4, 0.4), label=76, back_near=True
    )
    if rng.random() < 0.6:
        plant(canvas, here.inside(rng.choice([0.08, 0.92])), here.depth - 0.7)
    _lights(canvas, here)


ROOMS: dict[str, Callable[[Canvas], None]] = {
    "bedroom": bedroom,
    "living_room": living_room,
    "kitchen": kitchen,
    "bathroom": bathroom,
    "dining_room": dining_room,
    "office": office,
}
"""Rooms by the name of their category."""


def _chance(canvas: Canvas, share: float) -> bool:
    """True for a share of all scenes."""
    return bool(canvas.rng.random() < share)


def _wallpaper(canvas: Canvas, base: Array) -> Array:
    rng, kind = canvas.rng, canvas.rng.integers(6)
    if kind == 0:
        return bricks(rng, base * 0.9, 24, 14)
    if kind == 1:
        stripes = 1 + 0.05 * np.sign(np.sin(np.linspace(0, 40 * np.pi, 128, dtype=np.float32)))
        return np.broadcast_to(stripes[None, :, None] * base, (64, 128, 3)).astype(np.float32)
    if kind == 2:
        return planks(rng, base, 10)
    return plain(rng, base, 0.025)


def _openings(canvas: Canvas, here: Room) -> None:
    """Windows with curtains or a door in the walls."""
    rng = canvas.rng
    if rng.random() < 0.75:
        x, wide = here.inside(rng.choice([0.22, 0.78])), rng.uniform(0.8, 1.3)
        window(canvas, x, rng.uniform(0.8, 1), here.depth, wide, 1.3)
        if rng.random() < 0.75:
            curtains(canvas, x, here.depth, wide, here.height)
    side = -1 if rng.random() < 0.5 else 1
    wall = here.x0 if side < 0 else here.x1
    if rng.random() < 0.45:
        door(canvas, wall - side * 0.02, here.depth - rng.uniform(1.4, 2.4), here.wood)
    elif rng.random() < 0.5:
        light = np.array([1.25, 1.25, 1.2], np.float32) * (0.2 if canvas.mood.night else 1)
        z = here.depth - rng.uniform(1.6, 2.6)
        canvas.sideways(wall - side * 0.02, 0.9, 2.1, z, z + 1.2, 9, WHITE)
        canvas.sideways(wall - side * 0.03, 0.96, 2.04, z + 0.06, z + 1.14, 9, plain(rng, light))


def _lights(canvas: Canvas, here: Room) -> None:
    rng = canvas.rng
    kind = rng.integers(4)
    if kind == 0:
        chandelier(canvas, here.inside(0.5), here.height, here.depth - 1.5)
    elif kind < 3:
        x, y, metre = canvas.seen((here.inside(0.5), here.height - 0.02, here.depth - rng.uniform(1, 1.8)))
        canvas.ellipse(x, y, 0.24 * metre, 0.07 * metre, 83, np.array([1.5, 1.45, 1.25], np.float32))


def _table_lamp(canvas: Canvas, x: float, y: float, z: float) -> None:
    rng, lit = canvas.rng, canvas.mood.night or _chance(canvas, 0.4)
    canvas.box((x - 0.025, x + 0.025), (y, y + 0.3), (z, z + 0.05), 37, any_colour(rng, 0.4, 0.4))
    left, top, metre = canvas.seen((x, y + 0.55, z))
    shade = colour(rng, 0.12, 0.25, 0.8) * np.float32(1.7 if lit else 1)
    canvas.polygon([(left - 0.1 * metre, top), (left + 0.1 * metre, top), (left + 0.18 * metre, top + 0.27 * metre),
                    (left - 0.18 * metre, top + 0.27 * metre)], 37, shade)  # fmt: skip


def _things_on(canvas: Canvas, x0: float, x1: float, y: float, z: float, kinds: tuple[int, ...]) -> None:
    """Small things in a row; one of them may be of no class."""
    rng = canvas.rng
    for x in rng.uniform(x0, x1, rng.integers(2, 6)):
        label = int(rng.choice([*kinds, 0]))
        wide, high = {125: (0.22, 0.26), 99: (0.04, 0.28), 68: (0.12, 0.06), 126: (0.12, 0.14), 121: (0.13, 0.09)}.get(
            label, (0.07, 0.2)
        )
        surface = np.array([0.12, 0.12, 0.13], np.float32) if label == 125 else any_colour(rng, 0.55, 0.55)
        canvas.box((x - wide, x + wide), (y, y + high), (z, z + 2 * wide), label, surface)


def _dining_table(canvas: Canvas, here: Room, z: float) -> None:
    rng, middle = canvas.rng, here.inside(0.5)
    seat, wide = any_colour(rng, 0.4, 0.45), rng.uniform(1.2, 1.8)
    for x in (-0.3, 0.3):
        chair(canvas, middle + x * wide, z + 0.75, seat)
    for side in (-1, 1):
        chair(canvas, middle + side * (wide / 2 + 0.2), z + 0.2, seat)
    table(canvas, middle, z, wide, 0.75, here.wood)
    _things_on(canvas, middle - 0.4 * wide, middle + 0.4 * wide, 0.75, z + 0.3, kinds=(143, 136, 121, 99, 148))
    if rng.random() < 0.6:
        chair(canvas, middle + rng.uniform(-0.4, 0.4), z - 0.6, seat, back_near=True)


def _stool(canvas: Canvas, x: float, z: float, wood: Array) -> None:
    canvas.shadow(x - 0.2, x + 0.2, z - 0.2, z + 0.2)
    for side in (-0.14, 0.11):
        canvas.box((x + side, x + side + 0.03), (0, 0.6), (z, z + 0.04), 111, wood * 0.8)
    canvas.box((x - 0.18, x + 0.18), (0.6, 0.66), (z - 0.1, z + 0.25), 111, wood)


def _toilet(canvas: Canvas, x: float, z: float) -> None:
    canvas.shadow(x - 0.25, x + 0.25, z - 0.75, z)
    canvas.box((x - 0.2, x + 0.2), (0.4, 0.82), (z - 0.2, z - 0.02), 66, WHITE)
    canvas.box((x - 0.12, x + 0.12), (0, 0.36), (z - 0.55, z - 0.2), 66, WHITE * 0.92)
    left, top, metre = canvas.seen((x, 0.4, z - 0.45))
    canvas.ellipse(left, top, 0.21 * metre, 0.1 * metre, 66, WHITE)
    canvas.ellipse(left, top, 0.14 * metre, 0.06 * metre, 66, WHITE * 0.65)


def _fireplace(canvas: Canvas, x: float, depth: float) -> None:
    rng = canvas.rng
    stone = bricks(rng, any_colour(rng, 0.25, 0.6), 10, 6)
    canvas.box((x - 0.85, x + 0.85), (0, 1.15), (depth - 0.35, depth), 50, stone)
    fire = np.array([0.05, 0.04, 0.04], np.float32)
    if rng.random() < 0.6:
        glow = np.linspace(0.05, 1, 32, dtype=np.float32)[:, None, None] ** 2
        fire = glow * np.array([1.9, 0.8, 0.2], np.float32) * (1 + 0.3 * noise(rng, 32, 32, (3, 6)))[..., None]
    canvas.upright(x - 0.42, x + 0.42, 0.08, 0.75, depth - 0.36, 50, np.clip(fire, 0.03, None))
    canvas.box((x - 0.95, x + 0.95), (1.15, 1.23), (depth - 0.42, depth), 50, stone.mean((0, 1)) * 1.2)
    picture(canvas, x, 1.85, depth, 0.9)


def _reflection(canvas: Canvas) -> Array:
    """What a mirror shows: the room behind the camera, out of focus."""
    rng = canvas.rng
    wall = any_colour(rng, 0.15, 0.68)
    return plain(rng, wall, 0.12, (2, 2)) * np.linspace(1.15, 0.8, 48, dtype=np.float32)[None, :, None]

"""What stands, grows and drives outdoors. Each thing stands at x, z metres and is drawn with its own class."""

from __future__ import annotations

import numpy as np

from datamodules.replica.scene_canvas import Canvas
from datamodules.replica.scene_land import GREY, green, span
from datamodules.replica.scene_surface import any_colour, colour, facade, leaves, plain, planks, tiles


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
        lamp = np.array((0.9, 0.1, 0.08) if x > 0 else (1.6, 1.5, 1.2), np.float32)
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
    bark, leaf = colour(rng, 0.08, 0.35, 0.28), green(canvas, 0.36)
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
            canvas.polygon(
                [top, middle + across, end, middle - across], label, leaf * np.float32(rng.uniform(0.7, 1.3))
            )
        return
    wide = rng.uniform(0.28, 0.45) * high
    for dx, dy, share in ((-0.45, 0.1, 0.7), (0.45, 0.05, 0.7), (0, -0.25, 0.75), (0, 0.1, 0.9)):
        canvas.cloud_of_leaves(
            top[0] + dx * wide * metre, top[1] + dy * wide * metre, share * wide * metre, share * wide * metre, 5, leaf
        )


def house(canvas: Canvas, x: float, z: float, large: bool = False) -> None:
    """A house with a gable roof."""
    rng = canvas.rng
    half, high = rng.uniform(3, 5) * (1.3 if large else 1), rng.uniform(2.8, 5.2)
    wall = any_colour(rng, 0.2, 0.75)
    floors, columns = max(1, round(high / 2.7)), int(rng.integers(3, 6))
    front = facade(rng, wall, floors, columns, canvas.mood.night)
    canvas.box((x - half, x + half), (0, high), (z, z + 8), 26, plain(rng, wall), front=front)
    roof, rise = tiles(rng, colour(rng, rng.choice([0.02, 0.06, 0.6]), 0.4, 0.4), 10, 20), rng.uniform(1.8, 3)
    corners = [canvas.seen(p) for p in ((x - half - 0.4, high, z), (x + half + 0.4, high, z),
                                        (x + 0.7 * half, high + rise, z + 1), (x - 0.7 * half, high + rise, z + 1))]  # fmt: skip
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


def street_light(canvas: Canvas, x: float, z: float) -> None:
    """A street lamp, lit at night."""
    canvas.box(span(x, 0.07), (0, 6), (z, z + 0.14), 88, GREY * 0.7)
    px, py, metre = canvas.seen((x - np.sign(x) * 0.6, 6, z))
    lamp = np.array([2.4, 2.0, 1.3] if canvas.mood.night else [0.85, 0.85, 0.8], np.float32)
    canvas.polygon([(px - 0.7 * metre, py - 0.1 * metre), (px + 0.7 * metre, py - 0.1 * metre),
                    (px + 0.7 * metre, py + 0.08 * metre), (px - 0.7 * metre, py + 0.08 * metre)], 88, GREY)  # fmt: skip
    canvas.ellipse(px, py + 0.1 * metre, 0.35 * metre, 0.14 * metre, 88, lamp)


def sign(canvas: Canvas, x: float, z: float) -> None:
    """A sign on its pole."""
    canvas.box(span(x, 0.04), (0, 2.6), (z, z + 0.06), 94, GREY)
    canvas.upright(x - 0.5, x + 0.5, 2.0, 3.0, z - 0.02, 44, plain(canvas.rng, any_colour(canvas.rng, 0.7, 0.7)))


def traffic_light(canvas: Canvas, x: float, z: float) -> None:
    """A traffic light."""
    canvas.box(span(x, 0.06), (0, 3), (z, z + 0.1), 137, GREY * 0.5)
    canvas.box(span(x, 0.22), (3, 4), (z, z + 0.3), 137, GREY * 0.35)
    on = int(canvas.rng.integers(3))
    for place, shine in enumerate(((2.0, 0.2, 0.1), (2.0, 1.5, 0.2), (0.2, 1.8, 0.6))):
        px, py, metre = canvas.seen((x, 3.8 - 0.3 * place, z - 0.02))
        canvas.ellipse(
            px, py, 0.12 * metre, 0.12 * metre, 137, np.array(shine, np.float32) * (1 if place == on else 0.15)
        )


def bicycle(canvas: Canvas, x: float, z: float) -> None:
    """A bicycle."""
    px, py, metre = canvas.seen((x, 0.33, z))
    black = np.array([0.1, 0.1, 0.1], np.float32)
    for side in (-0.5, 0.5):
        canvas.ellipse(px + side * metre, py, 0.33 * metre, 0.33 * metre, 128, black)
    canvas.polygon([(px - 0.5 * metre, py), (px + 0.4 * metre, py - 0.7 * metre), (px + 0.5 * metre, py)], 128,
                   any_colour(canvas.rng, 0.7, 0.6))  # fmt: skip


def animal(canvas: Canvas, x: float, z: float) -> None:
    """A cow, a horse, a sheep: something on four legs."""
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


def rocks(canvas: Canvas, count: int) -> None:
    """Rocks that lie about."""
    rng = canvas.rng
    for z in np.sort(rng.uniform(3, 14, count))[::-1]:
        x, y, metre = canvas.seen((rng.uniform(-5, 5), 0, z))
        size = metre * rng.uniform(0.3, 1)
        angles = np.linspace(0, np.pi, 9)
        radius = rng.uniform(0.7, 1.15, 9)
        points = np.stack([x + size * radius * np.cos(angles), y - 0.75 * size * radius * np.sin(angles)], 1)
        canvas.polygon(points, 35, leaves(rng, colour(rng, 0.08, 0.1, 0.42), 6, 0.25))


def flowers(canvas: Canvas, x: float, z: float) -> None:
    """A bush in bloom."""
    rng = canvas.rng
    px, py, metre = canvas.seen((x, 0.2, z))
    canvas.cloud_of_leaves(px, py, 0.5 * metre, 0.3 * metre, 18, green(canvas, 0.4))
    bloom = colour(rng, rng.choice([0.0, 0.13, 0.8, 0.92]), 0.75, 0.9)
    for dx, dy in rng.normal(0, 0.22, (9, 2)):
        canvas.ellipse(px + dx * metre, py - (0.06 + 0.5 * dy) * metre, 0.07 * metre, 0.07 * metre, 67, bloom)


def fence(canvas: Canvas, z: float) -> None:
    """A fence across the picture."""
    wood = colour(canvas.rng, 0.09, 0.3, canvas.rng.uniform(0.35, 0.85))
    for y in (0.35, 0.75):
        canvas.upright(-z, z, y, y + 0.12, z, 33, wood)
    for x in np.arange(-z, z, 1.5):
        canvas.upright(x, x + 0.13, 0, 1.05, z - 0.03, 33, wood * np.float32(canvas.rng.uniform(0.8, 1.1)))


def boat(canvas: Canvas, x: float, z: float) -> None:
    """A boat, sometimes under sail."""
    rng = canvas.rng
    px, py, metre = canvas.seen((x, 0, z))
    canvas.polygon([(px - 2.4 * metre, py - 0.9 * metre), (px + 2.4 * metre, py - 0.9 * metre),
                    (px + 1.7 * metre, py + 0.1 * metre), (px - 1.7 * metre, py + 0.1 * metre)], 77,
                   any_colour(rng, 0.5, 0.7))  # fmt: skip
    if rng.random() < 0.6:
        way = rng.choice([-1, 1])
        canvas.polygon([(px, py - 6 * metre), (px + way * 2 * metre, py - 1.2 * metre), (px, py - 1.2 * metre)], 77,
                       np.array([0.95, 0.94, 0.9], np.float32))  # fmt: skip

"""The furniture of rooms. Each thing stands at x, z metres and is drawn with its own class."""

from __future__ import annotations

import numpy as np

from datamodules.replica.scene_canvas import Canvas
from datamodules.replica.scene_surface import (
    Array,
    any_colour,
    books,
    cloth,
    colour,
    drawers,
    folds,
    leaves,
    painting,
    plain,
    planks,
)

WHITE = np.array([0.9, 0.9, 0.88], np.float32)
BLACK = np.array([0.07, 0.07, 0.08], np.float32)


def bed(canvas: Canvas, x: float, z: float, width: float, wood: Array) -> None:
    """A bed whose head is 2.1 m behind z, with pillows and sometimes a blanket."""
    rng, half = canvas.rng, width / 2
    sheet = cloth(rng, any_colour(rng, 0.4, 0.75))
    back = z + 2.08
    canvas.shadow(x - half - 0.1, x + half + 0.1, z - 0.1, back, 0.45)
    canvas.box(
        (x - half - 0.05, x + half + 0.05), (0, rng.uniform(0.8, 1.25)), (back - 0.06, back), 8, planks(rng, wood, 6)
    )
    canvas.box((x - half, x + half), (0, 0.28), (z, back - 0.06), 8, wood)
    canvas.box(
        (x - half - 0.02, x + half + 0.02), (0.2, 0.55), (z, back - 0.06), 8, sheet, front=sheet * np.float32(0.85)
    )
    for side in (-1, 1):
        pillow = any_colour(rng, 0.2, 0.85)
        _soft(canvas, x + side * half * 0.48, 0.72, back - 0.35, half * 0.42, 0.17, 58, pillow)
    if rng.random() < 0.6:
        _soft(canvas, x, 0.68, back - 0.6, half * 0.4, 0.16, 40, any_colour(rng, 0.6, 0.6))
    if rng.random() < 0.5:
        canvas.box(
            (x - half - 0.03, x + half + 0.03),
            (0.3, 0.57),
            (z + 0.05, z + 0.6),
            132,
            cloth(rng, any_colour(rng, 0.5, 0.5)),
        )


def sofa(canvas: Canvas, x: float, z: float, width: float) -> None:
    """A sofa that looks at the camera, with cushions."""
    rng, half, base = canvas.rng, width / 2, any_colour(canvas.rng, 0.35, 0.5)
    fabric = cloth(rng, base)
    canvas.shadow(x - half, x + half, z - 0.1, z + 0.9)
    canvas.box((x - half, x + half), (0.1, 0.85), (z + 0.65, z + 0.9), 24, fabric)
    canvas.box(
        (x - half + 0.15, x + half - 0.15), (0.1, 0.45), (z, z + 0.65), 24, fabric, front=fabric * np.float32(0.8)
    )
    canvas.upright(x - 0.01, x + 0.01, 0.12, 0.45, z - 0.01, 24, base * 0.5)
    for side in (-1, 1):
        edge = sorted((x + side * half, x + side * (half - 0.18)))
        canvas.box((edge[0], edge[1]), (0.1, 0.62), (z, z + 0.85), 24, base, front=base * np.float32(0.85))
        if rng.random() < 0.8:
            _soft(canvas, x + side * (half - 0.42), 0.6, z + 0.5, 0.2, 0.17, 40, any_colour(rng, 0.6, 0.65))


def armchair(canvas: Canvas, x: float, z: float) -> None:
    """An armchair that looks at the camera."""
    rng, base = canvas.rng, any_colour(canvas.rng, 0.4, 0.5)
    fabric = cloth(rng, base)
    canvas.shadow(x - 0.45, x + 0.45, z - 0.1, z + 0.8)
    canvas.box((x - 0.4, x + 0.4), (0.1, 0.95), (z + 0.55, z + 0.75), 31, fabric)
    canvas.box((x - 0.3, x + 0.3), (0.1, 0.45), (z, z + 0.55), 31, fabric, front=fabric * np.float32(0.8))
    for side in (-0.42, 0.3):
        canvas.box((x + side, x + side + 0.12), (0.05, 0.6), (z, z + 0.7), 31, base, front=base * np.float32(0.85))


def chair(canvas: Canvas, x: float, z: float, seat: Array, label: int = 20, back_near: bool = False) -> None:
    """A chair; with `back_near` its back is towards the camera."""
    legs = seat * np.float32(0.55)
    canvas.shadow(x - 0.25, x + 0.25, z - 0.1, z + 0.45, 0.3)
    back = z if back_near else z + 0.4

    def rest() -> None:
        canvas.box((x - 0.21, x + 0.21), (0.5, 0.95), (back, back + 0.04), label, planks(canvas.rng, seat, 4))

    if not back_near:
        rest()
    for deep in (0.38, 0.0):
        for side in (-0.2, 0.16):
            canvas.box((x + side, x + side + 0.04), (0, 0.45), (z + deep, z + deep + 0.04), label, legs)
    canvas.box((x - 0.22, x + 0.22), (0.43, 0.49), (z, z + 0.42), label, seat)
    if back_near:
        rest()


def table(canvas: Canvas, x: float, z: float, width: float, height: float, wood: Array, label: int = 16) -> None:
    """A table with four legs."""
    half, deep = width / 2, 0.8 if height > 0.6 else 0.6
    canvas.shadow(x - half, x + half, z, z + deep, 0.35)
    for back in (deep - 0.07, 0.02):
        for side in (-half + 0.02, half - 0.08):
            canvas.box((x + side, x + side + 0.06), (0, height - 0.04), (z + back, z + back + 0.05), label, wood * 0.7)
    top = planks(canvas.rng, wood, 5, across=True)
    canvas.box((x - half, x + half), (height - 0.05, height), (z, z + deep), label, top, front=wood * np.float32(0.75))


def desk(canvas: Canvas, x: float, z: float, width: float, wood: Array) -> None:
    """A desk with drawers, a computer or a screen, books and a lamp."""
    rng, half = canvas.rng, width / 2
    canvas.shadow(x - half, x + half, z, z + 0.7, 0.4)
    canvas.box((x - half, x - half + 0.4), (0, 0.72), (z, z + 0.65), 34, wood, front=drawers(rng, wood, 3, 1))
    canvas.box((x + half - 0.05, x + half), (0, 0.72), (z, z + 0.65), 34, wood * 0.8)
    canvas.box((x - half - 0.03, x + half + 0.03), (0.72, 0.76), (z - 0.02, z + 0.7), 34, wood)
    screen = x + rng.uniform(-0.1, 0.2)
    canvas.box((screen - 0.04, screen + 0.04), (0.76, 0.88), (z + 0.4, z + 0.44), 75, BLACK)
    canvas.box((screen - 0.3, screen + 0.3), (0.86, 1.26), (z + 0.38, z + 0.42), 75, BLACK, front=_screen(canvas))
    canvas.box((screen - 0.22, screen + 0.22), (0.76, 0.78), (z + 0.08, z + 0.22), 75, BLACK * 3)
    canvas.box((x - half + 0.08, x - half + 0.35), (0.76, 0.84), (z + 0.2, z + 0.45), 68, any_colour(rng, 0.5, 0.5))
    if rng.random() < 0.6:
        left, top, metre = canvas.seen((x + half - 0.25, 1.15, z + 0.4))
        canvas.box((x + half - 0.27, x + half - 0.24), (0.76, 1.1), (z + 0.4, z + 0.43), 37, BLACK)
        canvas.ellipse(left, top, 0.13 * metre, 0.09 * metre, 37, any_colour(rng, 0.6, 0.7) * 1.2)


def cabinet(canvas: Canvas, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], label: int,
            wood: Array, rows: int, columns: int) -> None:  # fmt: skip
    """A chest, a wardrobe, a cabinet: a block with drawers or doors."""
    if y[0] < 0.2:
        canvas.shadow(x[0] - 0.05, x[1] + 0.05, z[0] - 0.1, z[1])
    canvas.box(x, y, z, label, wood, front=drawers(canvas.rng, wood, rows, columns))


def bookcase(canvas: Canvas, x: tuple[float, float], z: float, height: float, wood: Array) -> None:
    """Shelves full of books."""
    rng = canvas.rng
    canvas.shadow(x[0], x[1], z - 0.1, z + 0.3)
    canvas.box(x, (0, height), (z, z + 0.3), 63, wood, front=wood * np.float32(0.35))
    count = max(3, round(height / 0.38))
    step = height / count
    for shelf in range(count):
        y = shelf * step
        if rng.random() < 0.88:
            canvas.upright(x[0] + 0.05, x[1] - 0.05, y + 0.05, y + step * 0.86, z - 0.01, 68, books(rng))
        canvas.upright(*x, y, y + 0.04, z - 0.02, 63, wood)
    for edge in (x[0], x[1] - 0.04):
        canvas.upright(edge, edge + 0.04, 0, height, z - 0.02, 63, wood)
    canvas.upright(*x, height - 0.04, height, z - 0.02, 63, wood)


def television(canvas: Canvas, x: float, z: float, wood: Array) -> None:
    """A television on a low cabinet."""
    cabinet(canvas, (x - 0.8, x + 0.8), (0, 0.5), (z, z + 0.38), 11, wood, 2, 3)
    canvas.box((x - 0.1, x + 0.1), (0.5, 0.58), (z + 0.15, z + 0.2), 90, BLACK)
    canvas.box((x - 0.55, x + 0.55), (0.56, 1.2), (z + 0.13, z + 0.18), 90, BLACK, front=_screen(canvas))


def refrigerator(canvas: Canvas, x: tuple[float, float], z: tuple[float, float]) -> None:
    """A refrigerator with two doors."""
    rng = canvas.rng
    steel = colour(rng, 0.6, 0.03, rng.choice([0.6, 0.9]))
    high = rng.uniform(1.6, 2)
    canvas.shadow(x[0], x[1], z[0] - 0.1, z[1])
    canvas.box(x, (0, high), z, 51, steel, front=plain(rng, steel, 0.05, (2, 4)))
    canvas.upright(*x, high * 0.62, high * 0.63, z[0] - 0.01, 51, steel * 0.4)
    for y in (0.4, 0.72):
        canvas.upright(x[1] - 0.1, x[1] - 0.06, high * y, high * (y + 0.12), z[0] - 0.02, 51, steel * 0.5)


def stove(canvas: Canvas, x: float, z0: float, z1: float) -> None:
    """A stove with an oven."""
    body = colour(canvas.rng, 0.6, 0.02, canvas.rng.choice([0.15, 0.6, 0.9]))
    canvas.box((x - 0.3, x + 0.3), (0, 0.9), (z0 - 0.02, z1), 72, body)
    canvas.level(x - 0.3, x + 0.3, 0.945, z0 - 0.02, z1, 72, BLACK)
    canvas.upright(x - 0.24, x + 0.24, 0.2, 0.62, z0 - 0.03, 119, BLACK * 1.6)
    canvas.upright(x - 0.24, x + 0.24, 0.67, 0.7, z0 - 0.03, 119, body * 0.6 + 0.3)


def window(canvas: Canvas, x: float, y: float, depth: float, width: float, height: float) -> None:
    """A window in the back wall: a bright pane in a frame, or a dark one at night."""
    rng = canvas.rng
    top, low = canvas.mood.sky
    rows = np.linspace(0, 1, 32, dtype=np.float32)[:, None, None]
    view = (top + rows * (low - top)) * np.ones((1, 32, 1), np.float32)
    view = view * np.float32(1.0 if canvas.mood.night else 1.25)
    if rng.random() < 0.6:
        view[20:] = leaves(rng, colour(rng, 0.27, 0.4, 0.12 if canvas.mood.night else 0.45))[:12, :32]
    canvas.upright(x - width / 2 - 0.06, x + width / 2 + 0.06, y - 0.06, y + height + 0.06, depth - 0.01, 9, WHITE)
    panes = int(rng.integers(1, 4))
    for pane in range(panes):
        left = x - width / 2 + pane * width / panes
        part = view[:, pane * 32 // panes : (pane + 1) * 32 // panes]
        canvas.upright(left + 0.02, left + width / panes - 0.02, y, y + height, depth - 0.02, 9, part)
    if rng.random() < 0.2:
        lines = np.tile(np.array([0.9, 0.9, 0.88, 0.6], np.float32)[:, None, None], (14, 1, 3))
        canvas.upright(x - width / 2, x + width / 2, y + height * 0.4, y + height, depth - 0.03, 64, lines)


def curtains(canvas: Canvas, x: float, depth: float, width: float, height: float) -> None:
    """A curtain on each side of a window."""
    base = any_colour(canvas.rng, 0.4, 0.65)
    high, low = min(height - 0.08, 2.5), float(canvas.rng.choice([0.05, 0.7]))
    for side in (-1, 1):
        edge = sorted((x + side * (width / 2 - 0.12), x + side * (width / 2 + 0.28)))
        canvas.upright(edge[0], edge[1], low, high, depth - 0.06, 19, folds(canvas.rng, base))


def door(canvas: Canvas, x: float, z: float, wood: Array) -> None:
    """A door in a side wall."""
    leaf = WHITE * 0.95 if canvas.rng.random() < 0.5 else wood
    canvas.sideways(x, 0, 2.12, z - 0.06, z + 0.96, 15, leaf * 0.75)
    canvas.sideways(x, 0, 2.05, z, z + 0.9, 15, drawers(canvas.rng, leaf, 2, 1))


def picture(canvas: Canvas, x: float, y: float, depth: float, width: float) -> None:
    """A painting on the back wall."""
    height = width * canvas.rng.uniform(0.6, 1.2)
    canvas.upright(x - width / 2, x + width / 2, y - height / 2, y + height / 2, depth - 0.03, 23, painting(canvas.rng))


def clock(canvas: Canvas, x: float, y: float, depth: float) -> None:
    """A clock on the back wall."""
    left, top, metre = canvas.seen((x, y, depth - 0.03))
    canvas.ellipse(left, top, 0.17 * metre, 0.17 * metre, 149, BLACK * 2)
    canvas.ellipse(left, top, 0.14 * metre, 0.14 * metre, 149, WHITE)


def rug(canvas: Canvas, x: float, z: float, width: float) -> None:
    """A rug, most of the time."""
    if canvas.rng.random() < 0.7:
        fabric = cloth(canvas.rng, any_colour(canvas.rng, 0.5, 0.55))
        border = fabric * np.float32(0.7)
        border[5:-5, 5:-5] = fabric[5:-5, 5:-5]
        canvas.level(x - width / 2, x + width / 2, 0.005, z - 0.3, z + 0.35 * width + 0.4, 29, border)


def plant(canvas: Canvas, x: float, z: float) -> None:
    """A plant in a pot."""
    rng = canvas.rng
    left, floor, metre = canvas.seen((x, 0, z))
    canvas.shadow(x - 0.25, x + 0.25, z - 0.2, z + 0.3)
    pot, high = any_colour(rng, 0.5, 0.55), rng.uniform(0.6, 1.1)
    canvas.polygon([(left - 0.17 * metre, floor - 0.35 * metre), (left + 0.17 * metre, floor - 0.35 * metre),
                    (left + 0.12 * metre, floor), (left - 0.12 * metre, floor)], 126, pot)  # fmt: skip
    green = colour(rng, 0.3, 0.55, 0.35)
    for angle in np.linspace(-1.1, 1.1, 9) + rng.normal(0, 0.1, 9):
        tip = (left + 0.6 * metre * np.sin(angle) * high, floor - (0.35 + high * np.cos(0.7 * angle)) * metre)
        middle = ((left + tip[0]) / 2, (floor - 0.35 * metre + tip[1]) / 2)
        wide = 0.08 * metre
        canvas.polygon([(left, floor - 0.33 * metre), (middle[0] - wide, middle[1]), tip, (middle[0] + wide, middle[1])], 18,
                       green * np.float32(rng.uniform(0.65, 1.35)))  # fmt: skip


def floor_lamp(canvas: Canvas, x: float, z: float) -> None:
    """A lamp that stands on the floor."""
    canvas.box((x - 0.02, x + 0.02), (0, 1.4), (z, z + 0.04), 37, BLACK)
    left, top, metre = canvas.seen((x, 1.75, z))
    shade = colour(canvas.rng, 0.12, 0.3, 0.85) * np.float32(1.7 if canvas.mood.night else 1.1)
    canvas.polygon([(left - 0.14 * metre, top), (left + 0.14 * metre, top), (left + 0.23 * metre, top + 0.36 * metre),
                    (left - 0.23 * metre, top + 0.36 * metre)], 37, shade)  # fmt: skip


def chandelier(canvas: Canvas, x: float, ceiling: float, z: float) -> None:
    """Lamps on a ring that hangs from the ceiling."""
    left, top, metre = canvas.seen((x, ceiling, z))
    brass, drop = colour(canvas.rng, 0.11, 0.5, 0.5), 0.5 * metre
    canvas.polygon([(left - 0.012 * metre, top), (left + 0.012 * metre, top), (left + 0.012 * metre, top + drop),
                    (left - 0.012 * metre, top + drop)], 86, brass)  # fmt: skip
    canvas.ellipse(left, top + drop, 0.36 * metre, 0.07 * metre, 86, brass)
    for side in (-0.33, -0.12, 0.12, 0.33):
        shine = np.array([1.7, 1.5, 1.1], np.float32)
        canvas.ellipse(left + side * metre, top + drop - 0.1 * metre, 0.065 * metre, 0.1 * metre, 86, shine)


def _soft(canvas: Canvas, x: float, y: float, z: float, rx: float, ry: float, label: int, base: Array) -> None:
    """A pillow or cushion: a rounded rectangle that is lit from above."""
    left, top, metre = canvas.seen((x, y, z))
    angles = np.linspace(0, 2 * np.pi, 29)[:-1]
    # A superellipse.
    dx, dy = (np.sign(f(angles)) * np.abs(f(angles)) ** 0.45 for f in (np.cos, np.sin))
    surface = cloth(canvas.rng, base) * np.linspace(1.12, 0.75, 64, dtype=np.float32)[:, None, None]
    canvas.polygon(np.stack([left + rx * metre * dx, top + ry * metre * dy], 1), label, surface)


def _screen(canvas: Canvas) -> Array:
    """A screen in its frame, off or on."""
    picture = np.broadcast_to(BLACK, (28, 40, 3)).copy()
    if canvas.rng.random() < 0.5:
        picture[2:26, 2:38] = painting(canvas.rng)[8:32, 6:42] * 1.2
    else:
        picture[2:26, 2:38] = plain(canvas.rng, BLACK * 1.6)[:24, :36]
    return picture

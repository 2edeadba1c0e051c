"""What the things of a scene are made of: small pictures that are spread over their faces.

Every surface is (height, width, 3) float32 in [0, 1]: a colour, and a pattern that another draw of the generator changes.
Row 0 lies at the top of an upright face, and far away on a floor.
"""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float32]


def colour(rng: np.random.Generator, hue: float, saturation: float, value: float, spread: float = 0.08) -> Array:
    """A colour near the given one, as (3,)."""
    h, s, v = (spread * rng.standard_normal(3)).tolist()
    s, v = min(max(saturation + s, 0), 1), min(max(value + v, 0.03), 1)
    return np.array(colorsys.hsv_to_rgb((float(hue) + 0.4 * h) % 1, s, v), np.float32)


def any_colour(rng: np.random.Generator, saturation: float = 0.45, value: float = 0.6) -> Array:
    """A colour of any hue."""
    return colour(rng, rng.random(), saturation, value, 0.2)


def noise(rng: np.random.Generator, height: int, width: int, cells: tuple[float, float]) -> Array:
    """(height, width) smooth noise around 0 of spread 1, with about so many cells down and across, and finer ones."""
    total = np.zeros((height, width), np.float32)
    for octave in range(3):
        rows, columns = (max(2, int(count * 2**octave)) for count in cells)
        coarse = rng.standard_normal((min(rows, height), min(columns, width)), np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 0.6**octave
    return total


def plain(rng: np.random.Generator, base: ArrayLike, rough: float = 0.03, cells: tuple[float, float] = (3, 3)) -> Array:
    """One colour that is a little uneven, lit from above."""
    shade = 1 + rough * noise(rng, 48, 48, cells) + np.linspace(0.05, -0.05, 48, dtype=np.float32)[:, None]
    return shade[..., None] * np.asarray(base, np.float32)


def planks(rng: np.random.Generator, base: Array, count: int, across: bool = False) -> Array:
    """Boards of wood, along the height or across it."""
    size = 12 * count if count < 11 else 128
    board = np.arange(size) * count // size
    tone = rng.normal(1, 0.09, count)[board].astype(np.float32)
    grain = noise(rng, size, size, (2, 2 * count))
    shade = tone[None] * (1 + 0.06 * grain)
    shade[:, np.diff(board, append=count - 1) > 0] *= 0.7
    return (shade.T if across else shade)[..., None] * base


def tiles(rng: np.random.Generator, base: Array, rows: int, columns: int, second: Array | None = None) -> Array:
    """Tiles with joints; with a second colour, a chessboard."""
    cell = int(np.clip(128 // max(rows, columns), 5, 16))
    tone = rng.normal(1, 0.04, (rows, columns, 1)).astype(np.float32)
    colours = np.broadcast_to(base, (rows, columns, 3)).copy()
    if second is not None:
        colours[np.add.outer(np.arange(rows), np.arange(columns)) % 2 == 1] = second
    shade = np.repeat(np.repeat(colours * tone, cell, 0), cell, 1)
    shade[::cell] *= 0.8
    shade[:, ::cell] *= 0.8
    return shade


def bricks(rng: np.random.Generator, base: Array, rows: int, columns: int) -> Array:
    """Courses of bricks, every second one moved by half a brick."""
    down, across = 5, 10
    tone = rng.normal(1, 0.1, (rows, 2 * columns)).astype(np.float32)
    tone = np.where(
        np.arange(rows)[:, None] % 2, np.repeat(tone[:, ::2], 2, 1), np.roll(np.repeat(tone[:, ::2], 2, 1), 1)
    )
    shade = np.repeat(np.repeat(tone, down, 0), across // 2, 1)
    shade[::down] *= 1.2
    for row in range(rows):
        shade[row * down : (row + 1) * down, (row % 2) * across // 2 :: across] *= 1.2
    return shade[..., None] * base


def cloth(rng: np.random.Generator, base: Array) -> Array:
    """Plain, striped, checked or dotted, in two colours."""
    other = np.clip(base * rng.uniform(0.5, 1.5) + rng.normal(0, 0.08, 3), 0, 1).astype(np.float32)
    y, x = np.mgrid[0:64, 0:64].astype(np.float32) / 64
    count = int(rng.integers(3, 9))
    kind = rng.integers(5)
    part = np.zeros((64, 64), np.float32)
    if kind == 1:
        part = (np.sin(2 * np.pi * count * x) > 0).astype(np.float32)
    elif kind == 2:
        part = (np.sin(2 * np.pi * count * y) > 0.3).astype(np.float32)
    elif kind == 3:
        part = 0.5 * ((np.sin(2 * np.pi * count * x) > 0).astype(np.float32) + (np.sin(2 * np.pi * count * y) > 0))
    elif kind == 4:
        part = (np.sin(2 * np.pi * count * x) * np.sin(2 * np.pi * count * y) > 0.4).astype(np.float32)
    shade = 1 + 0.04 * noise(rng, 64, 64, (4, 4))
    return (base + part[..., None] * (other - base)) * shade[..., None]


def folds(rng: np.random.Generator, base: Array) -> Array:
    """Hanging cloth."""
    x = np.linspace(0, 1, 64, dtype=np.float32)
    wave = 0.14 * np.sin(2 * np.pi * rng.integers(4, 8) * x + rng.normal(0, 0.4, 64).cumsum() * 0.3)
    return np.broadcast_to((1 + wave)[None, :, None] * base, (48, 64, 3)).astype(np.float32)


def leaves(rng: np.random.Generator, base: Array, fine: float = 9, contrast: float = 0.26) -> Array:
    """Foliage, grass and the like."""
    shade = 1 + contrast * noise(rng, 96, 96, (fine, fine))
    return np.clip(shade, 0.25, 1.9)[..., None] * base


def facade(rng: np.random.Generator, wall: Array, floors: int, columns: int, night: bool) -> Array:
    """The front of a building: windows in rows, some of them lit at night."""
    cell_h, cell_w = 12, 10
    picture = np.tile(wall * (1 + rng.normal(0, 0.01)), (floors * cell_h, columns * cell_w, 1)).astype(np.float32)
    picture *= 1 + 0.04 * noise(rng, picture.shape[0], picture.shape[1], (4, 4))[..., None]
    glass = np.array([0.32, 0.4, 0.48], np.float32) * rng.uniform(0.4, 1.2)
    top, side = int(rng.integers(2, 4)), int(rng.integers(1, 4))
    lit = rng.random((floors, columns)) < (0.35 if night else 0.03)
    tone = rng.uniform(0.7, 1.3, (floors, columns))
    for floor in range(floors):
        for column in range(columns):
            y, x = floor * cell_h, column * cell_w
            pane = (
                np.array([1.9, 1.5, 0.9], np.float32) if lit[floor, column] else glass * np.float32(tone[floor, column])
            )
            picture[y + top : y + cell_h - 2, x + side : x + cell_w - side] = pane
    if rng.random() < 0.4:
        picture[::cell_h] *= 0.8
    return picture


def painting(rng: np.random.Generator) -> Array:
    """A picture in its frame: a few soft fields of colour, or a landscape."""
    picture = cv2.resize(rng.random((4, 4, 3), np.float32), (40, 32), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        line = 16 + (4 * noise(rng, 1, 40, (1, 3))[0]).astype(int)
        picture = np.where(
            np.arange(32)[:, None, None] < line[None, :, None], any_colour(rng, 0.3, 0.8), any_colour(rng)
        )
    frame = np.empty((40, 48, 3), np.float32)
    frame[:] = rng.choice([0.08, 0.35, 0.85]) * np.array([1, 0.85, 0.65], np.float32)
    frame[4:36, 4:44] = np.clip(picture, 0.03, 1)
    return frame


def drawers(rng: np.random.Generator, base: Array, rows: int, columns: int) -> Array:
    """The front of a cabinet: panels with handles."""
    size = 14
    picture = np.tile(base, (rows * size, columns * size, 1)).astype(np.float32)
    picture *= 1 + 0.03 * noise(rng, rows * size, columns * size, (2, 6))[..., None]
    metal = np.float32(rng.choice([0.15, 0.75]))
    for row in range(rows):
        for column in range(columns):
            cell = picture[row * size : (row + 1) * size, column * size : (column + 1) * size]
            cell[[0, -1]] *= 0.6
            cell[:, [0, -1]] *= 0.6
            cell[5:7, 5:9] = metal
    return picture


def books(rng: np.random.Generator) -> Array:
    """A row of backs of books."""
    picture = np.empty((24, 60, 3), np.float32)
    x = 0
    while x < 60:
        width, height = int(rng.integers(2, 6)), int(rng.integers(0, 7))
        picture[:, x : x + width] = any_colour(rng, 0.5, 0.55)
        picture[:height, x : x + width] = 0.08
        x += width
    return picture

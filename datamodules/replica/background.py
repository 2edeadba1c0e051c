"""Places: what a camera sees where nobody stands.

A `Street` is what one camera of a street sees: a ground, what stands behind it, and soft things in between. Pictures of
one camera show the same place, cut out a little differently each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Ground = Literal["asphalt", "paving", "grass", "sand"]
Wall = Literal["bricks", "plaster", "windows", "hedge", "trees", "fence"]

_GROUND = {"asphalt": (112, 112, 116), "paving": (176, 168, 156), "grass": (104, 132, 74), "sand": (196, 180, 148)}
_WALL = {
    "bricks": (150, 92, 74), "plaster": (206, 200, 184), "windows": (150, 156, 164), "hedge": (62, 92, 52),
    "trees": (86, 112, 76), "fence": (168, 170, 172),
}  # fmt: skip


@dataclass
class Street:
    """The surroundings before one camera; `draw` cuts pictures out of it."""

    seed: int
    ground: Ground
    wall: Wall
    horizon: float
    """Where the ground begins, as a share of the height from above."""
    tint: Array
    _canvases: dict[int, Array] = field(default_factory=dict, repr=False)

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Street:
        """Another place for every state of the generator."""
        grounds: list[Ground] = ["asphalt", "paving", "grass", "sand"]
        walls: list[Wall] = ["bricks", "plaster", "windows", "hedge", "trees", "fence"]
        return cls(
            seed=int(rng.integers(2**31)),
            ground=grounds[int(rng.choice(4, p=[0.35, 0.35, 0.22, 0.08]))],
            wall=walls[int(rng.integers(6))],
            horizon=float(rng.uniform(0.28, 0.6)),
            tint=rng.normal(1.0, 0.03, 3),
        )

    def draw(self, height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """(height, width, 3): this place, shifted and scaled by chance."""
        canvas = self._canvas(height)
        zoom = rng.uniform(0.9, 1.15)
        x = rng.uniform(0, canvas.shape[1] - zoom * width)
        y = rng.uniform(0, canvas.shape[0] - zoom * height)
        cut = np.array([[zoom, 0, x], [0, zoom, y]])
        picture = cv2.warpAffine(
            canvas, cut, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
        )
        return np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)

    def _canvas(self, height: int) -> Array:
        if height not in self._canvases:
            self._canvases[height] = self._paint(int(1.3 * height), 3 * height, np.random.default_rng(self.seed))
        return self._canvases[height]

    def _paint(self, height: int, width: int, rng: np.random.Generator) -> Array:
        """The whole place, (height, width, 3) in [0, 1]."""
        edge = int(self.horizon * height)
        canvas = np.empty((height, width, 3), np.float32)
        canvas[:edge] = self._behind(edge, width, rng)
        canvas[edge:] = self._floor(height - edge, width, rng)
        unit = height / 100
        kerb = slice(edge, min(height, edge + max(1, int(2 * unit))))
        canvas[kerb] *= 0.8 if rng.random() < 0.5 else 1.15
        for _ in range(int(rng.integers(4, 9))):
            self._thing(canvas, edge, rng)
        canvas *= self.tint.astype(np.float32)
        soft = cv2.GaussianBlur(canvas, (0, 0), 0.9 * unit)
        return np.clip(soft * (1 + 0.05 * _clouds(height, width, 3, rng))[..., None], 0, 1)

    def _floor(self, height: int, width: int, rng: np.random.Generator) -> Array:
        """Ground in perspective: joints of slabs draw closer towards the horizon."""
        colour = np.array(_GROUND[self.ground], np.float32) / 255
        grain = 0.05 if self.ground in ("asphalt", "paving") else 0.14
        texture: Array = 1 + grain * _clouds(height, width, 40, rng) + 0.06 * _clouds(height, width, 5, rng)
        rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
        away = 1 / (0.18 + rows)
        if self.ground == "paving":
            columns = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
            joint = (np.abs((7 * columns * away) % 1 - 0.5) > 0.46) | (np.abs((3 * away) % 1 - 0.5) > 0.45)
            texture = texture * np.where(joint, 0.84, 1.0)
        if self.ground == "asphalt" and rng.random() < 0.6:
            line = np.abs(rows - rng.uniform(0.2, 0.8)) < 0.035
            texture = np.where(line, 1.75, texture)
        return colour * (texture * (0.9 + 0.18 * rows))[..., None]

    def _behind(self, height: int, width: int, rng: np.random.Generator) -> Array:
        """What stands at the far side of the ground."""
        colour = np.array(_WALL[self.wall], np.float32) / 255
        y = np.arange(height, dtype=np.float32)[:, None] * (100 / max(height, 1))
        x = np.arange(width, dtype=np.float32)[None, :] * (100 / max(height, 1))
        texture = 1 + 0.07 * _clouds(height, width, 8, rng)
        if self.wall == "bricks":
            row = np.floor(y / 9)
            mortar = (y % 9 < 1.6) | ((x + 9 * (row % 2)) % 18 < 1.6)
            texture = texture * np.where(mortar, 1.3, 1.0)
        elif self.wall == "windows":
            texture = texture * np.where(((x % 62) > 16) & ((y % 74) > 20), 0.5, 1.15)
        elif self.wall == "fence":
            texture = texture * np.where((x % 15 < 3.5) | (np.abs(y % 60 - 10) < 3), 0.62, 1.05)
        elif self.wall in ("hedge", "trees"):
            texture = texture + 0.3 * _clouds(height, width, 60, rng) + 0.22 * _clouds(height, width, 16, rng)
        picture = colour * texture[..., None]
        if self.wall == "trees":
            sky = _clouds(height, width, 6, rng) + 1.6 - 0.05 * y > 0.6
            picture = np.where(sky[..., None], np.array((206, 218, 228), np.float32) / 255, picture)
        return picture

    def _thing(self, canvas: Array, edge: int, rng: np.random.Generator) -> None:
        """Something that stands on the ground: a post, a bin, a parked car, a doorway."""
        height, width = canvas.shape[:2]
        x, foot = int(rng.integers(width)), edge + int(rng.uniform(0, 0.12) * height)
        colour = rng.uniform(0.12, 0.7) * (1 + rng.uniform(0, 0.3) * rng.normal(0, 0.7, 3)).clip(0.5, 1.35)
        tall, wide = {0: (0.9, 0.025), 1: (0.22, 0.12), 2: (0.24, 0.6), 3: (0.55, 0.22)}[int(rng.integers(4))]
        top = max(0, foot - int(tall * height * rng.uniform(0.7, 1.1)))
        half = max(1, int(0.5 * wide * height * rng.uniform(0.7, 1.3)))
        cv2.rectangle(canvas, (x - half, top), (x + half, foot), colour.tolist(), -1)
        if wide > 0.5:
            glass = (int(x - 0.6 * half), int(top - 0.06 * height)), (int(x + 0.5 * half), int(top + 0.08 * height))
            cv2.rectangle(canvas, *glass, (colour * 0.45).tolist(), -1)
        shadow = slice(foot, min(height, foot + max(1, height // 60)))
        canvas[shadow, max(0, x - half) : x + half] *= 0.7


@dataclass(frozen=True)
class Studio:
    """The even, light background of a catalogue."""

    level: float = 0.97

    def draw(self, height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """(height, width, 3): near white, a trace darker towards the floor."""
        rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
        level = (self.level + rng.normal(0, 0.006)) * (1 - 0.03 * np.clip(rows - 0.75, 0, None))
        picture = np.broadcast_to(level, (height, width, 3))
        return np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)


def _clouds(height: int, width: int, cells: int, rng: np.random.Generator) -> Array:
    """Smooth noise of mean 0 and deviation about 1, with `cells` blobs along the height."""
    across = max(2, round(cells * width / max(height, 1)))
    noise = rng.normal(0, 1, (max(2, cells), across)).astype(np.float32)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)

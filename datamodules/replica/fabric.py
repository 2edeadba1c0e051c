"""What cloth looks like: colours, patterns and folds, as functions of the place on a garment in metres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from datamodules.replica.tubes import Array

Pattern = Literal["plain", "hoops", "pinstripes", "checks", "dots", "two_tone", "melange", "camouflage", "denim"]

CLOTH = np.array(
    [
        (28, 28, 31), (52, 54, 60), (110, 113, 118), (182, 184, 186), (236, 236, 233), (244, 240, 228), (23, 33, 66),
        (38, 64, 130), (72, 116, 178), (148, 190, 222), (146, 28, 36), (200, 44, 50), (222, 108, 110), (236, 172, 178),
        (34, 84, 58), (92, 140, 72), (88, 94, 58), (196, 178, 132), (128, 92, 62), (84, 56, 42), (232, 196, 72),
        (226, 126, 48), (104, 60, 122), (178, 146, 196), (44, 132, 136), (214, 60, 120), (122, 200, 176),
    ],
    dtype=np.float32,
) / 255  # fmt: skip
"""Colours of tops, in sRGB."""

DENIM = np.array([(40, 54, 86), (66, 88, 128), (104, 130, 168), (38, 40, 48), (142, 164, 190)], dtype=np.float32) / 255
TROUSERS = np.array(
    [(30, 30, 34), (58, 58, 64), (96, 92, 88), (176, 158, 122), (208, 202, 188), (40, 48, 70), (82, 84, 58), (88, 64, 50)],
    dtype=np.float32,
) / 255  # fmt: skip


def jittered(colour: Array, rng: np.random.Generator, amount: float = 0.03) -> Array:
    """A colour near the given one."""
    return np.clip(colour + rng.normal(0, amount, 3) + rng.normal(0, amount), 0.04, 0.97).astype(np.float32)


def pick(palette: Array, rng: np.random.Generator, unlike: Array | None = None) -> Array:
    """A colour of the palette, clearly unlike another one when that is given."""
    order = rng.permutation(len(palette))
    for index in order:
        if unlike is None or np.abs(palette[index] - unlike).sum() > 0.5:
            return jittered(palette[index], rng)
    return jittered(palette[order[0]], rng)


def luminance(colour: Array) -> float:
    """How bright a colour is, in [0, 1]."""
    return float(colour @ np.array([0.299, 0.587, 0.114]))


@dataclass(frozen=True)
class Fabric:
    """A cloth. `colour(x, y)` is the same wherever the garment moves, so a stripe stays where it was printed."""

    pattern: Pattern
    base: Array
    second: Array
    third: Array
    period: float
    """Metres between two stripes, checks or dots."""
    share: float
    """Share of the period that the second colour takes."""
    split: float
    """Metres below the collar at which a two-tone garment changes colour."""
    waves: Array
    """(K, 4) folds: amplitude, waves per metre around and along, phase."""

    @classmethod
    def sample(
        cls, rng: np.random.Generator, palette: Array = CLOTH, patterns: dict[Pattern, float] | None = None
    ) -> Fabric:
        """A cloth with one of the patterns, drawn by weight."""
        weights = patterns or {
            "plain": 0.46, "hoops": 0.17, "pinstripes": 0.07, "checks": 0.1, "dots": 0.04, "two_tone": 0.12,
            "melange": 0.06, "camouflage": 0.04,
        }  # fmt: skip
        names = list(weights)
        share = np.array([weights[name] for name in names])
        pattern = names[int(rng.choice(len(names), p=share / share.sum()))]
        base = pick(palette, rng)
        second = pick(CLOTH[:7] if rng.random() < 0.55 else CLOTH, rng, unlike=base)
        waves = np.stack(
            [
                rng.uniform(0.2, 1.0, 6) * 0.045,
                rng.normal(0, 20, 6),
                rng.normal(0, 26, 6),
                rng.uniform(0, 2 * np.pi, 6),
            ],
            axis=1,
        )
        return cls(
            pattern=pattern,
            base=base,
            second=second,
            third=pick(CLOTH, rng, unlike=second),
            period=float(rng.uniform(0.075, 0.17)),
            share=float(rng.uniform(0.25, 0.55)),
            split=float(rng.uniform(0.14, 0.4)),
            waves=waves,
        )

    def colour(self, x: Array, y: Array) -> Array:
        """(N,) metres around and along a garment -> (N, 3)."""
        return np.clip(self._print(x, y) * (1 + self.folds(x, y))[:, None], 0, 1)

    def folds(self, x: Array, y: Array) -> Array:
        """How much lighter (or darker, below 0) the cloth is for its folds."""
        phase = np.stack([x, y], axis=1) @ self.waves[:, 1:3].T.astype(x.dtype) + self.waves[:, 3].astype(x.dtype)
        return np.sin(phase, out=phase) @ self.waves[:, 0].astype(x.dtype)

    def _print(self, x: Array, y: Array) -> Array:
        amount: Array = np.zeros(len(x), np.float32)
        if self.pattern == "hoops":
            amount = (y % self.period < self.share * self.period).astype(np.float32)
        elif self.pattern == "pinstripes":
            amount = ((x + 0.5 * self.share * self.period) % self.period < self.share * self.period).astype(np.float32)
        elif self.pattern == "checks":
            bands = (y % self.period < 0.5 * self.period).astype(np.float32)
            amount = 0.5 * (bands + (x % self.period < 0.5 * self.period))
        elif self.pattern == "dots":
            row = np.floor(y / self.period)
            dx = (x + 0.5 * self.period * (row % 2)) % self.period - 0.5 * self.period
            amount = (np.hypot(dx, y % self.period - 0.5 * self.period) < 0.27 * self.period).astype(np.float32)
        elif self.pattern == "two_tone":
            amount = (y > self.split).astype(np.float32)
        elif self.pattern == "melange":
            amount = 0.25 + 0.25 * np.sin(213 * x + 37 * y) * np.sin(171 * y - 59 * x)
        elif self.pattern == "camouflage":
            blotch = np.sin(31 * x + 3 * np.sin(23 * y)) + np.sin(27 * y + 3 * np.sin(19 * x + 1))
            shade = np.where(blotch[:, None] > 0.55, self.second * 0.6 + self.base * 0.4, self.base)
            return np.where(blotch[:, None] < -0.8, self.base * 0.45, shade)
        elif self.pattern == "denim":
            return self.base * (1 + 0.03 * np.sin(700 * x + 300 * y) + 0.1 * np.cos(7 * x))[:, None]
        return self.base + amount[:, None] * (self.second - self.base)

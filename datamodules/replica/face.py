"""Heads: skin, hair and features, as colours over longitude and height on the skull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from datamodules.replica.fabric import CLOTH, jittered, pick
from datamodules.replica.figure import Build
from datamodules.replica.tubes import Array, Mask

HairStyle = Literal["bald", "short", "fringe", "bob", "long", "ponytail", "cap"]

SKIN = np.array(
    [
        (245, 214, 190), (236, 198, 168), (226, 184, 148), (212, 166, 126), (190, 142, 102), (158, 110, 76),
        (118, 80, 56), (88, 60, 44),
    ],
    dtype=np.float32,
) / 255  # fmt: skip
HAIR = np.array(
    [
        (22, 19, 18), (36, 28, 24), (58, 42, 32), (92, 64, 42), (136, 98, 58), (190, 152, 92), (146, 72, 40),
        (160, 158, 156),
    ],
    dtype=np.float32,
) / 255  # fmt: skip


@dataclass(frozen=True)
class Face:
    """Skin, hair and features of one person."""

    skin: Array
    hair: Array
    style: HairStyle
    hairline: float
    """Where the hair begins at the forehead: 0 at the crown, 1 at the chin."""
    parting: float
    beard: float
    glasses: bool
    iris: Array
    lips: Array
    cap: Array

    @classmethod
    def sample(cls, rng: np.random.Generator, build: Build) -> Face:
        """A face; long hair is likelier with `build.curves`."""
        skin = jittered(SKIN[int(rng.choice(8, p=[0.1, 0.2, 0.2, 0.15, 0.1, 0.1, 0.08, 0.07]))], rng, 0.012)
        dark = skin.mean() < 0.5
        # fmt: off
        odds = [0.15, 0.2, 0.12, 0.05, 0.03, 0.01, 0.02, 0.02] if dark else [0.28, 0.22, 0.16, 0.12, 0.08, 0.06, 0.03, 0.05]
        # fmt: on
        hair = jittered(HAIR[int(rng.choice(8, p=np.array(odds) / sum(odds)))], rng, 0.01)
        styles: list[HairStyle] = ["bald", "short", "fringe", "bob", "long", "ponytail", "cap"]
        feminine = rng.random() < build.curves
        chances = [0.0, 0.06, 0.1, 0.24, 0.34, 0.22, 0.04] if feminine else [0.1, 0.46, 0.22, 0.04, 0.04, 0.02, 0.12]
        style = styles[int(rng.choice(7, p=chances))]
        return cls(
            skin=skin,
            hair=hair,
            style=style,
            hairline=float(rng.uniform(0.22, 0.29) + (0.07 if style == "fringe" else 0.0)),
            parting=float(rng.uniform(-0.6, 0.6)),
            beard=0.0 if feminine or rng.random() < 0.7 else float(rng.uniform(0.35, 0.9)),
            glasses=bool(rng.random() < 0.18),
            iris=jittered(
                np.array([(70, 46, 30), (60, 84, 110), (74, 90, 60)])[int(rng.integers(3))] / 255.0, rng, 0.02
            ),
            lips=np.clip(skin * np.array([0.88, 0.62, 0.6]) + (0.08 if feminine else 0.0) * np.array([1, 0, 0]), 0, 1),
            cap=pick(CLOTH, rng),
        )

    def paint(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """The skull: brows, eyes, mouth, beard, glasses; cropped hair where no hair solid covers it."""
        colour = np.broadcast_to(self.skin, (len(t), 3)).copy()
        side = np.abs(longitude)
        blush = np.exp(-(((side - 0.62) / 0.22) ** 2) - ((t - 0.66) / 0.1) ** 2)
        colour += blush[:, None] * np.array([0.03, -0.02, -0.02])
        if self.beard:
            jaw = (t > 0.7 + 0.06 * np.cos(2 * longitude)) & (side < 1.7)
            mouth = (side < 0.3) & (np.abs(t - 0.78) < 0.025)
            colour[jaw & ~mouth] = self.beard * self.hair + (1 - self.beard) * colour[jaw & ~mouth]
        socket = np.exp(-(((side - 0.42) / 0.24) ** 2) - ((t - 0.49) / 0.06) ** 2)
        colour *= 1 - 0.22 * socket[:, None]
        brow = np.hypot((side - 0.44) / 0.25, (t - 0.415 - 0.05 * (side - 0.44)) / 0.022) < 1
        colour[brow] = 0.75 * self.hair + 0.25 * self.skin
        white = np.hypot((side - 0.42) / 0.19, (t - 0.495) / 0.032) < 1
        colour[white] = np.array([0.93, 0.92, 0.9])
        lid = white & (t < 0.478)
        iris = (np.hypot((side - 0.42) / 0.1, (t - 0.495) / 0.036) < 1) & white
        colour[iris] = self.iris
        colour[(np.hypot((side - 0.42) / 0.045, (t - 0.495) / 0.016) < 1) & white] = 0.05
        colour[lid] = 0.35 * self.hair + 0.1
        mouth = np.hypot(side / (0.33 - 0.04 * (t > 0.785)), (t - 0.785) / 0.032) < 1
        colour[mouth] = self.lips
        colour[mouth & (np.abs(t - 0.783) < 0.006)] *= 0.6
        if self.glasses:
            ring = np.abs(np.hypot((side - 0.42) / 0.29, (t - 0.5) / 0.075) - 1) < 0.22
            bridge = (side < 0.14) & (np.abs(t - 0.475) < 0.014)
            arm = (side > 0.7) & (side < 1.75) & (np.abs(t - 0.47) < 0.014)
            colour[ring | bridge | arm] = 0.1
        cropped = ~self.face_free(longitude, t)
        if self.style == "bald":
            colour[cropped] = 0.82 * colour[cropped] + 0.18 * self.hair
        else:
            colour[cropped] = self.hair * 0.95
        return np.clip(colour, 0, 1)

    def face_free(self, longitude: Array, t: Array) -> Mask:
        """Where no hair grows: the face between hairline and sideburns, and the neck below the nape."""
        side = np.abs(longitude)
        temple = np.interp(side, [0.0, 0.75, 1.15, 1.55, 1.9, np.pi], [0, 0.015, 0.06, 0.32, 0.52, 0.6])
        if self.style in ("bob", "long"):
            temple = np.interp(side, [0.0, 0.6, 0.95, 1.15, np.pi], [0, 0.02, 0.14, 0.95, 1.1])
        elif self.style == "ponytail":
            temple = np.interp(side, [0.0, 0.7, 1.2, 1.7, np.pi], [0, 0.02, 0.1, 0.45, 0.62])
        return t > self.hairline + temple + 0.03 * np.sin(3 * (longitude - self.parting))

    def keeps_hair(self, longitude: Array, t: Array) -> Mask:
        """Where the hair solid exists."""
        if self.style == "cap":
            return t < np.interp(np.abs(longitude), [0, 1.2, np.pi], [0.27, 0.36, 0.46])
        return ~self.face_free(longitude, t)

    def paint_hair(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """Strands, or the cloth of a cap."""
        if self.style == "cap":
            seam = np.abs(np.sin(3 * longitude)) < 0.12
            return np.where((seam & (t < 0.3))[:, None], self.cap * 0.8, self.cap)
        strand = 1 + 0.09 * np.sin(22 * longitude + 6 * t) + 0.05 * np.sin(61 * longitude)
        sheen = 0.07 * np.exp(-(((t - 0.16) / 0.08) ** 2))
        return np.clip(self.hair * strand[:, None] + sheen[:, None], 0, 1)

    def paint_brim(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """The peak of a cap."""
        return np.broadcast_to(self.cap * 0.85, (len(t), 3))

"""What a person wears and carries, and the colour of every place on the body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from datamodules.replica.fabric import CLOTH, DENIM, TROUSERS, Fabric, luminance, pick
from datamodules.replica.figure import Build
from datamodules.replica.tubes import Array

Bottom = Literal["trousers", "shorts", "skirt", "dress"]
Neckline = Literal["crew", "v", "collar", "hood", "turtleneck"]
Bag = Literal["none", "backpack", "shoulder"]

SHOES = np.array(
    [(24, 24, 26), (70, 48, 36), (226, 226, 226), (120, 122, 128), (40, 60, 110), (170, 40, 46), (190, 160, 118)],
    dtype=np.float32,
) / 255  # fmt: skip


@dataclass(frozen=True)
class Top:
    """A shirt, sweater or jacket."""

    fabric: Fabric
    sleeve: float
    """Where the sleeve ends: 0 at the shoulder, 1 at the elbow, 2 at the wrist."""
    sleeve_fabric: Fabric
    hem: float
    """Where it ends on the torso: 0 at the neck, 1 at the crotch."""
    neckline: Neckline
    loose: float
    """Metres between the cloth and the body."""
    opening: float
    """Half-width in radians of an open front, 0 when closed."""
    zipped: bool
    logo: str
    """A print on the chest: "", "disc", "bars", "block" or "badge"."""
    number: bool
    """A print on the back."""
    ink: Array


@dataclass(frozen=True)
class Outfit:
    """Everything that is worn. Lengths on the legs count 0 at the hip, 1 at the knee, 2 at the ankle."""

    top: Top
    inner: Fabric
    bottom: Bottom
    cloth: Fabric
    leg: float
    width: float
    flare: float
    belt: Array | None
    shoes: Array
    sole: Array
    shaft: float
    """Where boots or socks end, in leg lengths (2 is the ankle)."""
    socks: Array
    tights: Array | None
    bag: Bag
    bag_colour: Array
    bag_side: float

    @property
    def top_of_shoes(self) -> float:
        """Where boots end on the leg; beyond the ankle for low shoes."""
        return self.shaft if self.shaft < 1.73 else 3.0

    @classmethod
    def sample(cls, rng: np.random.Generator, build: Build) -> Outfit:
        """Clothes that go together often enough."""
        womenswear = rng.random() < build.curves
        bottom: Bottom = "trousers"
        draw = rng.random()
        if womenswear:
            bottom = "trousers" if draw < 0.5 else "shorts" if draw < 0.65 else "skirt" if draw < 0.83 else "dress"
        elif draw > 0.72:
            bottom = "shorts"
        cloth = _bottom_cloth(rng, bottom)
        top = _top(rng, bottom, cloth)
        bags: list[Bag] = ["none", "backpack", "shoulder"]
        leg = {"trousers": rng.uniform(1.9, 2.1), "shorts": rng.uniform(0.45, 1.05), "skirt": rng.uniform(0.65, 1.15)}
        shoes = pick(SHOES, rng)
        boots = bottom != "shorts" and rng.random() < 0.18
        return cls(
            top=top,
            inner=Fabric.sample(rng, patterns={"plain": 0.75, "hoops": 0.25}),
            bottom=bottom,
            cloth=cloth,
            leg=float(leg.get(bottom, rng.uniform(0.7, 1.25))),
            width=float(rng.uniform(0.002, 0.022)),
            flare=float(rng.uniform(0.01, 0.12)),
            belt=pick(SHOES[:2], rng) if rng.random() < 0.3 else None,
            shoes=shoes,
            sole=np.full(3, 0.92) if rng.random() < 0.5 else shoes * 0.5,
            shaft=float(rng.uniform(1.2, 1.7)) if boots else float(rng.uniform(1.75, 2.0)),
            socks=shoes if boots else np.full(3, 0.9 if rng.random() < 0.6 else 0.15),
            tights=pick(CLOTH[:7], rng) if womenswear and rng.random() < 0.35 else None,
            bag=bags[int(rng.choice(3, p=[0.58, 0.24, 0.18]))],
            bag_colour=pick(CLOTH, rng, unlike=top.fabric.base),
            bag_side=1.0 if rng.random() < 0.5 else -1.0,
        )


def _bottom_cloth(rng: np.random.Generator, bottom: Bottom) -> Fabric:
    """Denim, plain cloth, or for skirts and dresses any cloth."""
    if bottom in ("skirt", "dress") and rng.random() < 0.75:
        return Fabric.sample(rng)
    if rng.random() < 0.45:
        return Fabric.sample(rng, DENIM, {"denim": 1.0})
    if bottom == "shorts" and rng.random() < 0.4:
        return Fabric.sample(rng, CLOTH, {"plain": 0.6, "checks": 0.25, "camouflage": 0.15})
    return Fabric.sample(rng, TROUSERS, {"plain": 0.85, "melange": 0.1, "pinstripes": 0.05})


def _top(rng: np.random.Generator, bottom: Bottom, cloth: Fabric) -> Top:
    """A dress has no other top; else a shirt, a long-sleeved sweater or a jacket."""
    fabric = cloth if bottom == "dress" else Fabric.sample(rng)
    draw = rng.random()
    sleeve = float(rng.uniform(0.42, 0.8) if draw < 0.55 else rng.uniform(1.75, 1.98) if draw < 0.92 else 0.05)
    jacket = sleeve > 1.5 and bottom != "dress" and rng.random() < 0.55
    plain = fabric.pattern in ("plain", "melange", "two_tone")
    raglan = plain and rng.random() < 0.2 and bottom != "dress"
    necklines: list[Neckline] = ["crew", "v", "collar", "hood", "turtleneck"]
    chances = [0.2, 0.1, 0.4, 0.3, 0.0] if jacket else [0.5, 0.25, 0.17, 0.0, 0.08]
    return Top(
        fabric=fabric,
        sleeve=sleeve,
        sleeve_fabric=Fabric.sample(rng, patterns={"plain": 0.8, "hoops": 0.2}) if raglan else fabric,
        hem=1.0 if bottom == "dress" else float(rng.uniform(0.7, 0.92)),
        neckline=necklines[int(rng.choice(5, p=chances))],
        loose=float(rng.uniform(0.003, 0.016)) + (0.012 if jacket else 0.0),
        opening=float(rng.uniform(0.25, 0.75)) if jacket and rng.random() < 0.6 else 0.0,
        zipped=jacket,
        logo=("", "disc", "bars", "block", "badge")[int(rng.choice(5, p=[0.35, 0.2, 0.2, 0.15, 0.1]))] if plain else "",
        number=bool(plain and rng.random() < 0.3),
        ink=pick(CLOTH, rng, unlike=fabric.base),
    )


class Wardrobe:
    """The colour functions of a dressed body: one method for each kind of part, in the form that `tubes.Paint` names."""

    def __init__(self, outfit: Outfit, skin: Array, build: Build) -> None:
        self.outfit, self.skin, self.build = outfit, skin, build

    def bare(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """Skin."""
        return np.broadcast_to(self.skin, (len(t), 3)).copy()

    def torso(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """Trousers' waist, the top with its neckline and prints, an open jacket over an inner shirt, bag straps."""
        o, top = self.outfit, self.outfit.top
        colour = o.cloth.colour(x, y)
        if o.bottom in ("trousers", "shorts") and o.belt is not None:
            colour[(t > 0.66) & (t < 0.72)] = o.belt
        fly = (np.abs(longitude) < 0.03) & (t > 0.72)
        colour[fly] *= 0.8
        pocket = (np.abs(longitude) > 1.9) & (np.abs(longitude) < 2.7) & (t > 0.8) & (t < 0.815)
        colour[pocket] *= 0.7
        worn = t < top.hem
        shirt = self._printed(longitude, t, x, y)
        if top.opening > 0:
            inner = o.inner.colour(x, y)
            inner[t < 0.035] = self.skin
            open_front = np.abs(longitude) < top.opening * (0.75 + 0.5 * t)
            shirt[open_front] = inner[open_front]
            lapel = ~open_front & (np.abs(longitude) < top.opening * (0.75 + 0.5 * t) + 0.09)
            shirt[lapel] *= 0.8
        elif top.zipped:
            shirt[np.abs(longitude) < 0.035] *= 0.55
        shirt[(t > top.hem - 0.03) & (t < top.hem)] *= 0.86
        colour[worn] = shirt[worn]
        if top.opening == 0:
            bare = t < self._neck_depth(longitude)
            colour[bare] = self.skin
            rim = ~bare & (t < self._neck_depth(longitude) + 0.022)
            colour[rim] *= 0.8
        if o.bag == "backpack":
            strap = (np.abs(np.abs(longitude) - 0.62) < 0.11) & (t < 0.45)
            colour[strap] = o.bag_colour * 0.8
        if o.bag == "shoulder":
            colour[np.abs(0.165 * np.sin(longitude) * o.bag_side - 0.34 * t + 0.09) < 0.018] = o.bag_colour * 0.7
        return colour

    def _neck_depth(self, longitude: Array) -> Array:
        """How far down the skin shows, as a position on the torso."""
        depth, width = {"crew": (0.045, 1.3), "v": (0.2, 0.75), "collar": (0.09, 0.35)}.get(
            self.outfit.top.neckline, (0.0, 1.0)
        )
        if self.outfit.top.sleeve < 0.1:
            depth, width = max(depth, 0.12), 1.1
        return depth * np.clip(1 - np.abs(longitude) / width, 0, 1)

    def _printed(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """The top's cloth with the prints on chest and back."""
        top = self.outfit.top
        colour = top.fabric.colour(x, y)
        if top.logo:
            dy = y - 0.215
            where = {
                "disc": np.hypot(x, dy) < 0.07,
                "bars": (np.abs(x) < 0.1) & (np.abs(dy) < 0.06) & ((dy + 0.06) % 0.048 < 0.03),
                "block": (np.abs(x) < 0.09) & (np.abs(dy) < 0.08),
                "badge": np.hypot(x - 0.075, y - 0.15) < 0.03,
            }[top.logo]
            colour[where] = top.ink
            if top.logo == "block":
                colour[np.hypot(x, dy) < 0.04] = top.fabric.third
        if top.number:
            behind = np.pi * 0.13 - np.abs(x)
            upright = (np.abs(behind - 0.035) < 0.014) & (y > 0.16) & (y < 0.34)
            colour[upright & (np.abs(longitude) > np.pi / 2)] = top.ink
            bar = (behind < 0.09) & (y > 0.1) & (y < 0.13) & (np.abs(longitude) > np.pi / 2)
            colour[bar] = top.ink
        if top.neckline == "collar":
            colour[t < 0.05] = np.clip(colour[t < 0.05] * 1.15 + 0.03, 0, 1)
        return colour

    def _arm(self, first: float, x: Array, t: Array, y: Array) -> Array:
        top = self.outfit.top
        along = first + t
        cloth = top.sleeve_fabric.colour(x, y + 0.12 + first * 0.28)
        cloth[np.abs(along - top.sleeve) < 0.05] *= 0.82
        return np.where((along < top.sleeve)[:, None], cloth, self.skin)

    def upper_arm(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """The sleeve down to where it ends."""
        return self._arm(0.0, x, t, y)

    def forearm(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """A long sleeve, or skin."""
        return self._arm(1.0, x, t, y)

    def _leg(self, first: float, x: Array, t: Array, y: Array) -> Array:
        o = self.outfit
        along = first + t
        colour = np.broadcast_to(self.skin if o.tights is None else o.tights, (len(t), 3)).copy()
        colour[along > o.shaft] = o.socks
        covered = along < (o.leg if o.bottom in ("trousers", "shorts") else 0.35)
        cloth = o.cloth.colour(x, y + 0.6 + first * 0.43)
        cloth[np.abs(along - o.leg) < 0.035] *= 0.82
        colour[covered] = cloth[covered]
        colour[along > o.top_of_shoes] = o.shoes
        return colour

    def thigh(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """Trousers or shorts, else tights or skin."""
        return self._leg(0.0, x, t, y)

    def shin(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """Trousers, socks, boots, tights or skin."""
        return self._leg(1.0, x, t, y)

    def foot(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """A shoe: the sole lies below (the foot's front is its top)."""
        o = self.outfit
        colour = np.where((np.abs(longitude) > 1.95)[:, None], o.sole, o.shoes)
        laces = (np.abs(longitude) < 0.6) & (t > 0.3) & (t < 0.62) & (luminance(o.shoes) < 0.8) & (o.top_of_shoes > 2)
        colour[laces] = colour[laces] * 0.6 + 0.35
        return colour

    def skirt(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """Cloth that hangs from the waist in pleats."""
        o = self.outfit
        colour = o.cloth.colour(x, y + 0.45) * (1 + 0.5 * o.flare * np.sin(18 * longitude) * t)[:, None]
        if o.belt is not None:
            colour[t < 0.05] = o.belt
        colour[t > 0.95] *= 0.85
        return np.clip(colour, 0, 1)

    def bag(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """A bag with a flap."""
        colour = np.broadcast_to(self.outfit.bag_colour, (len(t), 3)).copy()
        colour[np.abs(t - 0.38) < 0.035] *= 0.6
        colour[(t > 0.55) & (np.abs(longitude) > 2.2)] *= 0.85
        return colour

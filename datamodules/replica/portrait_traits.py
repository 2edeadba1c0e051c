"""Who is on a portrait, and what she looks like on one picture: the numbers from which `portrait` paints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
HairColour = Literal["black", "brown", "blond", "gray", "red"]
Beard = Literal["none", "stubble", "goatee", "mustache", "full"]
Hat = Literal["none", "beanie", "cap", "brim"]

SKIN = (
    np.array([(244, 208, 182), (232, 188, 158), (214, 164, 130), (186, 134, 100), (148, 98, 70), (104, 68, 50)]) / 255
)
"""From pale to dark."""
HAIR: dict[HairColour, tuple[int, int, int]] = {
    "black": (30, 25, 24), "brown": (88, 58, 38), "blond": (202, 164, 106), "gray": (168, 166, 164), "red": (140, 66, 34),
}  # fmt: skip
IRIS = np.array([(72, 46, 30), (96, 66, 36), (86, 104, 70), (84, 120, 152), (110, 124, 132)]) / 255


@dataclass(frozen=True)
class Person:
    """What stays with a person. Lengths are in units of about half the width of a head."""

    male: bool
    age: float
    """From 0 (young) to 1 (old)."""
    skin: Array
    hair_colour: HairColour
    hair: Array
    iris: Array
    lips: Array
    width: float
    jaw: float
    """Half-width at the corners of the jaw."""
    chin: float
    """How far down the chin reaches."""
    cheeks: float
    eye_size: float
    eye_open: float
    eye_distance: float
    eye_tilt: float
    brow_height: float
    brow_thickness: float
    brow_arch: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lip_fullness: float
    ear: float
    hairline: float
    """Where the hair begins above the eyes."""
    length: float
    """How far down the hair reaches; below 0: not over the ears."""
    volume: float
    wave: float
    """0 straight, 1 curls."""
    parting: float
    bangs: float
    """0 none, 1 down to the brows."""
    bald: bool
    beard: Beard
    freckles: float
    seed: int
    """Of what else belongs to the person, such as the places of freckles."""

    @classmethod
    def sample(cls, rng: np.random.Generator, male: bool) -> Person:
        """Another person for every state of the generator."""
        age = float(rng.beta(1.6, 2.2))
        tone = float(rng.beta(1.1, 1.7)) * (len(SKIN) - 1)
        skin = _between(SKIN, tone) * (1 + rng.normal(0, 0.025, 3))
        dark = tone > 3
        weights = [0.75, 0.25, 0.0, 0.0, 0.0] if dark else [0.22, 0.36, 0.28, 0.04, 0.1]
        if age > 0.6:
            weights = [0.25 * w for w in weights[:3]] + [0.75, 0.1 * weights[4]]
        colours: list[HairColour] = ["black", "brown", "blond", "gray", "red"]
        colour = colours[int(rng.choice(5, p=np.array(weights) / sum(weights)))]
        hair = np.array(HAIR[colour]) / 255 * rng.uniform(0.8, 1.2) * (1 + rng.normal(0, 0.02, 3))
        iris = IRIS[int(rng.integers(2))] if dark or rng.random() < 0.4 else IRIS[int(rng.integers(5))]
        bald = bool(male and rng.random() < 0.05 + 0.2 * age)
        long = rng.random() < (0.08 if male else 0.8)
        beards: list[Beard] = ["none", "stubble", "goatee", "mustache", "full"]
        return cls(
            male=male,
            age=age,
            skin=skin.clip(0.05, 1),
            hair_colour=colour,
            hair=hair.clip(0.02, 0.95),
            iris=iris * rng.uniform(0.85, 1.15),
            lips=(skin * np.array((0.94, 0.66, 0.66)) * rng.uniform(0.92, 1.05)).clip(0.05, 1),
            width=float(rng.normal(0.795 if male else 0.765, 0.025)),
            jaw=float(rng.normal(0.66 if male else 0.58, 0.04)),
            chin=float(rng.normal(1.2 if male else 1.13, 0.045)),
            cheeks=float(rng.uniform(0, 1)),
            eye_size=float(rng.normal(0.168 if male else 0.18, 0.011)),
            eye_open=float(rng.normal(0.38 if male else 0.44, 0.05)),
            eye_distance=float(rng.normal(0.365, 0.018)),
            eye_tilt=float(rng.normal(0.05, 0.06)),
            brow_height=float(rng.normal(0.22 if male else 0.26, 0.025)),
            brow_thickness=float(np.clip(rng.normal(0.075 if male else 0.05, 0.012), 0.028, 0.11)),
            brow_arch=float(rng.normal(0.05 if male else 0.085, 0.025)),
            nose_length=float(rng.normal(0.47, 0.035)),
            nose_width=float(rng.normal(0.2 if male else 0.175, 0.02)),
            mouth_width=float(rng.normal(0.31, 0.025)),
            lip_fullness=float(np.clip(rng.normal(0.085 if male else 0.11, 0.02), 0.045, 0.16)),
            ear=float(rng.normal(1, 0.08)),
            hairline=float(rng.normal(0.8, 0.06) - (0.0 if rng.random() < 0.8 else 0.08)) + (0.12 * age if male else 0),
            length=float(rng.uniform(0.9, 2.1) if long else rng.uniform(-0.35, 0.15)),
            volume=float(rng.uniform(0.03, 0.16) + (0.08 if not male else 0.0)),
            wave=float(
                rng.choice([rng.uniform(0, 0.15), rng.uniform(0.3, 0.7), rng.uniform(0.85, 1)], p=[0.5, 0.33, 0.17])
            ),
            parting=float(rng.choice([-1, 1]) * rng.uniform(0.0, 0.4)),
            bangs=float(rng.uniform(0.5, 1) if rng.random() < 0.25 else 0),
            bald=bald,
            beard=beards[int(rng.choice(5, p=[0.45, 0.2, 0.12, 0.08, 0.15]))] if male else "none",
            freckles=float(rng.uniform(0.3, 1) if tone < 2 and rng.random() < 0.3 else 0),
            seed=int(rng.integers(2**31)),
        )


@dataclass(frozen=True)
class Look:
    """What changes from picture to picture of one person. Angles in degrees."""

    yaw: float
    """Positive: towards the image's right."""
    pitch: float
    """Positive: downwards."""
    roll: float
    smile: float
    mouth_open: float
    gaze: tuple[float, float]
    eyes_closing: float
    glasses: int
    """0 none, 1 thin, 2 thick frames, 3 sunglasses."""
    hat: Hat
    hat_colour: Array
    earrings: bool
    necklace: bool
    necktie: bool
    lipstick: Array | None
    make_up: float
    """Of eyelids and cheeks, 0 to 1."""
    metal: Array
    cloth: Array
    cloth_second: Array
    cloth_pattern: int
    neckline: float
    light: float
    """Direction it comes from: -1 left ... 1 right."""
    light_height: float
    ambient: float
    warmth: float
    shift: tuple[float, float]
    scale: float
    blur: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, person: Person, smiles: bool) -> Look:
        """Another picture for every state of the generator."""
        adorned = not person.male
        smile = float(rng.uniform(0.45, 1) if smiles else rng.uniform(-0.15, 0.2))
        teeth = rng.random() < (0.75 if smile > 0.4 else 0.2)
        lipstick = adorned and rng.random() < 0.6
        hats: list[Hat] = ["beanie", "cap", "brim"]
        metals = np.array([(226, 190, 110), (206, 208, 214), (214, 160, 140)]) / 255
        return cls(
            yaw=float(np.clip(rng.normal(0, 15), -38, 38)),
            pitch=float(np.clip(rng.normal(0, 6), -16, 16)),
            roll=float(np.clip(rng.normal(0, 3.5), -12, 12)),
            smile=smile,
            mouth_open=float(rng.uniform(0.25, 0.8)) if teeth else 0.0,
            gaze=(float(rng.normal(0, 0.12)), float(rng.normal(0, 0.06))),
            eyes_closing=float(rng.uniform(0, 0.25) + max(smile, 0) * 0.15),
            glasses=int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2])) if rng.random() < 0.12 else 0,
            hat=hats[int(rng.integers(3))] if rng.random() < 0.08 else "none",
            hat_colour=_colour(rng),
            earrings=bool(adorned and rng.random() < 0.45),
            necklace=bool(adorned and rng.random() < 0.3),
            necktie=bool(person.male and rng.random() < 0.2),
            lipstick=np.array(((176, 34, 52), (196, 84, 96), (140, 40, 60))[int(rng.integers(3))]) / 255
            if lipstick
            else None,
            make_up=float(rng.uniform(0.4, 1) if lipstick and rng.random() < 0.8 else 0),
            metal=metals[int(rng.integers(3))],
            cloth=_colour(rng),
            cloth_second=_colour(rng),
            cloth_pattern=int(rng.choice(4, p=[0.55, 0.2, 0.15, 0.1])),
            neckline=float(rng.uniform(0, 1)),
            light=float(rng.uniform(-0.9, 0.9)),
            light_height=float(rng.uniform(0.2, 0.8)),
            ambient=float(rng.uniform(0.45, 0.68)),
            warmth=float(rng.normal(0, 0.035)),
            shift=(float(rng.normal(0, 0.012)), float(rng.normal(0, 0.012))),
            scale=float(rng.normal(1, 0.025)),
            blur=float(rng.uniform(0.8, 1.6) if rng.random() < 0.05 else 0),
            seed=int(rng.integers(2**31)),
        )


def attributes(person: Person, look: Look) -> dict[str, bool]:
    """The 40 attributes of CelebA as they can be seen on the picture."""
    hair = not person.bald
    beard = person.beard
    return {
        "5_o_Clock_Shadow": beard == "stubble",
        "Arched_Eyebrows": person.brow_arch > 0.085,
        "Attractive": person.age < 0.35 and look.blur == 0,
        "Bags_Under_Eyes": person.age > 0.55,
        "Bald": person.bald,
        "Bangs": hair and person.bangs > 0 and look.hat == "none",
        "Big_Lips": person.lip_fullness > 0.115,
        "Big_Nose": person.nose_width > 0.205,
        "Black_Hair": hair and person.hair_colour == "black",
        "Blond_Hair": hair and person.hair_colour == "blond",
        "Blurry": look.blur > 0,
        "Brown_Hair": hair and person.hair_colour in ("brown", "red"),
        "Bushy_Eyebrows": person.brow_thickness > 0.075,
        "Chubby": person.jaw > 0.68,
        "Double_Chin": person.jaw > 0.71,
        "Eyeglasses": look.glasses > 0,
        "Goatee": beard == "goatee",
        "Gray_Hair": hair and person.hair_colour == "gray",
        "Heavy_Makeup": look.make_up > 0.5,
        "High_Cheekbones": person.cheeks > 0.5,
        "Male": person.male,
        "Mouth_Slightly_Open": look.mouth_open > 0,
        "Mustache": beard in ("mustache", "full"),
        "Narrow_Eyes": person.eye_open < 0.36,
        "No_Beard": beard in ("none", "mustache"),
        "Oval_Face": person.jaw < 0.6,
        "Pale_Skin": float(person.skin.mean()) > 0.76,
        "Pointy_Nose": person.nose_width < 0.17,
        "Receding_Hairline": hair and person.hairline > 0.92,
        "Rosy_Cheeks": look.make_up > 0.7,
        "Sideburns": beard == "full",
        "Smiling": look.smile > 0.4,
        "Straight_Hair": hair and person.wave < 0.2,
        "Wavy_Hair": hair and person.wave >= 0.2,
        "Wearing_Earrings": look.earrings,
        "Wearing_Hat": look.hat != "none",
        "Wearing_Lipstick": look.lipstick is not None,
        "Wearing_Necklace": look.necklace,
        "Wearing_Necktie": look.necktie,
        "Young": person.age < 0.5,
    }


def _between(table: Array, place: float) -> Array:
    low = min(int(place), len(table) - 2)
    return table[low] + (place - low) * (table[low + 1] - table[low])


def _colour(rng: np.random.Generator) -> Array:
    """Of cloth: any hue, often dark or pale."""
    grey = rng.uniform(0.08, 0.92)
    return np.clip(grey + rng.uniform(0, 0.35) * rng.normal(0, 1, 3), 0.03, 0.97)

"""Portraits: drawn faces of people, with the parts of CelebAMask-HQ at every pixel.

A face lies on an ellipsoid, so that it turns; its light comes from the ellipsoid's shape and a relief of nose, cheeks and
sockets. What belongs to a person (`Person`) is the same on all pictures; the rest is drawn for each (`Look`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.replica.portrait_canvas import AXES, Array, Canvas, Coverage, Head, mirrored, smooth
from datamodules.replica.portrait_face import (
    NUMBER,
    SIDES,
    light_up,
    outline,
    paint_beard,
    paint_brows,
    paint_eyes,
    paint_mouth,
    paint_nose,
    skin_colour,
)
from datamodules.replica.portrait_hair import paint_front, paint_hat, strands, whole_hair
from datamodules.replica.portrait_traits import Look, Person


@dataclass(frozen=True)
class Portrait:
    """A picture and all that is known of it."""

    image: NDArray[np.uint8]
    """(size, size, 3) RGB."""
    part: NDArray[np.uint8]
    """(size, size): 1 + the place of the visible part in `face_parts.PARTS`, 0 for none; nothing hides behind glasses."""
    glasses: NDArray[np.bool_]
    """(size, size): where glasses are, lenses and frames."""
    background: NDArray[np.uint8]
    """(size, size, 3): the same picture without the person. Empty, as what follows, if no truth was asked for."""
    face: NDArray[np.bool_]
    """(size, size): where the surface of the face is seen."""
    uv: NDArray[np.float16]
    """(size, size, 2): its place on the head in [0, 1]: around it (0.5 is the front) and from top to bottom; 0 elsewhere."""


def draw(person: Person, look: Look, size: int, truth: bool = True) -> Portrait:
    """Paint a portrait of size x size pixels.

    truth: whether background, face and uv are wanted; otherwise they are empty.
    """
    scale = 0.325 * size * look.scale
    eyes = ((0.5 + look.shift[0]) * size, (0.475 + look.shift[1]) * size)
    head = Head(math.radians(look.yaw), math.radians(look.pitch), math.radians(look.roll), scale, eyes)
    canvas = Canvas(background(look, size))
    behind = canvas.image.copy() if truth else None
    lit = light_up(person, look, head, size)
    skin = skin_colour(person, look, lit, size)
    hair = strands(person, look, head, size)
    all_hair = None if person.bald else whole_hair(canvas, person, head)
    if all_hair is not None:
        canvas.paint(all_hair, hair, NUMBER["hair"], 1.0, 0.012 * scale, shade=0.6)
    face = canvas.fill(outline(person, head))
    _paint_body(canvas, person, look, head, skin)
    _paint_skull(canvas, person, head, skin, hair)
    _paint_ears(canvas, person, head, skin)
    canvas.paint(face, skin, NUMBER["skin"], 1.0, 0.004 * scale)
    paint_beard(canvas, person, head, face, hair)
    paint_nose(canvas, person, head)
    paint_mouth(canvas, person, look, head, lit.shade)
    paint_eyes(canvas, person, look, head, lit.shade)
    paint_brows(canvas, person, look, head)
    # Features end where the face does.
    beyond = (face < 128) & np.isin(canvas.part, [NUMBER[name] for name in _FEATURES])
    canvas.part[beyond] = NUMBER["skin"]
    if all_hair is not None:
        paint_front(canvas, person, look, head, all_hair, hair)
    glasses = _paint_glasses(canvas, look, head)
    if look.earrings:
        _paint_earrings(canvas, person, look, head, face)
    paint_hat(canvas, look, head, lit.shade)
    return _developed(canvas, behind, look, head, glasses)


_FEATURES = ("nose", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip")


def _developed(canvas: Canvas, behind: Array | None, look: Look, head: Head, glasses: NDArray[np.bool_]) -> Portrait:
    """The light's colour, the lens and the sensor; and the truth, where the empty picture is given."""
    rng = np.random.default_rng([look.seed, 7])
    size = canvas.size
    tint = 255 * np.array((1 + look.warmth, 1.0, 1 - look.warmth), np.float32)
    grain = 3 * rng.standard_normal((size // 2, size // 2, 3), np.float32)
    noise = cv2.resize(grain, (size, size), interpolation=cv2.INTER_LINEAR)

    def exposed(picture: Array) -> NDArray[np.uint8]:
        if look.blur:
            picture = cv2.GaussianBlur(picture, (0, 0), look.blur * size / 128)
        return np.asarray(cv2.add(picture * tint, noise, dtype=cv2.CV_8U), np.uint8)

    if behind is None:
        nothing = np.zeros((0, 0, 3), np.uint8)
        return Portrait(
            exposed(canvas.image),
            canvas.part,
            glasses,
            nothing,
            nothing[..., 0] > 0,
            nothing[..., :2].astype(np.float16),
        )
    x, y, z, met = cv2.split(_places(head, size))
    face = (met == 1) & np.isin(canvas.part, [NUMBER[name] for name in ("skin", *_FEATURES)])
    uv = np.dstack([0.5 + np.arctan2(x, z) / np.float32(2 * np.pi), (y + 1) / 2]) * face[..., None]
    return Portrait(
        exposed(canvas.image), canvas.part, glasses, exposed(behind), face, uv.clip(0, 1).astype(np.float16)
    )


def _places(head: Head, size: int) -> Array:
    """(size, size, 4): the place on the unit sphere that each pixel shows, and 1 where the head is."""
    places, met = head.canonical(size, 2)
    table = np.dstack([places / AXES.astype(np.float32), met.astype(np.float32)])
    return cv2.resize(table, (size, size), interpolation=cv2.INTER_LINEAR)


def background(look: Look, size: int) -> Array:
    """(size, size, 3) in [0, 1]: something out of focus."""
    rng = np.random.default_rng([look.seed, 8])
    n = 64
    base = np.clip(rng.uniform(0.12, 0.88) + 0.08 * rng.normal(0, 1, 3), 0.02, 0.98)
    picture: Array = np.empty((n, n, 3), np.float32)
    picture[:] = base
    kind = int(rng.integers(4))
    if kind == 0:  # a wall, lit from a side
        ramp = np.linspace(1.15, 0.8, n, dtype=np.float32)
        picture *= (ramp[None, :] if rng.random() < 0.5 else ramp[:, None])[..., None]
    elif kind == 1:  # lights
        for _ in range(int(rng.integers(8, 22))):
            colour = np.clip(base + rng.normal(0, 0.2) + rng.normal(0, 0.1, 3), 0, 1)
            centre = tuple(int(v) for v in rng.integers(0, n * 16, 2))
            cv2.circle(picture, centre, int(rng.integers(30, 160)), colour.tolist(), -1, cv2.LINE_AA, 4)
        picture = cv2.GaussianBlur(picture, (0, 0), 1.4)
    elif kind == 2:  # leaves
        green = np.array((0.34, 0.42, 0.26)) * rng.uniform(0.5, 1.5)
        leaves = cv2.resize(rng.normal(0, 1, (9, 9)).astype(np.float32), (n, n), interpolation=cv2.INTER_CUBIC)
        picture = (green * (1 + 0.22 * leaves[..., None])).astype(np.float32)
        picture += np.float32(0.3) * np.linspace(1, 0, n, dtype=np.float32)[:, None, None] ** 2
    else:  # a room or a street: upright stripes
        for _ in range(int(rng.integers(3, 8))):
            x, wide = int(rng.integers(n)), int(rng.integers(3, 18))
            picture[:, x : x + wide] = np.clip(base + rng.normal(0, 0.15) + rng.normal(0, 0.05, 3), 0, 1)
        picture = cv2.GaussianBlur(picture, (0, 0), 1.8)
    return cv2.resize(np.clip(picture, 0, 1), (size, size), interpolation=cv2.INTER_LINEAR)


def _paint_body(canvas: Canvas, person: Person, look: Look, head: Head, skin: Array) -> None:
    """Neck, clothes, necklace and tie."""
    base = head.at(np.array([(0.0, 0.55, -0.15)]))[0]
    lean = np.array((0.35 * (base[0] - canvas.size / 2), 0))

    def body(points: Array) -> Array:
        """Places below the head, which turn less than it does; y counts from the ears."""
        share = np.clip((points[:, 1:] - 0.6) / 0.8, 0, 1)
        return base + (points - (0, 0.55)) * head.scale - share * lean

    thick = 0.54 if person.male else 0.42
    half = np.array(
        [(thick - 0.02, 0.3), (thick - 0.04, 0.9), (thick, 1.4), (thick + 0.25, 1.68), (1.2, 1.85), (1.6, 2.6)]
    )
    neck = np.concatenate([smooth(half, False), mirrored(smooth(half, False)[::-1], -1)])
    cover = canvas.fill(body(neck))
    tone = person.skin.astype(np.float32) * (0.62 + 0.22 * look.ambient)
    canvas.paint(cover, tone, NUMBER["neck"])
    chin = body(
        np.array(
            [(-0.7, 0.4), (0.7, 0.4), (0.55, person.chin + 0.1), (0, person.chin + 0.22), (-0.55, person.chin + 0.1)]
        )
    )
    canvas.paint(np.minimum(cover, canvas.fill(smooth(chin))), 0.55 * person.skin, None, 0.6, 0.07 * head.scale)
    for side, _ in SIDES:
        bone = np.array([(0.1, 1.83), (0.4, 1.78), (0.8, 1.8)])
        canvas.paint(
            canvas.stroke(body(mirrored(smooth(bone, False), side)), width=0.04 * head.scale),
            0.5 * person.skin,
            None,
            0.3,
            0.03 * head.scale,
        )
    dip = 1.5 + (0.2 if look.necktie else 0.65) * look.neckline
    shoulder = [(thick + 0.04, 1.42), (thick + 0.3, 1.56), (1.25, 1.74), (1.75, 2.2), (1.9, 2.9)]
    collar = [(thick - 0.12, 1.5 + 0.3 * (dip - 1.5)), (0.5 * thick, 1.5 + 0.85 * (dip - 1.5)), (0, dip)]
    right = np.concatenate([smooth(np.array(collar[::-1]), False), smooth(np.array(shoulder), False)])
    shape = body(np.concatenate([right, mirrored(right[::-1], -1)]))
    canvas.paint(canvas.fill(shape), _cloth(look, canvas.size), NUMBER["cloth"])
    edge = np.concatenate([mirrored(smooth(np.array(collar), False), -1), smooth(np.array(collar[::-1]), False)])
    canvas.paint(canvas.stroke(body(edge), width=0.035 * head.scale), 0.7 * look.cloth, NUMBER["cloth"], 0.8)
    if look.necktie:
        _paint_tie(canvas, look, body, head.scale, dip, thick)
    if look.necklace:
        drop = min(1.42 + 0.3 * look.neckline, dip - 0.06)
        curve = smooth(
            np.array([(-thick, 1.22), (-0.6 * thick, drop - 0.1), (0, drop), (0.6 * thick, drop - 0.1), (thick, 1.22)]),
            False,
        )
        canvas.paint(canvas.stroke(body(curve), width=0.035 * head.scale), 0.75 * look.metal, NUMBER["neck_l"])
        canvas.paint(
            canvas.stroke(body(curve) - (0, 0.008 * head.scale), width=0.012 * head.scale),
            np.minimum(1.3 * look.metal, 1),
        )
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        pendant = body(np.column_stack([0.05 * np.cos(angles), drop + 0.05 + 0.06 * np.sin(angles)]))
        canvas.paint(canvas.fill(pendant), look.metal, NUMBER["neck_l"])


def _paint_tie(
    canvas: Canvas, look: Look, body: Callable[[Array], Array], scale: float, dip: float, thick: float
) -> None:
    """A shirt's collar and a tie, which count as clothes."""
    white = np.array((0.9, 0.9, 0.92))
    for side, _ in SIDES:
        wing = np.array([(0.03, dip + 0.02), (thick - 0.02, 1.38), (thick + 0.12, 1.5), (0.32, dip + 0.3)])
        canvas.paint(canvas.fill(body(mirrored(wing, side))), white, NUMBER["cloth"])
        canvas.paint(canvas.stroke(body(mirrored(wing[2:], side)), width=0.012 * scale), 0.5 * white, None, 0.6)
    knot = np.array(
        [(-0.11, dip), (0.11, dip), (0.07, dip + 0.16), (0.2, dip + 1.4), (-0.2, dip + 1.4), (-0.07, dip + 0.16)]
    )
    canvas.paint(canvas.fill(body(knot)), look.cloth_second, NUMBER["cloth"])
    canvas.paint(canvas.stroke(body(knot[[2, 5]]), width=0.02 * scale), 0.5 * look.cloth_second, None, 0.8)


def _cloth(look: Look, size: int) -> Array:
    """(size, size, 3): plain, striped, checked or dotted cloth with folds."""
    rng = np.random.default_rng([look.seed, 9])
    first = size // 2  # clothes begin below the middle
    y, x = np.mgrid[first:size, :size].astype(np.float32) / np.float32(size)
    turn = rng.uniform(0, np.pi)
    along = x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))
    across = y * np.float32(np.cos(turn)) - x * np.float32(np.sin(turn))
    step = rng.uniform(14, 34)
    if look.cloth_pattern == 1:
        second = np.mod(along * step, 1) < 0.4
    elif look.cloth_pattern == 2:
        second = (np.mod(along * step, 1) < 0.3) | (np.mod(across * step, 1) < 0.3)
    elif look.cloth_pattern == 3:
        second = np.hypot(np.mod(along * step, 1) - 0.5, np.mod(across * step, 1) - 0.5) < 0.25
    else:
        second = np.zeros(x.shape, bool)
    colour = np.where(second[..., None], look.cloth_second.astype(np.float32), look.cloth.astype(np.float32))
    folds = cv2.resize(rng.normal(0, 0.12, (3, 12)).astype(np.float32), x.shape[::-1], interpolation=cv2.INTER_CUBIC)
    level = (0.75 + 0.3 * look.ambient) * (1 + folds + np.float32(0.25 * look.light) * (x - 0.5))
    cloth = np.empty((size, size, 3), np.float32)
    np.multiply(colour, level.astype(np.float32)[..., None], out=cloth[first:])
    return cloth


def _paint_skull(canvas: Canvas, person: Person, head: Head, skin: Array, hair: Array) -> None:
    """The side of the head between face and ear, which shows when it turns."""
    half = np.array([(0.0, -1.2), (0.5, -1.08), (0.8, -0.7), (0.88, -0.2), (0.84, 0.25), (0.7, 0.5), (0.0, 0.55)])
    ring = smooth(np.concatenate([half, mirrored(half[-2:0:-1], -1)]))
    rings = [head.at(np.column_stack([ring * width, np.full(len(ring), z)])) for width, z in ((1, 0.0), (0.9, -0.45))]
    cover = canvas.fill(cv2.convexHull(np.concatenate(rings).astype(np.float32))[:, 0].astype(np.float64))
    canvas.paint(cover, skin, NUMBER["skin"], shade=0.88)
    if person.bald:
        return
    above = head.at(np.array([(-1.6, 0.12, 0), (-1.6, -2.0, 0), (1.6, -2.0, 0), (1.6, 0.12, 0)]))
    canvas.paint(np.minimum(cover, canvas.fill(above)), hair, NUMBER["hair"], 1.0, 0.02 * head.scale, shade=0.85)


def _paint_ears(canvas: Canvas, person: Person, head: Head, skin: Array) -> None:
    for side, name in SIDES:
        half = np.array(
            [(0.74, -0.12), (0.86, -0.2), (0.95, -0.1), (0.95, 0.1), (0.88, 0.28), (0.8, 0.38), (0.74, 0.3)]
        )
        ear = np.array((0.78, 0.1)) + person.ear * (half - (0.78, 0.1))
        ring = smooth(mirrored(ear, side))
        pixels = head.at(np.column_stack([ring, np.full(len(ring), -0.1)]))
        canvas.paint(canvas.fill(pixels), skin, NUMBER[f"{name}_ear"], shade=0.9)
        fold = smooth(mirrored(np.array([(0.82, -0.06), (0.89, -0.08), (0.9, 0.08), (0.83, 0.2)]), side), False)
        line = head.at(np.column_stack([fold, np.full(len(fold), -0.05)]))
        canvas.paint(canvas.stroke(line, width=0.03 * head.scale), 0.5 * person.skin, None, 0.45, 0.012 * head.scale)


def _paint_earrings(canvas: Canvas, person: Person, look: Look, head: Head, face: Coverage) -> None:
    """Rings or drops below the lobes: those that can be seen."""
    rng = np.random.default_rng([look.seed, 10])
    hoop, length = rng.random() < 0.5, rng.uniform(0.08, 0.2)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for side, _ in SIDES:
        lobe = head.at(np.array([(side * 0.82, 0.38 * person.ear, -0.02)]))[0]
        x, y = lobe.astype(int).clip(0, canvas.size - 1)
        if face[y, x] > 0:  # behind the cheek
            continue
        ring = np.column_stack([0.55 * np.cos(angles), 1 + np.sin(angles)]) * length * head.scale + lobe
        cover = canvas.stroke(ring, width=0.035 * head.scale, closed=True) if hoop else canvas.fill(ring)
        canvas.paint(cover, look.metal, NUMBER["ear_r"])
        canvas.paint(canvas.stroke(ring[8:14], width=0.012 * head.scale), np.minimum(1.4 * look.metal, 1))


def _paint_glasses(canvas: Canvas, look: Look, head: Head) -> NDArray[np.bool_]:
    """Glasses, and where they are. The parts behind them stay what is seen."""
    if look.glasses == 0:
        return np.zeros((canvas.size, canvas.size), bool)
    rng = np.random.default_rng([look.seed, 11])
    round_ = rng.random() < 0.4
    dark = look.glasses == 3
    frame = np.full(3, rng.uniform(0.03, 0.2)) if rng.random() < 0.6 else np.clip(0.7 * look.hat_colour, 0, 1)
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    power = 1.0 if round_ else 0.55
    unit = np.column_stack(
        [
            np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power,
            np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power,
        ]
    )
    wide, high = (0.23, 0.22) if round_ else (0.27, 0.19 if not dark else 0.22)
    depth = 0.12
    thick = {1: 0.02, 2: 0.045, 3: 0.04}[look.glasses] * head.scale
    seen = np.zeros((canvas.size, canvas.size), np.uint8)
    part = canvas.part.copy()

    def place(points: Array) -> Array:
        z = 0.82 - 0.35 * np.abs(points[:, 0]) ** 2 + depth
        return head.at(np.column_stack([points, z]))

    for side, _ in SIDES:
        lens = place(unit * (wide, high) + (side * 0.345, 0.03))
        cover = canvas.fill(lens)
        tint = np.array((0.06, 0.06, 0.08)) if dark else np.array((0.85, 0.9, 0.95))
        canvas.paint(cover, tint, None, 0.86 if dark else 0.1)
        glare = place(unit * (0.05, 0.1) + (side * 0.345 - 0.1, -0.04))
        canvas.paint(np.minimum(cover, canvas.fill(glare)), np.ones(3), None, 0.3, 0.02 * head.scale)
        rim = canvas.stroke(lens, width=thick, closed=True)
        arm = head.at(
            np.array(
                [(side * (0.345 + wide), -0.03, 0.82 - 0.35 * (0.345 + wide) ** 2 + depth), (side * 0.86, -0.06, 0.0)]
            )
        )
        temple = canvas.stroke(arm, width=1.1 * thick)
        if side * (arm[1, 0] - arm[0, 0]) < 0:  # behind the face
            temple[:] = 0
        bridge = canvas.stroke(place(np.array([(side * 0.12, -0.01), (0, -0.035)])), width=thick)
        for shape in (rim, temple, bridge):
            canvas.paint(shape, frame, None)
        for shape in (cover, rim, temple, bridge):
            seen = np.maximum(seen, shape)
    canvas.part[:] = part
    return seen > 127

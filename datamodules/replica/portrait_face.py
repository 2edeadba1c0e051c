"""Skin, eyes, brows, nose, mouth and beard of a portrait: where they lie on the face, and how they are lit and painted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from datamodules.replica.portrait_canvas import AXES, Array, Canvas, Coverage, Head, mirrored, smooth
from datamodules.replica.portrait_traits import Look, Person
from datamodules.structures.face_parts import PARTS

NUMBER = {part: place for place, part in enumerate(PARTS, start=1)}
"""Part maps hold 1 + the place in the order of the dataset's authors."""
SIDES = ((1, "l"), (-1, "r"))
"""The subject's left is on the image's right."""


@dataclass(frozen=True)
class Lit:
    """How the face is lit, per pixel of the picture."""

    shade: Array
    """(size, size) factor of colours."""
    gloss: Array
    """(size, size) added white."""
    places: Array
    """(n, n, 3) places of the face at every other pixel."""


def outline(person: Person, head: Head) -> Array:
    """The face in pixels: brow to chin, the near side of the ellipsoid and the edge of the jaw behind it."""
    half = np.array([
        (0.0, -1.12), (0.42, -1.0), (0.68, -0.68), (person.width, -0.15), (person.width - 0.015, 0.3),
        (person.jaw + 0.06, 0.66), (person.jaw - 0.16, 0.95), (0.24, person.chin - 0.045), (0.0, person.chin),
    ])  # fmt: skip
    ring = smooth(np.concatenate([half, mirrored(half[-2:0:-1], -1)]))
    behind = np.column_stack([ring, 0.28 * np.sqrt(np.maximum(0, 1 - (ring[:, 1] / 1.6) ** 2))])
    both = np.concatenate([head.on(0.94 * ring), head.at(behind)]).astype(np.float32)
    return cv2.convexHull(both)[:, 0].astype(np.float64)


def light_up(person: Person, look: Look, head: Head, size: int) -> Lit:
    """Light on the face: its round shape, and what stands out of it or lies in it."""
    places, _ = head.canonical(size, 2)
    normal = (places / (AXES**2).astype(np.float32)) @ head.rotation.T.astype(np.float32)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    relief = _relief(person, look, head, places.shape[0])
    unit = head.scale / 2
    normal[..., 0] -= cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=unit / 8)
    normal[..., 1] -= cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=unit / 8)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    source = np.array((look.light, -look.light_height, 0.75), np.float32)
    source /= np.linalg.norm(source)
    facing = np.maximum(normal @ source, 0)
    shade = look.ambient + (1.12 - look.ambient) * facing
    between = source + np.array((0, 0, 1), np.float32)
    gloss = 0.14 * np.maximum(normal @ (between / np.linalg.norm(between)), 0) ** 24
    full = [cv2.resize(part, (size, size), interpolation=cv2.INTER_LINEAR) for part in (shade, gloss)]
    return Lit(full[0], full[1], places)


def _relief(person: Person, look: Look, head: Head, size: int) -> Array:
    """(size, size): how far the face stands out of the ellipsoid, in units, on a grid of every other pixel."""
    groups: dict[float, list[tuple[float, float, float, float, float]]] = {
        # softness: (height, x, y, half-width, half-height)
        0.09: [
            (0.16, 0.0, 0.26, 0.055, 0.3), (0.14, 0.0, person.nose_length, 0.1, 0.08),
            (0.09, 0.13, 0.32, 0.04, 0.1), (0.035, 0.0, 1.02, 0.16, 0.1), (-0.03, 0.0, 0.9, 0.2, 0.04),
            (-0.06, 0.2, 0.0, 0.05, 0.1), (0.03, 0.0, 0.73, 0.2, 0.06),
        ],
        0.17: [
            (-0.09, 0.37, 0.02, 0.2, 0.1), (0.05, 0.36, -0.24, 0.26, 0.06),
            (0.05 + 0.05 * person.cheeks + 0.06 * max(look.smile, 0), 0.46, 0.34 - 0.06 * look.smile, 0.17, 0.13),
            (-0.04, 0.62, 0.6, 0.1, 0.2),
        ],
        0.045: [
            (0.06, 0.62 * person.nose_width + 0.02, person.nose_length + 0.02, 0.035, 0.045),
            (-0.035 - 0.03 * person.age, 0.33, 0.16, 0.13, 0.02),
        ],
    }  # fmt: skip
    total = np.zeros((size, size), np.float32)
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ring = np.column_stack([np.cos(angles), np.sin(angles)])
    fold = np.array([(0.2, 0.5), (0.3, 0.58), (0.36, 0.72)])
    for soft, shapes in groups.items():
        layer = np.zeros((size, size), np.float32)
        for height, x, y, wide, high in shapes:
            for side in (1, -1) if x else (1,):
                pixels = head.on(mirrored(ring * (wide, high) + (x, y), side)) / 2
                cover = np.zeros((size, size), np.uint8)
                cv2.fillPoly(cover, [(16 * pixels).round().astype(np.int32)], 255, cv2.LINE_8, 4)
                layer += cover * np.float32(height / 255)
        if soft == 0.045:
            depth = 0.02 + 0.05 * max(look.smile, 0) + 0.04 * person.age
            for side, _ in SIDES:
                line = (16 * head.on(mirrored(smooth(fold, closed=False), side)) / 2).round().astype(np.int32)
                cover = np.zeros((size, size), np.uint8)
                cv2.polylines(cover, [line], False, 255, max(1, round(0.03 * head.scale)), cv2.LINE_8, 4)
                layer -= cover * np.float32(depth / 255)
        total += cv2.GaussianBlur(layer, (0, 0), soft * head.scale / 2)
    return total


@lru_cache(maxsize=64)
def _complexion(seed: int, freckles: float, age: float) -> Array:
    """(192, 192) factors of the skin's colour over the face: what stays at its place when the head turns."""
    rng = np.random.default_rng([seed, 1])
    skin = np.ones((192, 192), np.float32)
    for cells, strength in ((8, 0.018), (30, 0.014), (96, 0.012 + 0.014 * age)):
        noise = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        skin += cv2.resize(noise, (192, 192), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(90 * freckles)):
        x, y = rng.normal(96, 30), rng.normal(106, 16)
        cv2.circle(
            skin,
            (int(x * 16), int(y * 16)),
            int(rng.uniform(8, 20)),
            float(0.72 + 0.15 * rng.random()),
            -1,
            cv2.LINE_AA,
            4,
        )
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(50, 142), rng.uniform(60, 160)
        cv2.circle(skin, (int(x * 16), int(y * 16)), int(rng.uniform(14, 26)), 0.5, -1, cv2.LINE_AA, 4)
    if age > 0.5:
        for line in range(3):
            y = 34 + 9 * line
            curve = np.array([(x, y + 3 * np.cos((x - 96) / 26) + rng.normal(0, 0.4)) for x in range(58, 136, 6)])
            cv2.polylines(skin, [(16 * curve).astype(np.int32)], False, 1 - 0.22 * (age - 0.35), 1, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(skin, (0, 0), 0.7)


def skin_colour(person: Person, look: Look, lit: Lit, size: int) -> Array:
    """(size, size, 3): the colour of skin wherever it might be seen."""
    x, y = lit.places[..., 0], lit.places[..., 1]
    across = ((x / np.float32(AXES[0]) + 1) * 95.5).astype(np.float32)
    down = ((y / np.float32(AXES[1]) + 1) * 95.5).astype(np.float32)
    complexion = cv2.remap(
        _complexion(person.seed, person.freckles, person.age),
        across,
        down,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    red = 0.05 + 0.3 * max(look.make_up - 0.2, 0)
    cheek = np.exp(-(((np.abs(x) - 0.47) / 0.2) ** 2) - ((y - 0.36) / 0.2) ** 2)
    nose = np.exp(-((x / 0.16) ** 2) - ((y - 0.44) / 0.14) ** 2)
    flush = red * cheek + 0.06 * nose
    colour: Array = complexion[..., None] * person.skin.astype(np.float32)
    colour *= 1 - flush[..., None] * np.array((0.1, 0.75, 0.7), np.float32)
    if person.beard in ("stubble", "full", "goatee"):
        colour *= 1 - _stubble(x, y)[..., None] * np.array((0.3, 0.27, 0.22), np.float32)
    full = cv2.resize(colour, (size, size), interpolation=cv2.INTER_LINEAR)
    full *= lit.shade[..., None]
    # In the shade skin is redder: light comes through it.
    full[..., 0] += 0.04 * (1 - lit.shade).clip(0, 1) * person.skin[0]
    return full + lit.gloss[..., None]


def _stubble(x: Array, y: Array) -> Array:
    """(n, n): how densely stubble grows: from the jaw to the upper lip, up to the ears."""
    jaw = 1 / (1 + np.exp(-14 * (y - 0.62) - 6 * (np.abs(x) - 0.5)))
    return jaw * np.exp(-((np.abs(x) / 0.85) ** 8))


def paint_brows(canvas: Canvas, person: Person, look: Look, head: Head) -> None:
    """Two tapering brows of short hairs."""
    base, arch, thick = -person.brow_height - 0.02, person.brow_arch, person.brow_thickness
    lift = 0.02 * look.smile
    x0, x1 = person.eye_distance - 0.21, person.eye_distance + 0.24
    colour = (
        0.5 * person.hair + 0.5 * person.hair * person.skin if person.hair_colour != "blond" else 0.62 * person.hair
    )
    noise = np.random.default_rng([person.seed, 2])
    for side, name in SIDES:
        middle = np.array(
            [(x0, base), (x0 + 0.16, base - 0.45 * arch), (x0 + 0.3, base - 0.85 * arch), (x1, base + 0.06)]
        )
        half = 0.5 * thick * np.array([0.85, 1.05, 0.85, 0.15])
        upper, lower = (
            middle - np.column_stack([0 * half, half + lift]),
            middle + np.column_stack([0 * half, half - lift]),
        )
        brow = smooth(np.concatenate([smooth(upper, False)[::4], smooth(lower, False)[::-4]]))
        cover = canvas.fill(head.on(mirrored(brow, side), 0.02))
        canvas.paint(cover, colour, NUMBER[f"{name}_brow"], 0.85, 0.012 * head.scale)
        along = smooth(middle, False)
        hairs = []
        for place in range(2, len(along) - 2, 2):
            rise = noise.uniform(-0.45, 0.45) * thick * (1 if place < 22 else 0.4)
            hairs.append(np.array([along[place] + (0, rise - lift), along[place] + (0.035, rise - lift - 0.02)]))
        pixels = head.on(mirrored(np.concatenate(hairs), side), 0.02).reshape(-1, 2, 2)
        canvas.paint(canvas.stroke(*pixels, width=0.012 * head.scale), 0.6 * colour, None, 0.5)


def paint_eyes(canvas: Canvas, person: Person, look: Look, head: Head, shade: Array) -> None:
    """Eyes with lids, lashes, iris and a glint."""
    for side, name in SIDES:
        width, opening = person.eye_size, person.eye_size * person.eye_open * 2 * (1 - 0.75 * look.eyes_closing)
        corner = np.array((person.eye_distance, 0.0))
        tilt = person.eye_tilt
        upper = np.array([(-1, 0.12), (-0.55, -0.5), (0.05, -0.66), (0.6, -0.42), (1, tilt * -1.5)])
        lower = np.array([(1, tilt * -1.5), (0.5, 0.28), (-0.1, 0.36), (-0.65, 0.26), (-1, 0.12)])
        top, bottom = (smooth(lid, False) * (width, opening) + corner for lid in (upper, lower))
        lid_line, under = head.on(mirrored(top, side), -0.02), head.on(mirrored(bottom, side), -0.02)
        almond = np.concatenate([lid_line, under])
        crease = (
            smooth(upper[:-1] * (1.05, 1), False) * (width, 1.2 * opening)
            + corner
            - (0, 0.028 + 0.02 * person.eye_open)
        )
        if look.make_up:
            shadow = np.concatenate([top, crease[::-1] - (0, 0.02)])
            colour = 0.45 * person.skin + 0.3 * look.cloth
            canvas.paint(
                canvas.fill(head.on(mirrored(shadow, side))), colour, None, 0.55 * look.make_up, 0.025 * head.scale
            )
        canvas.paint(
            canvas.stroke(head.on(mirrored(crease, side)), width=0.016 * head.scale),
            0.45 * person.skin,
            None,
            0.55,
            0.006 * head.scale,
        )
        eye = canvas.fill(almond)
        canvas.paint(eye, np.array((0.9, 0.88, 0.87)), NUMBER[f"{name}_eye"], shade=shade)
        turn = np.array((look.gaze[0] - 0.0, look.gaze[1])) * (width, opening)
        centre = head.on(np.array([corner * (side, 1) + turn + (0, -0.12 * opening)]), -0.02)[0]
        _paint_iris(canvas, person, head, eye, centre)
        canvas.paint(
            np.minimum(eye, canvas.stroke(lid_line, width=0.06 * head.scale)),
            np.zeros(3),
            None,
            0.35,
            0.01 * head.scale,
        )
        lash = 0.05 * np.ones(3) if look.make_up or not person.male else 0.3 * person.hair
        thick = 0.028 if look.make_up else 0.02 if not person.male else 0.014
        canvas.paint(canvas.stroke(lid_line, width=thick * head.scale), lash, None, 0.9)
        canvas.paint(canvas.stroke(under, width=0.01 * head.scale), 0.4 * person.skin, None, 0.6)
        if not person.male:
            flick = np.array([top[-6], top[-1], top[-1] + (0.03, -0.035)])
            canvas.paint(canvas.stroke(head.on(mirrored(flick, side)), width=thick * 0.8 * head.scale), lash, None, 0.8)


def _paint_iris(canvas: Canvas, person: Person, head: Head, eye: Coverage, centre: Array) -> None:
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)]) * head.scale
    for radius, colour, opacity in (
        (0.078, 0.45 * person.iris, 1.0),
        (0.068, person.iris, 1.0),
        (0.03, np.full(3, 0.02), 1.0),
    ):
        canvas.paint(np.minimum(eye, canvas.fill(centre + radius * circle)), colour, None, opacity)
    glint = centre + np.array((-0.025, -0.03)) * head.scale
    canvas.paint(np.minimum(eye, canvas.fill(glint + 0.018 * circle)), np.ones(3), None, 0.9)


def paint_nose(canvas: Canvas, person: Person, head: Head) -> None:
    """Nostrils and wings; the ridge is a matter of light. The part reaches from the bridge to the wings."""
    wing, tip = person.nose_width, person.nose_length
    half = np.array(
        [(0.05, -0.02), (0.075, 0.15), (0.1, 0.3), (wing, tip - 0.02), (wing * 0.95, tip + 0.07), (0.07, tip + 0.1)]
    )
    outline_ = smooth(np.concatenate([half, mirrored(half[::-1], -1)]))
    cover = canvas.fill(head.on(outline_, 0.06))
    canvas.part[cover > 127] = NUMBER["nose"]
    dark = person.skin * (0.42, 0.3, 0.28)
    for side, _ in SIDES:
        line = np.array(
            [
                (wing - 0.045, tip - 0.08),
                (wing + 0.005, tip - 0.01),
                (wing - 0.01, tip + 0.06),
                (wing - 0.06, tip + 0.075),
            ]
        )
        canvas.paint(
            canvas.stroke(head.on(mirrored(smooth(line, False), side), 0.08), width=0.018 * head.scale),
            dark,
            None,
            0.5,
            0.012 * head.scale,
        )
        hole = np.array([(0.045, tip + 0.075), (0.085, tip + 0.05), (0.125, tip + 0.065), (0.085, tip + 0.085)])
        canvas.paint(canvas.fill(head.on(mirrored(smooth(hole), side), 0.1)), 0.5 * dark, None, 0.85, 0.01 * head.scale)
    under = np.array([(-0.1, tip + 0.1), (0, tip + 0.13), (0.1, tip + 0.1)])
    canvas.paint(
        canvas.stroke(head.on(smooth(under, False), 0.06), width=0.03 * head.scale), dark, None, 0.28, 0.02 * head.scale
    )


def paint_mouth(canvas: Canvas, person: Person, look: Look, head: Head, shade: Array) -> None:
    """Lips, and teeth between them when they are open."""
    y = 0.76 - 0.02 * look.smile
    wide = person.mouth_width * (1 + 0.2 * look.smile)
    raise_, full, gap = 0.018 + 0.075 * look.smile, person.lip_fullness, 0.11 * look.mouth_open
    thin = 1 - 0.25 * max(look.smile, 0)
    corner = (wide, y - raise_)
    top = np.array([(0.5 * wide, y - 0.72 * full * thin), (0.17 * wide, y - full * thin), (0, y - 0.82 * full * thin)])
    seam = np.array([(0.55 * wide, y - 0.35 * raise_ - 0.1 * gap), (0.0, y + 0.008 - 0.1 * gap)])
    open_ = np.array([(0.55 * wide, y + 0.75 * gap - 0.2 * raise_), (0.0, y + gap)])
    base = np.array([(0.55 * wide, y + gap + 0.85 * full * thin), (0.0, y + gap + 1.12 * full * thin)])

    def line(half: Array) -> Array:
        points = np.concatenate([[corner], half, mirrored(half[-2::-1], -1), [(-corner[0], corner[1])]])
        return smooth(points, closed=False)

    upper, inner, lower, bottom = (line(half) for half in (top, seam, open_, base))
    colour = person.lips if look.lipstick is None else 0.35 * person.lips + 0.65 * look.lipstick
    soft = 0.006 * head.scale
    if gap:
        mouth = canvas.fill(head.on(np.concatenate([inner, lower[::-1]]), 0.02))
        canvas.paint(mouth, np.array((0.2, 0.07, 0.07)), NUMBER["mouth"])
        teeth = np.concatenate([0.86 * inner + (0, 0.14 * y), (0.82 * inner + (0, 0.18 * y + 0.75 * gap))[::-1]])
        white = np.array((0.93, 0.9, 0.85))
        canvas.paint(np.minimum(mouth, canvas.fill(head.on(teeth, 0.0))), white, None, 0.95, soft, shade)
    canvas.paint(
        canvas.fill(head.on(np.concatenate([upper, inner[::-1]]), 0.03)),
        0.88 * colour,
        NUMBER["u_lip"],
        0.85,
        soft,
        shade,
    )
    canvas.paint(
        canvas.fill(head.on(np.concatenate([lower, bottom[::-1]]), 0.03)),
        1.05 * colour,
        NUMBER["l_lip"],
        0.85,
        soft,
        shade,
    )
    shine = np.array(
        [(-0.3 * wide, y + gap + 0.5 * full), (0, y + gap + 0.62 * full), (0.3 * wide, y + gap + 0.5 * full)]
    )
    gloss = 0.3 if look.lipstick is not None else 0.12
    canvas.paint(
        canvas.stroke(head.on(smooth(shine, False), 0.04), width=0.03 * head.scale),
        np.ones(3),
        None,
        gloss,
        0.015 * head.scale,
    )
    if not gap:
        canvas.paint(
            canvas.stroke(head.on(inner, 0.03), width=0.016 * head.scale), 0.3 * colour, None, 0.75, 0.004 * head.scale
        )


def paint_beard(canvas: Canvas, person: Person, head: Head, face: Coverage, strands: Array) -> None:
    """Beards, which count as skin."""
    if person.beard in ("none", "stubble"):
        return
    shapes = []
    lip = np.array([(0.0, 0.6), (0.16, 0.6), (0.36, 0.76), (0.33, 0.84), (0.15, 0.7), (0.0, 0.69)])
    chin = np.array([(0.0, 0.93), (0.14, 0.92), (0.2, 1.05), (0.16, 1.3), (0.0, 1.34)])
    jaw = np.array(
        [
            (0.36, 0.72),
            (0.56, 0.5),
            (0.72, 0.1),
            (0.95, 0.1),
            (0.9, 0.8),
            (0.5, 1.4),
            (0.0, 1.5),
            (0.0, 0.97),
            (0.22, 0.95),
        ]
    )
    wanted = {"mustache": [lip], "goatee": [lip, chin], "full": [lip, jaw]}[person.beard]
    for half in wanted:
        for side, _ in SIDES:
            shapes.append(head.on(mirrored(smooth(half), side), 0.02))
    cover = np.minimum(canvas.fill(*shapes), face)
    canvas.paint(cover, strands, None, 0.85, 0.025 * head.scale, shade=0.85)

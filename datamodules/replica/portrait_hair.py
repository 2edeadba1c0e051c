"""Hair and hats of a portrait: their outlines, and the strands that they are painted with."""

from __future__ import annotations

import math

import cv2
import numpy as np

from datamodules.replica.portrait_canvas import Array, Canvas, Coverage, Head, bounds, mirrored, smooth
from datamodules.replica.portrait_face import NUMBER
from datamodules.replica.portrait_traits import Look, Person

_BACK = -0.15
"""z of the skull's outline."""


def strands(person: Person, look: Look, head: Head, size: int) -> Array:
    """(size, size, 3): what hair looks like wherever it is: strands that fall from a crown, and their gloss."""
    rng = np.random.default_rng([person.seed, 3])
    n = size // 2
    crown = head.at(np.array([(0.6 * person.parting, -1.0, 0.35)]))[0] / 2
    y, x = np.mgrid[:n, :n].astype(np.float32)
    x, y = (
        (x - np.float32(crown[0])) / np.float32(head.scale / 2),
        (y - np.float32(crown[1])) / np.float32(head.scale / 2),
    )
    radius = np.sqrt(x * x + (0.8 * y) ** 2)
    # Above the ears strands radiate from the parting; further down they hang.
    angle = x / (0.45 + 0.55 * np.maximum(y, 0) + 0.35 * np.abs(x)) if person.length > 0.3 else np.arctan2(x, y + 0.5)
    angle = angle + 0.09 * person.wave * np.sin(
        radius * (5 + 9 * person.wave) + rng.uniform(0, 6) + 2.2 * np.sin(3 * angle)
    )
    if person.wave > 0.8:
        curls = rng.normal(0, 1, (40, 40)).astype(np.float32)
        curls += 0.8 * cv2.resize(
            rng.normal(0, 1, (16, 16)).astype(np.float32), (40, 40), interpolation=cv2.INTER_CUBIC
        )
        strand: Array = 0.14 * cv2.resize(curls, (n, n), interpolation=cv2.INTER_CUBIC)
    else:
        fine: Array = rng.normal(0, 1, (24, 256)).astype(np.float32)
        fine = cv2.GaussianBlur(fine, (0, 0), sigmaX=0.6, sigmaY=3)
        broad = cv2.resize(rng.normal(0, 1, (6, 32)).astype(np.float32), (256, 24), interpolation=cv2.INTER_CUBIC)
        table = 0.5 * fine + 0.1 * broad
        across, down = (np.mod(angle * 90 + 128, 255)).astype(np.float32), np.clip(radius * 9, 0, 23).astype(np.float32)
        strand = cv2.remap(table, across, down, cv2.INTER_LINEAR)
    strand *= np.clip(radius / 0.4, 0.15, 1)
    band = np.exp(-(((radius - 0.55 - 0.12 * look.light_height) / 0.16) ** 2)) * (
        0.6 + 0.4 * math.copysign(1.0, look.light) * np.tanh(2 * x)
    )
    side = 1 + 0.22 * look.light * np.tanh(x) - 0.1 * np.clip(y - 0.9, 0, 1.2)
    level = (1 + strand) * side * (0.72 + 0.4 * look.ambient)
    gloss = (0.16 if person.wave < 0.8 else 0.06) * np.clip(band, 0, 1) * (1 + 2.5 * strand)
    full = cv2.resize(np.dstack([level, gloss]).astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    colour = person.hair.astype(np.float32)
    # (level, gloss) times their colours, in one pass.
    return np.asarray(cv2.transform(full, np.column_stack([colour, 0.35 + 0.65 * colour])))


def _outer(person: Person, rng: np.random.Generator) -> Array:
    """The outline of all hair in space, (N, 3), closed below."""
    v = person.volume + (0.14 if person.wave > 0.8 else 0.0)
    down = max(person.length, 0.0)
    flare = 0.12 * down + 0.5 * v
    half = [(0.0, -1.2 - v), (0.45, -1.1 - v), (0.78, -0.8 - 0.8 * v), (0.91 + 0.6 * v, -0.35), (0.92 + 0.7 * v, 0.0)]
    if person.length > 0.3:
        steps = np.linspace(0.35, down, max(2, round(down / 0.35)))
        half += [(0.88 + 0.8 * v + flare * (step / down), step) for step in steps]
        half += [(0.55, down + 0.1), (0.0, down + 0.12)]
    else:
        half += [(0.84 + 0.4 * v, 0.22), (0.7, 0.3 + 0.3 * max(down, 0)), (0.0, 0.3)]
    right = np.array(half)
    ring = smooth(np.concatenate([right, mirrored(right[-2:0:-1], -1)]))
    if person.wave > 0.25:
        count = 9 if person.wave < 0.8 else 20
        bumps = np.interp(
            np.linspace(0, count, len(ring)), np.arange(count + 1), rng.normal(0, 0.035 * person.wave, count + 1)
        )
        ring = ring * (1 + bumps[:, None])
    return np.column_stack([ring, np.full(len(ring), _BACK)])


def _opening(person: Person, look: Look) -> Array:
    """Where hair leaves the face free, (N, 2) on the face."""
    top = -person.hairline
    if person.bangs and look.hat == "none":
        top = -0.72 + 0.42 * person.bangs
    rise = 0.1 * person.parting
    temple = 0.7 if person.length > 0.3 else 0.76
    left_top, right_top = top + max(rise, 0) + 0.05, top + max(-rise, 0) + 0.05
    lock = 0.06 if person.length > 0.3 else 0.0
    right = [
        (0.42, right_top),
        (0.62, -0.5),
        (temple, -0.2),
        (temple + 0.02 - lock, 0.2),
        (temple + 0.06 - lock, 0.7),
        (0.8, 1.3),
        (0.9, 2.6),
    ]
    left = [(-x, y) for x, y in right[:0:-1]] + [(-0.42, left_top)]
    return smooth(np.array([(0.5 * person.parting, top), *right, *left]))


def whole_hair(canvas: Canvas, person: Person, head: Head) -> Coverage:
    """Where hair is, before and behind the face."""
    ring = _outer(person, np.random.default_rng([person.seed, 4]))
    # Nearer the forehead, so that it is covered when the head turns.
    front = ring[ring[:, 1] < 0.05] * (0.94, 0.97, 0) + (0, 0, 0.3)
    return canvas.fill(head.at(ring), head.at(front))


def paint_front(canvas: Canvas, person: Person, look: Look, head: Head, all_hair: Coverage, texture: Array) -> None:
    """Hair over forehead, temples and, if it is long, over shoulders."""
    free = canvas.fill(_extended(head, _opening(person, look)))
    cover = np.minimum(all_hair, 255 - free)
    edge = cv2.GaussianBlur(cover, (0, 0), 0.05 * head.scale)
    box = bounds(edge)
    if box is not None:
        # The shadow of the hair on the face.
        shadow = (edge[box].astype(np.float32) / 255)[..., None] * (1 - cover[box].astype(np.float32) / 255)[..., None]
        canvas.image[box] *= 1 - 0.45 * shadow
    canvas.paint(cover, texture, NUMBER["hair"], 1.0, (0.012 + 0.03 * (person.wave > 0.8)) * head.scale)
    rng = np.random.default_rng([person.seed, look.seed, 5])
    ring = head.at(_outer(person, np.random.default_rng([person.seed, 4])))
    loose = []
    # The outline starts at the top: its first and last quarters are the two sides.
    for start in rng.integers(-len(ring) // 4, len(ring) // 4 - 9, 8):
        corners = ring[(start + np.arange(0, 9, 2)) % len(ring)] + rng.normal(0, 0.03 * head.scale, (5, 2))
        loose.append(smooth(corners, closed=False))
    canvas.paint(canvas.stroke(*loose, width=0.008 * head.scale), 0.9 * person.hair, None, 0.6)


def _extended(head: Head, opening: Array) -> Array:
    """The opening in pixels; below the chin it does not follow the ellipsoid."""
    below = head.at(np.column_stack([opening, np.full(len(opening), 0.1)]))
    return np.where(opening[:, 1:] > 1.25, below, head.on(opening))


def paint_hat(canvas: Canvas, look: Look, head: Head, shade: Array) -> None:
    """A beanie, a cap or a hat with a brim."""
    if look.hat == "none":
        return
    rng = np.random.default_rng([look.seed, 6])
    low = {"beanie": -0.52, "cap": -0.6, "brim": -0.62}[look.hat]
    tall = {"beanie": 1.48, "cap": 1.38, "brim": 1.55}[look.hat]
    half = np.array(
        [
            (0.0, -tall),
            (0.5, -tall + 0.08),
            (0.86, -0.95),
            (0.97, low - 0.05),
            (0.9, low + 0.12),
            (0.5, low + 0.03),
            (0.0, low),
        ]
    )
    ring = smooth(np.concatenate([half, mirrored(half[-2:0:-1], -1)]))
    shape = head.at(
        np.column_stack(
            [ring, np.where(ring[:, 1] > low - 0.1, 0.62 * np.sqrt(np.maximum(0, 1 - ring[:, 0] ** 2)), 0.0)]
        )
    )
    cover = canvas.fill(shape)
    y = np.linspace(-1, 1, canvas.size, dtype=np.float32)
    rows = 1 + 0.1 * np.sin(y * (120 if look.hat == "beanie" else 3))[:, None] * (look.hat == "beanie")
    level = (np.float32(0.55) + np.float32(0.55) * shade) * rows
    canvas.paint(cover, look.hat_colour, NUMBER["hat"], shade=level)
    if look.hat == "beanie":
        fold = np.array([(-0.95, low + 0.1), (-0.5, low - 0.16), (0, low - 0.22), (0.5, low - 0.16), (0.95, low + 0.1)])
        line = head.at(np.column_stack([smooth(fold, False), np.full(40, 0.3)]))
        seam = np.minimum(cover, canvas.stroke(line, width=0.02 * head.scale))
        canvas.paint(seam, 0.4 * look.hat_colour, None, 0.7)
        return
    wide, deep = (0.86, 0.95) if look.hat == "cap" else (1.45, 0.7)
    angles = np.linspace(0, np.pi if look.hat == "cap" else 2 * np.pi, 32)
    brim = np.column_stack([wide * np.cos(angles), low + 0.05 + 0.1 * np.sin(angles), 0.5 + deep * np.sin(angles)])
    low_edge = [
        (-0.93, low, 0.2),
        (-0.5, low - 0.05, 0.6),
        (0, low - 0.07, 0.75),
        (0.5, low - 0.05, 0.6),
        (0.93, low, 0.2),
    ]
    band = head.at(smooth(np.array(low_edge), closed=False))
    # Up to the band: otherwise the forehead shows between them.
    whole = cv2.convexHull(np.concatenate([head.at(brim), band]).astype(np.float32))[:, 0].astype(np.float64)
    canvas.paint(canvas.fill(whole), 0.75 * look.hat_colour, NUMBER["hat"], 1.0, 0.004 * head.scale)
    tone = look.cloth_second if rng.random() < 0.5 else 0.5 * look.hat_colour
    canvas.paint(canvas.stroke(band, width=0.07 * head.scale), tone, NUMBER["hat"])

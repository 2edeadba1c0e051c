"""Procedural people: who they are, and pictures of them with dense ground truth.

An `Identity` (build, face, clothes) is the appearance, a `Pose` is the structure; `draw` joins them before a background
at any resolution. Nothing here knows of a dataset.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.replica.body import PART, Dresser
from datamodules.replica.face import Face
from datamodules.replica.figure import OPENPOSE, Build, Facing, Pose, Skeleton, landmarks
from datamodules.replica.outfit import Outfit
from datamodules.replica.tubes import Array, Hit, View, rasterise, surface

__all__ = ["Drawing", "Facing", "Identity", "Light", "Pose", "View", "draw", "framed"]


@dataclass(frozen=True)
class Identity:
    """One person, dressed."""

    build: Build
    face: Face
    outfit: Outfit

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Identity:
        """Someone else for every state of the generator."""
        build = Build.sample(rng)
        return cls(build, Face.sample(rng, build), Outfit.sample(rng, build))

    @cached_property
    def dresser(self) -> Dresser:
        """Builds this person's solids."""
        return Dresser(self.build, self.face, self.outfit)


@dataclass(frozen=True)
class Light:
    """Light from one side, the same for every place of a picture."""

    azimuth: float = -0.6
    """Radians; negative is from the left of the image."""
    elevation: float = 0.7
    ambient: float = 0.62
    shadow: float = 0.35
    """How dark the shadow on the ground is."""

    @property
    def direction(self) -> Array:
        """Unit vector towards the light: right, down, towards the camera."""
        flat = np.cos(self.elevation)
        return np.array([flat * np.sin(self.azimuth), -np.sin(self.elevation), flat * np.cos(self.azimuth)])


@dataclass(frozen=True)
class Drawing:
    """A picture of a person and everything that is known about it."""

    image: NDArray[np.uint8]
    """(H, W, 3)."""
    background: NDArray[np.uint8]
    """(H, W, 3): the same picture without the person; the shadow on the ground stays."""
    silhouette: NDArray[np.uint8]
    """(H, W): 1 where the person is."""
    part: NDArray[np.uint8]
    """(H, W): number of the body part, see `body.PARTS`; 0 where no person is."""
    uv: NDArray[np.float16]
    """(H, W, 2): place on the part in [0, 1], around and along it; 0 where no person is."""
    keypoints: Array
    """(18, 3): OpenPose joints as pixel x, pixel y and 1 when visible, else 0."""


def framed(
    identity: Identity,
    pose: Pose,
    height: int,
    width: int,
    fill: float = 0.88,
    shift: tuple[float, float] = (0.0, 0.0),
    pitch: float = 0.08,
) -> View:
    """The view that shows the whole person over `fill` of the height (or less where the width would not do).

    `shift` moves the person by shares of the width and the height, so that borders cut off parts of it.
    """
    view = View(1.0, (0.0, 0.0), pitch)
    points = np.stack(list(Skeleton.of(identity.build, pose).joints.values()))
    seen = view.project(points)[:, :2]
    flesh = 0.02 * identity.build.height * np.array([3.5, 1.0])
    low, high = seen.min(axis=0) - flesh, seen.max(axis=0) + flesh
    scale = min(fill * height / (high[1] - low[1]), 0.98 * max(fill, 0.9) * width / (high[0] - low[0]))
    middle = scale * (low + high) / 2
    x = (width - 1) / 2 - middle[0] + shift[0] * width
    y = (height - 1) / 2 - middle[1] + shift[1] * height
    return View(scale, (float(x), float(y)), pitch)


def draw(
    identity: Identity,
    pose: Pose,
    background: NDArray[np.uint8],
    view: View | None = None,
    light: Light | None = None,
    samples: int = 3,
) -> Drawing:
    """Draw a person before a background (H, W, 3), which sets the size.

    `samples`, an odd number, is how many points per pixel and side are averaged; the truth is that of the middle one.
    """
    if samples % 2 == 0:
        raise ValueError(f"samples={samples} must be odd, so that one sample lies in the middle of each pixel.")
    height, width = background.shape[:2]
    view = view or framed(identity, pose, height, width)
    light = light or Light()
    skeleton = Skeleton.of(identity.build, pose)
    fine = view.magnified(samples)
    depth, owner, hits = rasterise(identity.dresser.tubes(skeleton), fine, (height * samples, width * samples))
    colour, uv = _painted(hits, owner, _creases(depth, fine, samples), light, samples)
    alpha = (owner > 0).astype(np.float32)
    size = (width, height)
    cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)[..., None]
    person = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
    ground = background.astype(np.float32) / 255 * _ground_shadow(skeleton, view, light, (height, width))[..., None]
    middle = slice(samples // 2, None, samples)
    part = np.array([0, *(hit.tube.part for hit in hits)], np.uint8)[owner[middle, middle]]
    return Drawing(
        image=_bytes(person + (1 - cover) * ground),
        background=_bytes(ground),
        silhouette=(part > 0).astype(np.uint8),
        part=part,
        uv=uv,
        keypoints=_keypoints(identity.build, skeleton, view, part, depth[middle, middle]),
    )


def _bytes(image: Array) -> NDArray[np.uint8]:
    return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)


def _painted(
    hits: list[Hit], owner: NDArray[np.uint8], crease: Array, light: Light, samples: int
) -> tuple[Array, Array]:
    """Colours of every sample (lit, 0 where nobody is); surface coordinates of the middle sample of every pixel."""
    height, width = owner.shape[0] // samples, owner.shape[1] // samples
    colour = np.zeros((owner.size, 3), np.float32)
    uv = np.zeros((height * width, 2), np.float16)
    pixels = np.full(owner.shape, -1, np.int32)
    pixels[samples // 2 :: samples, samples // 2 :: samples] = np.arange(height * width).reshape(height, width)
    pixel, crease = pixels.ravel(), crease.ravel()
    towards = light.direction.astype(np.float32)
    for index, hit in enumerate(hits):
        seen = surface(hit, index, owner)
        if seen is None:
            continue
        shade = np.clip(towards @ seen.normal, 0, 1) * np.float32(1.12 - light.ambient)
        shade += np.float32(light.ambient - 0.12) + np.float32(0.12) * seen.normal[2]
        colour[seen.pixels] = seen.colour * (shade * crease[seen.pixels])[:, None]
        target = pixel[seen.pixels]
        middle = np.flatnonzero(target >= 0)
        uv[target[middle], 0] = seen.around[middle]
        uv[target[middle], 1] = seen.along[middle]
    np.clip(colour, 0, 1, out=colour)
    return colour.reshape(*owner.shape, 3), uv.reshape(height, width, 2)


def _creases(depth: Array, view: View, samples: int) -> Array:
    """Factor below 1 where nearer parts stand beside a pixel and take its light."""
    near = np.maximum(depth, np.float32(-0.6))
    coarse = near[samples // 2 :: samples, samples // 2 :: samples]
    reach = 2 * max(1, round(0.03 * view.scale / samples)) + 1
    around = cv2.resize(cv2.blur(coarse, (reach, reach)), depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return 1 - np.clip(np.float32(2.2) * (around - near), 0, np.float32(0.38))


def _ground_shadow(skeleton: Skeleton, view: View, light: Light, shape: tuple[int, int]) -> Array:
    """Factor of the ground's brightness under the feet."""
    rows = np.arange(shape[0], dtype=np.float32)[:, None]
    columns = np.arange(shape[1], dtype=np.float32)[None, :]
    lit = np.ones(shape, np.float32)
    reach = 0.2 * view.scale
    for side in ("r", "l"):
        x, y, _ = view.project((skeleton.joints[f"{side}_heel"] + skeleton.joints[f"{side}_toe"]) / 2)
        x -= 0.5 * reach * np.sign(light.azimuth)
        near = ((columns - x) / (1.25 * reach)) ** 2 + ((rows - y - 0.1 * reach) / (0.42 * reach)) ** 2
        lit *= 1 - light.shadow * np.exp(-near)
    return lit


_TOLERANCE = {"shoulder": 0.26, "hip": 0.30, "neck": 0.3, "nose": 0.1, "eye": 0.1, "ear": 0.13}
"""Metres that may lie between a joint and what is seen in front of it; limbs: 0.13."""


def _keypoints(build: Build, skeleton: Skeleton, view: View, part: NDArray[np.uint8], depth: Array) -> Array:
    """The joints in pixels. One is missing outside the image, behind something, or on the side of the head turned away."""
    space = landmarks(build, skeleton)
    seen = view.project(space)
    head = view.direction(skeleton.frames["head"].T)
    result = np.zeros((len(OPENPOSE), 3))
    result[:, :2] = seen[:, :2]
    rows, columns = np.rint(seen[:, 1]).astype(int), np.rint(seen[:, 0]).astype(int)
    for index, name in enumerate(OPENPOSE):
        row, column = rows[index], columns[index]
        if not (0 <= row < part.shape[0] and 0 <= column < part.shape[1]) or part[row, column] == 0:
            continue
        kind = name.split("_")[-1]
        hidden = depth[row, column] - seen[index, 2] > _TOLERANCE.get(kind, 0.13) * build.height / 1.75
        if kind in ("nose", "eye", "ear"):
            side = {"r": -1.0, "l": 1.0}.get(name[0], 0.0) if kind != "nose" else 0.0
            lateral, frontal = {"nose": (0.0, 1.0), "eye": (0.45, 0.9), "ear": (1.0, 0.0)}[kind]
            facing = lateral * side * head[0, 2] + frontal * head[2, 2]
            hidden = facing < {"nose": -0.02, "eye": 0.1, "ear": -0.3}[kind]
            hidden |= part[row, column] in (PART["r_hand"], PART["l_hand"], PART["r_forearm"], PART["l_forearm"])
        result[index, 2] = 0.0 if hidden else 1.0
    return result

"""Bones: how tall and broad a person is, how the joints are turned, and where that puts them in space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from datamodules.replica.tubes import Array

Facing = Literal["front", "back", "left", "right"]
"""Where the subject looks: at the camera, away, or to the left or right side of the image."""

SIDES = ("r", "l")


def about_x(angle: float) -> Array:
    """Rotation that takes y towards z."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def about_y(angle: float) -> Array:
    """Rotation that takes z towards x: a subject that faces the camera turns to the right of the image."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def about_z(angle: float) -> Array:
    """Rotation that takes x towards y."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


@dataclass(frozen=True)
class Build:
    """The body under the clothes."""

    height: float
    """Metres."""
    girth: float
    """Thickness relative to an average body: 0.85 is thin, 1.25 is heavy."""
    curves: float
    """0: broad shoulders and narrow hips; 1: narrow shoulders, waist and broad hips."""
    legs: float
    """Length of the legs relative to the average."""

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Build:
        """A person's build."""
        curves = float(np.clip(rng.normal(0.15 if rng.random() < 0.5 else 0.85, 0.12), 0, 1))
        return cls(
            height=float(np.clip(rng.normal(1.77 - 0.11 * curves, 0.06), 1.5, 1.98)),
            girth=float(np.clip(rng.normal(1.0, 0.11), 0.84, 1.3)),
            curves=curves,
            legs=float(rng.normal(1.0, 0.025)),
        )

    @property
    def shoulder(self) -> float:
        """Distance of a shoulder joint from the middle, in metres."""
        return self.height * (0.102 - 0.014 * self.curves) * (0.75 + 0.25 * self.girth)

    @property
    def hip(self) -> float:
        """Distance of a hip joint from the middle, in metres."""
        return self.height * (0.050 + 0.003 * self.curves) * (0.7 + 0.3 * self.girth)


@dataclass(frozen=True)
class Arm:
    """Angles in radians: lift to the front, lift to the side, inward twist, bend of the elbow."""

    flex: float = 0.0
    abduct: float = 0.12
    twist: float = 0.0
    elbow: float = 0.15


@dataclass(frozen=True)
class Leg:
    """Angles in radians: lift to the front, lift to the side, bend of the knee."""

    flex: float = 0.0
    abduct: float = 0.03
    knee: float = 0.05


@dataclass(frozen=True)
class Pose:
    """How a person stands or walks. `yaw` is 0 facing the camera and grows as the subject turns to its own left."""

    yaw: float
    lean: float
    sway: float
    head_yaw: float
    head_pitch: float
    arms: dict[str, Arm]
    legs: dict[str, Leg]

    @classmethod
    def sample(cls, rng: np.random.Generator, facing: Facing = "front", spread: float = 0.3) -> Pose:
        """A natural pose; `spread` (radians) is how far the body may turn from the pure direction."""
        yaw = {"front": 0.0, "right": np.pi / 2, "back": np.pi, "left": -np.pi / 2}[facing]
        arms, legs = _walking(rng) if rng.random() < 0.65 else _standing(rng)
        return cls(
            yaw=yaw + float(np.clip(rng.normal(0, spread), -2.2 * spread, 2.2 * spread)),
            lean=float(rng.normal(0.04, 0.04)),
            sway=float(rng.normal(0, 0.02)),
            head_yaw=float(np.clip(rng.normal(0, 0.25), -0.7, 0.7)),
            head_pitch=float(rng.normal(0.05, 0.1)),
            arms={**arms, **_gesture(rng)},
            legs=legs,
        )


def _walking(rng: np.random.Generator) -> tuple[dict[str, Arm], dict[str, Leg]]:
    """A moment of a walk: legs swing against each other, arms against the legs."""
    phase = rng.uniform(0, 2 * np.pi)
    stride = rng.uniform(0.25, 0.48)
    arms, legs = {}, {}
    for side, shift in (("r", 0.0), ("l", np.pi)):
        swing = np.sin(phase + shift)
        lifted = max(0.0, np.cos(phase + shift))
        bend = 0.06 + 0.85 * lifted**2 * (0.4 + stride) + 0.18 * max(0.0, -swing)
        legs[side] = Leg(float(stride * swing + 0.35 * bend - 0.02), float(rng.uniform(0.0, 0.04)), float(bend))
        arms[side] = Arm(
            float(-0.75 * stride * swing + rng.normal(0, 0.04)),
            float(rng.uniform(0.05, 0.2)),
            float(rng.uniform(0.0, 0.3)),
            float(rng.uniform(0.1, 0.45) + 0.3 * max(0.0, -swing)),
        )
    return arms, legs


def _standing(rng: np.random.Generator) -> tuple[dict[str, Arm], dict[str, Leg]]:
    """At rest, the weight on one leg."""
    arms = {
        side: Arm(
            float(rng.normal(0.0, 0.08)),
            float(rng.uniform(0.06, 0.26)),
            float(rng.uniform(0, 0.4)),
            float(rng.uniform(0.05, 0.4)),
        )
        for side in SIDES
    }
    legs = {side: Leg(float(rng.normal(0.0, 0.05)), float(rng.uniform(0.0, 0.12)), 0.03) for side in SIDES}
    loose = SIDES[int(rng.integers(2))]
    bend = float(rng.uniform(0.05, 0.4))
    legs[loose] = Leg(0.5 * bend, float(rng.uniform(0.02, 0.14)), bend)
    return arms, legs


def _gesture(rng: np.random.Generator) -> dict[str, Arm]:
    """What the hands do besides hanging, if anything: pocket, phone, akimbo, strap of a bag, folded in front."""
    kind = rng.random()
    side = SIDES[int(rng.integers(2))]
    if kind < 0.55:
        return {}
    if kind < 0.67:
        return {side: Arm(-0.25, 0.28, 0.75, 0.75)}
    if kind < 0.78:
        return {side: Arm(0.35, 0.12, 0.35, float(rng.uniform(1.6, 2.1)))}
    if kind < 0.85:
        return {side: Arm(-0.35, 0.75, 1.2, 1.5)}
    if kind < 0.92:
        return {side: Arm(0.25, 0.2, 0.45, 2.35)}
    return {s: Arm(0.3, 0.1, 0.75, float(rng.uniform(1.3, 1.6))) for s in SIDES}


@dataclass(frozen=True)
class Skeleton:
    """Joints (3,) in metres around the middle of the hips, and the frame (columns left, up, front) of each bone."""

    joints: dict[str, Array]
    frames: dict[str, Array]

    @classmethod
    def of(cls, build: Build, pose: Pose) -> Skeleton:
        """Turn every joint as the pose says."""
        h = build.height
        leg = 0.245 * h * build.legs
        trunk = 0.318 * h * (1.3 - 0.3 * build.legs)
        down = np.array([0.0, -1.0, 0.0])
        body = about_y(pose.yaw)
        torso = body @ about_z(pose.sway) @ about_x(pose.lean)
        head = torso @ about_y(pose.head_yaw) @ about_x(pose.head_pitch - 0.5 * pose.lean)
        joints: dict[str, Array] = {"pelvis": np.zeros(3)}
        frames = {"torso": torso, "head": head, "pelvis": body}
        joints["neck"] = torso @ np.array([0.0, trunk, -0.004 * h])
        joints["crotch"] = torso @ np.array([0.0, -0.055 * h, 0.0])
        joints["nape"] = joints["neck"] + torso @ np.array([0.0, 0.023 * h, 0.002 * h])
        joints["skull"] = joints["nape"] + head @ np.array([0.0, 0.018 * h, 0.012 * h])
        joints["chin"] = joints["skull"] + head @ np.array([0.0, -0.005 * h, 0.008 * h])
        joints["crown"] = joints["skull"] + head @ np.array([0.0, 0.126 * h, -0.004 * h])
        for side, sign in (("r", -1.0), ("l", 1.0)):
            arm, thigh = pose.arms[side], pose.legs[side]
            joints[f"{side}_shoulder"] = joints["neck"] + torso @ np.array([sign * build.shoulder, -0.037 * h, 0.0])
            upper = torso @ about_z(sign * arm.abduct) @ about_x(-arm.flex) @ about_y(-sign * arm.twist)
            fore = upper @ about_x(-arm.elbow)
            joints[f"{side}_elbow"] = joints[f"{side}_shoulder"] + upper @ down * 0.172 * h
            joints[f"{side}_wrist"] = joints[f"{side}_elbow"] + fore @ down * 0.143 * h
            joints[f"{side}_fingers"] = joints[f"{side}_wrist"] + fore @ down * 0.075 * h
            joints[f"{side}_hip"] = body @ np.array([sign * build.hip, -0.012 * h, 0.0])
            femur = body @ about_z(sign * thigh.abduct) @ about_x(-thigh.flex)
            shin = femur @ about_x(thigh.knee)
            drop = 0.75 * max(0.0, thigh.knee - thigh.flex)
            foot = body @ about_y(sign * 0.16) @ about_x(drop + 0.35 * min(0.0, thigh.knee - thigh.flex))
            joints[f"{side}_knee"] = joints[f"{side}_hip"] + femur @ down * leg
            joints[f"{side}_ankle"] = joints[f"{side}_knee"] + shin @ down * leg * 0.94
            joints[f"{side}_heel"] = joints[f"{side}_ankle"] + foot @ np.array([0.0, -0.020 * h, -0.014 * h])
            joints[f"{side}_toe"] = joints[f"{side}_ankle"] + foot @ np.array([0.0, -0.026 * h, 0.085 * h])
            frames |= {f"{side}_upper_arm": upper, f"{side}_forearm": fore, f"{side}_thigh": femur}
            frames |= {f"{side}_shin": shin, f"{side}_foot": foot @ about_x(-np.pi / 2)}
        return cls(joints, frames)


OPENPOSE = [
    "nose",
    "neck",
    "r_shoulder",
    "r_elbow",
    "r_wrist",
    "l_shoulder",
    "l_elbow",
    "l_wrist",
    "r_hip",
    "r_knee",
    "r_ankle",
    "l_hip",
    "l_knee",
    "l_ankle",
    "r_eye",
    "l_eye",
    "r_ear",
    "l_ear",
]
"""The 18 joints in OpenPose's order; r is the subject's right."""


def landmarks(build: Build, skeleton: Skeleton) -> Array:
    """The 18 OpenPose joints in space, (18, 3) metres."""
    h, head = build.height, skeleton.frames["head"]
    face = {
        "nose": (0.0, 0.046, 0.055),
        "r_eye": (-0.018, 0.066, 0.044),
        "l_eye": (0.018, 0.066, 0.044),
        "r_ear": (-0.043, 0.056, -0.004),
        "l_ear": (0.043, 0.056, -0.004),
    }
    points = {name: skeleton.joints["skull"] + head @ (np.array(place) * h) for name, place in face.items()}
    points["neck"] = (skeleton.joints["r_shoulder"] + skeleton.joints["l_shoulder"]) / 2
    return np.stack([points[name] if name in points else skeleton.joints[name] for name in OPENPOSE])

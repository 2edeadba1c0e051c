"""The solids of a dressed person: a skeleton, a build and clothes become tubes."""

from __future__ import annotations

import numpy as np

from datamodules.replica.face import Face
from datamodules.replica.figure import SIDES, Build, Skeleton
from datamodules.replica.outfit import Outfit, Wardrobe
from datamodules.replica.tubes import STATIONS, Array, Keep, Paint, Tube, profile

PARTS = [
    "none",
    "torso",
    "neck",
    "head",
    "hair",
    "r_upper_arm",
    "r_forearm",
    "r_hand",
    "l_upper_arm",
    "l_forearm",
    "l_hand",
    "r_thigh",
    "r_shin",
    "r_foot",
    "l_thigh",
    "l_shin",
    "l_foot",
    "skirt",
    "nose",
    "r_ear",
    "l_ear",
    "hair_back",
    "bag",
    "brim",
]
"""Names of the numbers in a part map; r is the subject's right."""
PART = {name: number for number, name in enumerate(PARTS)}


class Dresser:
    """Builds the tubes of one person; the profiles do not depend on the pose, so they are made once."""

    def __init__(self, build: Build, face: Face, outfit: Outfit) -> None:
        self.build, self.face, self.outfit = build, face, outfit
        self.wear = Wardrobe(outfit, face.skin, build)
        self.unit = build.height / 1.75
        """Metres of this person per metre of an average one."""
        self._torso = self._torso_profile()

    def tubes(self, skeleton: Skeleton) -> list[Tube]:
        """All solids, in space."""
        tubes = [self._trunk(skeleton), *self._head(skeleton)]
        for side in SIDES:
            tubes += [*self._arm(skeleton, side), *self._leg(skeleton, side)]
        if self.outfit.bottom in ("skirt", "dress"):
            tubes.append(self._skirt(skeleton))
        if self.outfit.bag != "none":
            tubes.append(self._bag(skeleton))
        return tubes

    def _curve(self, *knots: tuple[float, float], thick: bool = True) -> Array:
        return profile(*knots) * self.unit * (self.build.girth if thick else 1.0)

    def _bone(
        self,
        skeleton: Skeleton,
        part: str,
        ends: tuple[str, str],
        frame: str,
        shape: tuple[Array, Array],
        paint: Paint,
        caps: tuple[float, float] = (0.0, 0.0),
        bow: Array | None = None,
        keep: Keep | None = None,
    ) -> Tube:
        axes = skeleton.frames[frame]
        start, end = (skeleton.joints[name] for name in ends)
        return Tube(PART[part], start, end, axes[:, 0], axes[:, 2], *shape, paint, caps, bow, keep=keep)

    def _torso_profile(self) -> tuple[Array, Array, Array]:
        """Half-width, half-depth and bend of the trunk with its clothes, from the neck to the crotch."""
        f, girth = self.build.curves, self.build.girth
        shoulder = self.build.shoulder / self.unit
        heavy = max(0.0, girth - 1.0)
        waist, hips = 0.142 - 0.02 * f + 0.10 * heavy, 0.158 + 0.012 * f
        width = profile(
            (0.0, 0.062), (0.02, 0.078), (0.045, shoulder * 0.68), (0.075, shoulder * 0.96), (0.12, shoulder * 1.03),
            (0.25, shoulder * 0.94), (0.36, 0.158 - 0.012 * f), (0.58, waist), (0.8, hips), (0.9, hips * 0.93),
            (1.0, hips * 0.72),
        )  # fmt: skip
        depth = profile(
            (0.0, 0.056), (0.06, 0.075), (0.2, 0.105), (0.32, 0.115 + 0.012 * f), (0.58, 0.098 + 0.10 * heavy),
            (0.79, 0.118), (0.9, 0.108), (1.0, 0.07),
        )  # fmt: skip
        bend = profile(
            (0.0, -0.004),
            (0.12, -0.01),
            (0.3, 0.006 + 0.014 * f),
            (0.6, 0.008 + 0.03 * heavy),
            (0.84, -0.016),
            (1, -0.004),
        )
        top = self.outfit.top
        worn = np.where(top.hem > STATIONS, top.loose, 0.0) * np.interp(
            STATIONS, [0, 0.06, 0.4, 0.6], [0.0, 0.5, 1.0, 1.6]
        )
        scale = 0.5 + 0.5 * girth
        # Below the hips, a shirt hangs straight down.
        tail = (top.hem > STATIONS) & (STATIONS > 0.75)
        width, depth = (
            np.where(tail, np.maximum(width, 0.97 * hips), width),
            np.where(tail, np.maximum(depth, 0.113), depth),
        )
        return (width * scale + worn) * self.unit, (depth * scale + worn) * self.unit, bend * self.unit

    def _trunk(self, skeleton: Skeleton) -> Tube:
        width, depth, bend = self._torso
        cap = 0.03 * self.unit
        return self._bone(
            skeleton, "torso", ("neck", "crotch"), "torso", (width, depth), self.wear.torso, (0.012, cap), bend
        )

    def _head(self, skeleton: Skeleton) -> list[Tube]:
        """Neck, skull, nose, ears, hair."""
        f, u = self.build.curves, self.unit
        axes, face = skeleton.frames["head"], self.face
        collar = self.outfit.top.neckline in ("turtleneck", "hood")
        neck = self._curve((0, 0.058 - 0.009 * f), (0.6, 0.057 - 0.009 * f), (1, 0.068 - 0.007 * f + 0.012 * collar))
        around_neck = self._neck_paint if collar else self.wear.bare
        rise = np.sqrt(np.clip(1 - ((0.42 - STATIONS) / 0.425) ** 2, 0, 1))
        jaw = profile((0.0, 1.0), (0.42, 1.0), (0.62, 0.955), (0.8, 0.78), (0.93, 0.56), (1.0, 0.4))
        skull = np.where(STATIONS < 0.42, rise, jaw) * u
        deep = np.where(STATIONS < 0.42, rise, profile((0, 1.0), (0.42, 1.0), (0.7, 0.8), (1.0, 0.5))) * u
        forward = profile((0, -0.008), (0.4, -0.002), (0.7, 0.018), (1.0, 0.034)) * u
        wide = 0.074 * (0.9 + 0.1 * self.build.girth)
        bone = ("crown", "chin")
        tubes = [
            self._bone(skeleton, "neck", ("skull", "neck"), "head", (neck, neck), around_neck, (0.0, 0.03)),
            self._bone(
                skeleton, "head", bone, "head", (skull * wide, deep * 0.094), face.paint, (0.0, 0.014 * u), forward
            ),
            self._nose(skeleton),
        ]
        across, up, front = axes[:, 0], axes[:, 1], axes[:, 2]
        height = skeleton.joints["crown"] - skeleton.joints["chin"]
        if face.style not in ("bob", "long"):
            for side, sign in (("r", -1.0), ("l", 1.0)):
                at = skeleton.joints["chin"] + 0.5 * height + sign * (wide + 0.002) * u * across - 0.004 * u * front
                tubes.append(self._blob(f"{side}_ear", at, up * 0.026 * u, across, front, 0.009 * u, 0.019 * u))
        tubes += self._hair(skeleton, skull * wide, deep * 0.094, forward)
        return tubes

    def _neck_paint(self, longitude: Array, t: Array, x: Array, y: Array) -> Array:
        """A turtleneck or a hood, up to half of the neck."""
        cloth = self.outfit.top.fabric.colour(x, y) * 0.93
        return np.where((t > 0.45)[:, None], cloth, self.face.skin)

    def _blob(self, part: str, at: Array, half_axis: Array, left: Array, front: Array, a: float, b: float) -> Tube:
        """A small ellipsoid of skin."""
        round_ = np.sqrt(np.clip(1 - (2 * STATIONS - 1) ** 2, 0, 1))
        return Tube(PART[part], at + half_axis, at - half_axis, left, front, a * round_, b * round_, self.wear.bare)

    def _nose(self, skeleton: Skeleton) -> Tube:
        axes, u = skeleton.frames["head"], self.unit
        chin = skeleton.joints["chin"]
        height = skeleton.joints["crown"] - chin
        start = chin + 0.53 * height + axes[:, 2] * 0.086 * u
        end = chin + 0.34 * height + axes[:, 2] * 0.092 * u
        width = profile((0, 0.006), (0.6, 0.011), (0.85, 0.017), (1, 0.012)) * u
        depth = profile((0, 0.006), (0.7, 0.022), (0.9, 0.027), (1, 0.018)) * u
        return Tube(PART["nose"], start, end, axes[:, 0], axes[:, 2], width, depth, self.wear.bare, (0.004, 0.006))

    def _hair(self, skeleton: Skeleton, width: Array, depth: Array, forward: Array) -> list[Tube]:
        """A shell over the skull, what hangs behind it, and the peak of a cap."""
        face, u = self.face, self.unit
        if face.style == "bald":
            return []
        axes = skeleton.frames["head"]
        crown, chin = skeleton.joints["crown"], skeleton.joints["chin"]
        up, front, across = axes[:, 1], axes[:, 2], axes[:, 0]
        full = {"short": 0.01, "fringe": 0.014, "bob": 0.016, "long": 0.014, "ponytail": 0.005, "cap": 0.012}[
            face.style
        ]
        thick = full * u * np.clip(3 * STATIONS + 0.4, 0, 1)
        shell = Tube(
            PART["hair"], crown + up * full * u, chin, across, front, width + thick, depth + thick,
            face.paint_hair, (0.0, 0.0), forward - 0.3 * full * u, keep=face.keeps_hair,
        )  # fmt: skip
        tubes = [shell]
        middle = (crown + chin) / 2
        behind = -0.062 * u * front
        ends = {
            "bob": (middle + behind * 0.7, chin - up * 0.02 * u + behind * 0.6, 0.078, 0.045),
            "long": (middle + behind * 0.8, chin - up * 0.17 * u + behind * 1.25, 0.082, 0.04),
            "ponytail": (middle + behind * 1.5 + up * 0.03 * u, chin - up * 0.1 * u + behind * 2.1, 0.026, 0.026),
        }.get(face.style)
        if ends:
            start, end, a, b = ends
            taper = profile((0, 0.8), (0.3, 1.0), (0.7, 0.95), (1, 0.55)) * u
            tubes.append(
                Tube(PART["hair_back"], start, end, across, front, a * taper, b * taper, face.paint_hair, (0.01, 0.02))
            )
        if face.style == "cap":
            brow = crown + 0.3 * (chin - crown) + front * 0.055 * u
            width, thin = np.full_like(STATIONS, 0.062 * u), np.full_like(STATIONS, 0.009 * u)
            tip = brow + front * 0.085 * u - up * 0.014 * u
            tubes.append(Tube(PART["brim"], brow, tip, across, up, width, thin, face.paint_brim, (0.0, 0.008)))
        return tubes

    def _arm(self, skeleton: Skeleton, side: str) -> list[Tube]:
        """Upper arm, forearm and hand, in the sleeve."""
        u, top, wear, t = self.unit, self.outfit.top, self.wear, STATIONS
        slim = 1.0 - 0.13 * self.build.curves
        sleeve = (top.loose + 0.002) * u
        upper = self._curve((0, 0.047 * slim), (0.15, 0.052 * slim), (0.4, 0.049 * slim), (1, 0.039 * slim))
        upper = upper + sleeve * (t < top.sleeve)
        fore = self._curve((0, 0.039 * slim), (0.25, 0.041 * slim), (1, 0.027 * slim))
        fore = fore + 0.8 * sleeve * (t + 1 < top.sleeve)
        palm = self._curve((0, 0.026), (0.35, 0.04), (0.75, 0.036), (1, 0.022), thick=False)
        flat = self._curve((0, 0.02), (0.5, 0.02), (1, 0.014), thick=False)
        caps = (upper[0] * 0.42, upper[-1])
        names = [f"{side}_{name}" for name in ("shoulder", "elbow", "wrist", "fingers", "upper_arm", "forearm", "hand")]
        shoulder, elbow, wrist, fingers, upper_arm, forearm, hand = names
        return [
            self._bone(skeleton, upper_arm, (shoulder, elbow), upper_arm, (upper, upper), wear.upper_arm, caps),
            self._bone(skeleton, forearm, (elbow, wrist), forearm, (fore, fore), wear.forearm, (fore[0], 0.012)),
            self._bone(skeleton, hand, (wrist, fingers), forearm, (flat, palm), wear.bare, (0.01, 0.02)),
        ]

    def _leg(self, skeleton: Skeleton, side: str) -> list[Tube]:
        """Thigh, shin and foot, in trousers, boots, or out of a skirt."""
        u, o, wear, t = self.unit, self.outfit, self.wear, STATIONS
        bottom = o.leg if o.bottom in ("trousers", "shorts") else 0.0
        ease = o.width * u * np.interp(t, [0, 0.3, 1], [0.2, 0.7, 1.0])
        thigh = self._curve((0, 0.078), (0.25, 0.084), (0.75, 0.062), (1, 0.055)) + ease * (t < bottom)
        shin = self._curve((0, 0.054), (0.3, 0.057), (0.65, 0.042), (1, 0.034))
        shin = shin + np.interp(t, [0, 1], [1.0, 1.5]) * o.width * u * (t + 1 < min(bottom, o.top_of_shoes))
        shin = shin + 0.007 * u * (t + 1 > o.top_of_shoes)
        calf = profile((0, 0.0), (0.3, -0.012), (0.7, -0.004), (1, -0.006)) * u
        kneecap = profile((0, 0.0), (0.5, 0.008), (1, 0.002)) * u
        shoe = self._curve((0, 0.034), (0.3, 0.036), (0.7, 0.046), (1, 0.036), thick=False)
        instep = self._curve((0, 0.046), (0.25, 0.05), (0.7, 0.034), (1, 0.024), thick=False)
        names = [f"{side}_{name}" for name in ("hip", "knee", "ankle", "heel", "toe", "thigh", "shin", "foot")]
        hip, knee, ankle, heel, toe, upper, lower, foot = names
        deep = thigh * 1.06
        ends = (thigh[0] * 0.8, thigh[-1])
        # A skirt hides all but its hem's surroundings; legs that swing would otherwise pierce it.
        hidden = o.leg - 0.12 if o.bottom in ("skirt", "dress") else -1.0
        first: Keep | None = (lambda _, at: at > hidden) if hidden > 0 else None
        second: Keep | None = (lambda _, at: at + 1 > hidden) if hidden > 0 else None
        return [
            self._bone(skeleton, upper, (hip, knee), upper, (thigh, deep), wear.thigh, ends, kneecap, first),
            self._bone(
                skeleton, lower, (knee, ankle), lower, (shin, shin * 1.05), wear.shin, (shin[0], 0.02), calf, second
            ),
            self._bone(skeleton, foot, (heel, toe), foot, (shoe, instep), wear.foot, (0.03 * u, 0.035 * u)),
        ]

    def _skirt(self, skeleton: Skeleton) -> Tube:
        """A cone from the waist around both legs; its length is the garment's, whatever the legs do."""
        u, axes = self.unit, skeleton.frames["pelvis"]
        knees = [skeleton.joints[f"{side}_knee"] for side in SIDES]
        hips = [skeleton.joints[f"{side}_hip"] for side in SIDES]
        start = skeleton.joints["pelvis"] + axes[:, 1] * 0.075 * u
        reach = [hip + min(self.outfit.leg, 1.3) * (knee - hip) for hip, knee in zip(hips, knees, strict=True)]
        middle = (reach[0] + reach[1]) / 2
        apart = np.abs(axes.T @ (reach[0] - reach[1])) / 2
        length = 0.075 * u + float(np.linalg.norm(knees[0] - hips[0])) * self.outfit.leg
        end = start + (middle - start) / np.linalg.norm(middle - start) * length
        width, depth, _ = self._torso
        leg = (0.092 - 0.018 * min(self.outfit.leg, 1.0)) * self.build.girth * u
        hip = self.build.hip + 0.09 * self.build.girth * u
        flare = self.outfit.flare * u
        base, side = width[np.searchsorted(STATIONS, 0.8)], depth[np.searchsorted(STATIONS, 0.8)]
        a = np.interp(STATIONS, [0, 0.25, 1], [base * 0.93, max(base, hip) + 0.01, max(base, apart[0] + leg) + flare])
        b = np.interp(
            STATIONS, [0, 0.25, 1], [side * 0.95, side + 0.016, max(side, apart[2] + leg + 0.01) + flare * 0.8]
        )
        return Tube(PART["skirt"], start, end, axes[:, 0], axes[:, 2], a, b, self.wear.skirt, (0.0, 0.0), length=length)

    def _bag(self, skeleton: Skeleton) -> Tube:
        """A backpack, or a bag at the hip."""
        u, axes, o = self.unit, skeleton.frames["torso"], self.outfit
        up, front, across = axes[:, 1], axes[:, 2], axes[:, 0]
        depth = self._torso[1]
        if o.bag == "backpack":
            top = skeleton.joints["neck"] - up * 0.1 * u - front * (depth[30] + 0.055 * u)
            width = profile((0, 0.09), (0.2, 0.125), (0.8, 0.135), (1, 0.12)) * u
            return Tube(
                PART["bag"], top, top - up * 0.3 * u, across, front, width, np.full_like(STATIONS, 0.085 * u),
                self.wear.bag, (0.04 * u, 0.03 * u),
            )  # fmt: skip
        top = skeleton.joints["pelvis"] + across * o.bag_side * (self._torso[0][100] + 0.045 * u) + up * 0.02 * u
        width, thin = np.full_like(STATIONS, 0.05 * u), np.full_like(STATIONS, 0.13 * u)
        return Tube(PART["bag"], top, top - up * 0.18 * u, across, front, width, thin, self.wear.bag, (0.02, 0.03))

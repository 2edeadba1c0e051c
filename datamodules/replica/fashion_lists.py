"""The lists and poses that come with DeepFashion In-shop: those of its authors, of pose transfer, and of CoCosNet."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.deepfashion_names import flattened

BORDER = 40
"""Columns of white on either side of the small pictures, which poses in files of their own count."""

TORSO = (2, 5, 8, 11)
"""Both shoulders and both hips in OpenPose's order. (What names them elsewhere imports torch, which drawing can do without.)"""

EXEMPLARS = 4
"""How many exemplars CoCosNet's lists name for each image; the published ones have more."""

_POSE_TYPES = {"1": 1, "2": 2, "3": 3, "4": 4, "7": 5}
"""The benchmark's number for each view."""


@dataclass(frozen=True)
class Listed:
    """A photograph for the lists."""

    path: str
    """img/WOMEN/..."""
    person: str
    training: bool
    keypoints: NDArray[np.floating]
    """(18, 3) x, y, visible in the small picture between its borders."""

    @cached_property
    def joints(self) -> list[tuple[int, int] | None]:
        """Whole pixels, None for a missing joint."""
        return [(round(x), round(y)) if seen else None for x, y, seen in self.keypoints.tolist()]

    @property
    def upright(self) -> bool:
        """Whether both shoulders and both hips are seen: published pairs are of such images alone."""
        return all(self.joints[joint] is not None for joint in TORSO)


def write_lists(directory: Path, images: list[Listed]) -> None:
    """Write every list of a replica whose images are given in the order of their paths."""
    sides = {side: [one for one in images if one.training == (side == "train")] for side in ("train", "test")}
    for side, members in sides.items():
        _pose_transfer(directory, side, members)
    _cocosnet(directory, images, sides)
    _poses(directory, images)
    _benchmark(directory, images)


def _pose_transfer(directory: Path, side: str, members: list[Listed]) -> None:
    """PATN's csv files, and NTED's and PIDM's pairs, which name the target first."""
    _write(directory / f"{side}.lst", (flattened(one.path) for one in members))
    rows = ["name:keypoints_y:keypoints_x"]
    for one in members:
        ys, xs = ([-1 if joint is None else joint[axis] for joint in one.joints] for axis in (1, 0))
        rows.append(f"{flattened(one.path)}: {json.dumps(ys)}: {json.dumps(xs)}")
    _write(directory / f"fasion-resize-annotation-{side}.csv", rows)
    people = [group for group in _people(one for one in members if one.upright) if len(group) > 1]
    ordered = [pair for group in people for pair in itertools.permutations(group, 2)]
    named = (f"{flattened(source.path)},{flattened(target.path)}" for source, target in ordered)
    _write(directory / f"fasion-resize-pairs-{side}.csv", ["from,to", *named])
    if side == "test":
        lines = [f"{target.path},{source.path}" for source, target in ordered]
    else:
        lines = [
            ",".join([target.path, *(source.path for source in group if source is not target)])
            for group in people
            for target in group
        ]
    _write(directory / f"{side}_pairs.txt", lines)


def _cocosnet(directory: Path, images: list[Listed], sides: dict[str, list[Listed]]) -> None:
    """Back-slashes, and no end of the last line."""
    lists = {"train.txt": sides["train"], "val.txt": sides["test"]}
    for name, members in lists.items():
        (directory / name).write_text("\n".join(_windows(one.path) for one in members))
    for name, members in (("deepfashion_ref.txt", sides["train"]), ("deepfashion_ref_test.txt", sides["test"])):
        alike = _most_alike(members, sides["train"])
        lines = [",".join(_windows(one.path) for one in (key, *others)) for key, others in alike]
        (directory / name).write_text("\n".join(lines))
    pairs = [
        ",".join(_windows(one.path) for one in (key, *(other for other in group if other is not key)))
        for group in _people(images)
        if len(group) > 1
        for key in group
    ]
    (directory / "deepfashion_self_pair.txt").write_text("\n".join(pairs))


def _most_alike(members: list[Listed], pool: list[Listed]) -> list[tuple[Listed, list[Listed]]]:
    """For each image those of other people whose joints lie nearest to its own, best first."""
    points = np.stack([one.keypoints for one in pool])
    people = np.array([one.person for one in pool])
    found = []
    for one in members:
        both = (points[..., 2] > 0) & (one.keypoints[:, 2] > 0)
        away = np.hypot(*np.moveaxis(points[..., :2] - one.keypoints[:, :2], -1, 0))
        score = np.where(both, away, 60.0).mean(1)
        score[people == one.person] = np.inf
        best = [index for index in np.argsort(score, kind="stable")[:EXEMPLARS].tolist() if np.isfinite(score[index])]
        if best:
            found.append((one, [pool[index] for index in best]))
    return found


def _poses(directory: Path, images: list[Listed]) -> None:
    """A text of rows per image (NTED), and OpenPose's peaks with the person that they form (CoCosNet): with borders."""
    for one in images:
        stem = (directory / "pose" / Path(one.path).relative_to("img")).with_suffix("")
        stem.parent.mkdir(parents=True, exist_ok=True)
        places = [(-1, -1) if joint is None else (joint[0] + BORDER, joint[1]) for joint in one.joints]
        _write(stem.with_name(f"{stem.name}.txt"), (f"{x} {y}" for x, y in places))
        peaks = [place for place, joint in zip(places, one.joints, strict=True) if joint is not None]
        rows = np.array([(x, y, 0.9, number) for number, (x, y) in enumerate(peaks)], float).reshape(-1, 4)
        np.savetxt(stem.with_name(f"{stem.name}_candidate.txt"), rows)
        numbers = itertools.count()
        person = [-1 if joint is None else next(numbers) for joint in one.joints]
        np.savetxt(
            stem.with_name(f"{stem.name}_subset.txt"), np.array([[*person, 1.5 * len(peaks), len(peaks)]], float)
        )


def _benchmark(directory: Path, images: list[Listed]) -> None:
    """The items, their boxes, and the partition for retrieval, in the authors' form: a count, a header, rows."""
    items = sorted({Path(one.path).parent.name for one in images})
    _write(directory / "Anno" / "list_item_inshop.txt", [str(len(items)), *items])
    boxes, rows = [], []
    seen: dict[str, int] = defaultdict(int)
    for one in images:
        item, view = Path(one.path).parent.name, Path(one.path).name.split("_")[1]
        kind = 3 if "/Dresses/" in one.path else 2 if "/Skirts/" in one.path or "/Shorts/" in one.path else 1
        places = np.array([joint for joint in one.joints if joint is not None] or [(0, 0)])
        (left, top), (right, bottom) = places.min(0), places.max(0)
        boxes.append(
            f"{one.path} {kind} {_POSE_TYPES[view]} {left + BORDER:03d} {top:03d} {right + BORDER:03d} {bottom:03d}"
        )
        seen[item] += 1
        status = "train" if one.training else "query" if seen[item] == 1 else "gallery"
        rows.append(f"{one.path:<72} {item} {status}")
    header = "image_name clothes_type pose_type x_1 y_1 x_2 y_2"
    _write(directory / "Anno" / "list_bbox_inshop.txt", [str(len(images)), header, *boxes])
    _write(
        directory / "Eval" / "list_eval_partition.txt",
        [str(len(images)), "image_name item_id evaluation_status", *rows],
    )


def _people(images: Iterable[Listed]) -> list[list[Listed]]:
    groups: dict[str, list[Listed]] = defaultdict(list)
    for one in images:
        groups[one.person].append(one)
    return list(groups.values())


def _windows(path: str) -> str:
    return path.replace("/", "\\")


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))

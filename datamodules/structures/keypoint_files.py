"""One person's keypoints from the files that pose estimators and datasets write, as the joints of `structures.pose.JOINTS`.

| file | layout |
|---|---|
| `.csv` | PATN's rows `name: [y, ...]: [x, ...]` (see `keypoint_csv`) |
| `.json` | OpenPose `{"people": [{"pose_keypoints_2d": [x, y, confidence, ...]}]}` with 18 or 25 joints |
| `.json` | COCO annotations or results with 17 keypoints `[x, y, visibility or score, ...]` |
| `_candidate.txt` + `_subset.txt` | pytorch-openpose's peaks, and which of them form a person (CoCosNet) |
| `.txt` | 18 rows `x y`, -1 for a missing joint (NTED, PIDM) |

Of several people in a picture the one with the greatest sum of confidences is taken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.structures.keypoint_csv import read_keypoints
from datamodules.structures.pose import JOINTS
from datamodules.text_file import read_text

BODY_25 = (
    *(*JOINTS[:8], "middle_hip", *JOINTS[8:]),
    *("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel"),
)
"""OpenPose's model of 25 joints."""

COCO_17 = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
)
"""The keypoints of the COCO dataset, which most estimators predict."""

LAYOUTS: dict[int, Sequence[str]] = {len(names): names for names in (JOINTS, BODY_25, COCO_17)}


@dataclass(frozen=True)
class Pose:
    """The joints of one person."""

    keypoints: np.ndarray
    """(18, 3) float32: x, y in pixels of the image, visible."""
    size: tuple[int, int] | None = None
    """Height and width of that image, where the file says."""


def read_pose(path: Path, name: str | None = None) -> Pose:
    """The pose in a file.

    Args:
        path: a file of one of the kinds above.
        name: which image's pose, in files that hold many: the name of the image's file.

    Raises:
        BadInput: the file is of another kind, damaged, or holds no person (of that name).
    """
    try:
        if path.suffix.lower() == ".csv":
            return _from_csv(path, name)
        if path.suffix.lower() == ".json":
            return _from_json(path, name)
        if path.stem.endswith(("_candidate", "_subset")):
            return _from_peaks(path)
        if path.suffix.lower() == ".txt":
            return _from_rows(path)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    raise BadInput(f"{path} is no file of keypoints: a .csv, .json or .txt is expected")


def converted(values: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Joints (K, 3) x, y, confidence in the order of `names` -> (18, 3) x, y, visible in the order of `JOINTS`.

    A joint that `names` lacks is missing, except for the neck: the middle of the shoulders, as OpenPose defines it.
    """
    place = {name: row for row, name in enumerate(names)}
    found = np.zeros((len(JOINTS), 3), np.float32)
    for joint, name in enumerate(JOINTS):
        if name in place:
            found[joint] = values[place[name]]
        elif name == "neck":
            shoulders = values[[place["left_shoulder"], place["right_shoulder"]]]
            if np.all(shoulders[:, 2] > 0):
                found[joint] = shoulders.mean(0)
    visible = found[:, 2:] > 0
    return np.concatenate([found[:, :2] * visible, visible], axis=1).astype(np.float32)


def _from_csv(path: Path, name: str | None) -> Pose:
    names, keypoints = read_keypoints(path)
    if name is None and len(names) == 1:
        return Pose(keypoints[0])
    if name not in names:
        raise BadInput(
            f"{path} has no row for {name}"
            if name
            else f"{path} has {len(names)} rows: name the image itself, and its row is found by the name of its file"
        )
    return Pose(keypoints[names.index(name)])


def _from_json(path: Path, name: str | None) -> Pose:
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise BadInput(f"{path} is no valid JSON: {error}") from error
    if isinstance(content, dict) and "people" in content:
        people = content["people"]
        try:
            canvas = (
                (int(content["canvas_height"]), int(content["canvas_width"])) if "canvas_width" in content else None
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{path}: canvas_height and canvas_width must both be whole numbers") from error
        return Pose(_clearest([person.get("pose_keypoints_2d") for person in people], path), canvas)
    images: list[Any] = content.get("images", []) if isinstance(content, dict) else []
    entries = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise BadInput(f"{path} is neither OpenPose's JSON (with 'people') nor COCO's (with 'annotations')")
    size = None
    if name is not None and images:
        image = next((image for image in images if Path(str(image.get("file_name"))).name == name), None)
        if image is None:
            raise BadInput(f"{path} lists no image {name}")
        entries = [entry for entry in entries if entry.get("image_id") == image.get("id")]
    elif len(images) > 1:
        raise BadInput(
            f"{path} is about {len(images)} images: name the image itself, and its keypoints are found by it"
        )
    else:
        image = images[0] if images else None
    if image is not None and {"height", "width"} <= image.keys():
        size = int(image["height"]), int(image["width"])
    return Pose(_clearest([entry.get("keypoints") for entry in entries if isinstance(entry, dict)], path), size)


def _clearest(people: Sequence[Any], path: Path) -> np.ndarray:
    """The person with the greatest sum of confidences, from flat lists x, y, confidence, ..."""
    best: np.ndarray | None = None
    best_names: Sequence[str] = JOINTS
    for person in people:
        try:
            values = np.asarray(person, np.float32).reshape(-1, 3)
        except (TypeError, ValueError) as error:
            raise BadInput(f"{path}: keypoints must be lists of numbers x, y, confidence, ...") from error
        names = LAYOUTS.get(len(values))
        if names is None:
            raise BadInput(f"{path}: a person has {len(values)} joints; known are {', '.join(map(str, LAYOUTS))}")
        if best is None or values[:, 2].sum() > best[:, 2].sum():
            best, best_names = values, names
    if best is None:
        raise BadInput(f"{path}: no person was found in the picture")
    return converted(best, best_names)


def _from_peaks(path: Path) -> Pose:
    base = path.stem.removesuffix("_candidate").removesuffix("_subset")
    candidate, subset = (_numbers(path.with_name(f"{base}_{kind}.txt")) for kind in ("candidate", "subset"))
    if subset.size == 0 or candidate.size == 0:
        raise BadInput(f"{path}: no person was found in the picture")
    if subset.shape[1] != 20 or candidate.shape[1] < 3:
        raise BadInput(f"{path}: rows of 20 numbers are expected in _subset.txt, and x y score id in _candidate.txt")
    person = subset[subset[:, 18].argmax(), :18].astype(int)
    if person.max() >= len(candidate):
        raise BadInput(f"{path}: _subset.txt names peak {person.max()} of {len(candidate)} in _candidate.txt")
    values = np.where((person >= 0)[:, None], candidate[person, :3], 0)
    # A peak that belongs to a person is visible, whatever its score.
    values[:, 2] = person >= 0
    return Pose(converted(values, JOINTS))


def _from_rows(path: Path) -> Pose:
    values = _numbers(path)
    if values.shape != (len(JOINTS), 2) and not (values.shape[0] == len(JOINTS) and values.shape[1] > 2):
        raise BadInput(f"{path}: {len(JOINTS)} rows `x y` are expected")
    visible = np.all(values[:, :2] != -1, axis=1)
    return Pose(converted(np.column_stack([values[:, :2], visible]), JOINTS))


def _numbers(path: Path) -> np.ndarray:
    """A text of numbers as a matrix; (0, 0) for an empty file."""
    text = read_text(path).strip()
    if not text:
        return np.zeros((0, 0), np.float32)
    try:
        return np.array([line.replace(",", " ").split() for line in text.splitlines()], np.float32)
    except ValueError as error:
        raise BadInput(f"{path}: rows of equally many numbers are expected") from error

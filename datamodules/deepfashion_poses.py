"""The poses of DeepFashion, from the files of either family, in one frame.

    fasion-resize-annotation-{train,test}.csv, fasion-annotation-*.csv    PATN, GFLA, PISE (also spelt fashion)
    pose/WOMEN/.../02_1_front.txt                                         NTED, PIDM
    pose/WOMEN/.../02_1_front_candidate.txt and _subset.txt               OpenPose's peaks, CoCosNet

All of them but the `resize` csv refer to the benchmark's small pictures: 256 x 256, with white borders of 40 columns. Here
the frame is what lies between the borders, 256 x 176: x grows by nothing when a picture has none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.deepfashion_names import same
from datamodules.structures.keypoint_csv import read_keypoints
from datamodules.structures.keypoint_files import read_pose
from datamodules.structures.pose import JOINTS

log = logging.getLogger(__name__)

Source = Literal["csv", "text", "openpose"]

HEIGHT, WIDTH, BORDER = 256, 176, 40
"""The frame of poses, and the columns beside it on either side."""

ENDINGS: dict[Source, str] = {"text": ".txt", "openpose": "_subset.txt"}
"""What follows an image's stem in the name of its pose file."""


def csv_names(side: str) -> list[str]:
    """What the csv of poses of `train` or `test` may be called."""
    return [f"{word}{kind}-annotation-{side}.csv" for kind in ("-resize", "") for word in ("fasion", "fashion")]


def read_csv(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """(18, 3) keypoints by the images' names as `same` writes them. Rows with other names are passed over.

    Raises:
        BadInput: a row that cannot be understood.
    """
    poses: dict[str, np.ndarray] = {}
    for path in paths:
        names, keypoints = read_keypoints(path)
        keypoints = unbordered(keypoints) if has_borders(keypoints) else keypoints
        poses |= {key: points for name, points in zip(names, keypoints, strict=True) if (key := same(name))}
    return poses


def read_files(stems: Sequence[Path], source: Source) -> np.ndarray:
    """(N, 18, 3): the poses in the files that begin with these paths; zeros where there is none. How many is logged."""
    points = np.zeros((len(stems), len(JOINTS), 3), np.float32)
    faults: list[BadInput] = []
    for row, stem in enumerate(stems):
        path = stem.with_name(stem.name + ENDINGS[source])
        try:
            points[row] = read_pose(path).keypoints
        except BadInput as error:
            faults.append(error)
    if faults:
        log.warning("%d of %d images have no pose; the first: %s", len(faults), len(stems), faults[0])
    if points[..., :2].max(initial=0) > HEIGHT:
        points[..., :2] /= 4  # CoCosNet v2 looks for people in pictures of 1024 x 1024
    return unbordered(points)


def has_borders(keypoints: np.ndarray) -> bool:
    """Whether keypoints refer to the frame with borders: both frames are published under the same name."""
    x = keypoints[..., 0][keypoints[..., 2] > 0]
    if len(x) == 0 or x.max() >= WIDTH:
        return len(x) > 0
    # People stand in the middle, also in a file of so few that nobody reaches beyond.
    return bool(x.min() >= BORDER and np.median(x) > (WIDTH + BORDER) / 2)


def unbordered(keypoints: np.ndarray) -> np.ndarray:
    """From the frame with borders to the one without."""
    visible = keypoints[..., 2:] > 0
    moved = keypoints - np.array([BORDER, 0, 0], np.float32)
    return np.where(visible, moved, keypoints)


def bordered(keypoints: np.ndarray) -> np.ndarray:
    """From the frame without borders to the one with them."""
    visible = keypoints[..., 2:] > 0
    return np.where(visible, keypoints + np.array([BORDER, 0, 0], np.float32), keypoints)


Finder = Callable[[str], Path | None]


def find_csv(find: Finder) -> list[Path]:
    """The csv files of both sides that are there."""
    found = (next((path for name in csv_names(side) if (path := find(name))), None) for side in ("train", "test"))
    return [path for path in found if path is not None]

"""The csv of poses that PATN (Zhu et al., CVPR 2019) published and later work took over.

    name:keypoints_y:keypoints_x
    0002_c1s1_000451_03.jpg: [15, 27, ...]: [33, 32, ...]

One row per image with the 18 joints of `structures.pose.JOINTS`, y before x, -1 for a joint that was not found.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.structures.pose import JOINTS
from datamodules.text_file import read_text

HEADER = ["name", "keypoints_y", "keypoints_x"]


def read_keypoints(path: Path) -> tuple[list[str], np.ndarray]:
    """Names, and (N, 18, 3) float32 keypoints x, y, visible; zeros for a missing joint.

    Rows end as on any system; blanks, quotes that a spreadsheet added and a byte order mark do no harm.

    Raises:
        BadInput: a row that cannot be understood, with file and line.
    """
    lines = read_text(path).splitlines()
    rows = [[cell.strip(' \t"') for cell in line.split(":")] for line in lines]
    if not rows or rows[0] != HEADER:
        raise BadInput(f"{path}, line 1: the header {':'.join(HEADER)} expected, found {''.join(lines[:1])[:80]!r}")
    filled = [number for number, line in enumerate(lines) if number > 0 and line.strip()]
    if not filled:
        return [], np.zeros((0, len(JOINTS), 3), np.float32)
    values = _values([rows[number] for number in filled])
    if values is None:
        wrong = next(number for number in filled if _values([rows[number]]) is None)
        raise BadInput(
            f"{path}, line {wrong + 1}: a name and two lists of {len(JOINTS)} numbers expected "
            f"(name: [y, ...]: [x, ...]), found {lines[wrong][:80]!r}"
        )
    y, x = values[:, 0], values[:, 1]
    visible = (x >= 0) & (y >= 0)
    keypoints = np.stack([x * visible, y * visible, visible], axis=-1).astype(np.float32)
    return [rows[number][0] for number in filled], keypoints


def _values(rows: list[list[str]]) -> np.ndarray | None:
    """(N, 2, 18) y and x of rows, or None where one of them cannot be understood. One call for all is the fast way."""
    if any(len(row) != len(HEADER) for row in rows):
        return None
    try:
        values = np.array(json.loads(f"[{','.join(f'[{row[1]},{row[2]}]' for row in rows)}]"), np.float32)
    except (ValueError, TypeError):
        return None
    return values if values.shape == (len(rows), 2, len(JOINTS)) else None

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

HEADER = ["name", "keypoints_y", "keypoints_x"]


def read_keypoints(path: Path) -> tuple[list[str], np.ndarray]:
    """Names, and (N, 18, 3) float32 keypoints x, y, visible; zeros for a missing joint.

    Rows end as on any system; blanks, quotes that a spreadsheet added and a byte order mark do no harm.

    Raises:
        BadInput: a row that cannot be understood, with file and line.
    """
    names: list[str] = []
    values: list[tuple[list[float], list[float]]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        cells = [cell.strip().strip('"').strip() for cell in line.split(":")]
        if number == 1:
            if cells != HEADER:
                raise BadInput(f"{path}, line 1: the header {':'.join(HEADER)} expected, found {line[:80]!r}")
        elif line.strip():
            names.append(cells[0])
            values.append(_row(cells, path, number))
    if not values:
        return names, np.zeros((0, len(JOINTS), 3), np.float32)
    y, x = np.array(values, np.float32).transpose(1, 0, 2)
    visible = (x >= 0) & (y >= 0)
    return names, np.stack([x * visible, y * visible, visible], axis=-1).astype(np.float32)


def _row(cells: list[str], path: Path, number: int) -> tuple[list[float], list[float]]:
    try:
        _, y, x = cells[0], json.loads(cells[1]), json.loads(cells[2])
        whole = len(cells) == 3 and len(y) == len(x) == len(JOINTS)
        if whole and all(isinstance(value, int | float) for value in (*y, *x)):
            return y, x
    except (IndexError, ValueError, TypeError):
        pass
    raise BadInput(
        f"{path}, line {number}: a name and two lists of {len(JOINTS)} numbers expected (name: [y, ...]: [x, ...]), "
        f"found {':'.join(cells)[:80]!r}"
    )

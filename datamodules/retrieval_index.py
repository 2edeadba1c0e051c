"""Exemplars that were found once and are kept: which image of a pool is most like each image of a split.

The file is named after a hash of all that it was made of: the images, label maps and poses of both sides (names, sizes,
times, joints) and who is who. When any of them changes, another name is looked for, so a stale index is never read. It lies
beside the data, or in the user's cache folder where the data is read-only, and may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from platformdirs import user_cache_path

from datamodules.bad_input import BadInput
from datamodules.table import Table

VERSION = 1
"""Raised when an index of the same name would hold something else."""
PREFIX = "retrieval-"


@dataclass(frozen=True)
class Index:
    """What was found."""

    exemplars: np.ndarray
    """(Q,) int32: for each query the row of its exemplar, -1 where it has none."""
    made: dict[str, Any]
    """Which features it was made of."""
    path: Path


def state(table: Table, queries: np.ndarray, pool: np.ndarray, also: str = "") -> str:
    """The hash of all that says which exemplars are found.

    Args:
        queries, pool: rows of the table.
        also: what else the annotations depend on.
    """
    found = hashlib.sha256(f"{VERSION} {len(queries)} {len(pool)} {also}\n".encode())
    rows = np.concatenate([queries, pool])
    for paths in table.files():
        for row in np.unique(rows).tolist():
            with contextlib.suppress(OSError):
                status = os.stat(paths[row])  # noqa: PTH116 - Path.stat takes twice as long, and there are 50,000
                found.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
    for column in (table.keys, table.structures, table.identity, table.keypoints):
        if column is not None:
            found.update(np.ascontiguousarray(column[rows]).tobytes())
    return found.hexdigest()[:16]


def places(root: Path, name: str) -> list[Path]:
    """Where an index of that state may lie: beside the data, or in the user's cache."""
    file = f"{PREFIX}{name}.npz"
    return [root / file, user_cache_path("exemplar-synthesis") / file]


def read(root: Path, name: str, queries: int) -> Index | None:
    """The index of that state, or None where there is none that can be read."""
    for path in places(root, name):
        # A damaged file is no index: it is made anew.
        with (
            contextlib.suppress(OSError, ValueError, KeyError, EOFError, BadZipFile),
            np.load(path, allow_pickle=False) as kept,
        ):
            exemplars, made = kept["exemplars"], json.loads(str(kept["made"]))
            if exemplars.shape == (queries,) and exemplars.dtype == np.int32:
                return Index(exemplars, made, path)
    return None


def write(root: Path, name: str, exemplars: np.ndarray, made: dict[str, Any]) -> Path:
    """Keep what was found, whole or not at all, at the first place where that is possible.

    Raises:
        BadInput: it can be kept nowhere.
    """
    reasons = []
    for path in places(root, name):
        partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.npz")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(partial, exemplars=exemplars.astype(np.int32), made=np.array(json.dumps(made)))
            partial.replace(path)
            return path
        except OSError as error:
            reasons.append(str(error))
            with contextlib.suppress(OSError):
                partial.unlink()
    raise BadInput(f"the exemplars can be kept neither in {root} nor in the user's cache folder ({'; '.join(reasons)})")

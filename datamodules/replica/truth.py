"""The truth that only a replica knows: silhouettes, clean backgrounds, which pixel shows which place of the body."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from datamodules.bad_input import BadInput


@dataclass(frozen=True)
class Truth:
    """What is stored beside one picture of a replica."""

    silhouette: NDArray[np.uint8]
    """(H, W): 1 where the person is."""
    background: NDArray[np.uint8]
    """(H, W, 3): the same picture without the person."""
    part: NDArray[np.uint8]
    """(H, W): number of the body part, 0 for none."""
    uv: NDArray[np.float16]
    """(H, W, 2): place on the part in [0, 1]: around it (0 and 1 meet) and along it."""


def read(path: str | Path) -> Truth:
    """Read `truth/<stem>.npz` of a replica."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Truth(**{name: stored[name] for name in Truth.__dataclass_fields__})
    except FileNotFoundError:
        raise BadInput(
            f"{path} does not exist: only replicas have a truth/ folder; write one with truth=true."
        ) from None
    except (KeyError, ValueError, TypeError, OSError, EOFError, BadZipFile) as error:
        raise BadInput(f"{path} is not the truth of a replica's picture ({error}); write the replica again.") from error


def save(path: Path, truth: Truth) -> None:
    """Write a truth file."""
    np.savez_compressed(path, **{name: getattr(truth, name) for name in Truth.__dataclass_fields__})


def correspondence(
    part_a: NDArray[np.uint8],
    uv_a: NDArray[np.floating],
    part_b: NDArray[np.uint8],
    uv_b: NDArray[np.floating],
    reach: float = 1.5,
) -> NDArray[np.float32]:
    """Where each pixel of picture a is in picture b of the same person, from the part maps (H, W) and uv (H, W, 2).

    Returns (H, W, 2): x and y in pixels of b, NaN where that place of the body is not to be seen in b: the part is
    hidden, or its nearest visible place is further than `reach` times the distance between neighbouring pixels on it.
    """
    found = np.full((*part_a.shape, 2), np.nan, dtype=np.float32)
    for number in np.intersect1d(part_a[part_a > 0], part_b[part_b > 0]):
        rows, columns = np.nonzero(part_b == number)
        places = _unrolled(uv_b[rows, columns])
        tree = cKDTree(places)
        # A part that shows a single pixel has no neighbours: a tenth of the part is taken as its reach.
        spacing = float(np.percentile(tree.query(places, k=2)[0][:, 1], 75)) if len(places) > 1 else 0.1
        wanted = part_a == number
        distance, nearest = tree.query(_unrolled(uv_a[wanted]), distance_upper_bound=max(reach * spacing, 1e-4))
        visible = np.isfinite(distance)
        target = np.full((len(distance), 2), np.nan, dtype=np.float32)
        target[visible] = np.stack([columns[nearest[visible]], rows[nearest[visible]]], axis=1)
        found[wanted] = target
    return found


def _unrolled(uv: NDArray[np.floating]) -> NDArray[np.floating]:
    """Places on a tube as points in space, so that u = 0 and u = 1 are neighbours."""
    angle = 2 * np.pi * uv[:, 0].astype(np.float64)
    return np.stack([np.cos(angle) / (2 * np.pi), np.sin(angle) / (2 * np.pi), uv[:, 1].astype(np.float64)], axis=1)

"""Which rows of a dataset's table have files that can be read, found before training without decoding them."""

from __future__ import annotations

import logging

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.reading import scan
from datamodules.table import Table

log = logging.getLogger(__name__)


def readable_rows(
    table: Table, split: str, annotation: str, least_size: tuple[int, int] | None, max_bad_fraction: float
) -> Table:
    """The table without the rows whose files cannot be read, or whose label map belongs to another picture.

    Args:
        split: its name, for messages.
        annotation: what the structure is made from (`Structure.annotation`).
        least_size: height and width below which pictures are enlarged, which is logged; None: none are.
        max_bad_fraction: the part of the rows that may be left out.

    Raises:
        BadInput: more than that cannot be read.
    """
    faults: dict[int, str] = {}
    sizes: list[np.ndarray] = []
    for files in table.files():
        looked = scan(files)
        sizes.append(looked.sizes)
        faults |= {row: f"{files[row]} {why}" for row, why in looked.faults.items()}
    if annotation in ("labels", "parts") and len(sizes) == 2:
        maps = table.files()[1]
        for row in _misshapen(*sizes).tolist():
            (h, w), (height, width) = sizes[1][row].tolist(), sizes[0][row].tolist()
            faults[row] = (
                f"{maps[row]} is {h} x {w}, its picture {height} x {width} (height x width): it belongs to another one"
            )
    if least_size is not None:
        small = max((_smaller(found, least_size) for found in sizes), default=0)
        if small:
            log.info(
                "%s: %d of %d images are smaller than they are loaded and will be enlarged", split, small, len(table)
            )
    return _without(table, split, faults, max_bad_fraction)


def _without(table: Table, split: str, faults: dict[int, str], max_bad_fraction: float) -> Table:
    if not faults:
        return table
    first = faults[min(faults)]
    if len(faults) > max_bad_fraction * len(table):
        raise BadInput(
            f"{len(faults)} of {len(table)} images of the {split} split cannot be read, more than "
            f"data.max_bad_fraction={max_bad_fraction:g} allows; the first: {first}"
        )
    log.warning(
        "%s: left out %d of %d images that cannot be read; the first: %s", split, len(faults), len(table), first
    )
    keep = np.ones(len(table), bool)
    keep[list(faults)] = False
    return table.select(keep)


def _smaller(sizes: np.ndarray, least_size: tuple[int, int]) -> int:
    """How many of the known (N, 2) heights and widths are smaller on a side."""
    return int(((sizes < least_size).any(1) & (sizes > 0).all(1)).sum())


def _misshapen(pictures: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """The rows whose label map has other proportions than its picture, given (N, 2) heights and widths; a smaller map with
    the same ones, but for a pixel of rounding, is that of its picture."""
    known = pictures.all(1) & maps.all(1)
    across = np.abs(maps[:, 0].astype(np.int64) * pictures[:, 1] - maps[:, 1].astype(np.int64) * pictures[:, 0])
    return np.flatnonzero(known & (across > np.maximum(pictures.max(1), maps.max(1))))

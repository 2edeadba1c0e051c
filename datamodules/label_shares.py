"""How much of each label map every class covers: read once, kept beside the data.

Telling an outdoor scene from a room and finding similar label maps both need every map of a dataset: a minute or two for
22,000 of them. What was read is kept in a file that is named after the maps it describes (their names, sizes and times),
so that it is never used for others. It may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from datamodules.reading import Unreadable, read_labels

log = logging.getLogger(__name__)

WORTH_KEEPING = 256
"""Fewer maps are read again instead of kept."""


def label_shares(paths: list[Path], classes: int, keep: Path) -> np.ndarray:
    """(N, classes) float32: the share of each map's pixels that holds each raw index; all 0 for an unreadable map.

    Args:
        classes: indices from this one on are not counted.
        keep: the folder in which the result is kept; where it is read-only, the user's cache folder.
    """
    state = hashlib.sha256(f"1 {classes}".encode())
    for path in paths:
        with contextlib.suppress(OSError):
            found = path.stat()
            state.update(f"{path.name} {found.st_size} {found.st_mtime_ns}\n".encode())
    name = f"label-shares-{state.hexdigest()[:16]}.npy"
    places = [keep / name, user_cache_path("exemplar-synthesis") / name]
    for place in places:
        with contextlib.suppress(OSError, ValueError):
            kept = np.load(place, allow_pickle=False)
            if kept.shape == (len(paths), classes):
                return kept
    if len(paths) >= WORTH_KEEPING:
        log.info("reading %d label maps once, to know which classes they show", len(paths))
    with ThreadPoolExecutor(
        min(8, len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 4)
    ) as pool:
        read = list(pool.map(lambda path: _shares(path, classes), paths))
    shares = np.stack(read) if read else np.zeros((0, classes), np.float32)
    if len(paths) >= WORTH_KEEPING:
        _keep(shares, places)
    return shares


def _shares(path: Path, classes: int) -> np.ndarray:
    try:
        found = read_labels(str(path))
    except Unreadable:
        return np.zeros(classes, np.float32)
    return (np.bincount(found.ravel(), minlength=classes)[:classes] / max(found.size, 1)).astype(np.float32)


def _keep(shares: np.ndarray, places: list[Path]) -> None:
    """Write the file whole or not at all, at the first place where that is possible."""
    for place in places:
        partial = place.with_name(f".{place.stem}.{uuid.uuid4().hex[:8]}.npy")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            np.save(partial, shares)
            partial.replace(place)
            return
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
    log.warning(
        "the shares of the classes could be kept nowhere (%s): they are read again next time", places[-1].parent
    )

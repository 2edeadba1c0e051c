"""Looking at many files, with a word about how far it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from datamodules.reading import Unreadable, read_labels, scan

if TYPE_CHECKING:
    from datamodules.check.report import Report

Advance = Callable[[str, int, int], None]
"""What is looked at, how many files are done, and of how many."""

PORTION = 512
T = TypeVar("T")


def sizes(report: Report, what: str, paths: Sequence[str]) -> np.ndarray:
    """(N, 2) height and width of images, zeros for one that cannot be read; these become a row of the report."""
    found = np.zeros((len(paths), 2), np.int32)
    wrong: list[str] = []
    for start in range(0, len(paths), PORTION):
        part = paths[start : start + PORTION]
        looked = scan(part)
        found[start : start + len(part)] = looked.sizes
        wrong += [f"{report.short(part[place])} {looked.faults[place]}" for place in sorted(looked.faults)]
        report.advance(what, start + len(part), len(paths))
    report.none_of(f"{what} that cannot be read", wrong)
    return found


def odd_sizes(report: Report, what: str, paths: Sequence[str], sizes: np.ndarray) -> None:
    """A row about images of another size than most."""
    known = sizes[sizes.all(1)]
    if len(known) == 0:
        return
    kinds, counts = np.unique(known, axis=0, return_counts=True)
    usual = kinds[counts.argmax()]
    odd = np.flatnonzero(sizes.all(1) & (sizes != usual).any(1))
    name = f"{what} that are not {usual[0]} x {usual[1]} (height x width)"
    shown = [f"{report.short(paths[row])} is {sizes[row][0]} x {sizes[row][1]}" for row in odd.tolist()]
    report.none_of(name, shown, "note")


def label_maps(report: Report, what: str, paths: Sequence[str], classes: int, wanted: np.ndarray | None = None) -> None:
    """Rows about label maps: which cannot be read, hold an unknown index, or have another size than their picture.

    Args:
        classes: indices 0 ... classes - 1 are known.
        wanted: (N, 2) the pictures' height and width; zeros where nobody knows.
    """
    unreadable: list[str] = []
    unknown: list[str] = []
    other: list[str] = []
    for place, (path, found) in enumerate(_all(report, what, paths, _shape_and_largest)):
        if isinstance(found, str):
            unreadable.append(f"{report.short(path)} {found}")
            continue
        height, width, largest = found
        if largest >= classes:
            unknown.append(f"{report.short(path)} holds {largest}, the largest is {classes - 1}")
        if wanted is not None and wanted[place].all() and (height, width) != tuple(wanted[place].tolist()):
            h, w = wanted[place].tolist()
            other.append(f"{report.short(path)} is {height} x {width}, its picture {h} x {w} (height x width)")
    report.none_of(f"{what} that cannot be read", unreadable)
    report.none_of(f"{what} with unknown labels", unknown)
    if wanted is not None:
        report.none_of(f"{what} of another size than their picture", other)


def _all(report: Report, what: str, paths: Sequence[str], look: Callable[[str], T]) -> Iterator[tuple[str, T]]:
    for start in range(0, len(paths), PORTION):
        part = paths[start : start + PORTION]
        yield from zip(part, _each(part, look), strict=True)
        report.advance(what, start + len(part), len(paths))


def _each(paths: Sequence[str], look: Callable[[str], T]) -> list[T]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(cores + 1) as pool:
        return list(pool.map(look, paths))


def _shape_and_largest(path: str) -> tuple[int, int, int] | str:
    """Height, width and the largest index of a label map, or why it cannot be read. 255 stands for no class."""
    try:
        labels = read_labels(path)
    except Unreadable as error:
        return error.reason
    known = labels[labels != 255] if labels.max(initial=0) == 255 else labels
    return labels.shape[0], labels.shape[1], int(known.max(initial=0))

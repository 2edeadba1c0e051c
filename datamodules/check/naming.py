"""Lists held against what is on disk, and splits against each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.check.report import Report
from datamodules.structures.keypoint_csv import read_keypoints


def listed(report: Report, path: Path, names: Iterable[str], there: Collection[str]) -> None:
    """A row about the files that a list names and the disk lacks; each counts once, however often it is named."""
    missing = [name for name in dict.fromkeys(names) if name not in there]
    report.none_of(f"files that {report.short(path)} names and that are not there", missing)


def twice(report: Report, path: Path, names: Sequence[str]) -> None:
    """A row about names that stand in a list more than once."""
    seen: set[str] = set()
    again = []
    for name in names:
        if name in seen:
            again.append(name)
        seen.add(name)
    report.none_of(f"names that stand in {report.short(path)} twice", again)


def shared(report: Report, what: str, first: Iterable[str], second: Iterable[str], result: str = "FAULT") -> None:
    """A row about what is in two splits that should share nothing."""
    report.none_of(what, sorted(set(first) & set(second)), result)  # type: ignore[arg-type]


def unparsed(report: Report, path: Path, error: BadInput) -> None:
    """A row about a file that cannot be understood."""
    report.none_of(f"lines of {report.short(path)} that cannot be understood", [str(error)])


def keypoints(report: Report, path: Path) -> tuple[list[str], np.ndarray] | None:
    """Names and joints (N, 18, 3) of a table of keypoints; None, and a row about it, where it cannot be understood."""
    try:
        return read_keypoints(path)
    except BadInput as error:
        unparsed(report, path, error)
        return None

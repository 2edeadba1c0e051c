"""The index of a split: one row per image, in compact columns that worker processes share without copying."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
from torch import Tensor

from datamodules.reading import read_labels, read_picture
from datamodules.structures.labels import checked
from datamodules.structures.structure import POSES, Annotation
from datamodules.transforms import Framing


@dataclass(frozen=True)
class Table:
    """N images and what their dataset says of them.

    Columns are numpy arrays and not Python objects: a process that merely counts references to objects writes to their
    memory, so lists of objects are copied into every worker bit by bit.
    """

    root: str
    """The folder that `keys` and `structures` are relative to."""
    keys: np.ndarray
    """(N,) bytes: the image's file."""
    identity: np.ndarray
    """(N,) int: images of the same number show the same thing (a person)."""
    domain: np.ndarray
    """(N,) int: camera, attribute, folder."""
    keypoints: np.ndarray | None = None
    """(N, K, 3) float32: x, y in pixels of the stored image, and whether the joint is visible."""
    structures: np.ndarray | None = None
    """(N,) bytes: the file that shows the image's structure (a label map, a picture)."""

    def __len__(self) -> int:
        return len(self.keys)

    def key(self, row: int) -> str:
        """The file of an image, relative to the root."""
        return os.fsdecode(self.keys[row])

    def path(self, row: int) -> str:
        """The full path of an image."""
        return str(Path(self.root, self.key(row)))

    def files(self) -> list[list[str]]:
        """The full paths of the files that each row reads, a list per column."""
        columns = [self.keys] if self.structures is None else [self.keys, self.structures]
        return [[str(Path(self.root, os.fsdecode(name))) for name in column] for column in columns]

    def select(self, rows: np.ndarray) -> Self:
        """The table of some of the rows (their numbers, or a mask)."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: value[rows] for name, value in columns.items() if isinstance(value, np.ndarray)})

    def read_picture(self, row: int) -> np.ndarray:
        """(height, width, 3) uint8. Raises `Unreadable`."""
        return self.trimmed(read_picture(self.path(row)))

    def trimmed(self, stored: np.ndarray) -> np.ndarray:
        """The part of a stored picture, or of a map of its size (height, width, ...), that is used: all, unless a dataset
        says otherwise."""
        return stored

    def framed_annotation(
        self, row: int, kind: Annotation, framing: Framing, pixels: np.ndarray, classes: int
    ) -> Tensor | None:
        """What a structure of this row is drawn from, framed like its picture. Raises `Unreadable`.

        Args:
            pixels: (height, width, 3), the row's picture.
            classes: of label maps, to find wrong ones.
        """
        found = self.read_annotation(row, kind)
        if kind == "labels" and found is not None:
            checked(found, classes, f"of {self.key(row)}")
        return framing.annotation(found, kind, pixels.shape[:2])

    def read_annotation(self, row: int, kind: Annotation) -> np.ndarray | None:
        """What a structure of this row is drawn from; None where the picture itself shows it. Raises `Unreadable`."""
        if kind in POSES:
            return None if self.keypoints is None else self.keypoints[row]
        if self.structures is None:
            return None
        path = str(Path(self.root, os.fsdecode(self.structures[row])))
        return read_labels(path) if kind == "labels" else read_picture(path)


def column(names: Sequence[str]) -> np.ndarray:
    """Names as one block of bytes."""
    return np.array([os.fsencode(name) for name in names], dtype=np.bytes_) if names else np.zeros(0, "S1")


def relative(path: Path, root: Path) -> str:
    """A path as keys are written: relative to the root where it lies under it, with forward slashes."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()

"""The index of a split: one row per image, in compact columns that worker processes share without copying."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor

from datamodules.reading import read_labels, read_picture
from datamodules.structures.labels import checked
from datamodules.structures.structure import POSES, Annotation
from datamodules.transforms import Framing


@dataclass(frozen=True)
class Loaded:
    """An image and its annotation, decoded and resized to the load size, not yet cut and mirrored."""

    picture: Tensor
    """(3, load_height, load_width) uint8."""
    annotation: Tensor | None
    """Keypoints (K, 3) in pixels of `picture`, a label map or stack of parts (load_height, load_width), a picture; None
    where the picture itself shows its structure."""


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
    own: np.ndarray | None = None
    """(N,) bool: whether the image belongs to the split; the others are there as exemplars. None: all belong to it."""

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

    def made_of(self, row: int, kind: Annotation) -> list[str]:
        """The full paths of all files that `loaded` reads for a row."""
        paths = [self.path(row)]
        if self.structures is not None and kind not in POSES:
            paths.append(str(Path(self.root, os.fsdecode(self.structures[row]))))
        return paths

    def settings(self, rows: np.ndarray) -> dict[str, Any]:
        """What, beside these files and the keypoints, decides on what `loaded` gives for some rows."""
        return {}

    def select(self, rows: np.ndarray) -> Self:
        """The table of some of the rows (their numbers, or a mask)."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: value[rows] for name, value in columns.items() if isinstance(value, np.ndarray)})

    def read_picture(self, row: int, at_least: tuple[int, int] | None = None) -> np.ndarray:
        """(height, width, 3) uint8. Raises `Unreadable`.

        Args:
            at_least: height and width that are enough, see `reading.read_picture`.
        """
        return self.trimmed(read_picture(self.path(row), at_least))

    def enough(self, kind: Annotation, framing: Framing) -> tuple[int, int] | None:
        """The height and width of a stored picture that are enough to load it as a framing says, None for all there is:
        keypoints are in pixels of the stored picture, whose size must be known to place them."""
        return None if kind in POSES else (framing.load_height, framing.load_width)

    def trimmed(self, stored: np.ndarray) -> np.ndarray:
        """The part of a stored picture, or of a map of its size (height, width, ...), that is used: all, unless a dataset
        says otherwise."""
        return stored

    def loaded(
        self, row: int, kind: Annotation, framing: Framing, classes: int, pixels: np.ndarray | None = None
    ) -> Loaded:
        """Decode and resize a row: all that is the same each time that it is used. Raises `Unreadable`.

        Args:
            kind: of annotation.
            framing: any with the wanted load size.
            classes: of label maps, to find wrong ones.
            pixels: (height, width, 3) uint8, the picture, where it is read already.
        """
        if pixels is None:
            pixels = self.read_picture(row)
        return Loaded(framing.loading.picture(pixels), self.loaded_annotation(row, kind, framing, pixels, classes))

    def loaded_annotation(
        self, row: int, kind: Annotation, framing: Framing, pixels: np.ndarray, classes: int
    ) -> Tensor | None:
        """What a structure of this row is drawn from, resized like its picture. Raises `Unreadable`.

        Args:
            pixels: (height, width, 3), the row's picture.
            classes: of label maps, to find wrong ones.
        """
        found = self.read_annotation(row, kind)
        if kind == "labels" and found is not None:
            # One type for all maps of a dataset, whatever their files have.
            found = checked(found, classes, f"of {self.key(row)}").astype(np.uint8 if classes <= 256 else np.int32)
        return framing.loaded_annotation(found, kind, pixels.shape[:2])

    def placed_annotation(self, loaded: Tensor | None, kind: Annotation, framing: Framing) -> Tensor | None:
        """Out of what `loaded_annotation` gave, the annotation cut out and mirrored like its picture."""
        return framing.placed_annotation(loaded, kind)

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

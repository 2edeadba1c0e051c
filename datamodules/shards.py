"""Images whose bytes lie in a few large files: see `shard_view`, which says how they come to be there."""

from __future__ import annotations

import functools
import io
import json
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datamodules.bad_input import BadInput

VIEW = ".shards"
"""The folder of a view with its index and, for shards from an address, the shards."""
SOURCE = "source.json"
"""The file in it that says what a view is of: {"source", "tars"}."""


@dataclass(frozen=True)
class Index:
    """Where the bytes of every image of a view are."""

    tars: list[str]
    names: np.ndarray
    """(N,) bytes, sorted: paths in the view."""
    places: np.ndarray
    """(N, 3) int64: number of the tar, offset, length."""

    def read(self, name: bytes) -> memoryview | None:
        """The bytes of an image by its path in the view; None where it has none."""
        if len(name) > self.names.itemsize:
            return None
        row = int(np.searchsorted(self.names, np.array(name, self.names.dtype)))
        if row == len(self.names) or self.names[row] != name:
            return None
        tar, offset, length = (int(number) for number in self.places[row])
        return memoryview(_mapped(self.tars[tar]))[offset : offset + length]


def opened(path: str) -> BinaryIO:
    """An image file for reading: itself, or its bytes in a shard where it is an empty file of a view.

    Raises:
        OSError: as `open` does.
        BadInput: the shard is gone.
    """
    file = Path(path).open("rb")  # noqa: SIM115
    if os.fstat(file.fileno()).st_size:
        return file
    place = Path(path).absolute()
    root = view_of(place.parent)
    found = None if root is None else _index(root).read(os.fsencode(place.relative_to(root).as_posix()))
    if found is None:
        return file
    file.close()
    return io.BytesIO(found)


@functools.cache
def view_of(folder: Path) -> Path | None:
    """The view that a folder is in."""
    return next((place for place in (folder, *folder.parents) if (place / VIEW / SOURCE).is_file()), None)


@functools.cache
def _index(root: Path) -> Index:
    tars = json.loads((root / VIEW / SOURCE).read_text())["tars"]
    names, places = (
        np.load(root / VIEW / f"{part}.npy", mmap_mode="r", allow_pickle=False) for part in ("names", "places")
    )
    return Index(tars, names, places)


@functools.cache
def _mapped(tar: str) -> mmap.mmap:
    """A tar as memory: pages are read when they are used, once for all processes."""
    try:
        with Path(tar).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise BadInput(f"{tar} cannot be read ({error}): it is a shard that data.root is a view of") from error

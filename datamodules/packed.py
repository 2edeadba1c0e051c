"""`data.cache=packed`: what decoding and resizing gives, written once into files that all workers map into their memory.

    <folder>/<dataset>-<split>-<height>x<width>-<hash>/
      pictures.npy      (N, 3, height, width) uint8, at the load size
      annotations.npy   what structures are drawn from, resized alike (see `Loaded`); not there where pictures show it
      whole.npy         (N,) bool: false for an image that could not be read; it is tried again each time that it is used
      about.json        what made it, to be read by people

Plain .npy files, because every item has the same size: a row is found by multiplication, nothing is parsed or decompressed,
and the pages that the operating system keeps of them serve all workers and all processes of a machine.

The hash is of everything that the content depends on: the files' names, sizes and times, keypoints, settings, the versions of
the libraries that decode and resize, and of this file. Whatever changes, another store is written; none is ever updated.
A store is written under another name and renamed when it is whole. Who is interrupted goes on where it stopped; a disk that
fills is left as it was. Of several processes one writes, and the others wait for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import PIL
import torch
import torchvision
from filelock import FileLock, Timeout
from PIL import features
from platformdirs import user_cache_path
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.bad_input import BadInput
from datamodules.reading import Unreadable
from datamodules.structures.structure import POSES, Annotation
from datamodules.table import Loaded, Table
from datamodules.transforms import Framing

log = logging.getLogger(__name__)

VERSION = 1
"""Raised when the same files and settings would give other content than before."""
BESIDE = ".packed"
"""The folder of stores beside the data. Hidden: those who list the images of a folder pass over it."""
PORTION = 32
"""How many images a worker reads at a time."""
SAVED_EVERY = 512
"""After how many images they are brought to the disk: what an interruption costs at most."""


@dataclass(frozen=True)
class Packing:
    """The rows of a table that are to be kept, and how."""

    table: Table
    rows: np.ndarray
    """(N,) int: in the order of the store."""
    kind: Annotation
    framing: Framing
    """Any with the load size."""
    classes: int
    decode: Literal["exact", "fast"] = "exact"
    """See `PairDataset.decode`."""

    def fingerprint(self) -> str:
        """The hash of everything that the content depends on."""
        files = [self.table.made_of(int(row), self.kind) for row in self.rows]
        with ThreadPoolExecutor(16) as pool:
            stamps = list(pool.map(_stamp, files, chunksize=256))
        state = hashlib.sha256(json.dumps([self.about(), stamps], sort_keys=True).encode())
        if self.kind in POSES and self.table.keypoints is not None:
            state.update(np.ascontiguousarray(self.table.keypoints[self.rows]).tobytes())
        return state.hexdigest()[:16]

    def about(self) -> dict[str, Any]:
        """What decides on the content beside the files."""
        libraries = {
            "pillow": PIL.__version__,
            "jpeg": features.version("libjpeg_turbo") or features.version("jpg"),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        }
        if self.kind == "parts":
            libraries["scikit-image"] = version("scikit-image")
        return {
            "version": VERSION,
            "libraries": libraries,
            "size": [self.framing.load_height, self.framing.load_width],
            # Poses are kept before they are drawn.
            "annotation": "keypoints" if self.kind in POSES else self.kind,
            "classes": self.classes,
            "table": type(self.table).__name__,
            **({"decode": self.decode} if self.decode != "exact" else {}),
            **self.table.settings(self.rows),
        }

    def loaded(self, row: int) -> Loaded:
        """Decode and resize a row. Raises `Unreadable`."""
        enough = self.table.enough(self.kind, self.framing) if self.decode == "fast" else None
        pixels = self.table.read_picture(row, enough)
        return self.table.loaded(row, self.kind, self.framing, self.classes, pixels)


class PackedStore:
    """Rows of a table as they were decoded and resized."""

    def __init__(self, folder: Path, places: np.ndarray) -> None:
        """
        Args:
            folder: of a whole store.
            places: for each row of the table its place in the store, or -1.
        """
        self.folder, self.places = folder, places
        self._open()

    def _open(self) -> None:
        try:
            self._whole = np.load(self.folder / "whole.npy")
            self._pictures = _mapped(self.folder / "pictures.npy")
            annotations = self.folder / "annotations.npy"
            self._annotations = _mapped(annotations) if annotations.exists() else None
        except (OSError, ValueError, EOFError) as error:
            raise BadInput(
                f"{self.folder} is damaged ({error}): delete this folder, it will be written again"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        # A process that is started afresh maps the files itself: pickling would send it all they hold.
        return {"folder": self.folder, "places": self.places}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def loaded(self, row: int) -> Loaded | None:
        """A row; None where it is not in the store. Its tensors must not be written to."""
        place = int(self.places[row])
        if place < 0 or not self._whole[place]:
            return None
        return Loaded(self._pictures[place], None if self._annotations is None else self._annotations[place])


def packed(packing: Packing, root: Path, name: str, folder: Path | None, workers: int) -> PackedStore:
    """The store of these rows: as it is found, or written now.

    Args:
        root: of the dataset.
        name: what the store is for, such as market1501-train.
        folder: where stores lie; None: in the dataset's folder, or in the user's cache folder where that is read-only.
        workers: how many processes decode; 0: this one.

    Raises:
        BadInput: it can be written nowhere, the disk is full, or an annotation is wrong.
    """
    size = f"{packing.framing.load_height}x{packing.framing.load_width}"
    name = f"{name}-{size}-{packing.fingerprint()}"
    places = np.full(len(packing.table), -1, np.int64)
    places[packing.rows] = np.arange(len(packing.rows))
    folders = [folder] if folder is not None else [root / BESIDE, user_cache_path("exemplar-synthesis") / "packed"]
    for place in folders:
        if (place / name).is_dir():
            return PackedStore(place / name, places)
    chosen = _writable(folders)
    with _alone(chosen / f".{name}.lock"):
        if not (chosen / name).is_dir():
            _Writer(packing, chosen, name, workers).write()
    return PackedStore(chosen / name, places)


class _Writer:
    """Writes one store, or goes on with it."""

    def __init__(self, packing: Packing, folder: Path, name: str, workers: int) -> None:
        self.packing, self.folder, self.name, self.workers = packing, folder, name, workers
        self.partial = folder / f".{name}.partial"
        self.count = len(packing.rows)
        self.faults: list[Unreadable] = []

    def write(self) -> None:
        shapes = self._shapes()
        needed = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in shapes.values())
        try:
            done = self._begun(shapes)
            free = shutil.disk_usage(self.folder).free
            if free < needed * (1 - done / self.count):
                self._discard()
                raise BadInput(
                    f"{self.folder} has {free / 1e9:.1f} GB left, and data.cache=packed needs {needed / 1e9:.1f} GB there: "
                    "make room, set data.cache_dir to a folder on another disk, or set data.cache=null"
                )
            going_on = f", going on after {done}" if done else ""
            log.info(
                "packing %d images (%.1f GB) into %s%s", self.count, needed / 1e9, self.folder / self.name, going_on
            )
            self._fill(shapes, done)
            (self.partial / "about.json").write_text(json.dumps(self.packing.about(), indent=1))
            (self.partial / "done").unlink()
            self.partial.rename(self.folder / self.name)
        except OSError as error:
            self._discard()
            raise BadInput(
                f"the packed images cannot be written to {self.folder} ({error.strerror or error}; they need "
                f"{needed / 1e9:.1f} GB): make room, set data.cache_dir to another folder, or set data.cache=null"
            ) from error
        if self.faults:
            log.warning("%d of %d images cannot be read; the first: %s", len(self.faults), self.count, self.faults[0])

    def _shapes(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """What the files hold, as the first image that can be read tells."""
        fault: Unreadable | None = None
        for row in self.packing.rows.tolist():
            try:
                first = self.packing.loaded(row)
            except Unreadable as error:
                fault = error
                continue
            found = {"pictures": first.picture, "annotations": first.annotation}
            arrays = {name: value.numpy() for name, value in found.items() if value is not None}
            return {name: ((self.count, *array.shape), array.dtype) for name, array in arrays.items()}
        raise BadInput(f"none of {self.count} images can be read; the last: {fault}")

    def _begun(self, shapes: dict[str, tuple[tuple[int, ...], np.dtype]]) -> int:
        """How many images an interrupted process has left here; without one, empty files of the right size are made."""
        with contextlib.suppress(OSError, ValueError, EOFError):
            done = int((self.partial / "done").read_text())
            found = {name: np.load(self.partial / f"{name}.npy", mmap_mode="r") for name in shapes}
            if all((found[name].shape, found[name].dtype) == shapes[name] for name in shapes) and done <= self.count:
                return done
        self._discard()
        self.partial.mkdir()
        for name, (shape, dtype) in {**shapes, "whole": ((self.count,), np.dtype(bool))}.items():
            np.lib.format.open_memmap(self.partial / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        (self.partial / "done").write_text("0")
        return 0

    def _fill(self, shapes: dict[str, tuple[tuple[int, ...], np.dtype]], done: int) -> None:
        # Files and not the maps themselves: a process that writes to a map is killed when the disk is full.
        names = [*shapes, "whole"]
        with contextlib.ExitStack() as stack:
            files = {name: stack.enter_context(_Rows(self.partial / f"{name}.npy", done)) for name in names}
            saved = done
            for portion in self._portions(done):
                for name in names:
                    if name not in portion:  # none of these images can be read
                        shape, dtype = shapes[name]
                        portion[name] = np.zeros((len(portion["whole"]), *shape[1:]), dtype)
                    files[name].write(portion[name])
                done += len(portion["whole"])
                if done - saved >= SAVED_EVERY or done == self.count:
                    for file in files.values():
                        file.save()
                    self._note(done)
                    saved = done

    def _note(self, done: int) -> None:
        partial = self.partial / "done.partial"
        partial.write_text(str(done))
        partial.replace(self.partial / "done")

    def _portions(self, done: int) -> Iterator[dict[str, np.ndarray]]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        loader: DataLoader = DataLoader(
            _Images(self.packing, done),
            batch_size=PORTION,
            num_workers=self.workers,
            collate_fn=list,
            generator=torch.Generator(),  # of its own: the base class would take a number from the global one
        )
        with Progress("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
            task = progress.add_task(f"packing {self.name.rsplit('-', 1)[0]}", total=self.count, completed=done)
            for found in loader:
                yield self._stacked(found)
                progress.advance(task, len(found))

    def _stacked(self, found: list[Loaded | BadInput]) -> dict[str, np.ndarray]:
        good: list[Loaded] = []
        for item in found:
            if isinstance(item, Loaded):
                good.append(item)
            elif isinstance(item, Unreadable):
                self.faults.append(item)
            else:
                raise item
        whole = np.array([isinstance(item, Loaded) for item in found])
        columns: dict[str, np.ndarray] = {"whole": whole}
        for name, values in (
            ("pictures", [item.picture for item in good]),
            ("annotations", [item.annotation for item in good if item.annotation is not None]),
        ):
            if values:
                stacked = torch.stack(values).numpy()
                columns[name] = np.zeros((len(found), *stacked.shape[1:]), stacked.dtype)
                columns[name][whole] = stacked
        return columns

    def _discard(self) -> None:
        shutil.rmtree(self.partial, ignore_errors=True)


class _Rows:
    """A .npy file that is written row by row."""

    def __init__(self, path: Path, done: int) -> None:
        shown = np.load(path, mmap_mode="r")
        self.shape, self.dtype = shown.shape[1:], shown.dtype
        self.path, self.start = path, shown.offset + done * shown[:1].nbytes

    def __enter__(self) -> Self:
        self.file = self.path.open("r+b")
        self.file.seek(self.start)
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, rows: np.ndarray) -> None:
        if rows.shape[1:] != self.shape or rows.dtype != self.dtype:
            raise ValueError(f"{self.path}: rows of {rows.shape[1:]} {rows.dtype}, not {self.shape} {self.dtype}")
        self.file.write(np.ascontiguousarray(rows).data)

    def save(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())


class _Images(Dataset):
    """The images from a place of the store on, decoded and resized; or why one cannot be."""

    def __init__(self, packing: Packing, start: int) -> None:
        self.packing, self.start = packing, start

    def __len__(self) -> int:
        return len(self.packing.rows) - self.start

    def __getitem__(self, index: int) -> Loaded | BadInput:
        try:
            return self.packing.loaded(int(self.packing.rows[self.start + index]))
        except BadInput as error:
            return error


def _mapped(path: Path) -> Tensor:
    with warnings.catch_warnings():
        # PyTorch warns that it could be written to; it is read only, see `PackedStore.loaded`.
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(np.load(path, mmap_mode="r"))


def _stamp(files: Sequence[str]) -> list[list[Any]]:
    """Name, size and time of files; of one that is not there, its name."""
    stamps: list[list[Any]] = []
    for path in files:
        try:
            found = Path(path).stat()
            stamps.append([Path(path).name, found.st_size, found.st_mtime_ns])
        except OSError:
            stamps.append([Path(path).name])
    return stamps


def _writable(folders: list[Path]) -> Path:
    """The first folder that exists or can be made, and can be written to."""
    reasons = []
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
            reasons.append(f"{folder}: permission denied")
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror or error}")
    raise BadInput(f"data.cache=packed can be written nowhere ({'; '.join(reasons)}): set data.cache_dir to a folder")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that the system takes back from a process that dies."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process is packing these images: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()

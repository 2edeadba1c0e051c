"""Where a copy of DeepFashion In-shop keeps its images and lists: the benchmark's own folders, or those that papers made."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from datamodules.bad_input import BadInput
from datamodules.deepfashion_names import Columns, same
from datamodules.reading import list_images
from datamodules.target_lists import read_lines
from datamodules.text_file import read_text

log = logging.getLogger(__name__)

Folder = Literal["img_highres", "img", "flat"]

FLAT = {"train": ("train_highres", "train"), "test": ("test_highres", "test")}
"""Folders of images with flattened names."""

_DEEPER = ("In-shop Clothes Retrieval Benchmark", "Img", "fashion", "deepfashion", "DeepFashion")
"""Folders inside the root that may hold everything."""


@dataclass(frozen=True)
class Catalogue:
    """All images of a copy."""

    root: Path
    files: list[str]
    """Paths relative to the root, sorted."""
    keys: list[str]
    """Their names as `same` writes them."""
    folder: Path
    """The folder that the paths inside the benchmark (WOMEN/...) begin in, or that holds the flat folders."""
    flat: bool

    @cached_property
    def place(self) -> dict[str, int]:
        """The number of each image by its key."""
        return {key: number for number, key in enumerate(self.keys)}

    @cached_property
    def columns(self) -> Columns:
        """What the names say."""
        return Columns.of(self.keys)

    @cached_property
    def square(self) -> bool:
        """Whether the pictures are squares: then they have white borders, unless somebody squashed them."""
        for file in self.files:
            try:
                with Image.open(self.root / file) as image:
                    return image.width == image.height
            except OSError:
                continue  # reported where all files are looked at
        return False

    def numbers(self, names: Iterable[str]) -> np.ndarray:
        """(N,) the images of names in any spelling, -1 for one that is not there."""
        return np.array([self.place.get(same(name) or "", -1) for name in names], np.int64)


@dataclass(frozen=True)
class Copy:
    """A folder that holds a copy, wherever inside it things lie."""

    root: Path
    lists: Path | None
    """A further folder with lists."""

    def places(self) -> list[Path]:
        """Where images may be: the root, and folders of known names in it."""
        if not self.root.exists():
            raise BadInput(
                f"{self.root} does not exist: set data.root to the folder of DeepFashion's In-shop benchmark with img_highres "
                "or img (the first is given by its authors after an agreement, mmlab.ie.cuhk.edu.hk), or write a replica of "
                f"it with `python -m datamodules.replica deepfashion {self.root}`"
            )
        if not self.root.is_dir():
            raise BadInput(f"{self.root} is a file: unpack it, and set data.root to the folder that comes out")
        found = [self.root]
        for place in found:
            found += [place / name for name in _DEEPER if (place / name).is_dir() and len(found) < 16]
        return found

    def find(self, name: str) -> Path | None:
        """A list or a csv: in `lists`, beside the images, in the root, or beside it; also in the benchmark's Eval folder."""
        around = [] if self.lists is None else [self.lists]
        around += [folder for place in self.places() for folder in (place, place / "Eval")]
        return next((folder / name for folder in [*around, self.root.parent] if (folder / name).is_file()), None)

    def catalogue(self, wanted: Folder | None) -> Catalogue:
        """The images in the folder of that name, or in the first of the three kinds that is there."""
        for place in self.places():
            for kind in (wanted,) if wanted else ("img_highres", "img", "flat"):
                folders = self._folders(place, kind)
                if folders:
                    return self._listed(place if kind == "flat" else folders[0], folders, kind == "flat")
        raise BadInput(
            f"{self.root} holds no {wanted or 'img_highres, img, or train and test'}: data.root must be the folder of "
            "DeepFashion's In-shop benchmark, or of a copy with flattened names (fashionWOMEN...jpg)"
        )

    @staticmethod
    def _folders(place: Path, kind: str) -> list[Path]:
        if kind == "flat":
            sides = [next((place / name for name in FLAT[side] if (place / name).is_dir()), None) for side in FLAT]
            return [folder for folder in sides if folder is not None]
        if (place / kind).is_dir():
            return [place / kind]
        nested = kind == "img" and any((place / gender).is_dir() for gender in ("WOMEN", "MEN"))
        return [place] if nested else []

    def _listed(self, folder: Path, folders: Sequence[Path], flat: bool) -> Catalogue:
        files: dict[str, str] = {}
        ignored: list[str] = []
        for inside in folders:
            names, others = list_images(inside)
            ignored += [f"{inside.name}/{name}" for name in others if not name.endswith((".txt", ".csv", ".lst"))]
            prefix = inside.relative_to(self.root).as_posix()
            for name in names:
                key = same(name)
                if key is None:
                    ignored.append(f"{inside.name}/{name}")
                else:
                    files.setdefault(key, name if prefix == "." else f"{prefix}/{name}")
        if ignored:
            log.info("%s: ignored %d files that are no images of the benchmark (%s)", folder, len(ignored), ignored[0])
        if not files:
            raise BadInput(
                f"{folder} holds no image that is named like WOMEN/Dresses/id_00000244/02_1_front.jpg or "
                "fashionWOMENDressesid0000024402_1front.jpg: a wrong password leaves empty folders when img_highres is unpacked"
            )
        ordered = sorted(files.items(), key=lambda pair: pair[1])
        return Catalogue(self.root, [file for _, file in ordered], [key for key, _ in ordered], folder, flat)


def official_partition(path: Path) -> dict[str, list[str]]:
    """Names of `train` and `test` (query and gallery) of the benchmark's list_eval_partition.txt."""
    sides: dict[str, list[str]] = {"train": [], "test": []}
    for number, line in enumerate(read_text(path).splitlines()):
        words = line.split()
        if number < 2 or not words:
            continue
        if len(words) != 3:
            raise BadInput(f"{path}, line {number + 1}: name, item and status expected, found {line[:80]!r}")
        sides["train" if words[2] == "train" else "test"].append(words[0])
    return sides


def in_order(path: Path) -> list[str]:
    """Every name of a list, where it is named first."""
    return list(dict.fromkeys(name for line in read_lines(path) for name in line))

"""Your own images: two folders as two domains, or aligned pairs of pictures.

    two_folders    folder_x/*.jpg and folder_y/*.jpg: any images of two kinds, none belonging to any other
    same_names     folder_x/**/NAME.* and folder_y/**/NAME.*: files of one name belong together
    side_by_side   folder_x/*.jpg: X is the left half of every file, Y the right half

A folder may have sub-folders for the splits (train, val, test; training, validation, testing). Where there is none for
validation, `val_fraction` of the training files is held out; where there is none for testing, testing uses the validation
files. `{split}` in a folder's name stands for these words: `{split}A` finds trainA and testA.

X is translated to Y: in aligned layouts X shows the structure and Y is the photograph; `direction=y_to_x` exchanges them.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.pairing import Pairs
from datamodules.reading import list_images, read_labels, read_picture
from datamodules.structures.labels import palette
from datamodules.structures.structure import POSES, Annotation
from datamodules.table import Table, column, relative
from datamodules.translation import Split, TranslationDataModule

log = logging.getLogger(__name__)

WORDS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""What the sub-folder of a split may be called."""

X, Y = 0, 1
"""Domains."""


@dataclass(frozen=True)
class FolderTable(Table):
    """Images of two domains, of which one may show the structure of the other."""

    halves: bool = False
    """Whether a file holds both sides, X on the left."""
    shows: int = X
    """The domain whose pictures are the structure to follow."""
    classes: int = 0
    """Of label maps; 0 where the structure is a picture."""

    def settings(self, rows: np.ndarray) -> dict[str, Any]:
        """See `Table.settings`."""
        sides = hashlib.sha256(np.ascontiguousarray(self.domain[rows]).tobytes()).hexdigest()
        return {"halves": self.halves, "shows": self.shows, "label_classes": self.classes, "sides": sides}

    def read_picture(self, row: int, at_least: tuple[int, int] | None = None) -> np.ndarray:
        """The image; a label map in its colours; one half of a file that holds both sides. See `Table.read_picture`."""
        domain = int(self.domain[row])
        if self.classes and domain == self.shows:
            colours = palette(self.classes)
            return colours[np.minimum(read_labels(self.path(row)), len(colours) - 1)]
        if self.halves and at_least is not None:
            at_least = at_least[0], 2 * at_least[1]
        pixels = read_picture(self.path(row), at_least)
        return self._half(pixels, domain) if self.halves else pixels

    def read_annotation(self, row: int, kind: Annotation) -> np.ndarray | None:
        """The structure's side of the pair that the row belongs to; None where there are no pairs."""
        found = super().read_annotation(row, kind)
        return self._half(found, self.shows) if self.halves and found is not None else found

    @staticmethod
    def _half(pixels: np.ndarray, domain: int) -> np.ndarray:
        middle = pixels.shape[1] // 2
        return pixels[:, :middle] if domain == X else pixels[:, pixels.shape[1] - middle :]


class Folders(TranslationDataModule):
    """Images from folders; see the top of this file for how they may lie."""

    def __init__(
        self,
        *,
        layout: Literal["two_folders", "same_names", "side_by_side"],  # how X and Y lie; see the top of this file
        folder_x: str,  # relative to root, or absolute; {split} in it stands for train, val and test
        folder_y: str | None = None,  # the same; null with side_by_side, and where one domain is enough
        pattern_x: str | None = None,  # which file names count in folder_x, such as *.png; null: all images
        pattern_y: str | None = None,  # the same in folder_y
        direction: Literal["x_to_y", "y_to_x"] = "x_to_y",
        **shared: Any,
    ) -> None:
        """See the comments of the arguments; the others are those of every dataset.

        Raises:
            BadInput: settings that cannot be together.
        """
        super().__init__(**shared)
        if self.structure.annotation in POSES:
            raise BadInput("data=folders has no keypoints: set data.structure to image, labels or edges")
        if self.structure.annotation == "labels" and layout != "same_names":
            raise BadInput(
                "data.structure=labels needs data.layout=same_names: a label map per photograph, by the name of its file"
            )
        if layout == "two_folders" and self.pairing == "same_identity":
            raise BadInput(
                "data.layout=two_folders does not know which images show the same thing: set data.pairing=domains"
            )
        if layout == "side_by_side" and folder_y is not None:
            raise BadInput("data.layout=side_by_side has both sides in folder_x: set data.folder_y=null")
        if folder_y is None and (layout == "same_names" or (layout == "two_folders" and self.pairing == "domains")):
            raise BadInput(f"data.layout={layout} with data.pairing={self.pairing} needs data.folder_y")
        self.layout, self.folder_x, self.folder_y = layout, folder_x, folder_y
        self.pattern_x, self.pattern_y = pattern_x, pattern_y
        self.source_domain, self.target_domain = (X, Y) if direction == "x_to_y" else (Y, X)

    def index(self, split: Split) -> Table:
        """The images of both domains; in aligned layouts each with the file that shows its structure."""
        return self._two_domains(split) if self.layout == "two_folders" else self._aligned(split)

    def usable_rows(self, table: Table) -> np.ndarray:
        """In the modes that know one kind of image: those of the domain that is translated to."""
        if self.pairing == "domains" or (self.folder_y is None and self.layout == "two_folders"):
            return super().usable_rows(table)
        return table.domain == self.target_domain

    def real_rows(self, split: Split, table: Table) -> np.ndarray:
        """The images of the domain that is translated to, in any mode; all where there is one kind alone."""
        if self.folder_y is None and self.layout == "two_folders":
            return super().real_rows(split, table)
        return table.domain == self.target_domain

    def listed_pairs(self, split: Split, table: Table) -> Pairs | None:
        """Aligned pictures, framed alike."""
        if self.layout == "two_folders" or self.pairing not in ("domains", "same_identity"):
            return None
        sides = [np.flatnonzero(table.domain == domain) for domain in (self.source_domain, self.target_domain)]
        _, source, target = np.intersect1d(table.identity[sides[0]], table.identity[sides[1]], return_indices=True)
        rows = sides[0][source].astype(np.int32), sides[1][target].astype(np.int32)
        return Pairs(*rows, same_thing=True, framing="together")

    def domain_rows(self, split: Split, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """The images of the domain that is translated from, and of the one that is translated to."""
        source, target = (np.flatnonzero(table.domain == side) for side in (self.source_domain, self.target_domain))
        return source, target

    def _two_domains(self, split: Split) -> Table:
        files: list[Path] = []
        domains: list[int] = []
        for domain, folder, pattern in ((X, self.folder_x, self.pattern_x), (Y, self.folder_y, self.pattern_y)):
            if folder is None:
                continue
            found = self._files(folder, pattern, split)
            names = [found.files[name] for name in found.chosen(sorted(found.files), self.val_fraction)]
            files += names
            domains += [domain] * len(names)
        return self._table(files, np.arange(len(files)), np.array(domains, np.int32), None)

    def _aligned(self, split: Split) -> Table:
        """Two rows per pair, one of each domain, both with the structure's side as their structure."""
        side_x = self._files(self.folder_x, self.pattern_x, split)
        side_y = side_x if self.folder_y is None else self._files(self.folder_y, self.pattern_y, split)
        both = sorted(side_x.files.keys() & side_y.files.keys())
        alone = sorted(side_x.files.keys() ^ side_y.files.keys())
        if alone and not both:
            raise BadInput(
                f"no file in {side_x.folder} has the name of one in {side_y.folder} (the first: {alone[0]}): "
                "data.layout=same_names pairs files whose names differ in nothing but the extension"
            )
        if alone:
            log.warning("%s: left out %d files without a partner; the first: %s", split, len(alone), alone[0])
        names = side_x.chosen(both, self.val_fraction)
        sides = [side_x.files[name] for name in names], [side_y.files[name] for name in names]
        numbers = np.arange(len(names))
        domains = np.repeat(np.array([X, Y], np.int32), len(names))
        return self._table([*sides[0], *sides[1]], np.tile(numbers, 2), domains, sides[self.source_domain] * 2)

    def _table(
        self, files: list[Path], identity: np.ndarray, domain: np.ndarray, shown: list[Path] | None
    ) -> FolderTable:
        return FolderTable(
            root=str(self.root),
            keys=column([relative(file, self.root) for file in files]),
            identity=identity.astype(np.int32),
            domain=domain,
            structures=None if shown is None else column([relative(file, self.root) for file in shown]),
            halves=self.layout == "side_by_side",
            shows=self.source_domain,
            classes=self.classes if self.structure.annotation == "labels" else 0,
        )

    def _files(self, folder: str, pattern: str | None, split: Split) -> _Files:
        """The image files that a split of one side takes from."""
        folders = split_folders(self.root / Path(folder).expanduser())
        part: Literal["whole", "kept", "held_out"] = "whole"
        wanted = split
        if wanted == "test" and "test" not in folders:
            wanted = "val"
        if "val" not in folders and "train" in folders and wanted != "test":
            part = "kept" if wanted == "train" else "held_out"
            wanted = "train"
        if wanted not in folders:
            return _Files(self.root / folder, {}, part)
        names, others = list_images(folders[wanted], pattern)
        if others:
            log.info("%s: ignored %d files that are no images (%s)", folders[wanted], len(others), others[0])
        files: dict[str, Path] = {}
        for name in names:
            stem = str(PurePosixPath(name).with_suffix(""))
            if self.layout == "same_names" and stem in files:
                raise BadInput(
                    f"{folders[wanted]} holds both {files[stem].name} and {PurePosixPath(name).name}: set data.pattern_x and "
                    "data.pattern_y, such as *.png and *.jpg, to say which of them belongs to which side"
                )
            files[stem if self.layout == "same_names" else name] = folders[wanted] / name
        if not files and split == "train":
            kind = f"image files named like {pattern}" if pattern else "image files"
            raise BadInput(f"{folders[wanted]} holds no {kind}")
        return _Files(folders[wanted], files, part)


@dataclass(frozen=True)
class _Files:
    """Files of one side: name -> path, and which of them a split takes."""

    folder: Path
    files: dict[str, Path]
    part: Literal["whole", "kept", "held_out"]

    def chosen(self, names: list[str], fraction: float) -> list[str]:
        """The names of the split, in their order; the held-out ones are the same whatever the seed of a run."""
        if self.part == "whole":
            return names
        count = min(max(1, round(fraction * len(names))), len(names) - 1) if fraction > 0 and names else 0
        held_out = set(np.random.default_rng(0).permutation(len(names))[:count].tolist())
        return [name for place, name in enumerate(names) if (place in held_out) == (self.part == "held_out")]


def split_folders(folder: Path) -> dict[Split, Path]:
    """The folder of each split that has one; a folder without any is for training as a whole.

    Raises:
        BadInput: there is no such folder.
    """
    found: dict[Split, Path] = {}
    for split, words in WORDS.items():
        for word in words:
            place = Path(str(folder).replace("{split}", word)) if "{split}" in str(folder) else folder / word
            if place.is_dir():
                found.setdefault(split, place)
    if found:
        return found
    if not folder.is_dir():
        raise BadInput(
            f"{folder} does not exist: set data.root, data.folder_x and data.folder_y to the folders of your images "
            "(with sub-folders train, val and test, or without any)"
        )
    return {"train": folder}

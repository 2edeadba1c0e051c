"""The files of CelebAMask-HQ that say which part of a face is where, in any of the forms in which copies have them.

| form | files | numbering |
|---|---|---|
| parts | CelebAMask-HQ-mask-anno/<id // 2000>/NNNNN_<part>.png, no file for an absent part | 18 masks that overlap |
| cocosnet | CelebAMask-HQ-mask-anno/all_parts_except_glasses/NNNNN.png, and NNNNN_eye_g.png of the parts | CoCosNet's |
| official | CelebAMaskHQ-mask/<id>.png (or CelebAMask-HQ-mask, CelebAMask-HQ-label) | that of g_mask.py |

All are read as stacks (`structures.face_parts`). Putting one together from up to 18 masks takes as long as ten pictures, so
the stack is kept: as one colour picture of 24 bits per pixel, in a folder named after the time at which the masks' folder
changed last, so that masks that were exchanged are read anew. That folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image
from platformdirs import user_cache_path

from datamodules.bad_input import BadInput
from datamodules.reading import Unreadable, read_labels, read_picture
from datamodules.structures.face_parts import BIT, stack_of

log = logging.getLogger(__name__)

Form = Literal["parts", "cocosnet", "official"]

ANNOTATION = "CelebAMask-HQ-mask-anno"
WITHOUT_GLASSES = f"{ANNOTATION}/all_parts_except_glasses"
MERGED = ("CelebAMaskHQ-mask", "CelebAMask-HQ-mask", "CelebAMask-HQ-label")
"""Names that the authors' own scripts give to the folder of merged maps."""
KEPT = "CelebAMask-HQ-mask-stacks"
"""The folder of stacks beside the masks."""

PART_FILE = re.compile(r"(\d+)_(\w+)\.png", re.IGNORECASE)
PER_FOLDER = 2000
"""How many images' masks lie in one folder."""
_VERSION = 1
"""Raised when stacks are stored in another way than before."""


def find_masks(root: Path, form: Form | None, keep: Path | None) -> FaceMasks | None:
    """The masks of a dataset; None where it has none.

    Args:
        form: which of the forms; None: the whole parts, CoCosNet's maps, official maps, whichever is there first.
        keep: where stacks are kept; None: beside the masks, or in the user's cache folder where those are read-only.

    Raises:
        BadInput: the form asked for is not there.
    """
    parts, stamps = _part_files(root / ANNOTATION)
    if keep is None:
        keep = root / KEPT
        if not os.access(root, os.W_OK):
            name = f"celebahq-{hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]}"
            keep = user_cache_path("exemplar-synthesis") / name
    if form in (None, "parts") and any(found & BIT["skin"] for found in parts.values()):
        return FaceMasks("parts", root, root / ANNOTATION, {}, parts, stamps, keep)
    if form in (None, "cocosnet") and (root / WITHOUT_GLASSES).is_dir():
        folder = root / WITHOUT_GLASSES
        return FaceMasks("cocosnet", root, folder, _numbered(folder), parts, stamps, keep)
    for name in MERGED if form in (None, "official") else ():
        if (root / name).is_dir():
            return FaceMasks("official", root, root / name, _numbered(root / name), parts, stamps, keep)
    if form is not None:
        places = {"parts": f"{ANNOTATION}/0/00000_skin.png", "cocosnet": WITHOUT_GLASSES, "official": MERGED[0]}
        raise BadInput(f"data.masks={form}, but {root} has no {places[form]}: set data.masks=null for the form it has")
    return None


@dataclass(frozen=True)
class FaceMasks:
    """The masks of all images in one form."""

    form: Form
    root: Path
    folder: Path
    maps: dict[int, str]
    """Image -> file name of its merged map, in the forms that have one."""
    parts: dict[int, int]
    """Image -> which part files it has, as a stack's value."""
    stamps: dict[int, str]
    """Folder of parts -> what it was like when it was listed."""
    keep: Path

    def file(self, image: int) -> str:
        """The one file without which an image counts as not annotated, relative to the root."""
        if self.form == "parts":
            path = _part_path(image, "skin")
            capitals = path.removesuffix(".png") + ".PNG"
            return capitals if not (self.root / path).exists() and (self.root / capitals).exists() else path
        name = self.maps.get(image, f"{image:05d}.png" if self.form == "cocosnet" else f"{image}.png")
        return (self.folder / name).relative_to(self.root).as_posix()

    def files(self, image: int) -> list[Path]:
        """All files that `stack` is made of."""
        first = [] if self.form == "parts" else [self.root / self.file(image)]
        wanted = BIT if self.form == "parts" else ["eye_g"] if self.form == "cocosnet" else []
        present = self.parts.get(image, 0)
        return [*first, *(self._part(image, part) for part in wanted if present & BIT[part])]

    def stack(self, image: int) -> np.ndarray:
        """The parts of an image, (h, w) int32 of `face_parts.BIT`.

        Raises:
            Unreadable: a mask is missing, damaged, or of another shape than the others.
        """
        if self.form != "parts":
            stack = stack_of(read_labels(str(self.root / self.file(image))), self.form)
            if self.form == "cocosnet" and self.parts.get(image, 0) & BIT["eye_g"]:
                stack |= self._masked(image, ["eye_g"], (stack.shape[0], stack.shape[1]))
            return stack
        kept = self.keep / f"{image // PER_FOLDER}-{self.stamps.get(image // PER_FOLDER, '')}" / f"{image:05d}.png"
        if kept.is_file():
            try:
                planes = read_picture(str(kept)).astype(np.int32)
                return planes[..., 0] | planes[..., 1] << 8 | planes[..., 2] << 16
            except Unreadable as error:
                log.warning("%s; it is made anew", error)
        present = self.parts.get(image, 0)
        stack = self._masked(image, [part for part, bit in BIT.items() if present & bit], None)
        _store(stack, kept)
        return stack

    def _masked(self, image: int, parts: list[str], size: tuple[int, int] | None) -> np.ndarray:
        """The stack of some part files, of the given size (height, width) or that of the first."""
        stack: np.ndarray | None = None if size is None else np.zeros(size, np.int32)
        for part in parts:
            path = self._part(image, part)
            mask = _read_mask(path)
            if stack is None:
                stack = np.zeros(mask.shape, np.int32)
            if mask.shape != stack.shape:
                (h, w), (height, width) = mask.shape, stack.shape
                if abs(h * width - w * height) > max(height, width):
                    reason = f"is {h} x {w} (height x width), but another mask of the image is {height} x {width}"
                    raise Unreadable(str(path), reason)
                mask = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT) > 0
            stack |= mask * np.int32(BIT[part])
        if stack is None:
            raise Unreadable(str(self.root / self.file(image)), "does not exist")
        return stack

    def _part(self, image: int, part: str) -> Path:
        path = self.root / _part_path(image, part)
        return path if path.exists() else path.with_suffix(".PNG")


def _part_path(image: int, part: str) -> str:
    return f"{ANNOTATION}/{image // PER_FOLDER}/{image:05d}_{part}.png"


def _read_mask(path: Path) -> np.ndarray:
    """A part mask as bool: white on black, whatever white is."""
    values = read_labels(str(path))
    return values > values.max(initial=0) // 2


def _part_files(folder: Path) -> tuple[dict[int, int], dict[int, str]]:
    """Which parts each image has files of, and a mark of each folder that changes when files in it come or go."""
    parts: dict[int, int] = {}
    stamps: dict[int, str] = {}
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not place.name.isdigit() or not place.is_dir():
            continue
        stamps[int(place.name)] = f"{place.stat().st_mtime_ns:x}-{_VERSION}"
        # Not Path.iterdir: there are 372,767 of them.
        with os.scandir(place) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            match = PART_FILE.fullmatch(name)
            if match and match[2].lower() in BIT and int(match[1]) // PER_FOLDER == int(place.name):
                parts[int(match[1])] = parts.get(int(match[1]), 0) | BIT[match[2].lower()]
    return parts, stamps


def _numbered(folder: Path) -> dict[int, str]:
    """Image -> file name of its map."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return {int(name[:-4]): name for name in names if name.lower().endswith(".png") and name[:-4].isdigit()}


def _store(stack: np.ndarray, path: Path) -> None:
    """Keep a stack; without it all goes on, only slower."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        planes = np.dstack([stack >> shift & 255 for shift in (0, 8, 16)]).astype(np.uint8)
        Image.fromarray(planes).save(partial, "PNG", compress_level=3)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if path.parent not in _REPORTED:
            _REPORTED.add(path.parent)
            log.warning("merged masks cannot be kept in %s (%s): they are merged anew each time", path.parent, error)


_REPORTED: set[Path] = set()
"""Folders that could not be written to; each is told of once per process."""

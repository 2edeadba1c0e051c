"""A batch of a user's own files: an appearance, and the structure to follow, which need belong to no dataset."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.bad_input import BadInput
from datamodules.raw_batch import RawBatch
from datamodules.reading import EXTENSIONS, read_labels, read_mask, read_picture
from datamodules.structures.keypoint_files import Pose, read_pose
from datamodules.structures.labels import NOTHING, checked, palette
from datamodules.structures.pose import JOINTS
from datamodules.structures.structure import POSES, Annotation
from datamodules.text_file import read_text
from datamodules.transforms import Framing

log = logging.getLogger(__name__)

PlacedAlone = Callable[[np.ndarray], tuple[np.ndarray, tuple[int, int]] | None]

BESIDE = (".json", "_keypoints.json", "_candidate.txt", ".txt", ".csv")
"""What the file of an image's keypoints is called, after the image's own name without extension."""


def raw_batch(
    sources: Sequence[Path | None],
    structures: Sequence[Path | None],
    kind: Annotation,
    framing: Framing,
    classes: int,
    place: PlacedAlone,
    proportions: tuple[int, int] | None = None,
) -> RawBatch:
    """Read pairs of files; see `TranslationDataModule.batch_from_files`.

    Args:
        kind: what the structure is drawn from.
        framing: how every picture is framed.
        classes: of label maps.
        place: what keypoints refer to that come without a picture or a size (`TranslationDataModule.placed_alone`).
        proportions: height and width that pictures are padded to the ratio of, see `padding`.
    """
    reader = _Reader(kind, framing, classes, place, proportions)
    items = []
    for source, structure in zip(sources, structures, strict=True):
        if source is None and structure is None:
            raise BadInput("a pair needs a source, a structure, or both")
        followed = structure or source
        assert followed is not None
        target, target_annotation = reader.side(followed, needed=structure is not None)
        shown, annotation = (target, target_annotation) if source is None else reader.side(source, needed=False)
        items.append(
            {
                "source": shown,
                "target": target,
                "source_annotation": annotation,
                "target_annotation": target_annotation,
                "paired": False,
                "source_key": str(source or structure),
                "target_key": str(followed),
            }
        )
    raw = RawBatch.collated(items)
    if isinstance(raw, BadInput):
        raise raw
    return raw


class Padding(NamedTuple):
    """Pixels that are added around a picture."""

    top: int
    bottom: int
    left: int
    right: int

    def around(self, stored: np.ndarray) -> np.ndarray:
        """A picture (h, w, ...) or a label map, continued by its border pixels."""
        if not any(self):
            return stored
        return np.pad(stored, [self[:2], self[2:], *[(0, 0)] * (stored.ndim - 2)], mode="edge")


SIMILAR = 0.02
"""Pictures whose ratio differs by less are stretched: nobody sees it, and no border pixels are made up."""


def padding(height: int, width: int, proportions: tuple[int, int] | None) -> Padding:
    """What a picture is continued by, evenly on both sides, to have the ratio of the pictures that a dataset consists of.

    Where these have no ratio in common (None), training stretched them, and a user's picture is stretched as well.
    """
    if proportions is None:
        return Padding(0, 0, 0, 0)
    ratio = proportions[0] / proportions[1]
    if abs(height / width / ratio - 1) < SIMILAR:
        return Padding(0, 0, 0, 0)
    down, across = max(0, round(width * ratio) - height), max(0, round(height / ratio) - width)
    return Padding(down // 2, down - down // 2, across // 2, across - across // 2)


def size_shown(path: Path, kind: Annotation, framing: Framing, classes: int, place: PlacedAlone) -> tuple[int, int]:
    """Height and width of the picture that a file of a structure (or a source) shows, as `raw_batch` reads it."""
    if path.suffix.lower() in EXTENSIONS:
        height, width, _ = read_picture(str(path)).shape
        return height, width
    return _Reader(kind, framing, classes, place, None).placed(path, read_pose(path))[1]


def as_given(image: Tensor, size: tuple[int, int], proportions: tuple[int, int] | None) -> Tensor:
    """A translated image (3, H, W) at the size of the picture whose structure it follows: enlarged, its padding cut off."""
    height, width = size
    around = padding(height, width, proportions)
    whole = [height + around.top + around.bottom, width + around.left + around.right]
    if list(image.shape[1:]) == whole:
        return image
    resized = F.interpolate(image[None], whole, mode="bicubic", antialias=True)[0]
    return resized[:, around.top : around.top + height, around.left : around.left + width]


def placed_picture(path: Path, framing: Framing, proportions: tuple[int, int] | None) -> Tensor:
    """A picture (3, H, W) uint8, padded and framed like those of `raw_batch`."""
    return _placed(read_picture(str(path)), path, framing, proportions)


def placed_mask(path: Path, framing: Framing, proportions: tuple[int, int] | None) -> Tensor:
    """A mask (1, H, W) in [0, 1], white inside, where the picture that it was painted over is; it stays black and white if
    it was."""
    pixels = read_mask(str(path))
    mask = _placed(pixels[..., None].repeat(3, 2), path, framing, proportions)[:1].float() / 255
    return (mask >= 0.5).float() if np.isin(pixels, (0, 255)).all() else mask


def _placed(pixels: np.ndarray, path: Path, framing: Framing, proportions: tuple[int, int] | None) -> Tensor:
    height, width, _ = pixels.shape
    fitted = framing.fitted((height, width), str(path))
    return fitted.picture(padding(height, width, proportions).around(pixels))


class _Reader:
    def __init__(
        self,
        kind: Annotation,
        framing: Framing,
        classes: int,
        place: PlacedAlone,
        proportions: tuple[int, int] | None,
    ) -> None:
        self.kind, self.framing, self.classes, self.place = kind, framing, classes, place
        self.proportions = proportions

    def side(self, path: Path, needed: bool) -> tuple[Tensor, Tensor]:
        """The picture that a file shows (an image; a label map in its colours; grey for keypoints), and what its structure
        is drawn from, framed alike.

        Args:
            needed: whether a file without a structure is an error; otherwise its maps are empty.
        """
        pixels = labels = pose = None
        if path.suffix.lower() in EXTENSIONS:
            labels = self._label_map(path)
            pixels = read_picture(str(path)) if labels is None else palette(self.classes)[labels]
        elif self.kind == "picture" and needed:
            raise BadInput(f"{path} is no picture: give an image file ({', '.join(sorted(EXTENSIONS))})")
        if self.kind in POSES:
            pose = self._pose(path, needed)
        elif self.kind == "labels" and labels is None and needed:
            read_labels(str(path))  # says why not
        size = (self.framing.height, self.framing.width) if pose is None else pose[1]
        framing = self.framing.fitted(size if pixels is None else pixels.shape[:2], str(path))
        if pixels is None:
            picture = torch.full((3, framing.height, framing.width), 127, dtype=torch.uint8)
        else:
            picture = framing.picture(self._padded(pixels))
        if self.kind == "picture":
            return picture, picture
        if self.kind == "labels":
            return picture, framing.labels(
                np.full((1, 1), NOTHING, np.uint8) if labels is None else self._padded(labels)
            )
        points = np.zeros((len(JOINTS), 3), np.float32)
        if pose is not None:
            around = padding(*size, self.proportions)
            points = pose[0] + np.array([around.left, around.top, 0], np.float32)
            size = (size[0] + around.top + around.bottom, size[1] + around.left + around.right)
        annotation = framing.annotation(points, self.kind, size)
        assert annotation is not None
        return picture, annotation

    def _padded(self, stored: np.ndarray) -> np.ndarray:
        height, width = stored.shape[:2]
        return padding(height, width, self.proportions).around(stored)

    def _label_map(self, path: Path) -> np.ndarray | None:
        """The class indices of a file, or None where it is a photograph."""
        if self.kind != "labels" or path.suffix.lower() in (".jpg", ".jpeg", ".jfif", ".webp"):
            return None
        try:
            found = read_labels(str(path))
        except BadInput:
            return None
        return checked(found, self.classes, str(path))

    def _pose(self, path: Path, needed: bool) -> tuple[np.ndarray, tuple[int, int]] | None:
        """The keypoints (18, 3) of a file, and the height and width of the picture that they refer to."""
        pose = self._read(path, needed)
        return None if pose is None else self.placed(path, pose)

    def _read(self, path: Path, needed: bool) -> Pose | None:
        """The pose in a file of keypoints, or of an image whose keypoints lie beside it."""
        if path.suffix.lower() not in EXTENSIONS:
            return read_pose(path)
        for ending in BESIDE:
            beside = path.with_name(f"{path.stem}{ending}")
            if beside.is_file():
                return read_pose(beside, path.name if ending in (".json", ".csv") else None)
        for folder in path.absolute().parents[:2]:
            for table in sorted(folder.glob("*annotation*.csv")):
                if f"\n{path.name}" in read_text(table):
                    return read_pose(table, path.name)
        if not needed:
            return None
        raise BadInput(
            f"{path}: its pose is not known; put {path.stem}.json (OpenPose or COCO) beside it, or give such a file itself"
        )

    def placed(self, path: Path, pose: Pose) -> tuple[np.ndarray, tuple[int, int]]:
        """Keypoints and the size of their picture: what the file says, or the picture itself, or the dataset's pictures."""
        size, points = pose.size, pose.keypoints
        stem = path.stem.removesuffix("_keypoints").removesuffix("_candidate").removesuffix("_subset")
        images = [path] if path.suffix.lower() in EXTENSIONS else sorted(path.parent.glob(f"{stem}.*"))
        for image in images:
            if size is None and image.suffix.lower() in EXTENSIONS:
                height, width, _ = read_picture(str(image)).shape
                size = height, width
        if size is None:
            alone = self.place(points)
            if alone is None:
                raise BadInput(
                    f"{path}: the size of its picture is not known; put the picture of that name beside it, or say "
                    "canvas_height and canvas_width in a json"
                )
            points, size = alone
            log.info("%s: no picture is beside it; taken for the pose in one of %d x %d (height x width)", path, *size)
        visible = points[points[:, 2] > 0]
        if len(visible) and (visible[:, 0].max() >= size[1] or visible[:, 1].max() >= size[0]):
            raise BadInput(
                f"{path}: a joint lies outside the picture of {size[0]} x {size[1]} (height x width) that the keypoints are "
                "taken to refer to; put the picture of that name beside it, or say canvas_height and canvas_width in a json"
            )
        return points, size

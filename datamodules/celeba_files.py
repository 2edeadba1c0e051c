"""The text files of CelebA (Liu et al., ICCV 2015) and CelebAMask-HQ: attributes, head poses, splits, identities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.text_file import read_text

ATTRIBUTES = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose"),
    *("Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses"),
    *("Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache"),
    *("Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks"),
    *("Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick"),
    *("Wearing_Necklace", "Wearing_Necktie", "Young"),
)
"""The 40 attributes in the order of the file."""

ANGLES = ("Yaw", "Pitch", "Roll")
"""The angles of a head in degrees, in the order of the file (whose header misspells the last one)."""

LAST_TRAIN, LAST_VAL = 162_770, 182_637
"""CelebA's partition: images 1 ... 162,770 are for training, ... 182,637 for validation, the rest for test."""


@dataclass(frozen=True)
class Values:
    """Numbers per image."""

    names: list[str]
    images: np.ndarray
    """(N,) the images' numbers, of which their file names are made."""
    values: np.ndarray
    """(N, names)"""

    def of(self, images: np.ndarray, missing: float) -> np.ndarray:
        """(M, names): the rows of some images, filled with `missing` for one that has none."""
        order = np.argsort(self.images, kind="stable")
        place = np.searchsorted(self.images, images, sorter=order).clip(max=len(order) - 1)
        rows = order[place]
        known = self.images[rows] == images
        return np.where(known[:, None], self.values[rows], missing).astype(self.values.dtype)


def read_values(path: Path, columns: int | None = None) -> Values:
    """A file of rows `12.jpg -1 1 ...`, with or without lines of a count and of names before them.

    Args:
        columns: how many numbers a row has; None: as many as the line of names says.

    Raises:
        BadInput: a row that cannot be understood, with file and line.
    """
    lines = [line.split() for line in read_text(path).splitlines()]
    names: list[str] = []
    rows, numbers = [], []
    for number, cells in enumerate(lines, start=1):
        if not cells or (number == 1 and len(cells) == 1):
            continue  # a blank line, or the count
        if number <= 2 and "." not in cells[0] and not cells[0].isdigit():
            names = cells
            continue
        rows.append(cells)
        numbers.append(number)
    width = columns or len(names)
    for cells, number in zip(rows, numbers, strict=True):
        if len(cells) != width + 1:
            raise BadInput(
                f"{path}, line {number}: a file name and {width} numbers expected, found {' '.join(cells)[:80]!r}"
            )
    try:
        images = np.array([_number(cells[0]) for cells in rows], np.int64)
        values = np.array([cells[1:] for cells in rows], np.float32).reshape(len(rows), width)
    except ValueError as error:
        raise BadInput(f"{path}: rows of a file name and {width} numbers expected ({error})") from error
    if len(rows) == 0:
        raise BadInput(f"{path} holds no rows")
    return Values(names or [""] * width, images, values)


def read_mapping(path: Path) -> dict[int, int]:
    """CelebA-HQ-to-CelebA-mapping.txt: number of a CelebA-HQ image -> number in its file name in CelebA.

    The column `orig_idx` is one less than that and not used: the published splits are made of file names.

    Raises:
        BadInput: a row that cannot be understood.
    """
    found = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        cells = line.split()
        if not cells or cells[0] == "idx":
            continue
        try:
            found[int(cells[0])] = _number(cells[2])
        except (ValueError, IndexError) as error:
            raise BadInput(f"{path}, line {number}: `idx orig_idx orig_file` expected, found {line[:80]!r}") from error
    return found


def read_numbers(path: Path) -> np.ndarray:
    """A list of images, one per line, as numbers: `29922`, `29922.jpg` and paths are understood alike.

    Raises:
        BadInput: a line that is no image of CelebA-HQ.
    """
    found = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            try:
                found.append(_number(line.strip().replace("\\", "/").rsplit("/", 1)[-1]))
            except ValueError as error:
                raise BadInput(
                    f"{path}, line {number}: the number of an image expected, found {line[:80]!r}"
                ) from error
    return np.array(found, np.int64)


def partition(numbers: np.ndarray, path: Path | None) -> np.ndarray:
    """0 (train), 1 (val) or 2 (test) of images of CelebA, by list_eval_partition.txt or, without it, by its ranges.

    Raises:
        BadInput: the file does not know an image.
    """
    if path is None:
        return (numbers > LAST_TRAIN).astype(np.int64) + (numbers > LAST_VAL)
    found = read_values(path, 1).of(numbers, -1)[:, 0].astype(np.int64)
    if (found < 0).any():
        raise BadInput(f"{path} has no row for {numbers[found < 0][0]:06d}.jpg, which the mapping names")
    return found


def _number(name: str) -> int:
    """The number that a file is named after."""
    return int(name.split(".")[0])

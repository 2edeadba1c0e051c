"""The 18 parts of CelebAMask-HQ (Lee et al., CVPR 2020), which overlap: one number per pixel says which of them lie there.

A *stack* is an array of integers in which bit i stands for `PARTS[i]`. It loses nothing of the dataset's 18 mask files per
image, is framed as one picture, and becomes by one look-up whatever a method wants: a label map in either of the two
numberings in use, or contours (`part_edges`).
"""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from datamodules.structures.labels import one_hot
from datamodules.structures.structure import Annotation

PARTS = (
    *("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip", "l_lip"),
    *("hair", "hat", "ear_r", "neck_l", "neck", "cloth"),
)
"""The parts as their files are called; `l_` is the subject's left. eye_g: glasses, ear_r: ear-ring, neck_l: necklace."""

BIT = {part: 1 << place for place, part in enumerate(PARTS)}
"""The value of each part in a stack."""

INSIDE_SKIN = ("nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip")
"""Parts that lie on the skin: its mask goes on beneath them."""

Numbering = Literal["official", "cocosnet"]
NUMBERINGS: dict[Numbering, tuple[str, ...]] = {
    "official": PARTS,
    "cocosnet": (
        *("skin", "hair", "l_brow", "r_brow", "l_eye", "r_eye", "l_ear", "r_ear", "nose", "u_lip", "mouth", "l_lip"),
        *("neck", "cloth", "hat", "eye_g", "ear_r", "neck_l"),
    ),
}
"""The parts as classes 1 ... 18 of a label map, 0 being the background; where parts overlap the last one is seen.

`official` is the order of the authors' g_mask.py; `cocosnet` that of the folder `all_parts_except_glasses`, whose maps hide
no part behind glasses: these are told of beside the class of each pixel (see `labels_of`).
"""

CLASSES = 1 + len(PARTS)
"""Background and parts."""

GLASSES = NUMBERINGS["cocosnet"].index("eye_g") + 1
"""The class that is seen through, in CoCosNet's numbering: 16."""

_LEFT_RIGHT = (("l_eye", "r_eye"), ("l_brow", "r_brow"), ("l_ear", "r_ear"))


def exchanged(stack: np.ndarray) -> np.ndarray:
    """The stack with left and right parts exchanged, as a mirrored picture needs it."""
    for left, right in _LEFT_RIGHT:
        differs = (stack // BIT[left] ^ stack // BIT[right]) & 1
        stack = stack ^ differs * (BIT[left] | BIT[right])
    return stack


def labels_of(stack: np.ndarray, numbering: Numbering) -> np.ndarray:
    """A stack as a label map, uint8: the classes of `NUMBERINGS`.

    In CoCosNet's numbering `CLASSES + k` means class k behind glasses: both channels of the one-hot maps are 1 there.
    """
    return _merging(numbering)[stack]


@functools.cache
def _merging(numbering: Numbering) -> np.ndarray:
    """The label of every possible stack."""
    stacks = np.arange(1 << len(PARTS), dtype=np.int32)
    labels = np.zeros(len(stacks), np.uint8)
    for place, part in enumerate(NUMBERINGS[numbering], start=1):
        if numbering == "cocosnet" and part == "eye_g":
            continue
        labels[(stacks & BIT[part]) > 0] = place
    if numbering == "cocosnet":
        labels[(stacks & BIT["eye_g"]) > 0] += CLASSES
    return labels


def stack_of(labels: np.ndarray, numbering: Numbering) -> np.ndarray:
    """A label map as a stack, int32. What other parts hide is not known, but that skin goes on beneath a face's features.

    Args:
        labels: classes 0 ... 18; other values count as background.
    """
    table = np.zeros(1 << 8 * labels.dtype.itemsize, np.int32)
    for place, part in enumerate(NUMBERINGS[numbering], start=1):
        table[place] = BIT[part] | (BIT["skin"] if part in INSIDE_SKIN else 0)
    return table[labels]


class FaceLabels:
    """One channel per class in {0, 1}; what is behind glasses is in two."""

    annotation: Annotation = "labels"

    def maps(self, annotation: Tensor | None, picture: Tensor) -> Tensor:
        """(B, 19, H, W) of labels as `labels_of` makes them."""
        assert annotation is not None, "a label map cannot be told from a picture"
        glasses = (annotation >= CLASSES) & (annotation < 2 * CLASSES)
        maps = one_hot(torch.where(glasses, annotation - CLASSES, annotation), CLASSES)
        maps[:, GLASSES].masked_fill_(glasses, 1)
        return maps

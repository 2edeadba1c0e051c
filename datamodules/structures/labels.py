"""Label maps as the structure to follow: class indices from the workers, one channel per class on the device."""

from __future__ import annotations

import colorsys
import functools

import numpy as np
import torch
from torch import Tensor

from datamodules.bad_input import BadInput
from datamodules.structures.structure import Annotation

NOTHING = 255
"""The index of a pixel that belongs to no class: it is 0 in every channel."""


class Labels:
    """One channel per class in {0, 1}."""

    annotation: Annotation = "labels"

    def __init__(self, classes: int) -> None:
        """
        Args:
            classes: the number of classes; a map holds indices 0 ... classes - 1, and `NOTHING`.
        """
        self.classes = classes

    def maps(self, annotation: Tensor | None, picture: Tensor) -> Tensor:
        """(B, classes, H, W): 1 in the channel of a pixel's class."""
        assert annotation is not None, "a label map cannot be told from a picture"
        return one_hot(annotation, self.classes)


def one_hot(indices: Tensor, classes: int) -> Tensor:
    """(B, classes, H, W) float: 1 in the channel of each pixel's class; nowhere for an index that is no class.

    Args:
        indices: (B, H, W), any integers of 0 or more.
    """
    # Most of the work is writing the maps. Clearing them and setting one number per pixel writes 4 bytes per number;
    # comparing writes 5 and reads 1: with 151 classes that takes 1.6 times as long.
    shape = (len(indices), classes, *indices.shape[1:])
    # On a processor NumPy's zeros cost a fifth: it asks the system for large pages, which come cleared.
    if indices.device.type == "cpu":
        maps = torch.from_numpy(np.zeros(shape, np.float32))
    else:
        maps = torch.zeros(shape, device=indices.device)
    places = indices[:, None].long()  # what scattering takes; 8 bits cannot be compared with 256
    return maps.scatter_(1, places.clamp(max=classes - 1), (places < classes).float())


def checked(indices: np.ndarray, classes: int, name: str) -> np.ndarray:
    """The label map itself, once it is known to hold nothing but classes and `NOTHING`.

    Raises:
        BadInput: it holds another index.
    """
    if indices.size and indices.max() >= classes:
        wrong = indices[(indices >= classes) & (indices != NOTHING)]
        if len(wrong):
            raise BadInput(
                f"the label map {name} holds class {wrong.max()}, but data.classes={classes} allows 0 to {classes - 1} "
                f"(and {NOTHING} for no class)"
            )
    return indices


@functools.cache
def palette(classes: int) -> np.ndarray:
    """A fixed colour per index, (256 or more, 3) uint8, so that a label map can be looked at and translated as a picture.

    The first class is black, as the unlabelled class of most datasets, and so is `NOTHING`. The hues of the others are a
    golden angle apart, in three levels of brightness, so that neighbouring indices differ.
    """
    colours = np.zeros((max(256, classes), 3), np.uint8)
    for index in range(1, classes):
        hue, value = (index * 0.618034) % 1, (1.0, 0.75, 0.5)[index % 3]
        colours[index] = np.round(np.multiply(colorsys.hsv_to_rgb(hue, 0.85, value), 255))
    if classes <= NOTHING:
        colours[NOTHING] = 0
    return colours

"""Label maps: one channel per class, and a colour per class to look at them."""

import numpy as np
import pytest
import torch

from datamodules.bad_input import BadInput
from datamodules.structures.labels import NOTHING, Labels, checked, palette


def test_every_pixel_is_one_in_the_channel_of_its_class_alone():
    indices = torch.randint(0, 151, (2, 8, 9), dtype=torch.uint8)
    maps = Labels(151).maps(indices, torch.zeros(2, 3, 8, 9))
    assert maps.shape == (2, 151, 8, 9)
    assert maps.sum(1).eq(1).all()
    assert maps.argmax(1).equal(indices.long())


def test_a_pixel_of_no_class_is_zero_in_every_channel():
    maps = Labels(4).maps(torch.full((1, 2, 2), NOTHING, dtype=torch.uint8), torch.zeros(1, 3, 2, 2))
    assert maps.eq(0).all()


def test_an_index_that_is_no_class_is_named():
    with pytest.raises(BadInput, match=r"the label map scene\.png holds class 9, but data\.classes=5 allows 0 to 4"):
        checked(np.array([[0, 9], [255, 4]], np.uint8), 5, "scene.png")
    checked(np.array([[0, 255], [255, 4]], np.uint8), 5, "scene.png")


def test_no_two_classes_share_a_colour():
    colours = palette(151)[:151]
    assert len(np.unique(colours, axis=0)) == 151
    assert (colours[0] == 0).all()

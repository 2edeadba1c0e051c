"""Stacks of face parts: what they become in each numbering, and what a mirror does to them."""

import numpy as np
import pytest
import torch

from datamodules.structures.face_parts import (
    BIT,
    CLASSES,
    GLASSES,
    NUMBERINGS,
    PARTS,
    FaceLabels,
    exchanged,
    labels_of,
    stack_of,
)


def test_both_numberings_are_the_published_ones():
    official = {part: labels_of(np.array([BIT[part]]), "official")[0] for part in PARTS}
    cocosnet = {part: labels_of(np.array([BIT[part]]), "cocosnet")[0] for part in PARTS}
    assert [official[part] for part in ("skin", "eye_g", "l_eye", "mouth", "hair", "cloth")] == [1, 3, 4, 10, 13, 18]
    assert [cocosnet[part] for part in ("skin", "hair", "l_eye", "r_eye", "l_lip", "hat", "neck_l")] == [
        1,
        2,
        5,
        6,
        12,
        15,
        18,
    ]


@pytest.mark.parametrize(
    ("parts", "official", "cocosnet"),
    [
        (["skin", "nose"], "nose", "nose"),
        (["skin", "eye_g", "l_eye"], "l_eye", "l_eye"),  # eyes are painted after glasses
        (["hair", "hat"], "hat", "hat"),
        (["hair", "skin"], "hair", "hair"),
        (["hair", "l_ear"], "hair", "l_ear"),  # where the two orders disagree
        (["neck_l", "neck"], "neck", "neck_l"),
    ],
)
def test_later_parts_hide_earlier_ones(parts, official, cocosnet):
    stack = np.array([sum(BIT[part] for part in parts)])
    assert labels_of(stack, "official")[0] == NUMBERINGS["official"].index(official) + 1
    assert labels_of(stack, "cocosnet")[0] % CLASSES == NUMBERINGS["cocosnet"].index(cocosnet) + 1


@pytest.mark.parametrize("numbering", ["official", "cocosnet"])
def test_a_label_map_survives_the_way_through_a_stack(numbering):
    labels = np.array([[value for value in range(CLASSES) if numbering == "official" or value != GLASSES]], np.uint8)
    assert (labels_of(stack_of(labels, numbering), numbering) == labels).all()


def test_skin_goes_on_beneath_the_features_of_a_merged_map():
    nose = np.array([NUMBERINGS["official"].index("nose") + 1], np.uint8)
    assert stack_of(nose, "official")[0] == BIT["nose"] | BIT["skin"]


def test_a_mirror_exchanges_left_and_right_parts_alone():
    stack = np.array([BIT["l_eye"] | BIT["skin"], BIT["r_brow"], BIT["l_ear"] | BIT["r_ear"], BIT["l_lip"]])
    expected = [BIT["r_eye"] | BIT["skin"], BIT["l_brow"], BIT["l_ear"] | BIT["r_ear"], BIT["l_lip"]]
    assert exchanged(stack).tolist() == expected
    assert (exchanged(exchanged(stack)) == stack).all()


def test_what_is_behind_glasses_is_in_two_channels():
    stack = np.array([[BIT["skin"], BIT["skin"] | BIT["eye_g"], BIT["eye_g"], 0]], np.int32)
    maps = FaceLabels().maps(torch.from_numpy(labels_of(stack, "cocosnet"))[None], torch.zeros(1, 3, 1, 4))
    assert maps.shape == (1, CLASSES, 1, 4)
    assert maps[0, 1, 0].tolist() == [1, 1, 0, 0]
    assert maps[0, GLASSES, 0].tolist() == [0, 1, 1, 0]
    assert maps.sum(1)[0, 0].tolist() == [1, 2, 2, 1]


def test_a_pixel_of_no_class_is_in_no_channel():
    maps = FaceLabels().maps(torch.full((1, 2, 2), 255, dtype=torch.uint8), torch.zeros(1, 3, 2, 2))
    assert maps.sum() == 0

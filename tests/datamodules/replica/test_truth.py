"""The dense truth: which pixel of one picture is which of another."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from datamodules.bad_input import BadInput
from datamodules.replica.truth import correspondence, read
from tests.datamodules.replica.conftest import picture, truth

FOLDER = "bounding_box_train"


def people(market):
    """Keys of the training images, by person."""
    names = sorted(path.name for path in (market / FOLDER).glob("*.jpg"))
    return [[f"{FOLDER}/{name}" for name in group] for _, group in itertools.groupby(names, lambda n: n.split("_")[0])]


def test_a_picture_corresponds_to_itself(market):
    for keys in people(market):
        known = truth(market, keys[0])
        found = correspondence(known.part, known.uv, known.part, known.uv)
        rows, columns = np.nonzero(known.part)
        there = np.stack([columns, rows], axis=1)
        assert np.isfinite(found[rows, columns]).all()
        assert np.hypot(*(found[rows, columns] - there).T).max() < 1.5
        assert np.isnan(found[known.part == 0]).all()


def test_colours_agree_along_the_correspondence(market):
    """The same place of a garment has the same colour, but for cameras and light; the same place of the image has not."""
    for keys in people(market):
        along, across = [], []
        for a, b in itertools.permutations(keys, 2):
            one, other = truth(market, a), truth(market, b)
            found = correspondence(one.part, one.uv, other.part, other.uv)
            visible = np.isfinite(found[..., 0])
            x, y = found[visible].astype(int).T
            first, second = (picture(market, key).astype(float) for key in (a, b))
            along.append(np.abs(first[visible] - second[y, x]).mean())
            across.append(np.abs(first[visible] - second[visible]).mean())
        assert np.mean(along) < 0.8 * np.mean(across)


def test_what_is_hidden_in_the_other_picture_has_no_correspondence():
    """Front and back of a part do not correspond; neighbours do, over the seam where u = 0 meets u = 1 too."""
    part = np.ones((1, 8), np.uint8)
    front = np.stack([np.linspace(0.3, 0.7, 8), np.full(8, 0.5)], axis=1)[None].astype(np.float16)
    back = front.copy()
    back[..., 0] = (back[..., 0] + np.float16(0.5)) % 1
    assert np.isnan(correspondence(part, front, part, back)).all()
    shifted = back.copy()
    shifted[..., 0] = (shifted[..., 0] + np.float16(0.02)) % 1
    found = correspondence(part, back, part, shifted)
    assert np.abs(found[0, 1:-1, 0] - np.arange(1, 7)).max() <= 1
    assert np.isnan(correspondence(part, front, part * 2, front)).all()


def test_joints_correspond(market):
    """An independent check: what the parts say of a wrist agrees with where the part map ends."""
    keys = people(market)[0]
    one, other = (truth(market, key) for key in keys[:2])
    found = correspondence(one.part, one.uv, other.part, other.uv)
    visible = np.isfinite(found[..., 0])
    x, y = found[visible].astype(int).T
    np.testing.assert_array_equal(other.part[y, x], one.part[visible])
    assert np.abs(other.uv[y, x].astype(float)[:, 1] - one.uv[visible].astype(float)[:, 1]).max() < 0.15


def test_truth_that_cannot_be_read_is_told_in_a_sentence(tmp_path, market):
    with pytest.raises(BadInput, match="does not exist"):
        read(tmp_path / "no.npz")
    whole = next((market / "truth" / FOLDER).iterdir()).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="write the replica again"):
        read(tmp_path / "cut.npz")
    cv2.imwrite(str(tmp_path / "other.jpg"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(BadInput, match="write the replica again"):
        read(tmp_path / "other.jpg")

"""Framing: a picture, its label map and its keypoints stay together through resizing, cropping and mirroring."""

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.structures.pose import MIRROR
from datamodules.transforms import Framing


def marked(x, y, height=40, width=30):
    """A black picture with one white pixel, its label map, and keypoints of which joint 2 (right shoulder) is there."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y, x] = 255
    keypoints = np.zeros((18, 3), np.float32)
    keypoints[2] = x, y, 1
    return pixels, (pixels[..., 0] // 255).astype(np.uint8), keypoints


def brightest(picture):
    return divmod(int(picture.flatten().argmax()), picture.shape[-1])


@pytest.mark.parametrize("mirrored", [False, True])
def test_all_three_are_cropped_and_mirrored_alike(mirrored):
    pixels, labels, keypoints = marked(x=12, y=25)
    framing = Framing(32, 20, 40, 30, top=5, left=7, mirrored=mirrored)
    place = brightest(framing.picture(pixels)[0])
    assert place == (20, 20 - 1 - 5 if mirrored else 5)
    assert brightest(framing.labels(labels)) == place
    framed = framing.keypoints(keypoints, (40, 30))
    joint = MIRROR.tolist().index(2) if mirrored else 2
    assert framed[joint].tolist() == [place[1], place[0], 1.0]
    assert framed[:, 2].sum() == 1


def test_keypoints_follow_a_change_of_size():
    _, _, keypoints = marked(x=12, y=20)
    framed = Framing.whole(80, 15).keypoints(keypoints, (40, 30))
    assert framed[2].tolist() == [6.0, 40.0, 1.0]


def test_pictures_are_resized_as_pillow_does_bicubic_with_antialiasing():
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (13, 17, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    expected = np.asarray(Image.fromarray(pixels).resize((48, 32), Image.Resampling.BICUBIC))
    found = Framing.whole(32, 48).picture(pixels).permute(1, 2, 0).numpy()
    assert np.abs(found.astype(int) - expected).max() <= 2  # the worst case: noise of full contrast


def test_label_maps_take_the_nearest_pixel_as_pillow_does():
    labels = np.random.default_rng(0).integers(0, 151, (37, 53), dtype=np.uint8)
    for size in [(16, 16), (74, 106), (50, 20)]:
        expected = np.asarray(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST))
        assert (Framing.whole(*size).labels(labels).numpy() == expected).all()
    assert Framing.whole(16, 16).labels(labels.astype(np.uint16)).max() <= 150


def test_small_pictures_are_enlarged():
    assert Framing(32, 32, 40, 40).picture(np.zeros((3, 5, 3), np.uint8)).shape == (3, 32, 32)


def test_a_framing_is_a_function_of_its_generator():
    base = Framing(32, 20, 40, 30)
    draws = [[base.drawn(np.random.default_rng([0, epoch, index]), 0.5) for index in range(50)] for epoch in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert {draw.top for draw in draws[0]} <= set(range(9))
    assert len({draw.left for draw in draws[0]}) > 5
    assert 10 < sum(draw.mirrored for draw in draws[0]) < 40
    assert not any(base.drawn(np.random.default_rng(index), 0.0).mirrored for index in range(50))


def test_workers_hand_out_bytes():
    assert Framing.whole(8, 8).picture(np.zeros((4, 4, 3), np.uint8)).dtype == torch.uint8

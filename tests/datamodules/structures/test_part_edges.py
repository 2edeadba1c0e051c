"""CoCosNet's edge maps of faces: the official numbers, and that cropping and mirroring do not change them."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from datamodules.structures.face_parts import BIT, exchanged
from datamodules.structures.part_edges import ORDER, PartEdges, framed_parts, own_edges
from datamodules.transforms import Framing

GOLDEN = Path(__file__).parents[2] / "golden" / "cocosnet_edge_map"
STILL = (1, 8, 9, 10, 11, 12, 13)
"""Channels of parts that are neither left nor right."""


def face() -> np.ndarray:
    """A small face of ellipses: (64, 64) stack."""
    y, x = np.mgrid[:64, :64]
    ellipses = {"skin": (32, 36, 18, 24), "l_eye": (40, 30, 4, 2), "nose": (32, 38, 3, 6), "hair": (32, 12, 20, 10)}
    return sum(
        (((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1) * np.int32(BIT[part])
        for part, (cx, cy, a, b) in ellipses.items()
    )


def drawn(stack: np.ndarray, framing: Framing, pixels: np.ndarray | None = None) -> torch.Tensor:
    annotation = framed_parts(stack, framing, pixels)[None]
    return PartEdges().maps(annotation, torch.zeros(1, 3, framing.height, framing.width))[0]


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_the_official_numbers_are_met_to_the_bit():
    golden = json.loads(GOLDEN.with_suffix(".json").read_text())
    expected = np.load(GOLDEN.with_suffix(".npz"))["label_uint8"]
    ellipses = golden["inputs"]["part_ellipses"]["values"]
    y, x = np.mgrid[:512, :512]
    inside = {part: ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1 for part, (cx, cy, a, b) in ellipses.items()}
    inside["hair"] &= ~inside["skin"]
    stack = sum(mask * np.int32(BIT[part]) for part, mask in inside.items())
    pixels = np.full((1024, 1024, 3), 60, np.uint8)
    pixels[:512, 512:], pixels[512:, :400], pixels[700:, 700:] = 140, 200, 20
    y, x = np.mgrid[:1024, :1024]
    cx, cy, a, b = ellipses["skin"]
    pixels[((x / 2 - cx) / a) ** 2 + ((y / 2 - cy) / b) ** 2 <= 1] = 230
    maps = drawn(stack, Framing.whole(256, 256), pixels)
    assert np.array_equal((maps * 255).round().numpy().astype(np.uint8), expected)


def test_distances_are_those_of_opencv():
    stack = face()
    nose = (stack & BIT["nose"]) > 0
    contour = np.zeros((64, 64), bool)
    for axis in (0, 1):
        differs = np.diff(nose, axis=axis)
        pad = [(0, 1) if each == axis else (0, 0) for each in (0, 1)]
        contour |= np.pad(differs, pad) | np.pad(differs, [side[::-1] for side in pad])
    expected = cv2.distanceTransform(np.where(contour, 0, 255).astype(np.uint8), cv2.DIST_L1, 3) // 3
    maps = drawn(stack, Framing.whole(64, 64))
    assert np.array_equal((maps[1 + ORDER.index("nose")] * 255).round().numpy(), expected)


def test_a_missing_part_is_far_everywhere():
    assert (drawn(face(), Framing.whole(64, 64))[1 + ORDER.index("eye_g")] == 1).all()


def test_a_crop_is_cut_out_of_the_whole_map():
    whole = drawn(face(), Framing.whole(64, 64), picture())
    crop = drawn(face(), Framing(40, 32, 64, 64, top=9, left=20), picture())
    assert torch.equal(crop, whole[:, 9:49, 20:52])


def test_crops_at_different_places_are_drawn_in_one_batch():
    framings = [Framing(40, 32, 64, 64, top=9, left=20), Framing(40, 32, 64, 64, top=24, left=0, mirrored=True)]
    together = PartEdges().maps(
        torch.stack([framed_parts(face(), f, None) for f in framings]), torch.zeros(2, 3, 40, 32)
    )
    assert torch.equal(together, torch.stack([drawn(face(), f) for f in framings]))


def test_a_mirrored_crop_is_the_mirrored_map_with_left_and_right_exchanged():
    framing = Framing(40, 32, 64, 64, top=9, left=20)
    plain = drawn(face(), framing, picture())
    mirrored = drawn(exchanged(face()), replace(framing, mirrored=True), picture()).flip(-1)
    assert torch.equal(mirrored[[0, 14, *STILL]], plain[[0, 14, *STILL]])
    left, right = 1 + ORDER.index("l_eye"), 1 + ORDER.index("r_eye")
    assert torch.equal(mirrored[right], plain[left])
    assert (mirrored[left] == 1).all()


def test_a_pictures_own_edges_count_around_the_face_and_on_hair_alone():
    maps, stack = drawn(face(), Framing.whole(64, 64), picture()), face()
    extra = (maps[0] > maps[14]).numpy()
    listed = (stack & sum(BIT[part] for part in ORDER)) > 0
    hair = (stack & BIT["hair"]) > 0
    assert extra[~listed].any()
    assert extra[hair].any()
    assert not extra[listed & ~hair].any()
    assert np.array_equal(extra, own_edges(picture(), (64, 64)) & (~listed | hair) & (maps[14] == 0).numpy())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_gpu_draws_the_same_maps():
    annotation = framed_parts(face(), Framing(40, 32, 64, 64, top=9, left=20), picture())[None]
    crop = torch.zeros(1, 3, 40, 32)
    assert torch.equal(PartEdges().maps(annotation.cuda(), crop.cuda()).cpu(), PartEdges().maps(annotation, crop))

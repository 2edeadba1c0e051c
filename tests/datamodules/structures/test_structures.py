"""The names of structures, and how many channels each has."""

import subprocess
import sys

import pytest
import torch

from datamodules import structures
from datamodules.bad_input import BadInput


@pytest.mark.parametrize(
    ("name", "classes", "expected"),
    [("pose_heatmaps", 0, 18), ("pose_map", 0, 20), ("labels", 151, 151), ("edges", 0, 1), ("image", 0, 3)],
)
def test_a_structure_has_as_many_channels_as_it_says(name, classes, expected):
    assert structures.channels(name, classes) == expected
    structure = structures.build(name, classes=classes)
    annotation = {
        "keypoints": torch.ones(2, 18, 3),
        "skeleton": torch.ones(2, 16, 8, dtype=torch.int32),
        "labels": torch.zeros(2, 16, 8, dtype=torch.uint8),
        "picture": None,
    }[structure.annotation]
    assert structure.maps(annotation, torch.zeros(2, 3, 16, 8, dtype=torch.uint8)).shape == (2, expected, 16, 8)


def test_a_misspelt_structure_is_told_its_nearest_name():
    with pytest.raises(BadInput, match=r"no structure 'pose_heatmap', only .* Did you mean 'pose_heatmaps'\?"):
        structures.channels("pose_heatmap")


def test_labels_without_classes_are_refused():
    with pytest.raises(BadInput, match=r"set data\.classes"):
        structures.channels("labels")


def test_asking_for_channels_imports_nothing_heavy():
    code = (
        "import sys; from datamodules.structures import channels; channels('edges'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["pose_heatmaps", "pose_map", "labels", "image"])
def test_maps_are_drawn_where_the_annotation_is(name):
    structure = structures.build(name, classes=5)
    annotation = {
        "keypoints": torch.ones(1, 18, 3),
        "skeleton": torch.ones(1, 8, 8, dtype=torch.int32),
        "labels": torch.zeros(1, 8, 8),
        "picture": None,
    }[structure.annotation]
    elsewhere = None if annotation is None else annotation.to("meta")
    assert structure.maps(elsewhere, torch.zeros(1, 3, 8, 8, device="meta")).device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@pytest.mark.parametrize("name", ["pose_heatmaps", "pose_map", "labels", "edges", "image"])
def test_a_gpu_draws_the_same_maps(name):
    structure = structures.build(name, classes=5)
    picture = torch.randint(0, 256, (2, 3, 32, 16), dtype=torch.uint8)
    annotation = {
        "keypoints": torch.rand(2, 18, 3) * 16,
        "skeleton": torch.randint(0, 18 << 17, (2, 32, 16), dtype=torch.int32),
        "labels": torch.randint(0, 5, (2, 32, 16), dtype=torch.uint8),
        "picture": None,
    }[structure.annotation]
    there = structure.maps(None if annotation is None else annotation.cuda(), picture.cuda())
    assert torch.allclose(there.cpu(), structure.maps(annotation, picture), atol=1e-6)


def test_edges_lie_where_the_picture_changes():
    picture = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    picture[..., 16:] = 255
    maps = structures.build("edges").maps(None, picture)
    assert set(maps.unique().tolist()) == {0.0, 1.0}
    columns = maps[0, 0].sum(0).nonzero().flatten()
    assert ((columns - 15.5).abs() <= 2).all()

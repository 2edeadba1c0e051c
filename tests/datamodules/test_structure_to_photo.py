"""Domains made of one dataset: X is the structure drawn as a picture, Y the photo."""

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import replica
from datamodules.ade20k import ADE20k
from datamodules.bad_input import BadInput
from datamodules.deepfashion import DeepFashion
from datamodules.structures.drawing import drawn
from datamodules.structures.labels import palette
from tests.datamodules.conftest import first_batch, keeps_contract, paint

SHARED = {"pairing": "domains", "domains_by": "structure"}


@pytest.fixture
def build(market, celebahq, tmp_path):
    def built(name, **changes):
        if name in ("market1501", "celebahq"):
            return {"market1501": market, "celebahq": celebahq}[name](**SHARED, **changes)
        if name == "ade20k":
            replica.write("ade20k", tmp_path / "ade", images=12, validation=4, size=48, seed=0)
        else:
            replica.write("deepfashion", tmp_path / "ade", identities=4, seed=0, height=64)
        sizes = {"height": 48, "width": 48, "batch_size": 2, "num_workers": 0, "val_fraction": 0.25}
        kind = ADE20k if name == "ade20k" else DeepFashion
        return kind(root=str(tmp_path / "ade"), **sizes, **SHARED, **changes)

    return built


@pytest.mark.parametrize(
    ("name", "structure", "channels", "size"),
    [
        ("market1501", "pose_heatmaps", 18, (128, 64)),
        ("celebahq", "labels", 19, (48, 48)),
        ("celebahq", "part_edges", 15, (48, 48)),
        ("ade20k", "labels", 151, (48, 48)),
        ("ade20k", "edges", 1, (48, 48)),
        ("deepfashion", "pose_map", 20, (48, 48)),
    ],
)
def test_a_source_is_a_drawn_structure_and_a_target_a_photo(build, name, structure, channels, size):
    data = build(name, structure=structure)
    batch = first_batch(data)
    keeps_contract(batch, channels, *size)
    assert batch.source.equal(drawn(batch.source_structure, data.structure.annotation))
    assert not batch.target.equal(batch.source)
    assert not batch.paired.any()
    held_out = data.examples("val", 2)
    assert held_out.source_key == held_out.target_key, "what the drawing shows is known where it is measured"
    assert held_out.paired.all()


def test_labels_have_the_colours_in_which_a_file_of_them_is_shown(build, tmp_path):
    data = build("celebahq", structure="labels")
    labels = np.kron(np.array([[0, 1], [13, 17]], np.uint8), np.ones((24, 24), np.uint8))
    Image.fromarray(labels).save(tmp_path / "labels.png")
    photo = paint(tmp_path / "photo.jpg", size=(48, 48))
    batch = data.batch_from_files([tmp_path / "labels.png", photo], [None, None])
    shown = torch.from_numpy(palette(19)[labels]).permute(2, 0, 1).float().div(127.5).sub(1)
    assert torch.allclose(batch.source[0], shown, atol=1e-6)
    assert batch.source[1].equal(batch.target[1]), "a photo, to be led back, stays what it is"


def test_a_picture_as_its_own_structure_is_no_domain(build):
    with pytest.raises(BadInput, match=r"set data\.structure to edges"):
        build("celebahq", structure="image")

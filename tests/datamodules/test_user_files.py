"""A user's own files as a batch, for a method that was trained on a dataset."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from datamodules.deepfashion import DeepFashion
from datamodules.structures.pose import JOINTS
from tests.datamodules.conftest import keeps_contract, paint


def openpose(path, x=40.0, y=80.0):
    """A file with one person of whom only the nose is seen."""
    path.write_text(json.dumps({"people": [{"pose_keypoints_2d": [x, y, 0.9, *[0] * 51]}]}))
    return path


def test_a_photo_of_any_size_takes_the_pose_of_a_file(market, tmp_path):
    data = market(root="nowhere")
    batch = data.batch_from_files(
        [paint(tmp_path / "me.JPG", size=(333, 200))], [openpose(tmp_path / "pose.json", 20, 30)]
    )
    assert batch.source.shape == (1, 3, 128, 64)
    assert batch.target_structure.shape == (1, 18, 128, 64)
    # No picture named `pose` lies beside it: the keypoints refer to a picture of the dataset's own size.
    assert batch.target_structure[0, 0, 30, 20] == 1
    assert not batch.target_structure[0, 1:].any()
    assert not batch.source_structure.any(), "nobody said how the person in the photo stands"
    assert batch.source_key == [str(tmp_path / "me.JPG")]
    assert not batch.paired.any()


def test_keypoints_refer_to_the_picture_beside_them(market, tmp_path):
    paint(tmp_path / "pose.png", size=(256, 256))
    openpose(tmp_path / "pose_keypoints.json", x=128, y=64)
    for structure in (tmp_path / "pose_keypoints.json", tmp_path / "pose.png"):
        batch = market(root="nowhere").batch_from_files([paint(tmp_path / "me.png")], [structure])
        # The square picture is continued above and below to be twice as high as wide, like those of the dataset.
        assert batch.target_structure[0, 0, (128 + 64) // 4, 32] == 1


def test_keypoints_refer_to_the_size_that_their_file_says(market, tmp_path):
    keypoints = {"keypoints": [128, 64, 2, *[0] * 48], "image_id": 0}
    images = [{"id": 0, "file_name": "elsewhere.jpg", "height": 256, "width": 256}]
    (tmp_path / "pose.json").write_text(json.dumps({"images": images, "annotations": [keypoints]}))
    batch = market(root="nowhere").batch_from_files([None], [tmp_path / "pose.json"])
    assert batch.target_structure[0, 0, (128 + 64) // 4, 32] == 1


def test_a_picture_of_other_proportions_is_padded_and_its_translation_comes_back_as_it_was(market, tmp_path):
    for size in ((100, 90), (41, 200), (128, 64), (128, 63)):
        photo = paint(tmp_path / f"{size[0]}.png", size=size)
        data = market(root="nowhere", height=256, width=128)
        batch = data.batch_from_files([photo], [openpose(tmp_path / "pose.json", 20, 30)])
        back = data.as_given(batch.source[0], photo)
        assert back.shape == (3, *size)
        original = torch.from_numpy(np.array(Image.open(photo))).permute(2, 0, 1) / 127.5 - 1
        assert (back - original).abs().mean() < 0.05


def test_a_translation_has_the_size_of_the_picture_that_keypoints_refer_to(market, tmp_path):
    data = market(root="nowhere", height=64, width=32)
    image = torch.zeros(3, 64, 32)
    pose = openpose(tmp_path / "pose.json", 20, 30)
    assert data.as_given(image, pose).shape == (3, 128, 64)
    paint(tmp_path / "pose.png", size=(300, 310))
    assert data.as_given(image, pose).shape == (3, 300, 310)
    assert data.as_given(torch.zeros(3, 64, 7 * 32), pose).shape == (3, 64, 7 * 32), "a strip of images stays a strip"


def test_an_image_of_the_dataset_brings_its_pose_along(market, market_root):
    data = market()
    data.setup("fit")
    example = data.examples("val", 3)
    files = [[market_root / key for key in keys] for keys in (example.source_key, example.target_key)]
    batch = data.batch_from_files(*files)
    keeps_contract_but_for_keys = batch.source_structure.equal(example.source_structure)
    assert keeps_contract_but_for_keys
    assert batch.source.equal(example.source)
    assert batch.target_structure.equal(example.target_structure)


def test_a_joint_outside_the_picture_is_refused(market, tmp_path):
    photo = paint(tmp_path / "me.png")
    with pytest.raises(BadInput, match="a joint lies outside the picture of 128 x 64"):
        market(root="nowhere").batch_from_files([photo], [openpose(tmp_path / "pose.json", x=640)])


def test_an_image_without_keypoints_is_no_pose(market, tmp_path):
    photo = paint(tmp_path / "me.png")
    with pytest.raises(BadInput, match=r"its pose is not known; put me\.json"):
        market(root="nowhere").batch_from_files([photo], [photo])


@pytest.mark.parametrize("structure", ["image", "edges"])
def test_a_picture_is_its_own_structure_unless_another_is_given(folders, tmp_path, structure):
    data = folders(folder_y="y", structure=structure)
    photo, other = paint(tmp_path / "a.jpg", 1), paint(tmp_path / "b.png", 5)
    alone, both = data.batch_from_files([photo], [None]), data.batch_from_files([photo], [other])
    from_structure = data.batch_from_files([None], [other])
    assert alone.target_structure.equal(alone.source_structure)
    assert alone.target.equal(alone.source)
    assert both.source.equal(alone.source)
    assert not both.target_structure.equal(both.source_structure)
    assert both.target_structure.equal(from_structure.source_structure)
    assert from_structure.source.equal(both.target)


def test_a_label_map_is_followed_and_shown_in_its_colours(folders, tmp_path):
    data = folders(layout="same_names", folder_y="y", structure="labels", classes=5)
    labels = np.kron(np.array([[0, 1], [4, 255]], np.uint8), np.ones((8, 12), np.uint8))
    Image.fromarray(labels).save(tmp_path / "labels.png")
    batch = data.batch_from_files([paint(tmp_path / "photo.jpg"), None], [tmp_path / "labels.png"] * 2)
    shown = batch.target_structure[0]
    assert shown.argmax(0)[labels != 255].equal(torch.from_numpy(labels[labels != 255]).long())
    assert not shown[:, torch.from_numpy(labels == 255)].any()
    assert batch.source[1].equal(batch.target[1])
    assert not batch.source_structure[0].any()
    with pytest.raises(BadInput, match="is no label map: it has colours"):
        data.batch_from_files([tmp_path / "photo.jpg"], [paint(tmp_path / "photo.png")])


def test_a_broken_file_is_named(market, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(BadInput, match=r"a\.jpg is not an image"):
        market(root="nowhere").batch_from_files([tmp_path / "a.jpg"], [openpose(tmp_path / "pose.json", 1, 1)])
    with pytest.raises(BadInput, match="needs a source, a structure, or both"):
        market(root="nowhere").batch_from_files([None], [None])


def test_the_joints_that_a_file_lacks_are_empty(market, tmp_path):
    batch = market(root="nowhere").batch_from_files([None], [openpose(Path(tmp_path / "pose.json"), 5, 5)])
    assert batch.target_structure.flatten(2).amax(-1).tolist() == [[1.0] + [0.0] * (len(JOINTS) - 1)]
    assert batch.source_structure.equal(batch.target_structure)


def test_a_batch_of_files_keeps_the_contract(folders, tmp_path):
    files = [paint(tmp_path / f"{number}.png", number) for number in range(3)]
    batch = folders(folder_y="y").batch_from_files(files, files[::-1])
    batch = type(batch)(**{**dict(batch), "source_key": ["a"] * 3, "target_key": ["b"] * 3})
    keeps_contract(batch, 3, 16, 24)


def test_keypoints_refer_to_the_canvas_that_openposes_file_names(market, tmp_path):
    people = [{"pose_keypoints_2d": [256, 256, 0.9, *[0] * 51]}]
    pose = tmp_path / "pose.json"
    pose.write_text(json.dumps({"people": people, "canvas_width": 512, "canvas_height": 1024}))
    batch = market(root="nowhere").batch_from_files([None], [pose])
    assert batch.target_structure[0, 0, 32, 32] == 1
    pose.write_text(json.dumps({"people": people, "canvas_width": 512}))
    with pytest.raises(BadInput, match="canvas_height and canvas_width must both be whole numbers"):
        market(root="nowhere").batch_from_files([None], [pose])


@pytest.mark.parametrize("border", [0, 40])
@pytest.mark.parametrize("kind", ["json", "csv", "txt"])
def test_a_pose_alone_is_one_of_deepfashions_pictures(tmp_path, kind, border):
    """The published frame, with its white borders or without them."""
    data = DeepFashion(
        root="nowhere", height=256, width=176, structure="pose_heatmaps", pairing="same_identity", num_workers=0
    )
    points = np.column_stack([np.full(18, 88 + border), np.arange(18) * 10 + 30])
    path = tmp_path / f"pose.{kind}"
    if kind == "json":
        flat = [float(value) for x, y in points for value in (x, y, 1)]
        path.write_text(json.dumps({"people": [{"pose_keypoints_2d": flat}]}))
    elif kind == "csv":
        path.write_text(f"name:keypoints_y:keypoints_x\na.jpg: {points[:, 1].tolist()}: {points[:, 0].tolist()}\n")
    else:
        path.write_text("\n".join(f"{x} {y}" for x, y in points))
    batch = data.batch_from_files([None], [path])
    assert batch.target_structure.shape == (1, 18, 256, 176)
    assert batch.target_structure[0, 0, 30, 88] == 1
    path.write_text(path.read_text().replace("200", "2000"))
    with pytest.raises(BadInput, match="the size of its picture is not known"):
        data.batch_from_files([None], [path])


def test_a_mask_lies_where_its_picture_does(market, tmp_path):
    data = market(root="nowhere")
    painted = np.zeros((256, 256), np.uint8)
    painted[64:128, 64:192] = 255
    Image.fromarray(painted).save(tmp_path / "mask.png")
    Image.fromarray(np.where(painted[..., None] > 0, [255, 0, 0], [0, 0, 255]).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    mask = data.placed(tmp_path / "mask.png", "mask")
    picture = data.placed(tmp_path / "a.png", "picture")
    assert mask.shape == (1, 128, 64)
    assert mask.unique().tolist() == [0, 1]
    assert torch.equal(mask[0] > 0.5, picture[0] > 0), "red is inside"
    rows = mask[0].any(1).nonzero().flatten().tolist()
    assert (rows[0], rows[-1]) == (48, 63), "a quarter of a square's height, which is padded to twice its height"
    with pytest.raises(BadInput, match=r"none\.png"):
        data.placed(tmp_path / "none.png", "mask")

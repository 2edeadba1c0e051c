"""Market-1501 in the files of the real dataset: what is read, what is left out, and how it is paired."""

import itertools
import logging
import shutil

import numpy as np
import pytest
import torch

from datamodules import replica
from datamodules.bad_input import BadInput
from datamodules.market1501 import Market1501
from datamodules.structures.keypoint_csv import read_keypoints
from tests.datamodules.conftest import first_batch, keeps_contract

MODES = ["same_identity", "reference", "self", "random", "domains"]


def person(key):
    return key.rsplit("/", 1)[-1].split("_")[0]


def camera(key):
    return key.rsplit("/", 1)[-1].split("_")[1][:2]


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("pairing", MODES)
def test_every_mode_keeps_the_contract_of_a_batch(market, pairing, split):
    cameras = {"cameras_x": [1, 2, 3], "cameras_y": [4, 5, 6]}
    batch = first_batch(market(pairing=pairing, **cameras), split)
    keeps_contract(batch, 18, 128, 64)
    assert batch.paired.tolist() == [pairing in ("same_identity", "self")] * batch.size
    for source, target in zip(batch.source_key, batch.target_key, strict=True):
        if pairing == "same_identity":
            assert person(source) == person(target)
            assert source != target
        elif pairing == "self":
            assert source == target
        elif pairing == "reference":
            assert person(source) != person(target)
        elif pairing == "random":
            assert source != target
        else:
            assert camera(source) in ("c1", "c2", "c3")
            assert camera(target) in ("c4", "c5", "c6")


@pytest.mark.parametrize(
    ("structure", "channels"), [("pose_heatmaps", 18), ("pose_map", 20), ("edges", 1), ("image", 3)]
)
@pytest.mark.parametrize("size", [(128, 64), (256, 128), (40, 72)])
def test_any_structure_at_any_size(market, structure, channels, size):
    keeps_contract(first_batch(market(structure=structure, height=size[0], width=size[1])), channels, *size)


def test_pictures_and_poses_are_those_of_the_files(market, market_root):
    batch = first_batch(market(), "val")
    names, keypoints = read_keypoints(market_root / "market-annotation-train.csv")
    for key, maps in zip(batch.target_key, batch.target_structure, strict=True):
        points = keypoints[names.index(key.rsplit("/", 1)[-1])]
        for joint in range(18):
            if points[joint, 2]:
                x, y = points[joint, :2].astype(int)
                assert maps[joint, y, x] == 1
            else:
                assert not maps[joint].any()


def test_junk_and_distractors_are_in_no_split_and_people_in_one_only(market):
    data = market()
    data.setup(None)
    people = {split: set(data.datasets[split].table.identity.tolist()) for split in ("train", "val", "test")}
    assert all(number > 0 for group in people.values() for number in group)
    for a, b in itertools.combinations(people.values(), 2):
        assert not a & b
    assert len(people["val"]) == round(0.2 * (len(people["train"]) + len(people["val"])))
    other_seed = market(seed=5)
    other_seed.setup("fit")
    assert set(other_seed.datasets["val"].table.identity.tolist()) == people["val"]


def test_test_pairs_are_those_of_the_list_in_its_order(market, market_root):
    data = market(batch_size=64)
    data.setup("test")
    listed = [tuple(line.split(",")) for line in (market_root / "market-pairs-test.csv").read_text().split()[1:]]
    found = [
        (source.rsplit("/")[-1], target.rsplit("/")[-1])
        for batch in data.test_dataloader()
        for source, target in zip(batch.source_key, batch.target_key, strict=True)
    ]
    assert found == listed


def test_without_lists_the_pairs_are_made_by_the_rule_of_the_published_ones(market, market_copy):
    from_list, by_rule = market(root=str(market_copy)), market(root=str(market_copy))
    from_list.setup(None)
    for path in market_copy.glob("market-pairs-*.csv"):
        path.unlink()
    by_rule.setup(None)
    for split in ("train", "val", "test"):
        listed, ruled = (
            {(table.key(s), table.key(t)) for s, t in zip(pairs.sources, pairs.targets, strict=True)}
            for table, pairs in ((d.datasets[split].table, d.datasets[split].pairs) for d in (from_list, by_rule))
        )
        assert listed == ruled


def test_pairs_of_one_camera_only(market):
    data = market(same_camera=True, limit_pairs={"test": 40})
    data.setup(None)
    for split in ("train", "test"):
        dataset = data.datasets[split]
        cameras = dataset.table.domain
        assert len(dataset) > 0
        assert (cameras[dataset.pairs.sources] == cameras[dataset.pairs.targets]).all()
    assert len(data.datasets["test"]) <= 40


def test_source_and_target_of_a_person_are_mirrored_alike(market):
    data = market(flip=0.5)
    data.setup("fit")
    mirrored = data.datasets["train"]
    plain = market()
    plain.setup("fit")
    both = 0
    for index in range(20):
        turned, straight = mirrored[0, index], plain.datasets["train"][0, index]
        flips = [turned[side].equal(straight[side].flip(-1)) for side in ("source", "target")]
        assert flips[0] == flips[1]
        both += flips[0]
    assert 3 < both < 17


@pytest.mark.parametrize("form", ["parent", "one_folder_more", "renamed", "csv_beside_root"])
def test_the_forms_in_which_people_keep_it(market, market_copy, form, tmp_path):
    root = market_copy
    if form == "parent":
        (tmp_path / "datasets").mkdir()
        root = market_copy.rename(tmp_path / "datasets" / "Market-1501-v15.09.15").parent
        (root / "another" / "train").mkdir(parents=True)  # of another dataset
    elif form == "one_folder_more":
        root = market_copy.rename(tmp_path / "inner")
        (tmp_path / "Market-1501-v15.09.15").mkdir()
        root = root.rename(tmp_path / "Market-1501-v15.09.15" / "Market-1501-v15.09.15").parent.parent
    elif form == "renamed":
        for split in ("train", "test"):
            (root / f"bounding_box_{split}").rename(root / split)
        shutil.rmtree(root / "query")
    else:
        for path in root.glob("*.csv"):
            path.rename(tmp_path / path.name)
    keeps_contract(first_batch(market(root=str(root)), "test"), 18, 128, 64)


def test_windows_line_ends_a_byte_order_mark_and_quotes_do_no_harm(market, market_copy, market_root):
    for path in market_copy.glob("*.csv"):
        lines = path.read_text().splitlines()
        if "annotation" in path.name:
            lines = [lines[0], *(":".join(f'"{cell.strip()}"' for cell in line.split(":")) for line in lines[1:])]
        path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, "", ""]).encode())
    expected, found = first_batch(market()), first_batch(market(root=str(market_copy)))
    assert found.target_key == expected.target_key
    assert found.target_structure.equal(expected.target_structure)


def test_an_image_without_a_row_or_without_torso_is_in_no_pair(market, market_copy, caplog):
    path = market_copy / "market-annotation-train.csv"
    lines = path.read_text().splitlines()
    names = [line.split(":")[0].strip() for line in lines]
    good = next(i for i in range(1, len(lines)) if "-1" not in lines[i])
    values = lines[good].split(":")
    joints = values[1].strip(" []").split(",")
    joints[5] = "-1"  # the left shoulder
    lines[good] = f"{values[0]}: [{','.join(joints)}]:{values[2]}"
    missing = names[good + 1]
    path.write_text("\n".join(line for line in lines if not line.startswith(missing)) + "\n")
    (market_copy / "market-pairs-train.csv").unlink()
    with caplog.at_level(logging.WARNING):
        data = market(root=str(market_copy), val_fraction=0.0)
        data.setup("fit")
    dataset = data.datasets["train"]
    used = {dataset.table.key(row) for row in np.unique(dataset.pairs.sources)}
    assert not used & {f"bounding_box_train/{names[good]}", f"bounding_box_train/{missing}"}
    assert "1 of" in caplog.text
    assert "have no row" in caplog.text
    assert data.val_dataloader() == []


@pytest.mark.parametrize(
    ("name", "row", "sentence"),
    [
        ("market-annotation-train.csv", "0002_c1s1.jpg: [1, 2]: [1, 2]", "two lists of 18 numbers"),
        ("market-annotation-train.csv", "0002_c1s1.jpg: [1, 2", "two lists of 18 numbers"),
        ("market-pairs-train.csv", "0002_c1s1.jpg", "two file names expected"),
    ],
)
def test_a_row_that_does_not_parse_is_named_by_file_and_line(market, market_copy, name, row, sentence):
    path = market_copy / name
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], row, *lines[3:]]))
    with pytest.raises(BadInput, match=rf"{name}, line 4: .*{sentence}.*found '0002_c1s1\.jpg"):
        market(root=str(market_copy)).setup("fit")


def test_a_dataset_that_is_not_there_says_what_to_do(market, tmp_path):
    with pytest.raises(
        BadInput, match=r"does not exist: .*bounding_box_train.*Liang Zheng.*datamodules\.replica market1501"
    ):
        market(root=str(tmp_path / "nowhere")).setup("fit")
    with pytest.raises(BadInput, match="neither bounding_box_train nor train"):
        market(root=str(tmp_path)).setup("fit")
    (tmp_path / "Market.zip").touch()
    with pytest.raises(BadInput, match="is a file: unpack it"):
        market(root=str(tmp_path / "Market.zip")).setup("fit")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "cat.jpg").touch()
    with pytest.raises(BadInput, match="this is not Market-1501"):
        market(root=str(tmp_path)).setup("fit")


def test_without_poses_only_pose_heatmaps_are_impossible(market, market_copy):
    for path in market_copy.glob("*.csv"):
        path.unlink()
    with pytest.raises(BadInput, match=r"market-annotation-train\.csv is not in .*data\.structure=edges"):
        market(root=str(market_copy)).setup("fit")
    keeps_contract(first_batch(market(root=str(market_copy), structure="edges")), 1, 128, 64)


def test_a_camera_without_images_is_named(market):
    with pytest.raises(BadInput, match="domain Y has no images in the train split"):
        market(pairing="domains", cameras_y=[7]).setup("fit")


def test_truth_comes_with_the_batches_that_are_measured(market, market_copy, market_root):
    batch = first_batch(market(truth=True, height=64, width=32), "test")
    assert sorted(batch.truth) == sorted(
        f"{side}_{what}"
        for side in ("source", "target")
        for what in ("silhouette", "background", "joints", "part", "place")
    )
    silhouette, background = batch.truth["target_silhouette"], batch.truth["target_background"]
    assert silhouette.shape == (4, 1, 64, 32)
    assert set(silhouette.unique().tolist()) == {0.0, 1.0}
    difference = (batch.target - background).abs().mean(1, keepdim=True)
    assert difference[silhouette == 1].mean() > 3 * difference[silhouette == 0].mean()
    x, y, visible = batch.truth["target_joints"].unbind(-1)
    column, row = x.long().clamp(0, 31), y.long().clamp(0, 63)
    on_the_person = silhouette[torch.arange(4)[:, None], 0, row, column] > 0
    assert on_the_person[visible > 0].float().mean() > 0.8
    assert first_batch(market(truth=True)).truth == {}
    with pytest.raises(BadInput, match=r"data\.truth=true needs a replica"):
        first_batch(market(truth=True, root=str(market_copy)), "test")


def test_a_replica_is_written_where_the_dataset_is_not(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        replica, "write", lambda name, directory, **settings: written.append((name, directory, settings))
    )
    settings = {"height": 128, "width": 64, "structure": "pose_heatmaps", "pairing": "self"}
    Market1501(root=str(tmp_path / "new"), replica={"identities": 3}, **settings).prepare_data()
    Market1501(root=str(tmp_path), replica={"identities": 3}, **settings).prepare_data()
    Market1501(root=str(tmp_path / "new"), **settings).prepare_data()
    assert written == [("market1501", tmp_path / "new", {"identities": 3})]


def test_examples_are_always_the_same_and_whole(market):
    data = market(flip=0.5, load_height=140, load_width=70)
    data.setup("fit")
    first, again = data.examples("train", 3), data.examples("train", 3)
    keeps_contract(first, 18, 128, 64)
    assert first.source_key == again.source_key
    assert first.source.equal(again.source)
    assert len(set(first.target_key)) == 3
    assert data.examples("val", 10_000).size == len(data.datasets["val"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"structure": "labels", "classes": 4}, "has no label maps"),
        ({"structure_channels": 3}, r"data\.structure_channels=3, but data\.structure=pose_heatmaps has 18"),
        ({"load_height": 100}, "cannot be cropped to 128 x 64"),
        ({"val_fraction": 1.0}, r"data\.val_fraction"),
        ({"batch_size": 0}, r"data\.batch_size"),
        ({"seed": -1}, r"data\.seed must be 0 or more"),
        ({"limit_pairs": {"training": 3}}, "knows train, val and test, not training"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(market, changes, sentence):
    with pytest.raises(BadInput, match=sentence):
        market(**changes)


def test_too_few_pairs_for_a_batch_are_refused_before_training(market):
    with pytest.raises(BadInput, match=r"has 3 pairs, fewer than one batch of 4.*lower data\.batch_size"):
        first_batch(market(limit_pairs={"train": 3}))


def test_workers_share_the_index_instead_of_copying_it(market):
    data = market()
    data.setup("fit")
    table = data.datasets["train"].table
    held = [*vars(table).values(), data.datasets["train"].pairs.sources, data.datasets["train"].pairs.targets]
    assert not any(isinstance(value, list | dict | tuple) for value in held)
    assert table.keys.dtype.kind == "S"
    assert torch.utils.data.get_worker_info() is None

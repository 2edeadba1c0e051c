"""The replica of Market-1501: is it what code written for the real files expects?"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from datamodules import replica
from datamodules.bad_input import BadInput
from datamodules.replica import market1501
from datamodules.replica.market1501 import QUERY, TEST, TRAIN
from tests.datamodules.replica.conftest import SETTINGS, picture, truth

NAME = re.compile(r"(-1|\d{4})_c([1-6])s([1-6])_(\d{6})_(\d{2})\.jpg")
Keypoints = dict[str, tuple[list[int], list[int]]]


def names(market: Path, folder: str) -> list[str]:
    return sorted(path.name for path in (market / folder).glob("*.jpg"))


def annotations(market: Path, side: str) -> Keypoints:
    """The rows of a keypoint file, read as the community's code reads them: name -> (y, x)."""
    header, *rows = (market / f"market-annotation-{side}.csv").read_text().splitlines()
    assert header == "name:keypoints_y:keypoints_x"
    split = (row.split(":") for row in rows)
    return {name: (json.loads(ys), json.loads(xs)) for name, ys, xs in split}


def pairs(market: Path, side: str) -> list[tuple[str, ...]]:
    header, *rows = (market / f"market-pairs-{side}.csv").read_text().splitlines()
    assert header == "from,to"
    return [tuple(row.split(",")) for row in rows]


def test_lays_files_out_as_the_real_dataset(market):
    assert {path.name for path in market.iterdir()} == {
        TRAIN, TEST, QUERY, "market-annotation-train.csv", "market-annotation-test.csv", "market-pairs-train.csv",
        "market-pairs-test.csv", "readme.txt", "truth", "replica.json",
    }  # fmt: skip
    for folder in (TRAIN, TEST, QUERY):
        assert names(market, folder)
        assert all(NAME.fullmatch(name) for name in names(market, folder))
    assert {path.name for path in (market / TEST).iterdir()} - set(names(market, TEST)) == {"Thumbs.db"}


def test_pictures_have_the_size_of_the_real_ones(market):
    for folder in (TRAIN, TEST, QUERY):
        assert {cv2.imread(str(market / folder / name)).shape for name in names(market, folder)} == {(128, 64, 3)}


def test_identities_are_disjoint_and_seen_by_two_cameras_or_more(market):
    cameras: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for folder in (TRAIN, TEST, QUERY):
        for name in names(market, folder):
            person, camera = NAME.fullmatch(name).groups()[:2]
            cameras[folder][person].add(camera)
    people = {folder: set(cameras[folder]) - {"-1", "0000"} for folder in cameras}
    assert len(people[TRAIN]) == SETTINGS["identities"]
    assert len(people[TEST]) == 4
    assert not people[TRAIN] & people[TEST]
    assert people[QUERY] == people[TEST]
    assert all(len(cameras[folder][person]) >= 2 for folder in (TRAIN, TEST) for person in people[folder])
    numbers = sorted(int(person) for person in people[TRAIN] | people[TEST])
    assert numbers != list(range(numbers[0], numbers[0] + len(numbers)))


def test_counts_follow_the_settings(market):
    train = Counter(name.split("_")[0] for name in names(market, TRAIN))
    test = Counter(name.split("_")[0] for name in names(market, TEST))
    assert set(train.values()) == {SETTINGS["images_per_identity"]}
    assert test.pop("-1") > 0
    assert test.pop("0000") > 0
    assert set(test.values()) == {SETTINGS["images_per_identity"]}


def test_a_query_shows_a_person_once_per_camera(market):
    seen = Counter(NAME.fullmatch(name).groups()[:2] for name in names(market, QUERY))
    assert set(seen.values()) == {1}


@pytest.mark.parametrize(("side", "folder"), [("train", TRAIN), ("test", TEST)])
def test_every_picture_has_a_row_of_18_keypoints_inside_the_figure(market, side, folder):
    rows = annotations(market, side)
    assert sorted(rows) == names(market, folder)
    present = 0
    for name, (ys, xs) in rows.items():
        assert len(ys) == len(xs) == 18
        silhouette = truth(market, f"{folder}/{name}").silhouette
        for y, x in zip(ys, xs, strict=True):
            assert (y == -1) == (x == -1)
            if y != -1:
                assert silhouette[y, x], f"{name}: a joint at x={x}, y={y} lies beside the person"
                present += 1
    assert present > 8 * len(rows) * 0.6


def test_right_joints_lie_at_the_image_left_of_those_who_face_the_camera(market):
    seen = 0
    for ys, xs in annotations(market, "train").values():
        if min(ys[2], ys[5], ys[14], ys[15]) >= 0:  # both shoulders and both eyes: seen from the front
            assert xs[2] < xs[5] + 3
            seen += 1
    assert seen


def test_pairs_are_all_ordered_permutations_of_whole_images_of_one_person(market):
    for side in ("train", "test"):
        people = defaultdict(list)
        for name, (ys, _) in annotations(market, side).items():
            if not name.startswith(("-1", "0000")) and min(ys[joint] for joint in (2, 5, 8, 11)) >= 0:
                people[name.split("_")[0]].append(name)
        expected = {pair for group in people.values() for pair in itertools.permutations(group, 2)}
        listed = pairs(market, side)
        assert len(listed) == len(set(listed)) > 8
        assert set(listed) == expected


def test_only_the_test_list_is_sampled(tmp_path, monkeypatch):
    monkeypatch.setattr(market1501, "TEST_PAIRS", 6)
    small = {"identities": 2, "images_per_identity": 4, "height": 32, "width": 16}
    first, again = (replica.write("market1501", tmp_path / name, **small) for name in ("a", "b"))
    assert len(pairs(first, "test")) == 6
    assert pairs(first, "test") == pairs(again, "test")


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(tmp_path):
    small = {"identities": 2, "images_per_identity": 2, "height": 32, "width": 16}
    one = replica.write("market1501", tmp_path / "one", seed=1, **small)
    two = replica.write("market1501", tmp_path / "two", seed=1, workers=2, **small)
    other = replica.write("market1501", tmp_path / "other", seed=2, **small)
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert all((one / file).read_bytes() == (two / file).read_bytes() for file in files)
    assert names(one, TRAIN) != names(other, TRAIN)


def test_people_differ_even_in_the_same_pose(market):
    """Appearance does not follow from the structure: the mean colours of two people differ clearly."""
    colours = defaultdict(list)
    for name in names(market, TRAIN):
        key = f"{TRAIN}/{name}"
        colours[name.split("_")[0]].append(picture(market, key)[truth(market, key).silhouette > 0].mean(axis=0))
    means = np.array([np.mean(values, axis=0) for values in colours.values()])
    within = np.mean([np.std(values, axis=0).mean() for values in colours.values()])
    assert np.std(means, axis=0).mean() > within


def test_the_clean_background_is_the_picture_beside_the_person(market):
    for name in names(market, TRAIN)[:6]:
        key = f"{TRAIN}/{name}"
        known = truth(market, key)
        beside = cv2.dilate(known.silhouette, np.ones((9, 9), np.uint8)) == 0
        difference = np.abs(picture(market, key).astype(int) - known.background.astype(int))
        assert difference[beside].mean() < 4
        assert difference[known.silhouette > 0].mean() > 15


def test_the_parts_fill_the_silhouette(market):
    known = truth(market, f"{TRAIN}/{names(market, TRAIN)[0]}")
    np.testing.assert_array_equal(known.part > 0, known.silhouette > 0)
    assert known.uv.dtype == np.float16
    assert (known.uv >= 0).all()
    assert (known.uv <= 1).all()
    assert 0.12 < known.silhouette.mean() < 0.6


def test_truth_can_be_left_out(tmp_path):
    where = replica.write(
        "market1501", tmp_path / "m", identities=1, images_per_identity=2, height=32, width=16, truth=False
    )
    assert not (where / "truth").exists()


@pytest.mark.parametrize("wrong", [{"images_per_identity": 1}, {"identities": 0}, {"identities": 2000}])
def test_impossible_settings_are_refused_before_anything_is_drawn(tmp_path, wrong):
    with pytest.raises(BadInput, match=next(iter(wrong))):
        replica.write("market1501", tmp_path / "m", **wrong)
    assert list(tmp_path.iterdir()) == []

"""The replica of ADE20k: is it what code written for the real files expects?"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules import replica
from datamodules.ade_classes import NAMES
from datamodules.bad_input import BadInput
from datamodules.replica.ade20k import SCENES, drawn
from datamodules.replica.scene_rooms import ROOMS

SIZE = 64
INDOORS, OUTDOORS = {"wall", "floor"}, {"sky"}


@pytest.fixture(scope="module")
def ade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("replica") / "ade"
    return replica.write("ade20k", root, images=56, validation=14, size=SIZE, seed=3)


def labels_of(root: Path) -> dict[str, np.ndarray]:
    return {path.stem: np.asarray(Image.open(path)) for path in sorted(root.glob("annotations/*/*.png"))}


def test_lays_files_out_as_the_real_dataset(ade):
    assert {path.name for path in ade.iterdir()} == {
        "images", "annotations", "objectInfo150.txt", "sceneCategories.txt", "ade20k_ref.txt", "ade20k_ref_test.txt",
        "replica.json",
    }  # fmt: skip
    for folder, short, count in (("training", "train", 56), ("validation", "val", 14)):
        stems = [f"ADE_{short}_{number:08d}" for number in range(1, count + 1)]
        assert sorted(path.name for path in (ade / "images" / folder).iterdir()) == [f"{stem}.jpg" for stem in stems]
        assert sorted(path.name for path in (ade / "annotations" / folder).iterdir()) == [
            f"{stem}.png" for stem in stems
        ]


def test_label_maps_hold_raw_classes_and_fit_their_pictures(ade):
    modes, values = Counter(), set()
    for path in ade.glob("annotations/*/*.png"):
        with Image.open(path) as labels, Image.open(ade / "images" / path.parent.name / f"{path.stem}.jpg") as picture:
            assert labels.mode == "L"
            assert labels.size == picture.size
            modes[picture.mode] += 1
            values |= set(np.unique(np.asarray(labels)).tolist())
    assert set(modes) <= {"RGB", "L"}
    assert 0 in values
    assert max(values) <= 150
    assert len(values - {0}) >= 50


def test_pictures_have_many_sizes_and_shapes(ade):
    sizes = {Image.open(path).size for path in ade.glob("images/*/*.jpg")}
    assert {min(size) for size in sizes} >= {SIZE}
    assert min(min(size) for size in sizes) < SIZE
    shapes = {np.sign(width - height) for width, height in sizes}
    assert shapes == {-1, 0, 1}
    assert len(sizes) > 15


def test_text_files_say_what_is_in_the_pictures(ade):
    labels = labels_of(ade)
    header, *rows = (ade / "objectInfo150.txt").read_text().splitlines()
    assert header.split("\t") == ["Idx", "Ratio", "Train", "Val", "Name"]
    assert len(rows) == 150
    for number, row in enumerate(rows, start=1):
        index, _, train, val, name = row.split("\t")
        assert (int(index), name) == (number, NAMES[number])
        there = Counter(stem.split("_")[1] for stem, values in labels.items() if (values == number).any())
        assert (int(train), int(val)) == (there["train"], there["val"])


def test_every_scene_is_in_both_parts_and_holds_what_belongs_to_it(ade):
    labels = labels_of(ade)
    lines = [line.split(" ") for line in (ade / "sceneCategories.txt").read_text().splitlines()]
    assert [stem for stem, _ in lines] == sorted(labels)
    for part in ("train", "val"):
        assert set(SCENES) <= {scene for stem, scene in lines if f"_{part}_" in stem} | {"misc"}
    for stem, scene in lines:
        if scene != "misc":
            names = {NAMES[value] for value in np.unique(labels[stem])}
            assert names >= (INDOORS if scene in ROOMS else OUTDOORS), (stem, scene)
            assert not names & (OUTDOORS if scene in ROOMS else INDOORS), (stem, scene)


def test_exemplars_are_other_training_images_best_first(ade):
    labels = labels_of(ade)
    shares = {stem: np.bincount(values.ravel(), minlength=151) / values.size for stem, values in labels.items()}
    for name, count in (("ade20k_ref.txt", 56), ("ade20k_ref_test.txt", 14)):
        lines = [line.split(",") for line in (ade / name).read_text().splitlines()]
        assert len(lines) == count
        for target, *exemplars in lines:
            assert len(set(exemplars)) == 20
            assert target not in exemplars
            assert all(re.fullmatch(r"ADE_train_\d{8}\.jpg", exemplar) for exemplar in exemplars)
            away = [np.square(shares[target[:-4]] - shares[exemplar[:-4]]).sum() for exemplar in exemplars]
            assert away == pytest.approx(sorted(away), abs=1e-6)


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(tmp_path):
    small = {"images": 5, "validation": 2, "size": 48}
    one = replica.write("ade20k", tmp_path / "one", seed=1, **small)
    two = replica.write("ade20k", tmp_path / "two", seed=1, workers=2, **small)
    other = replica.write("ade20k", tmp_path / "other", seed=2, **small)
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert all((one / file).read_bytes() == (two / file).read_bytes() for file in files)
    picture = "images/training/ADE_train_00000001.jpg"
    assert (one / picture).read_bytes() != (other / picture).read_bytes()


@pytest.mark.parametrize("scene", SCENES)
def test_a_class_has_no_colour_of_its_own(scene):
    """Light and materials vary: the largest class looks different in other pictures of the same scene."""
    colours: dict[int, list[np.ndarray]] = {}
    for number in range(5):
        picture, labels = drawn(scene, 48, 64, np.random.default_rng([5, number]))
        assert picture.dtype == labels.dtype == np.uint8
        assert picture.std() > 12
        for value in np.unique(labels):
            if (labels == value).mean() > 0.05:
                colours.setdefault(int(value), []).append(picture[labels == value].mean(0))
    often = max(colours.values(), key=len)
    assert len(often) >= 3
    assert np.std(often, axis=0).max() > 12


@pytest.mark.parametrize("wrong", [{"images": 1}, {"validation": 0}, {"size": 20}])
def test_impossible_settings_are_refused_before_anything_is_drawn(tmp_path, wrong):
    with pytest.raises(BadInput, match=next(iter(wrong))):
        replica.write("ade20k", tmp_path / "m", **wrong)
    assert list(tmp_path.iterdir()) == []

"""The replica of DeepFashion In-shop: is it what code written for the real files expects?"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from datamodules import replica
from datamodules.deepfashion_names import flattened, same
from datamodules.replica.deepfashion import plan
from datamodules.replica.truth import read

SETTINGS = {"identities": 5, "seed": 3, "height": 128}


@pytest.fixture(scope="module")
def fashion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return replica.write("deepfashion", tmp_path_factory.mktemp("replica") / "deepfashion", **SETTINGS)


def images(root: Path, folder: str) -> list[str]:
    return sorted(path.relative_to(root / folder).as_posix() for path in (root / folder).rglob("*.jpg"))


def people(names: list[str]) -> set[str]:
    return {" ".join((same(name) or "").split(" ")[:4]) for name in names}


def test_has_the_files_of_the_benchmark_and_of_both_families_of_papers(fashion: Path) -> None:
    assert {path.name for path in fashion.iterdir()} == {
        "img_highres", "img", "pose", "truth", "Anno", "Eval", "replica.json", "train.lst", "test.lst",
        "fasion-resize-pairs-train.csv", "fasion-resize-pairs-test.csv", "fasion-resize-annotation-train.csv",
        "fasion-resize-annotation-test.csv", "train_pairs.txt", "test_pairs.txt", "train.txt", "val.txt",
        "deepfashion_ref.txt", "deepfashion_ref_test.txt", "deepfashion_self_pair.txt",
    }  # fmt: skip
    assert images(fashion, "img") == images(fashion, "img_highres")
    assert all(same(name) for name in images(fashion, "img"))


def test_both_resolutions_show_the_same_and_the_small_one_has_borders(fashion: Path) -> None:
    for name in images(fashion, "img"):
        high, low = (cv2.imread(str(fashion / folder / name)) for folder in ("img_highres", "img"))
        assert high.shape == (128, 87, 3)
        assert low.shape == (256, 256, 3)
        assert low[:, :36].min() > 245
        assert low[:, 220:].min() > 245
        seen = cv2.resize(low[:, 40:216], (87, 128), interpolation=cv2.INTER_AREA)
        assert np.abs(seen.astype(float) - high).mean() < 6


def test_lists_split_all_images_by_person(fashion: Path) -> None:
    train, test = ((fashion / f"{side}.lst").read_text().split() for side in ("train", "test"))
    assert len(people(train)) == SETTINGS["identities"]
    assert len(people(test)) == 4
    assert not people(train) & people(test)
    assert sorted([*train, *test]) == sorted(flattened(name) for name in images(fashion, "img"))
    for name, side in (("train.txt", train), ("val.txt", test)):
        text = (fashion / name).read_text()
        assert not text.endswith("\n")
        assert [flattened(line.replace("\\", "/")) for line in text.splitlines()] == side


def test_a_person_wears_the_same_and_views_differ() -> None:
    shots, _ = plan(40, 0)
    views = defaultdict(set)
    for shot in shots:
        views[shot.item, shot.variant].add(shot.view)
    assert all("1_front" in seen and len(seen) >= 4 for seen in views.values())
    assert set().union(*views.values()) == {"1_front", "2_side", "3_back", "4_full", "7_additional"}
    assert any(variant == 2 for _, variant in views)
    assert len({shot.path for shot in shots}) == len(shots)


def test_pairs_are_ordered_of_one_person_and_text_names_the_target_first(fashion: Path) -> None:
    header, *rows = (fashion / "fasion-resize-pairs-test.csv").read_text().split()
    assert header == "from,to"
    pairs = [tuple(row.split(",")) for row in rows]
    assert all(people([source]) == people([target]) and source != target for source, target in pairs)
    lines = [line.split(",") for line in (fashion / "test_pairs.txt").read_text().split()]
    assert [(flattened(source), flattened(target)) for target, source in lines] == pairs


@pytest.mark.parametrize("side", ["train", "test"])
def test_joints_lie_on_the_person_in_every_file_of_poses(fashion: Path, side: str) -> None:
    header, *rows = (fashion / f"fasion-resize-annotation-{side}.csv").read_text().splitlines()
    assert header == "name:keypoints_y:keypoints_x"
    found = {row.split(":")[0]: [json.loads(cell) for cell in row.split(":")[1:]] for row in rows}
    assert list(found) == (fashion / f"{side}.lst").read_text().split()
    for name in images(fashion, "img"):
        if flattened(name) not in found:
            continue
        ys, xs = found[flattened(name)]
        silhouette = read((fashion / "truth" / "img" / name).with_suffix(".npz")).silhouette
        near = cv2.dilate(silhouette, np.ones((5, 5), np.uint8))
        stem = (fashion / "pose" / name).with_suffix("")
        text = np.loadtxt(stem.with_name(f"{stem.name}.txt"), ndmin=2)
        candidate, subset = (np.loadtxt(stem.with_name(f"{stem.name}_{end}.txt")) for end in ("candidate", "subset"))
        for joint, (x, y) in enumerate(zip(xs, ys, strict=True)):
            assert (x == -1) == (y == -1) == (subset[joint] == -1)
            expected = [-1, -1] if x == -1 else [x + 40, y]
            assert text[joint].tolist() == expected
            if x != -1:
                assert near[min(y, 255), min(x + 40, 255)], f"{name}: a joint at x={x}, y={y} lies beside the person"
                assert candidate[int(subset[joint]), :2].tolist() == expected


def test_exemplars_are_other_people_of_the_training_side(fashion: Path) -> None:
    train = (fashion / "train.txt").read_text().splitlines()
    for name in ("deepfashion_ref.txt", "deepfashion_ref_test.txt"):
        for line in (fashion / name).read_text().splitlines():
            key, *exemplars = line.split(",")
            assert len(exemplars) > 1
            assert set(exemplars) <= set(train)
            assert not people([key]) & people(exemplars)


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    small = {"identities": 1, "height": 64}
    one, two = (
        replica.write("deepfashion", tmp_path / str(workers), seed=1, workers=workers, **small) for workers in (1, 2)
    )
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert all((one / file).read_bytes() == (two / file).read_bytes() for file in files)


def test_another_seed_has_other_people(fashion: Path) -> None:
    assert not {shot.path for shot in plan(5, 4)[0]} & set(images(fashion, "img"))

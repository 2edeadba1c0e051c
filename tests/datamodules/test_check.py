"""`python -m datamodules.check`: whole replicas pass, and every way to break one is told in the row that is about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules import replica
from datamodules.bad_input import BadInput
from datamodules.check import check
from datamodules.check.__main__ import main
from datamodules.check.folders import domains
from tests.datamodules.conftest import SAMPLES, needs_samples


@pytest.fixture(scope="module")
def fashion_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fashion") / "deepfashion"
    replica.write("deepfashion", root, identities=2, height=64, truth=False)
    return root


@pytest.fixture(scope="module")
def ade_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ade") / "ADEChallengeData2016"
    replica.write("ade20k", root, images=12, validation=4, size=48)
    return root


@pytest.fixture
def roots(market_root: Path, celebahq_root: Path, fashion_root: Path, ade_root: Path) -> dict[str, Path]:
    return {"market1501": market_root, "celebahq": celebahq_root, "deepfashion": fashion_root, "ade20k": ade_root}


@pytest.mark.parametrize("name", ["market1501", "celebahq", "deepfashion", "ade20k"])
def test_a_replica_is_whole_and_its_counts_are_no_faults(name, roots):
    report = check(name, roots[name])
    assert report.faults == []
    counts = [row for row in report.rows if row.published]
    assert counts
    assert {row.result for row in counts} == {"note"}
    assert all(row.found < row.published for row in counts)


def first(folder: Path, pattern: str) -> Path:
    return min(folder.rglob(pattern))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def repainted(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    Image.fromarray(change(np.asarray(Image.open(path)))).save(path)


def person_in_both(root: Path) -> None:
    moved = first(root / "bounding_box_test", "[0-9]*_c*.jpg")
    moved = next(path for path in sorted(moved.parent.iterdir()) if not path.name.startswith(("-1", "0000")))
    shutil.copy(moved, root / "bounding_box_train" / moved.name)


def far_joint(path: Path) -> None:
    lines = path.read_text().splitlines()
    name, y, x = lines[1].split(": ")
    cells = x.strip("[]").split(", ")
    lines[1] = f"{name}: {y.replace('-1', '5')}: [{', '.join(['300', *cells[1:]])}]"
    path.write_text("\n".join(lines))


def fashion_person_in_both(root: Path) -> None:
    name = (root / "train.lst").read_text().splitlines()[0]
    append(root / "test.lst", f"\n{name}\n")


MARKET = [
    ("images in bounding_box_train that cannot be read", lambda r: cut(first(r / "bounding_box_train", "*.jpg"))),
    ("people in both train and test", person_in_both),
    (
        "images in query not named like 0002_c1s1_000451_03.jpg",
        lambda r: shutil.copy(first(r / "query", "*.jpg"), r / "query" / "photo.jpg"),
    ),
    ("files that market-pairs-test.csv names and that are not there", lambda r: append(r / "market-pairs-test.csv", "a_c1.jpg,a_c2.jpg\n")),
    ("pairs in market-pairs-train.csv of two different people", lambda r: append(r / "market-pairs-train.csv", "1_c1.jpg,2_c2.jpg\n")),
    ("rows of market-annotation-train.csv with joints outside the picture", lambda r: far_joint(r / "market-annotation-train.csv")),
    ("lines of market-annotation-test.csv that cannot be understood", lambda r: append(r / "market-annotation-test.csv", "x.jpg: [1]: [2]\n")),
    ("files that market-annotation-train.csv names and that are not there", lambda r: first(r / "bounding_box_train", "*.jpg").unlink()),
]  # fmt: skip
CELEBA = [
    ("images in CelebA-HQ-img that cannot be read", lambda r: cut(r / "CelebA-HQ-img" / "0.jpg")),
    ("files that CelebA-HQ-to-CelebA-mapping.txt names and that are not there", lambda r: (r / "CelebA-HQ-img" / "0.jpg").unlink()),
    ("masks in CelebAMask-HQ-mask-anno that cannot be read", lambda r: cut(first(r / "CelebAMask-HQ-mask-anno", "*_hair.png"))),
    ("images without a mask of their skin", lambda r: first(r / "CelebAMask-HQ-mask-anno", "*_skin.png").unlink()),
    (
        "masks in CelebAMask-HQ-mask-anno of another shape than the others of their image",
        lambda r: repainted(first(r / "CelebAMask-HQ-mask-anno", "*_skin.png"), lambda mask: mask[:20]),
    ),
    (
        "masks in CelebAMask-HQ-mask-anno in a folder other than id // 2000",
        lambda r: shutil.copytree(r / "CelebAMask-HQ-mask-anno" / "0", r / "CelebAMask-HQ-mask-anno" / "1"),
    ),
    (
        "maps in CelebAMask-HQ-mask-anno/all_parts_except_glasses with unknown labels",
        lambda r: repainted(first(r / "CelebAMask-HQ-mask-anno/all_parts_except_glasses", "*.png"), lambda labels: labels + 19),
    ),
    ("rows of CelebAMask-HQ-attribute-anno.txt with values other than -1 and 1", lambda r: replaced(r / "CelebAMask-HQ-attribute-anno.txt", " -1", " 7")),
    ("people in both train and val by the mapping file", lambda r: (r / "identity_CelebA.txt").write_text("".join(f"{line.split()[0]} 1\n" for line in (r / "identity_CelebA.txt").read_text().splitlines()))),
    ("images in both train and val by train.txt and val.txt", lambda r: append(r / "val.txt", "\n" + (r / "train.txt").read_text().splitlines()[0] + "\n")),
    ("files that celebahq_ref.txt names and that are not there", lambda r: append(r / "celebahq_ref.txt", "\n0.jpg,29999.jpg\n")),
]  # fmt: skip
FASHION = [
    ("images in img that cannot be read", lambda r: cut(first(r / "img", "*.jpg"))),
    ("files that train.lst names and that are not there", lambda r: append(r / "train.lst", "fashionMENPantsid0000000101_1front.jpg\n")),
    ("people in both train.lst and test.lst", fashion_person_in_both),
    (
        "pairs in fasion-resize-pairs-test.csv of two different people",
        lambda r: append(r / "fasion-resize-pairs-test.csv", "fashionMENPantsid0000000101_1front.jpg,fashionMENPantsid0000000102_1front.jpg\n"),
    ),
    ("rows of fasion-resize-annotation-train.csv with joints outside 256 x 256", lambda r: far_joint(r / "fasion-resize-annotation-train.csv")),
    ("images without one of the poses of pose (text)", lambda r: first(r / "pose", "*_front.txt").unlink()),
    ("poses of pose (text) that cannot be read", lambda r: first(r / "pose", "*_front.txt").write_text("1 2\n")),
    ("files that test_pairs.txt names and that are not there", lambda r: append(r / "test_pairs.txt", "\nimg/MEN/Pants/id_00000001/01_1_front.jpg,img/MEN/Pants/id_00000001/01_2_side.jpg\n")),
]  # fmt: skip
ADE = [
    ("images in images/training that cannot be read", lambda r: cut(first(r / "images/training", "*.jpg"))),
    ("images in images/validation without a label map", lambda r: first(r / "annotations/validation", "*.png").unlink()),
    ("label maps in annotations/training without an image", lambda r: first(r / "images/training", "*.jpg").unlink()),
    ("label maps in annotations/training that cannot be read", lambda r: cut(first(r / "annotations/training", "*.png"))),
    ("label maps in annotations/training with unknown labels", lambda r: repainted(first(r / "annotations/training", "*.png"), lambda labels: labels | 200)),
    ("label maps in annotations/training of another size than their picture", lambda r: repainted(first(r / "annotations/training", "*.png"), lambda labels: labels[1:])),
    ("files that sceneCategories.txt names and that are not there", lambda r: append(r / "sceneCategories.txt", "ADE_train_00099999 street\n")),
    ("lines of sceneCategories.txt that cannot be understood", lambda r: append(r / "sceneCategories.txt", "ADE_train_00000001\n")),
    ("exemplars in ade20k_ref_test.txt that are images to test on", lambda r: append(r / "ade20k_ref_test.txt", "\nADE_val_00000001.jpg,ADE_val_00000002.jpg\n")),
]  # fmt: skip
BREAKS = [
    pytest.param(name, row, spoil, id=f"{name}: {row}")
    for name, rows in (("market1501", MARKET), ("celebahq", CELEBA), ("deepfashion", FASHION), ("ade20k", ADE))
    for row, spoil in rows
]


@pytest.mark.parametrize(("name", "row", "spoil"), BREAKS)
def test_what_is_broken_is_told_in_its_row(name, row, spoil, roots, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(roots[name], copy, ignore=shutil.ignore_patterns("truth", "*-stacks"))
    spoil(copy)
    faults = {fault.what: fault for fault in check(name, copy).faults}
    assert row in faults, list(faults)
    assert faults[row].found >= 1
    assert faults[row].example


def test_a_copy_that_is_no_replica_must_have_the_published_counts(market_copy):
    (market_copy / replica.CARD).unlink()
    what = "images in bounding_box_train"
    row = next(row for row in check("market1501", market_copy).faults if row.what == what)
    assert (row.found, row.published) == (40, 12_936)
    assert not check("market1501", market_copy, subset=True).faults


def test_optional_files_that_are_not_there_are_notes(market_copy):
    shutil.rmtree(market_copy / "query")
    for path in market_copy.glob("*.csv"):
        path.unlink()
    (market_copy / "bounding_box_train" / "Thumbs.db").write_bytes(b"\0")
    report = check("market1501", market_copy)
    assert not report.faults
    notes = {row.what: row for row in report.rows if row.result == "note"}
    assert notes["query"].example == "not there: needed for re-identification alone"
    assert notes["other files in bounding_box_train, which are ignored"].example == "Thumbs.db"


def test_the_command_prints_a_table_and_exits_with_1_where_there_is_a_fault(market_copy, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["market1501", str(market_copy)]) == 0
    text = capsys.readouterr().out
    assert "no faults (a replica: counts may differ from the published ones)" in text
    assert "images in query" in text
    cut(first(market_copy / "query", "*.jpg"))
    assert main(["market1501", str(market_copy), "--quiet"]) == 1
    text = capsys.readouterr().out
    assert "1 of them found a fault" in text
    assert "FAULT" in text
    assert "people in query who are not" not in text


def test_progress_reaches_the_end_of_every_folder(ade_root):
    seen: dict[str, tuple[int, int]] = {}
    check("ade20k", ade_root, advance=lambda what, done, total: seen.__setitem__(what, (done, total)))
    assert seen["images in images/training"] == (12, 12)
    assert seen["label maps in annotations/validation"] == (4, 4)


def test_what_is_no_dataset_is_said_in_one_sentence(tmp_path):
    with pytest.raises(BadInput, match=r"cannot be checked.*Did you mean 'ade20k'"):
        check("ade20", tmp_path)
    for name in ("ade20k", "celebahq", "deepfashion", "market1501"):
        with pytest.raises(BadInput, match=r"does not exist: set data\.root"):
            check(name, tmp_path / "nowhere")


@needs_samples
@pytest.mark.parametrize("name", ["ade20k", "deepfashion"])
def test_real_samples_are_a_part_without_faults(name):
    assert check(name, SAMPLES / name, subset=True).faults == []


# Folders of one's own


def pictures(folder: Path, *names: str, size: int = 8) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (size, size), "red").save(folder / name)


def found_by(root: Path) -> dict[str, tuple[int, str]]:
    return {row.what: (row.found, row.result) for row in check("folders", root).rows}


def test_folders_are_counted_by_domain_and_split_and_what_no_run_could_use_is_a_fault(tmp_path):
    pictures(tmp_path / "labels" / "train", "a.png", "b.png", "c.png")
    pictures(tmp_path / "photos" / "train", "a.jpg", "b.jpg", "d.jpg")
    pictures(tmp_path / "photos" / "test", "e.jpg", size=9)
    pictures(tmp_path / "photos" / "train", "b.png", size=9)
    cut(tmp_path / "photos" / "train" / "a.jpg")
    (tmp_path / "photos" / "train" / "Thumbs.txt").write_text("")
    rows = found_by(tmp_path)
    assert rows["domains (labels, photos)"] == (2, "ok")
    assert rows["images in labels/train"] == (3, "ok")
    assert rows["images in photos/test"] == (1, "ok")
    assert rows["images in photos/train that cannot be read"] == (1, "FAULT")
    assert rows["images in photos/train that are not 8 x 8 (height x width)"] == (1, "note")
    assert rows["other files in photos/train, which are ignored"] == (1, "note")
    assert rows["names in labels without a partner in photos (train)"] == (1, "FAULT")
    assert rows["names in photos without a partner in labels (train)"] == (1, "FAULT")
    assert rows["names that stand in photos (train) twice"] == (1, "FAULT")
    assert rows["test of labels"] == (0, "note")


def test_folders_of_two_kinds_need_no_names_in_common(tmp_path):
    pictures(tmp_path / "trainA", "1.jpg", "2.jpg")
    pictures(tmp_path / "trainB", "2.jpg", "3.jpg", "4.jpg")
    rows = found_by(tmp_path)
    assert rows["domains ({split}A, {split}B)"] == (2, "ok")
    assert rows["names in both {split}A and {split}B (train)"] == (1, "ok")
    assert not any(result == "FAULT" for _, result in rows.values())


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (["train", "test"], ["."]),
        (["train/x", "train/y", "val/x"], ["{split}/x", "{split}/y"]),
        (["horses", "valleys"], ["horses", "valleys"]),
        (["a_train", "b_train", "a_test"], ["a_{split}", "b_{split}"]),
    ],
)
def test_domains_are_named_as_the_config_would(folders, named, tmp_path):
    for folder in folders:
        pictures(tmp_path / folder, "a.png")
    assert domains(tmp_path) == named

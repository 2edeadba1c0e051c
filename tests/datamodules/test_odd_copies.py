"""Copies as they are found on real disks give the very same batches as tidy ones, for every dataset."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from datamodules import replica
from datamodules.ade20k import ADE20k
from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from datamodules.celebahq import CelebAHQ
from datamodules.check import check
from datamodules.deepfashion import DeepFashion
from datamodules.market1501 import Market1501

SHARED = {"height": 32, "width": 32, "num_workers": 0, "batch_size": 2, "max_bad_fraction": 0.0}
DATASETS: dict[str, Callable[..., Any]] = {
    "market1501": lambda root: Market1501(root=root, structure="pose_heatmaps", pairing="same_identity", **SHARED),
    "deepfashion": lambda root: DeepFashion(root=root, structure="pose_map", pairing="same_identity", **SHARED),
    "deepfashion-cocosnet": lambda root: DeepFashion(
        root=root,
        structure="pose_map",
        pairing="reference",
        partition="cocosnet",
        poses="openpose",
        images="img",
        **SHARED,
    ),
    "celebahq": lambda root: CelebAHQ(root=root, structure="part_edges", pairing="reference", **SHARED),
    "ade20k": lambda root: ADE20k(root=root, pairing="reference", **SHARED),
    "ade20k-scenes": lambda root: ADE20k(root=root, pairing="same_identity", **SHARED),
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tidy")
    return {
        "market1501": replica.write("market1501", folder / "m", identities=4, images_per_identity=4, truth=False),
        "deepfashion": replica.write("deepfashion", folder / "d", identities=2, height=64, truth=False),
        "celebahq": replica.write("celebahq", folder / "c", identities=6, images_per_identity=2, size=64, truth=False),
        "ade20k": replica.write("ade20k", folder / "a", images=24, validation=20, size=48),
    }


def windows(copy: Path) -> Path:
    """Every text file with a byte order mark and Windows' line ends."""
    for path in copy.rglob("*"):
        if path.suffix in (".txt", ".csv", ".lst"):
            text = path.read_text()
            mark = "" if "pose" in path.parts else "\ufeff"  # lists are edited by people, poses are not
            path.write_bytes((mark + text.replace("\n", "\r\n")).encode())
    return copy


def upper_case(copy: Path) -> Path:
    """The extensions of all images in capitals."""
    for path in list(copy.rglob("*")):
        if path.suffix in (".jpg", ".png"):
            path.rename(path.with_suffix(path.suffix.upper()))
    return copy


def littered(copy: Path) -> Path:
    """What Windows and macOS leave in folders."""
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        for name in ("Thumbs.db", ".DS_Store", "desktop.ini"):
            (folder / name).write_bytes(b"\0")
        (folder / "__MACOSX").mkdir(exist_ok=True)
    return copy


def linked(copy: Path) -> Path:
    """Every file a symbolic link into a store, and the root one too."""
    store = copy.with_name("store")
    store.mkdir()
    for number, path in enumerate(path for path in list(copy.rglob("*")) if path.is_file()):
        path.rename(store / f"{number}")
        path.symlink_to(store / f"{number}")
    link = copy.with_name("link")
    link.symlink_to(copy)
    return link


def non_ascii(copy: Path) -> Path:
    """A path with spaces, brackets and letters of several alphabets."""
    return copy.rename(copy.with_name("Дані [ü] 数据 (1)"))


def read_only(copy: Path) -> Path:
    """No permission to write anywhere."""
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return copy


@pytest.fixture
def copied(roots, tmp_path, request):
    """A copy of the dataset that a test may spoil; it can be deleted again afterwards."""
    copy = tmp_path / "copy"
    shutil.copytree(roots[request.param.split("-")[0]], copy)
    yield request.param, copy
    for path in [tmp_path, *tmp_path.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def examples(name: str, root: Path) -> Batch:
    data = DATASETS[name](str(root))
    data.setup("test")
    return data.examples("test", 4)


@pytest.mark.parametrize("spoil", [windows, upper_case, littered, linked, non_ascii, read_only])
@pytest.mark.parametrize("copied", DATASETS, indirect=True)
def test_an_odd_copy_gives_the_same_batch(copied, roots, spoil, tmp_path, monkeypatch):
    name, copy = copied
    monkeypatch.setattr("datamodules.face_masks.user_cache_path", lambda _: tmp_path / "cache")
    monkeypatch.setattr("datamodules.label_shares.user_cache_path", lambda _: tmp_path / "cache")
    wanted = examples(name, roots[name.split("-")[0]])
    found = examples(name, spoil(copy))
    assert [key.lower() for key in found.source_key] == [key.lower() for key in wanted.source_key]
    assert [key.lower() for key in found.target_key] == [key.lower() for key in wanted.target_key]
    for side in ("source", "target", "source_structure", "target_structure"):
        assert torch.equal(getattr(found, side), getattr(wanted, side)), side


@pytest.mark.parametrize("copied", ["celebahq"], indirect=True)
def test_a_part_without_a_mask_is_a_part_that_is_not_there(copied):
    _, copy = copied
    for path in (copy / "CelebAMask-HQ-mask-anno").glob("[0-9]*/*_nose.png"):
        path.unlink()
    data = CelebAHQ(root=str(copy), structure="labels", pairing="self", **SHARED)
    data.setup("test")
    maps = data.examples("test", 2).target_structure
    assert maps[:, 2].sum() == 0
    assert (maps[:, 1].sum((1, 2)) > 0).all()


@pytest.mark.parametrize("copied", ["ade20k"], indirect=True)
def test_a_label_map_of_another_shape_is_left_out_and_counted(copied, caplog):
    _, copy = copied
    spoilt = sorted((copy / "annotations/validation").iterdir())[0]
    for path, size in ((spoilt, (48, 20)), (spoilt.with_stem("ADE_val_00000002"), None)):
        labels = Image.open(path)
        # The second one is merely smaller: half as high and half as wide.
        labels.resize(size or (labels.width // 2, labels.height // 2), Image.Resampling.NEAREST).save(path)
    with pytest.raises(BadInput, match=r"ADE_val_00000001\.png is 20 x 48, its picture .* belongs to another one"):
        DATASETS["ade20k-scenes"](str(copy)).setup("test")
    data = ADE20k(root=str(copy), pairing="self", **{**SHARED, "max_bad_fraction": 0.1})
    data.setup("test")
    assert "left out 1 of 20 images" in caplog.text
    keys = [data.datasets["test"].table.key(row) for row in range(19)]
    assert not any("00000001" in key for key in keys)
    assert any("00000002" in key for key in keys)


@pytest.mark.parametrize("spoil", [windows, upper_case, littered, linked])
@pytest.mark.parametrize("copied", ["market1501", "deepfashion", "celebahq", "ade20k"], indirect=True)
def test_an_odd_copy_is_whole(copied, spoil):
    name, copy = copied
    assert check(name, spoil(copy)).faults == []

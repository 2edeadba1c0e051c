"""The packed store: equal to the files to the bit, never stale, never half, and written by one process alone."""

from __future__ import annotations

import errno
import json
import logging
import multiprocessing
import os
import pickle
import resource
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules import packed as module
from datamodules import replica
from datamodules.ade20k import ADE20k
from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from datamodules.deepfashion import DeepFashion
from datamodules.market1501 import Market1501
from datamodules.translation import TranslationDataModule
from tests.datamodules.conftest import paint


@pytest.fixture(scope="session")
def fashion_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fashion") / "deepfashion"
    replica.write("deepfashion", root, identities=8, height=128, truth=False, seed=0)
    return root


@pytest.fixture(scope="session")
def scenes_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes") / "ADEChallengeData2016"
    replica.write("ade20k", root, images=24, validation=8, size=64, seed=0)
    return root


@pytest.fixture
def build(market, celebahq, fashion_root, scenes_root):
    """A dataset by its name, with small settings."""

    def built(name: str, **changes: Any) -> TranslationDataModule:
        shared = {"height": 32, "width": 24, "batch_size": 4, "num_workers": 0, "val_fraction": 0.2}
        if name == "market1501":
            return market(**{**shared, **changes})
        if name == "celebahq":
            return celebahq(**{**shared, **changes})
        if name == "deepfashion":
            settings = {"root": str(fashion_root), "structure": "pose_map", "pairing": "same_identity"}
            return DeepFashion(**{**shared, **settings, **changes})
        return ADE20k(**{**shared, "root": str(scenes_root), "structure": "labels", "pairing": "reference", **changes})

    return built


def batches(data: TranslationDataModule) -> list[Batch]:
    """Two epochs of training, and what is measured."""
    data.setup(None)
    train = data.train_dataloader()
    passes = [train, train, data.val_dataloader(), data.test_dataloader()]
    return [data.on_after_batch_transfer(raw, 0) for loader in passes for raw in loader]


def same(first: list[Batch], second: list[Batch]) -> bool:
    if len(first) != len(second):
        return False
    for a, b in zip(first, second, strict=True):
        for name, value in dict(a).items():
            other = dict(b)[name]
            if isinstance(value, torch.Tensor):
                if value.dtype != other.dtype or not value.equal(other):
                    return False
            elif name != "truth" and value != other:
                return False
    return True


def stores(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


PLAIN = {"flip": 0.0}
AUGMENTED = {"flip": 0.5, "load_height": 40, "load_width": 30}
LIMITS = {"limit_pairs": {"train": 12, "val": 4, "test": 4}}


@pytest.mark.parametrize("augmentation", [PLAIN, AUGMENTED], ids=["plain", "augmented"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("market1501", {"structure": "pose_heatmaps"}),
        ("market1501", {"structure": "edges", "pairing": "random"}),
        ("deepfashion", {"structure": "pose_map"}),
        ("deepfashion", {"structure": "pose_heatmaps", "images": "img", "borders": "keep", "mirror_exchanges": False}),
        ("celebahq", {"structure": "labels"}),
        ("celebahq", {"structure": "labels", "numbering": "cocosnet", "mirror_exchanges": False}),
        ("celebahq", {"structure": "part_edges"}),
        ("ade20k", {"structure": "labels"}),
        ("ade20k", {"structure": "labels", "numbering": "spade", "pairing": "self"}),
    ],
)
def test_batches_are_those_of_the_files_to_the_bit(build, tmp_path, name, settings, augmentation):
    settings = {**settings, **augmentation, **LIMITS}
    expected = batches(build(name, **settings))
    for _ in ("written", "found"):
        data = build(name, **settings, cache="packed", cache_dir=str(tmp_path))
        assert same(batches(data), expected)
        assert data.datasets["train"].store is not None
    assert len(stores(tmp_path)) == 3
    assert not list(tmp_path.glob(".*.partial"))


@pytest.mark.parametrize("name", ["deepfashion", "market1501"])
def test_fast_decoding_changes_pictures_alone_and_makes_another_store(build, tmp_path, name):
    settings = {**LIMITS, "structure": "pose_heatmaps"}
    if name == "market1501":
        settings |= {"height": 16, "width": 8}  # of which the stored size must stay known
    exact = batches(build(name, **settings, cache="packed", cache_dir=str(tmp_path)))
    fast = batches(build(name, **settings, decode="fast"))
    kept = batches(build(name, **settings, decode="fast", cache="packed", cache_dir=str(tmp_path)))
    assert same(kept, fast)
    assert len(stores(tmp_path)) == 6
    for one, other in zip(exact, fast, strict=True):
        assert one.target_structure.equal(other.target_structure)
        assert one.target.equal(other.target) == (name == "market1501")
        assert (one.target - other.target).abs().mean() < 0.05


def test_fast_decoding_is_refused_where_the_stored_size_counts(market):
    with pytest.raises(BadInput, match=r"data\.preprocess=crop goes by the stored size"):
        market(decode="fast", preprocess="crop")
    with pytest.raises(BadInput, match=r"data\.decode must be exact or fast, not 'quick'"):
        market(decode="quick")


@pytest.mark.parametrize(
    "settings",
    [
        {"layout": "two_folders", "folder_y": "y"},
        {"layout": "side_by_side", "pairing": "self"},
        {"layout": "same_names", "folder_y": "y", "structure": "image", "direction": "y_to_x"},
    ],
    ids=lambda settings: settings["layout"],
)
def test_folders_too(folders, tmp_path, settings):
    for number in range(8):
        paint(tmp_path / "x" / f"{number}.png", number)
        paint(tmp_path / "y" / f"{number}.jpg", number + 20)
    settings = {**settings, "load_height": 20, "load_width": 28, "flip": 0.5}
    expected = batches(folders(**settings))
    data = folders(**settings, cache="packed")
    assert same(batches(data), expected)
    assert len(stores(tmp_path / ".packed")) == 3
    # What lies in the dataset's folder now is not taken for data.
    assert same(batches(folders(**settings)), expected)


def test_workers_and_a_fresh_process_map_the_same_files(build, tmp_path):
    settings = {**AUGMENTED, **LIMITS}
    expected = batches(build("market1501", **settings))
    data = build("market1501", **settings, num_workers=2, cache="packed", cache_dir=str(tmp_path))
    assert same(batches(data), expected)
    store = data.datasets["train"].store
    sent = pickle.dumps(store)
    assert len(sent) < 4000 + store.places.nbytes
    row = int(np.flatnonzero(store.places >= 0)[0])
    assert pickle.loads(sent).loaded(row).picture.equal(store.loaded(row).picture)


def packs(data: TranslationDataModule, split: str = "train") -> Path:
    """The folder of a split's store."""
    data.setup("fit")
    return data.datasets[split].store.folder


def test_a_store_is_not_used_once_anything_it_was_made_of_changed(market_copy, market, tmp_path):
    def folder(**changes: Any) -> Path:
        settings = {"root": str(market_copy), "height": 32, "width": 16, **changes}
        return packs(market(**settings, cache="packed", cache_dir=str(tmp_path / "stores")))

    first = folder()
    assert folder() == first
    assert folder(flip=0.5, seed=3, sigma=3.0, batch_size=2) == first, "augmentation works on the same store"
    assert folder(load_height=40) != first
    assert folder(structure="edges") != first, "without keypoints"
    data = market(root=str(market_copy))
    data.setup("fit")
    dataset = data.datasets["train"]
    image = Path(dataset.table.path(int(dataset.pairs.rows()[0])))
    time_of = image.stat().st_mtime_ns
    os.utime(image, ns=(0, time_of + 1_000_000_000))
    touched = folder()
    assert touched != first
    with image.open("ab") as file:
        file.write(b"more")
    os.utime(image, ns=(0, time_of + 1_000_000_000))
    assert folder() not in (first, touched), "another size at the same time"


def test_keypoints_that_change_make_another_store(market, tmp_path):
    data = market(cache="packed", cache_dir=str(tmp_path))
    data.setup("fit")
    dataset = data.datasets["train"]
    packing = module.Packing(dataset.table, dataset.pairs.rows(), "keypoints", dataset.framing, 0)
    first = packing.fingerprint()
    dataset.table.keypoints[packing.rows[0], 3, 0] += 1
    assert packing.fingerprint() != first


def test_masks_of_a_face_that_change_make_another_store(celebahq_copy, celebahq, tmp_path):
    settings = {"root": str(celebahq_copy), "cache": "packed", "cache_dir": str(tmp_path / "stores")}
    first = packs(celebahq(**settings))
    for mask in celebahq_copy.rglob("*_nose.png"):
        os.utime(mask, ns=(0, 0))
    assert packs(celebahq(**settings)) != first


SETTINGS: dict[str, Any] = {
    **{"height": 32, "width": 16, "structure": "pose_heatmaps", "pairing": "same_identity", "batch_size": 4},
    **{"num_workers": 0, "val_fraction": 0.2},
}


def forked(function: Any, *arguments: Any) -> int:
    """The exit code of a process of its own."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def _dies_after_8(settings: dict[str, Any]) -> None:
    module.PORTION = module.SAVED_EVERY = 4
    note = module._Writer._note

    def killed(self: module._Writer, done: int) -> None:
        note(self, done)
        if done >= 8:
            os.kill(os.getpid(), signal.SIGKILL)

    module._Writer._note = killed  # type: ignore[method-assign]
    Market1501(**settings).setup("fit")


def killed_while_packing(settings: dict[str, Any]) -> Path:
    """The folder that a process leaves behind when it is killed after 8 images."""
    assert forked(_dies_after_8, settings) == -signal.SIGKILL
    (partial,) = Path(settings["cache_dir"]).glob(".*.partial")
    assert not stores(Path(settings["cache_dir"])), "nothing looks whole"
    return partial


def test_who_is_killed_goes_on_where_it_stopped(market, market_root, tmp_path, monkeypatch, caplog):
    settings = {**SETTINGS, "root": str(market_root), "cache": "packed", "cache_dir": str(tmp_path)}
    partial = killed_while_packing(settings)
    assert (partial / "done").read_text() == "8"
    expected = batches(market(**{**settings, "cache": None}))
    loaded = []
    monkeypatch.setattr(
        module._Images, "__getitem__", lambda self, index: loaded.append(index) or self.packing.loaded(self.packing.rows[self.start + index])
    )  # fmt: skip
    data = market(**settings)
    with caplog.at_level(logging.INFO, logger="datamodules.packed"):
        data.setup("fit")
    assert "going on after 8" in caplog.text
    assert len(loaded) == sum(len(data.datasets[split].pairs.rows()) for split in ("train", "val")) - 8
    assert same(batches(data), expected)


@pytest.mark.parametrize("damage", ["count", "file", "other"])
def test_what_an_interruption_left_is_thrown_away_if_it_cannot_be_used(market, market_root, tmp_path, damage):
    settings = {**SETTINGS, "root": str(market_root), "cache": "packed", "cache_dir": str(tmp_path)}
    data = market(**settings)
    folder = packs(data)
    partial = folder.with_name(f".{folder.name}.partial")
    folder.rename(partial)
    (partial / "done").write_text("many" if damage == "count" else "8")
    if damage == "file":
        with (partial / "pictures.npy").open("r+b") as file:
            file.truncate(1000)
    if damage == "other":
        np.save(partial / "pictures.npy", np.zeros((3, 4), np.uint8))
    assert same(batches(market(**settings)), batches(market(**{**settings, "cache": None})))


def _with_small_files(settings: dict[str, Any]) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    with pytest.raises(BadInput, match=r"cannot be written.*data\.cache_dir"):
        Market1501(**settings).setup("fit")


def test_a_file_system_that_refuses_leaves_nothing(market_root, tmp_path):
    settings = {**SETTINGS, "root": str(market_root), "height": 128, "width": 64}
    assert forked(_with_small_files, {**settings, "cache": "packed", "cache_dir": str(tmp_path)}) == 0
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


@pytest.mark.parametrize("after", [0, 5])
def test_a_disk_that_fills_leaves_nothing_that_looks_whole(market, tmp_path, monkeypatch, after):
    monkeypatch.setattr(module, "PORTION", 4)
    monkeypatch.setattr(module, "SAVED_EVERY", 4)
    write, count = module._Rows.write, [0]

    def full(self: module._Rows, rows: np.ndarray) -> None:
        count[0] += 1
        if count[0] > after:
            self.file.write(b"half a row")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, rows)

    monkeypatch.setattr(module._Rows, "write", full)
    settings = {"cache": "packed", "cache_dir": str(tmp_path), "height": 32, "width": 16}
    with pytest.raises(BadInput, match=r"No space left on device.*data\.cache_dir"):
        market(**settings).setup("fit")
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
    monkeypatch.setattr(module._Rows, "write", write)
    assert same(batches(market(**settings)), batches(market(**{**settings, "cache": None})))


def test_a_disk_with_too_little_room_is_refused_before_anything_is_decoded(market, tmp_path, monkeypatch):
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(BadInput, match="GB left"):
        market(cache="packed", cache_dir=str(tmp_path)).setup("fit")
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_a_damaged_store_is_named(market, tmp_path):
    settings = {"cache": "packed", "cache_dir": str(tmp_path), "height": 32, "width": 16}
    folder = packs(market(**settings))
    with (folder / "pictures.npy").open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(BadInput, match=r"is damaged.*delete this folder"):
        market(**settings).setup("fit")


def _setup(settings: dict[str, Any], results: Any) -> None:
    calls = [0]
    load = module.Packing.loaded

    def counted(self: module.Packing, row: int) -> Any:
        calls[0] += 1
        time.sleep(0.01)
        return load(self, row)

    module.Packing.loaded = counted  # type: ignore[method-assign]
    Market1501(**settings).setup("fit")
    results.put(calls[0])


def test_of_several_processes_one_writes_and_the_others_wait(market, market_root, tmp_path):
    settings = {**SETTINGS, "root": str(market_root), "cache": "packed", "cache_dir": str(tmp_path)}
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_setup, args=(settings, results)) for _ in range(3)]
    for process in processes:
        process.start()
    calls = sorted(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    whole = market(**settings)
    whole.setup("fit")
    # Each store is written once, by whoever came first; of each the first image is looked at twice.
    rows = [len(whole.datasets[split].pairs.rows()) + 1 for split in ("train", "val")]
    assert sum(calls) == sum(rows)


def test_where_the_data_is_read_only_it_goes_to_the_users_cache(market_copy, market, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    settings = {"root": str(market_copy), "cache": "packed", "height": 32, "width": 16}
    (market_copy / ".packed").write_text("a folder cannot be made here, whoever tries")
    folder = packs(market(**settings))
    assert folder.parent == tmp_path / "home" / "exemplar-synthesis" / "packed"
    (market_copy / ".packed").unlink()
    assert packs(market(**settings)) == folder, "what is there already is found"
    (market_copy / "a file").write_text("")
    with pytest.raises(BadInput, match=r"nowhere.*data\.cache_dir"):
        market(**settings, cache_dir=str(market_copy / "a file" / "stores")).setup("fit")


@pytest.mark.parametrize("portion", [32, 1])
def test_an_image_damaged_in_the_middle_is_the_same_fault_as_without_a_store(
    folders, tmp_path, caplog, monkeypatch, portion
):
    monkeypatch.setattr(module, "PORTION", portion)  # 1: all of a portion is damaged
    for number in range(12):
        path = paint(tmp_path / "x" / "val" / f"{number}.png", number)
        paint(tmp_path / "x" / "train" / f"{number}.png", number)
    stored = path.read_bytes()
    middle = stored.index(b"IDAT") + 34
    path.write_bytes(stored[:middle] + b"\xff" * 20 + stored[middle + 20 :])
    plain, data = (folders(pairing="self", max_bad_fraction=0.5, cache=cache) for cache in (None, "packed"))
    for one in (plain, data):
        one.setup("fit")
    assert "1 of 12 images cannot be read; the first: " in caplog.text
    items = [[one.datasets["val"][0, index] for index in range(12)] for one in (plain, data)]
    faults = [[str(item) for item in found if isinstance(item, BadInput)] for found in items]
    assert len(faults[0]) == 1
    assert faults[0] == faults[1]


def test_examples_are_whole_pictures_of_the_files(market, tmp_path):
    settings = {"height": 32, "width": 16, "load_height": 40, "load_width": 20}
    plain, data = market(**settings), market(**settings, cache="packed", cache_dir=str(tmp_path))
    for one in (plain, data):
        one.setup("fit")
    assert same([plain.examples("train", 4)], [data.examples("train", 4)])


def test_the_store_says_what_made_it(market, tmp_path):
    folder = packs(market(cache="packed", cache_dir=str(tmp_path)))
    about = json.loads((folder / "about.json").read_text())
    assert about["size"] == [128, 64]
    assert about["libraries"]["torch"] == torch.__version__


def test_another_kind_of_cache_is_refused(market):
    with pytest.raises(BadInput, match=r"data\.cache"):
        market(cache="zip")

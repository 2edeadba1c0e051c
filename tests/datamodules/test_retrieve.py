"""`python -m datamodules.retrieve`: exemplars that are found once, kept beside the data, and never used for other files."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from datamodules import replica, retrieval_index
from datamodules.ade20k import ADE20k
from datamodules.bad_input import BadInput
from datamodules.retrieve import Finder, main, retrieve
from datamodules.timm_features import TimmFeatures, most_alike

MODEL = "test_resnet.r160_in1k"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The user's cache folder of a test."""
    monkeypatch.setattr(retrieval_index, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    save_file(timm.create_model(MODEL, pretrained=False).state_dict(), path)
    return path


def pairs_of(data, split: str) -> dict[str, str]:
    """Target -> source of a split."""
    data.test_split = split
    data.setup("test")
    dataset = data.datasets[split]
    return {
        dataset.table.key(int(t)): dataset.table.key(int(s))
        for s, t in zip(dataset.pairs.sources, dataset.pairs.targets, strict=True)
    }


def kept(root: Path) -> list[Path]:
    return sorted(root.glob("retrieval-*.npz"))


def test_by_annotation_the_same_exemplars_are_read_that_would_be_computed(market, market_copy, monkeypatch, caplog):
    computed = pairs_of(market(root=str(market_copy), pairing="reference"), "test")
    assert not kept(market_copy)
    retrieve(market(root=str(market_copy), pairing="reference"), Finder(), ["test"])
    assert len(kept(market_copy)) == 1
    monkeypatch.setattr("datamodules.retrieval.exemplars", lambda *_: pytest.fail("computed again"))
    with caplog.at_level(logging.INFO):
        assert pairs_of(market(root=str(market_copy), pairing="reference"), "test") == computed
    assert "exemplars by annotations, from" in caplog.text


def test_by_a_network_the_exemplar_looks_most_alike_and_is_somebody_else(market, market_copy, weights):
    features = TimmFeatures(MODEL, weights)
    retrieve(market(root=str(market_copy), pairing="reference"), Finder(features), ["test"])
    data = market(root=str(market_copy), pairing="reference")
    found = pairs_of(data, "test")
    table = data.datasets["test"].table
    vectors = features.of(range(len(table)), table.read_picture, lambda _: None)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5)
    place = {table.key(row): row for row in range(len(table))}
    for target, source in found.items():
        row = place[target]
        others = np.flatnonzero(table.identity != table.identity[row])
        others = others[data.usable_rows(table)[others]]
        best = others[(vectors[others] @ vectors[row]).argmax()]
        assert table.key(int(best)) == source
    assert retrieval_index.read(market_copy, kept(market_copy)[0].stem.removeprefix("retrieval-"), len(found)).made == {
        "features": "timm",
        "model": MODEL,
        "weights": "resnet.safetensors",
        "sha256": features.made["sha256"],
    }


@pytest.mark.parametrize("change", ["picture", "pose", "gone", "damaged"])
def test_an_index_of_other_files_is_never_read(market, market_copy, change, monkeypatch):
    retrieve(market(root=str(market_copy), pairing="reference"), Finder(), ["test"])
    data = market(root=str(market_copy), pairing="reference")
    target, source = next(iter(pairs_of(data, "test").items()))
    if change == "picture":
        shutil.copy(market_copy / source, market_copy / target)
    elif change == "pose":
        path = market_copy / "market-annotation-test.csv"
        name = Path(target).name
        lines = path.read_text().splitlines()
        pose = next(line for line in lines if line.startswith(Path(source).name))
        path.write_text("\n".join(name + pose[len(name) :] if line.startswith(name) else line for line in lines))
    elif change == "gone":
        (market_copy / source).unlink()
    else:
        kept(market_copy)[0].write_bytes(b"PK\3\4 no longer an index")
    called = []
    monkeypatch.setattr(
        "datamodules.retrieval.exemplars", lambda table, *_: called.append(1) or np.full(len(table), 0, np.int32)
    )
    pairs_of(market(root=str(market_copy), pairing="reference"), "test")
    assert called


def test_beside_read_only_data_the_users_cache_keeps_it(market, market_copy, cache, monkeypatch):
    save = np.savez

    def refuses(path, **arrays):
        if Path(path).is_relative_to(market_copy):
            raise PermissionError(f"{path} is read-only")
        save(path, **arrays)

    monkeypatch.setattr(np, "savez", refuses)  # a root user may write anywhere
    finder = Finder()
    retrieve(market(root=str(market_copy), pairing="reference"), finder, ["test"])
    path, images, known = finder.kept["test"]
    assert path.is_relative_to(cache)
    assert not kept(market_copy)
    assert images == known > 0
    monkeypatch.setattr("datamodules.retrieval.exemplars", lambda *_: pytest.fail("computed again"))
    assert len(pairs_of(market(root=str(market_copy), pairing="reference"), "test")) == known


def test_where_nothing_can_be_kept_it_is_said(market, market_copy, monkeypatch):
    def full(path, **arrays):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(BadInput, match=r"kept neither in .* nor in the user's cache folder.*No space left"):
        retrieve(market(root=str(market_copy), pairing="reference"), Finder(), ["test"])
    assert not [path for path in market_copy.iterdir() if "retrieval" in path.name]


def test_scenes_find_training_images_and_keep_them(tmp_path, weights):
    root = replica.write("ade20k", tmp_path / "ADEChallengeData2016", images=12, validation=3, size=48)
    for name in ("ade20k_ref.txt", "ade20k_ref_test.txt"):
        (root / name).unlink()

    def data() -> ADE20k:
        return ADE20k(root=str(root), height=32, width=32, pairing="reference", val_fraction=0.25, num_workers=0)

    computed = {split: pairs_of(data(), split) for split in ("train", "val", "test")}
    finder = Finder()
    assert retrieve(data(), finder) == []
    assert {split: count for split, (_, count, _) in finder.kept.items()} == {"train": 9, "val": 3, "test": 3}
    assert {split: pairs_of(data(), split) for split in ("train", "val", "test")} == computed
    features = Finder(TimmFeatures(MODEL, weights))
    retrieve(data(), features)
    again = pairs_of(data(), "test")
    assert all(source.startswith("images/training/") for source in again.values())
    assert all(target != source for target, source in pairs_of(data(), "train").items())
    assert [path for path, _, _ in features.kept.values()] == [path for path, _, _ in finder.kept.values()]


def test_faces_keep_theirs_and_lists_come_first(celebahq, celebahq_copy, capsys, monkeypatch):
    words = ["celebahq", str(celebahq_copy), "height=48", "width=48", "load_height=48", "load_width=48"]
    main(words)
    text = capsys.readouterr().out
    assert "train: the dataset's own list names the exemplars, nothing is kept" in text
    assert "val: the dataset's own list names" in text
    for name in ("celebahq_ref.txt", "celebahq_ref_test.txt"):
        (celebahq_copy / name).unlink()
    computed = pairs_of(celebahq(root=str(celebahq_copy)), "train")
    main(words)
    assert "images have an exemplar by annotations, kept in" in capsys.readouterr().out
    monkeypatch.setattr("datamodules.retrieval.exemplars", lambda *_: pytest.fail("computed again"))
    assert pairs_of(celebahq(root=str(celebahq_copy)), "train") == computed


def test_nothing_is_like_what_is_the_same():
    vectors = torch.eye(3)
    assert most_alike(vectors, vectors, np.array([0, 0, 1]), np.array([0, 0, 1])).tolist() == [2, 2, 0]
    assert most_alike(vectors, vectors, np.zeros(3), np.zeros(3)).tolist() == [-1, -1, -1]
    assert most_alike(vectors, vectors[:0], np.zeros(3), np.zeros(0)).tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--features", "timm"], r"--features timm needs --model NAME and --weights FILE"),
        (["--model", "resnet18"], r"need --features timm"),
        (["pairing=random"], r"for data\.pairing=reference, not for random"),
        (
            ["--features", "timm", "--model", "resnt18", "--weights", "w"],
            r"no network 'resnt18'.*Did you mean 'resnet18'",
        ),
        (["--features", "timm", "--model", MODEL, "--weights", "w"], r"the weights w do not exist"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(market_root, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=sentence):
        main(["market1501", str(market_root), *words])


def test_wrong_weights_are_refused(tmp_path, weights):
    torch.save({"state_dict": {"a": torch.zeros(2)}}, tmp_path / "other.pth")
    with pytest.raises(BadInput, match=r"does not hold the weights of test_resnet"):
        TimmFeatures(MODEL, tmp_path / "other.pth")
    torch.save(os.getcwd, tmp_path / "code.pth")
    with pytest.raises(BadInput, match=r"holds no weights that can be read"):
        TimmFeatures(MODEL, tmp_path / "code.pth")
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:100])
    with pytest.raises(BadInput, match=r"holds no weights that can be read"):
        TimmFeatures(MODEL, tmp_path / "cut.safetensors")

"""ADE20k in the files of the real dataset: where they may lie, how labels are numbered, what is paired with what."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import label_shares, replica
from datamodules.ade20k import ADE20k, renumbered
from datamodules.ade_files import read_categories
from datamodules.bad_input import BadInput
from datamodules.raw_batch import RawBatch
from tests.datamodules.conftest import SAMPLES, first_batch, keeps_contract, needs_samples

MODES = ["same_identity", "reference", "self", "random", "domains"]
SIZE = 32
Build = Callable[..., ADE20k]


@pytest.fixture(scope="session")
def ade_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole replica of ADE20k; tests only read it."""
    root = tmp_path_factory.mktemp("ade") / "ADEChallengeData2016"
    return replica.write("ade20k", root, images=70, validation=28, size=48, seed=0)


@pytest.fixture
def ade_copy(ade_root: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(ade_root, tmp_path / "ade"))


@pytest.fixture
def ade(ade_root: Path) -> Build:
    """ADE20k with small settings, of which a test changes some."""

    def build(**changes: Any) -> ADE20k:
        settings = {"root": str(ade_root), "height": SIZE, "width": SIZE, "pairing": "reference", "batch_size": 4,
                    "num_workers": 0, "val_fraction": 0.3}  # fmt: skip
        return ADE20k(**{**settings, **changes})

    return build


def stem(key: str) -> str:
    return Path(key).stem


def stems(data: ADE20k, split: str) -> list[str]:
    table = data.datasets[split].table
    return [stem(table.key(row)) for row in np.flatnonzero(table.own)]


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("pairing", MODES)
def test_every_mode_keeps_the_contract_of_a_batch(ade, ade_root, pairing, split):
    scenes = read_categories(ade_root / "sceneCategories.txt")
    data = ade(pairing=pairing)
    batch = first_batch(data, split)
    keeps_contract(batch, 151, SIZE, SIZE)
    assert batch.paired.tolist() == [pairing == "self"] * batch.size
    own = stems(data, split)
    for source, target in zip(map(stem, batch.source_key), map(stem, batch.target_key), strict=True):
        assert target in own
        if pairing == "self":
            assert source == target
            continue
        assert source != target
        if pairing == "same_identity":
            assert scenes[source] == scenes[target] != "misc"
        elif pairing == "reference":
            assert source.startswith("ADE_train")
        elif pairing == "domains":
            assert (scenes[source], scenes[target]) == ("bedroom", "living_room")


@pytest.mark.parametrize(("structure", "channels"), [("labels", 151), ("edges", 1), ("image", 3)])
def test_every_structure(ade, structure, channels):
    keeps_contract(first_batch(ade(structure=structure)), channels, SIZE, SIZE)


def test_splits_share_no_image_and_test_is_the_published_validation(ade, ade_root):
    data, other_seed = ade(), ade(seed=5)
    data.setup(None)
    other_seed.setup(None)
    train, val, test = (set(stems(data, split)) for split in ("train", "val", "test"))
    assert test == {path.stem for path in (ade_root / "images/validation").iterdir()}
    assert train | val == {path.stem for path in (ade_root / "images/training").iterdir()}
    assert not train & val
    assert len(val) == round(0.3 * 70)
    assert set(stems(other_seed, "val")) == val


@pytest.mark.parametrize("form", ["parent", "images", "beside", "beside_images", "sample"])
def test_the_forms_in_which_people_keep_it(ade, ade_copy, form, tmp_path):
    root = ade_copy
    if form.startswith("beside") or form == "sample":
        for path in list(root.glob("annotations/*/*.png")):
            path.rename(root / "images" / path.parent.name / path.name)
        shutil.rmtree(root / "annotations")
    if form == "parent":
        (tmp_path / "datasets").mkdir()
        root = ade_copy.rename(tmp_path / "datasets" / "ADEChallengeData2016").parent
    elif form in ("images", "beside_images"):
        root = root / "images"
    elif form == "sample":
        root = (root / "images").rename(tmp_path / "ade20k")
        for path in ade_copy.glob("*.txt"):
            path.rename(root / path.name)
    expected, found = first_batch(ade(), "test"), first_batch(ade(root=str(root)), "test")
    keeps_contract(found, 151, SIZE, SIZE)
    assert found.target.equal(expected.target)
    assert found.source.equal(expected.source)
    assert found.target_structure.equal(expected.target_structure)


@pytest.mark.parametrize("numbering", ["cocosnet", "spade"])
def test_channels_of_both_numberings(ade, ade_root, numbering):
    batch = first_batch(ade(numbering=numbering, height=48, width=48), "test")
    assert (batch.target_structure.sum(1) == 1).all()
    for key, maps in zip(batch.target_key, batch.target_structure, strict=True):
        raw = np.unique(np.asarray(Image.open(ade_root / "annotations/validation" / f"{stem(key)}.png")))
        channels = raw if numbering == "cocosnet" else (raw.astype(int) - 1) % 151
        assert set(torch.nonzero(maps.any(-1).any(-1)).flatten().tolist()) <= set(channels.tolist())
    assert renumbered("spade")[[0, 1, 150]].tolist() == [150, 0, 149]
    assert renumbered("cocosnet").tolist() == list(range(256))


@pytest.mark.parametrize("numbering", ["cocosnet", "spade"])
def test_label_maps_of_users_hold_the_values_of_the_dataset(ade, ade_root, numbering):
    picture = sorted((ade_root / "images/training").iterdir())[0]
    labels = ade_root / "annotations/training" / f"{picture.stem}.png"
    data = ade(numbering=numbering, pairing="self", val_fraction=0)
    data.setup("fit")
    row = stems(data, "train").index(picture.stem)
    known = data.finished(RawBatch.collated([data.datasets["train"][0, row]]))
    assert data.batch_from_files([picture], [labels]).target_structure.equal(known.target_structure)


def test_exemplars_are_those_of_the_lists(ade, ade_root):
    data = ade(hard_fraction=0.0)
    data.setup(None)
    train = set(stems(data, "train"))
    for split, name in (("train", "ade20k_ref.txt"), ("val", "ade20k_ref.txt"), ("test", "ade20k_ref_test.txt")):
        lines = [[stem(word) for word in line.split(",")] for line in (ade_root / name).read_text().splitlines()]
        # Training is not to see what is held out: there the next exemplar of the list takes its place.
        best = {target: next(e for e in rest if split != "train" or e in train) for target, *rest in lines}
        dataset = data.datasets[split]
        pairs = [[stem(dataset.table.key(row)) for row in dataset.pairs.pick(i, np.random.default_rng(0))]
                 for i in range(len(dataset))]  # fmt: skip
        assert [target for _, target in pairs] == stems(data, split)
        assert all(source == best[target] for source, target in pairs)


def test_hard_exemplars_are_taken_in_training_alone(ade):
    data = ade(hard_fraction=1.0)
    data.setup(None)
    for split in ("train", "val"):
        pairs = data.datasets[split].pairs
        picked = [pairs.pick(index, np.random.default_rng(0))[0] for index in range(len(pairs))]
        assert picked == (pairs.hard_sources if split == "train" else pairs.sources).tolist()


def test_without_lists_the_most_similar_label_map_is_found(ade, ade_copy):
    for path in ade_copy.glob("ade20k_ref*.txt"):
        path.unlink()
    found, listed = ade(root=str(ade_copy)), ade(hard_fraction=0.0)
    found.setup(None)
    listed.setup(None)
    for split in ("train", "test"):  # the replica's lists are made by the same measure
        keys = [[(stem(d.table.key(s)), stem(d.table.key(t))) for s, t in zip(d.pairs.sources, d.pairs.targets, strict=True)]
                for d in (found.datasets[split], listed.datasets[split])]  # fmt: skip
        assert keys[0] == keys[1]
    assert {stem(found.datasets["val"].table.key(row)) for row in found.datasets["val"].pairs.sources} <= set(
        stems(found, "train")
    )


def test_a_source_of_the_same_category_is_another_one_each_time(ade):
    data = ade(pairing="same_identity", limit_pairs={"train": 9})
    data.setup("fit")
    pairs, domain = data.datasets["train"].pairs, data.datasets["train"].table.domain
    assert len(pairs) == 9
    for index in range(9):
        picked = [pairs.pick(index, np.random.default_rng(seed)) for seed in range(40)]
        target = picked[0][1]
        others = np.flatnonzero(domain == domain[target])
        assert {source for source, _ in picked} == set(others) - {target}


def test_the_outdoor_subset_holds_no_rooms_and_is_counted(ade, ade_root, caplog):
    scenes = read_categories(ade_root / "sceneCategories.txt")
    data = ade(subset="outdoor")
    with caplog.at_level(logging.INFO):
        data.setup(None)
    rooms = {"bedroom", "living_room", "kitchen", "bathroom", "dining_room", "office", "misc"}
    for split, total in (("train", 70), ("test", 28)):
        found = stems(data, split) + (stems(data, "val") if split == "train" else [])
        assert {scenes[name] for name in found} - {"misc"} == set(scenes.values()) - rooms
        folder = "training" if split == "train" else "validation"
        assert f"{folder}: {len(found)} of {total} images are outdoor by the rule of this project" in caplog.text


def test_a_list_of_ones_own_says_what_is_outdoor(ade, tmp_path):
    path = tmp_path / "outdoor.txt"
    names = [f"images\\training\\ADE_train_{n:08d}.jpg" for n in range(1, 21)] + [
        "",
        "ADE_val_00000003",
        "ADE_val_00000009.png",
    ]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(names).encode())
    data = ade(subset="outdoor", subset_list=str(path), pairing="random")
    data.setup(None)
    assert sorted(stems(data, "train") + stems(data, "val")) == [f"ADE_train_{n:08d}" for n in range(1, 21)]
    assert stems(data, "test") == ["ADE_val_00000003", "ADE_val_00000009"]


def test_what_was_read_of_the_label_maps_is_kept_until_they_change(ade_copy, monkeypatch):
    monkeypatch.setattr(label_shares, "WORTH_KEEPING", 1)
    paths = sorted((ade_copy / "annotations/validation").iterdir())
    first = label_shares.label_shares(paths, 151, ade_copy)
    assert first.sum(1) == pytest.approx(1, abs=1e-5)
    assert len(list(ade_copy.glob("label-shares-*.npy"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr(label_shares, "read_labels", lambda path: pytest.fail("read again"))
        np.testing.assert_array_equal(label_shares.label_shares(paths, 151, ade_copy), first)
    Image.fromarray(np.full((20, 30), 7, np.uint8)).save(paths[3])
    changed = label_shares.label_shares(paths, 151, ade_copy)
    assert changed[3, 7] == 1
    np.testing.assert_array_equal(np.delete(changed, 3, 0), np.delete(first, 3, 0))


def test_files_that_are_odd(ade, ade_copy, caplog):
    """Upper case extensions, a thumbnail cache, and a label map that is missing: left out, and counted."""
    image = ade_copy / "images/training/ADE_train_00000002.jpg"
    image.rename(image.with_suffix(".JPG"))
    (ade_copy / "images/training/Thumbs.db").touch()
    (ade_copy / "annotations/training/ADE_train_00000005.png").unlink()
    data = ade(root=str(ade_copy), max_bad_fraction=0.05, val_fraction=0.0)
    with caplog.at_level(logging.WARNING):
        data.setup("fit")
    assert "left out 1 of 70 images that cannot be read" in caplog.text
    assert set(stems(data, "train")) == {f"ADE_train_{n:08d}" for n in range(1, 71) if n != 5}
    with pytest.raises(BadInput, match=r"1 of 70 images .* more than"):
        ade(root=str(ade_copy), val_fraction=0.0).setup("fit")


def test_a_label_that_does_not_exist_is_named(ade, ade_copy):
    for path in (ade_copy / "annotations/validation").iterdir():
        Image.fromarray(np.full_like(np.asarray(Image.open(path)), 200)).save(path)
    data = ade(root=str(ade_copy))
    data.setup("test")
    batches = iter(data.test_dataloader())
    with pytest.raises(BadInput, match=r"ADE_val_.* holds class 200, but data\.classes=151"):
        next(batches)


def test_the_full_release_is_recognised(ade, ade_copy, tmp_path):
    folder = tmp_path / "ADE20K_2016_07_26/images/training/a/abbey"
    folder.mkdir(parents=True)
    for name in ("ADE_train_00000001.jpg", "ADE_train_00000001_seg.png", "ADE_train_00000001_parts_1.png"):
        (folder / name).touch()
    for root in (folder.parents[3], folder.parents[2]):
        with pytest.raises(BadInput, match=r"full release of ADE20k .*ADEChallengeData2016"):
            ade(root=str(root)).setup("fit")
    (ade_copy / "images/training/ADE_train_00000001_seg.png").touch()
    with pytest.raises(BadInput, match="full release of ADE20k"):
        ade(root=str(ade_copy)).setup("fit")


def test_a_dataset_that_is_not_there_says_what_to_do(ade, tmp_path):
    with pytest.raises(BadInput, match=r"does not exist: .*ADEChallengeData2016.*datamodules\.replica ade20k"):
        ade(root=str(tmp_path / "nowhere")).setup("fit")
    with pytest.raises(BadInput, match="holds no folder images/training"):
        ade(root=str(tmp_path)).setup("fit")
    (tmp_path / "ade.zip").touch()
    with pytest.raises(BadInput, match="is a file: unpack it"):
        ade(root=str(tmp_path / "ade.zip")).setup("fit")
    (tmp_path / "images/training").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"holds no image named like ADE_train_00000001\.jpg"):
        ade(root=str(tmp_path)).setup("fit")


@pytest.mark.parametrize(
    ("gone", "changes", "sentence"),
    [
        ("sceneCategories.txt", {"pairing": "domains"}, r"domains needs sceneCategories\.txt"),
        ("sceneCategories.txt", {"pairing": "same_identity"}, r"same_identity needs sceneCategories\.txt"),
        ("annotations", {"subset": "outdoor", "structure": "image"}, r"data\.subset=outdoor .*needs the label maps"),
    ],
)
def test_what_a_setting_needs_is_named_where_it_is_missing(ade, ade_copy, gone, changes, sentence):
    (shutil.rmtree if (ade_copy / gone).is_dir() else Path.unlink)(ade_copy / gone)
    with pytest.raises(BadInput, match=sentence):
        ade(root=str(ade_copy), **changes).setup("fit")
    keeps_contract(first_batch(ade(root=str(ade_copy), structure="image")), 3, SIZE, SIZE)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"structure": "pose_heatmaps"}, "has label maps and no pose_heatmaps"),
        ({"classes": 150}, r"set data\.classes=151"),
        ({"hard_fraction": 2}, r"data\.hard_fraction must be between 0 and 1"),
        ({"subset_list": "x.txt"}, r"data\.subset=outdoor"),
        ({"subset": "outdoor", "subset_list": "nowhere.txt"}, r"nowhere\.txt does not exist"),
        ({"pairing": "domains", "scenes_x": ["bedrom"]}, r"no scene category 'bedrom'.*bedroom"),
    ],
)
def test_settings_that_cannot_be_are_refused(ade, changes, sentence):
    with pytest.raises(BadInput, match=sentence):
        ade(**changes).setup("fit")


# The real samples: 12 images, label maps beside them, CoCosNet's lists. Means of the official loader, at 256 x 256.
MEANS = {
    "ADE_val_00001232": (-0.11088, -0.18900, 17.56511, {0, 2, 3, 5, 30}),
    "ADE_val_00001349": (-0.26649, -0.02773, 30.20674, {0, 3, 30, 92}),
    "ADE_val_00001517": (0.08931, -0.04559, 9.29764, None),
    "ADE_val_00001599": (-0.14310, -0.11084, 6.51968, None),
    "ADE_val_00001697": (-0.34480, -0.08440, 14.35585, None),
    "ADE_val_00001996": (-0.20489, -0.00136, 19.70915, {0, 3, 5, 22, 35}),
}


@needs_samples
def test_real_samples_give_the_numbers_of_the_official_loader(ade):
    data = ade(root=str(SAMPLES / "ade20k"), lists=str(SAMPLES / "lists"), height=256, width=256, eval_batch_size=8)
    data.setup("test")
    batch = data.finished(next(iter(data.test_dataloader())))
    keeps_contract(batch, 151, 256, 256)
    assert [stem(key) for key in batch.target_key] == sorted(MEANS)
    labels = batch.target_structure.argmax(1)
    for row, key in enumerate(map(stem, batch.target_key)):
        image, exemplar, label, values = MEANS[key]
        assert batch.target[row].mean().item() == pytest.approx(image, abs=2e-4)
        assert batch.source[row].mean().item() == pytest.approx(exemplar, abs=2e-4)
        assert labels[row].float().mean().item() == pytest.approx(label, abs=2e-4)
        assert values is None or set(labels[row].unique().tolist()) == values


@needs_samples
@pytest.mark.parametrize("changes", [
    {"pairing": "self"}, {"pairing": "random"}, {"structure": "edges"}, {"structure": "image"}, {"numbering": "spade"},
    {"subset": "outdoor"}, {"lists": None},
])  # fmt: skip
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_real_samples_in_every_variant(ade, changes, split):
    lists = {"lists": str(SAMPLES / "lists")}
    data = ade(**{"root": str(SAMPLES / "ade20k"), **lists, "batch_size": 1, "val_fraction": 0.34, **changes})
    batch = first_batch(data, split)
    keeps_contract(batch, {"edges": 1, "image": 3}.get(changes.get("structure", "labels"), 151), SIZE, SIZE)

"""Pictures of one's own, in the layouts that people have them in."""

import itertools
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from datamodules.folders import split_folders
from datamodules.structures.labels import palette
from tests.datamodules.conftest import SAMPLES, first_batch, keeps_contract, needs_samples, paint


def label_map(path, number=0, size=(20, 30), classes=5):
    """Blocks of classes, as a map of indices."""
    blocks = np.random.default_rng(number).integers(0, classes, (size[0] // 5, size[1] // 5), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.kron(blocks, np.ones((5, 5), np.uint8))).save(path)
    return path


@pytest.fixture
def two_kinds(tmp_path):
    """x: 8 pictures, y: 5, of different sizes."""
    for number in range(8):
        paint(tmp_path / "x" / f"{number}.jpg", number, (20 + number, 30))
    for number in range(5):
        paint(tmp_path / "y" / f"{number}.png", number + 50, (10, 40 + number))
    return tmp_path


@pytest.fixture
def scenes(tmp_path):
    """labels/NAME.png with photos/NAME.jpg, for training and testing; what is right in a photo is right in its map."""
    for split, count in (("train", 6), ("test", 3)):
        for number in range(count):
            label_map(tmp_path / "labels" / split / f"{number}.png", number)
            paint(tmp_path / "photos" / split / f"{number}.jpg", number)
    return tmp_path


@pytest.mark.parametrize(("structure", "channels"), [("image", 3), ("edges", 1)])
@pytest.mark.parametrize("pairing", ["domains", "random", "self", "reference"])
def test_two_folders_keep_the_contract_in_every_mode_they_know(folders, two_kinds, pairing, structure, channels):
    for split in ("train", "val", "test"):
        # A part that leaves two pictures of y for validation.
        data = folders(folder_y="y", pairing=pairing, structure=structure, val_fraction=0.4)
        batch = first_batch(data, split)
        keeps_contract(batch, channels, 16, 24)
        assert batch.paired.tolist() == [pairing == "self"] * batch.size
        assert all(key.startswith("y/") for key in batch.target_key)
        assert all(key.startswith("x/" if pairing == "domains" else "y/") for key in batch.source_key)


def test_an_image_of_a_domain_is_its_own_structure(folders, two_kinds):
    batch = first_batch(folders(folder_y="y", flip=0.5, load_height=20, load_width=30))
    for picture, structure in ((batch.source, batch.source_structure), (batch.target, batch.target_structure)):
        assert torch.allclose(picture, structure * 2 - 1, atol=1e-6)


def test_unaligned_domains_meet_differently_every_epoch_and_each_x_once(folders, two_kinds):
    data = folders(folder_y="y", batch_size=1)
    data.setup("fit")
    batches = data.train_dataloader()
    epochs = [[(b.source_key[0], b.target_key[0]) for b in batches] for _ in range(4)]
    for epoch in epochs:
        assert len({source for source, _ in epoch}) == len(epoch) == 6
    assert epochs[0] != epochs[1]
    assert {target for _, target in itertools.chain.from_iterable(epochs)} == {
        data.datasets["train"].table.key(row) for row in data.datasets["train"].pairs.targets
    }


def test_the_direction_can_be_turned(folders, two_kinds):
    batch = first_batch(folders(folder_y="y", direction="y_to_x"))
    assert all(key.startswith("y/") for key in batch.source_key)
    assert all(key.startswith("x/") for key in batch.target_key)


def test_one_folder_is_enough_where_one_kind_of_picture_is_asked_for(folders, two_kinds):
    batch = first_batch(folders(pairing="random"))
    assert all(key.startswith("x/") for key in batch.source_key + batch.target_key)
    with pytest.raises(BadInput, match=r"needs data\.folder_y"):
        folders(pairing="domains")


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_a_label_map_and_its_photo_are_framed_alike(folders, scenes, flip):
    data = folders(
        **{"layout": "same_names", "folder_x": "labels", "folder_y": "photos", "structure": "labels", "classes": 5},
        **{"height": 20, "width": 25, "load_width": 30, "load_height": 20, "flip": flip},
    )
    batch = first_batch(data)
    keeps_contract(batch, 5, 20, 25)
    assert batch.paired.all()
    assert batch.target_structure.sum(1).eq(1).all()
    for item in range(batch.size):
        number = int(batch.target_key[item].split("/")[-1].split(".")[0])
        assert batch.source_key[item].endswith(f"labels/train/{number}.png")
        whole = np.asarray(Image.open(scenes / "labels" / "train" / f"{number}.png"))
        whole = whole[:, ::-1] if flip else whole
        shown = batch.target_structure[item].argmax(0).numpy()
        places = [left for left in range(6) if (whole[:, left : left + 25] == shown).all()]
        photo = np.asarray(Image.open(scenes / "photos" / "train" / f"{number}.jpg"))
        photo = torch.from_numpy((photo[:, ::-1] if flip else photo).copy()).permute(2, 0, 1) / 127.5 - 1
        crops = [
            left for left in range(6) if torch.allclose(photo[..., left : left + 25], batch.target[item], atol=1e-5)
        ]
        assert len(crops) == 1
        assert crops == places
        shown_source = torch.from_numpy(palette(5)[shown]).permute(2, 0, 1) / 127.5 - 1
        assert batch.source[item].equal(shown_source.float())


def test_a_label_map_is_shown_in_the_colours_of_its_classes(folders, scenes):
    settings = {"layout": "same_names", "folder_x": "labels", "folder_y": "photos", "height": 20, "width": 30}
    batch = first_batch(folders(structure="labels", classes=5, **settings))
    assert batch.source_structure.equal(batch.target_structure)
    for item in range(batch.size):
        classes = batch.target_structure[item].argmax(0)
        for index in classes.unique():
            assert len(batch.source[item][:, classes == index].unique(dim=1).T) == 1


@pytest.mark.parametrize("pairing", ["random", "self", "reference"])
def test_exemplars_of_aligned_data_are_photos(folders, scenes, pairing):
    settings = {"layout": "same_names", "folder_x": "labels", "folder_y": "photos"}
    batch = first_batch(folders(structure="labels", classes=5, pairing=pairing, **settings))
    keeps_contract(batch, 5, 16, 24)
    assert all(key.startswith("photos/") for key in batch.source_key + batch.target_key)
    same = [source == target for source, target in zip(batch.source_key, batch.target_key, strict=True)]
    assert same == [pairing == "self"] * batch.size


@pytest.mark.parametrize("direction", ["x_to_y", "y_to_x"])
def test_side_by_side_files_are_cut_in_the_middle(folders, tmp_path, direction):
    for number in range(8):
        left, right = np.full((20, 30, 3), 40 + number, np.uint8), np.full((20, 30, 3), 200 + number, np.uint8)
        left[0, 0], right[0, 0] = 255, 0
        (tmp_path / "x").mkdir(exist_ok=True)
        Image.fromarray(np.hstack([left, right])).save(tmp_path / "x" / f"{number}.png")
    batch = first_batch(folders(layout="side_by_side", direction=direction, height=20, width=30))
    sides = {"x_to_y": (batch.source, batch.target), "y_to_x": (batch.target, batch.source)}[direction]
    for item in range(batch.size):
        number = int(batch.source_key[item].split("/")[-1].split(".")[0])
        assert [round((side[item, 0, 9, 9].item() + 1) * 127.5) for side in sides] == [40 + number, 200 + number]
    assert batch.paired.all()
    assert torch.allclose(batch.target_structure * 2 - 1, batch.source, atol=1e-6)


def test_splits_come_from_folders_or_from_a_part_of_the_training_files(folders, two_kinds):
    data = folders(folder_y="y")
    data.setup(None)
    keys = {
        split: {data.datasets[split].table.key(row) for row in range(len(data.datasets[split].table))}
        for split in ("train", "val", "test")
    }
    assert keys["val"] == keys["test"]
    assert not keys["train"] & keys["val"]
    assert len(keys["train"] | keys["val"]) == 13
    assert {key[0] for key in keys["val"]} == {"x", "y"}


@pytest.mark.parametrize("words", [("train", "val", "test"), ("training", "validation", "testing")])
def test_the_words_for_splits(tmp_path, words):
    for word in words:
        (tmp_path / "a" / word).mkdir(parents=True)
        (tmp_path / f"{word}A").mkdir()
    expected = dict(zip(("train", "val", "test"), words, strict=True))
    assert split_folders(tmp_path / "a") == {split: tmp_path / "a" / word for split, word in expected.items()}
    assert split_folders(tmp_path / "{split}A") == {split: tmp_path / f"{word}A" for split, word in expected.items()}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"folder_y": "nowhere"}, "nowhere does not exist: set data.root, data.folder_x and data.folder_y"),
        ({"folder_y": "empty"}, "empty holds no image files"),
        ({"folder_y": "y", "pattern_x": "*.tif"}, r"x holds no image files named like \*\.tif"),
        (
            {"folder_y": "y", "layout": "same_names", "pattern_y": "4*", "val_fraction": 0.0},
            "1 pairs, fewer than one batch of 2",
        ),
        ({"folder_y": "other", "layout": "same_names"}, "no file in .*x has the name of one in .*other"),
        ({"folder_y": "both", "layout": "same_names"}, r"holds both 0\.jpg and 0\.png: set data\.pattern_x"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(folders, two_kinds, changes, sentence):
    (two_kinds / "empty").mkdir()
    paint(two_kinds / "other" / "else.png")
    paint(two_kinds / "both" / "0.png")
    paint(two_kinds / "both" / "0.jpg")
    with pytest.raises(BadInput, match=sentence):
        folders(**changes).setup("fit")


def test_a_validation_split_too_small_for_its_mode_says_so_before_training(folders, two_kinds):
    with pytest.raises(BadInput, match=r"random needs two images.*val split.*has 1.*raise data\.val_fraction"):
        folders(folder_y="y", pairing="random").setup("fit")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"structure": "pose_heatmaps"}, "has no keypoints"),
        ({"structure": "labels", "classes": 3}, r"needs data\.layout=same_names"),
        ({"pairing": "same_identity"}, "does not know which images show the same thing"),
        ({"layout": "side_by_side", "folder_y": "y"}, r"set data\.folder_y=null"),
    ],
)
def test_settings_that_cannot_be_together_are_refused_at_once(folders, changes, sentence):
    with pytest.raises(BadInput, match=sentence):
        folders(**{"folder_y": "y", **changes} if "layout" not in changes else changes)


def test_a_class_beyond_the_number_of_classes_is_named(folders, scenes):
    data = folders(layout="same_names", folder_x="labels", folder_y="photos", structure="labels", classes=3)
    with pytest.raises(BadInput, match=r"the label map of .* holds class 4, but data\.classes=3 allows 0 to 2"):
        first_batch(data)


@pytest.mark.parametrize("files", [1, 3])
def test_unreadable_files_are_left_out_up_to_a_fraction(folders, two_kinds, files, caplog):
    for number in range(files):
        path = two_kinds / "x" / f"{number}.jpg"
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(
        BadInput, match=r"of \d+ images of the train split cannot be read.*max_bad_fraction=0\.01.*\.jpg is damaged"
    ):
        folders(folder_y="y", val_fraction=0.0).setup("fit")
    lenient = folders(folder_y="y", val_fraction=0.0, max_bad_fraction=0.1)
    if files == 3:  # of 13
        with pytest.raises(BadInput, match=r"3 of 13 images.*max_bad_fraction=0\.1"):
            lenient.setup("fit")
        return
    with caplog.at_level(logging.INFO):
        lenient.setup("fit")
    assert "left out 1 of 13 images that cannot be read" in caplog.text
    assert "are smaller than they are loaded and will be enlarged" in caplog.text
    assert len(lenient.datasets["train"].pairs.sources) == 7


def test_damage_that_shows_only_in_training_is_replaced_there_and_stops_a_measurement(folders, two_kinds, caplog):
    data = folders(folder_y="y", val_fraction=0.3)
    data.setup(None)
    train, test = data.datasets["train"], data.datasets["test"]
    for dataset in (train, test):
        (two_kinds / dataset.table.key(dataset.pairs.sources[0])).write_bytes(b"overwritten meanwhile")
    with caplog.at_level(logging.WARNING):
        item = train[0, 0]
    assert item["source_key"] == train.table.key(train.pairs.sources[1])
    assert "is not an image; the next pair takes its place" in caplog.text
    for row in train.pairs.sources:
        (two_kinds / train.table.key(row)).write_bytes(b"")
    with pytest.raises(BadInput, match=r"x/\d\.jpg is not an image$"):
        next(iter(data.train_dataloader()))
    with pytest.raises(BadInput, match=r"x/\d\.jpg is not an image$"):
        list(data.test_dataloader())


def test_a_read_only_folder_with_an_unusual_name_and_links(folders, tmp_path):
    odd = tmp_path / "Фото ü (1)"
    for number in range(4):
        paint(odd / f"bild_{number}é.JPG", number, format="JPEG")
        paint(tmp_path / "elsewhere" / f"{number}.png", number + 9)
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    (odd / "Thumbs.db").write_bytes(b"\0")
    odd.chmod(0o555)
    try:
        batch = first_batch(folders(folder_x=odd.name, folder_y="linked"))
    finally:
        odd.chmod(0o755)
    keeps_contract(batch, 3, 16, 24)
    assert all("é.JPG" in key for key in batch.source_key)


def test_every_kind_of_picture_in_one_folder(folders, tmp_path):
    for number, mode in enumerate(["RGB", "L", "RGBA", "P", "1", "CMYK", "I;16", "LA"]):
        name = tmp_path / "x" / f"{number}.{'jpg' if mode == 'CMYK' else 'png'}"
        if mode == "I;16":
            name.parent.mkdir(exist_ok=True)
            Image.fromarray(np.random.default_rng(0).integers(0, 65535, (9, 9), dtype=np.uint16)).save(name)
        else:
            paint(name, number, (5 + 20 * number, 40), mode)
    data = folders(pairing="self", val_fraction=0.0)
    data.setup("fit")
    keeps_contract(data.examples("train", 8), 3, 16, 24)


@needs_samples
def test_real_scenes_to_real_faces(folders):
    data = folders(
        root=str(SAMPLES),
        folder_x="ade20k",
        pattern_x="*.jpg",
        folder_y="celebahq/CelebA-HQ-img",
        load_height=20,
        load_width=30,
    )
    for split in ("train", "val", "test"):
        batch = first_batch(data, split)
        keeps_contract(batch, 3, 16, 24)
        assert not batch.paired.any()
        assert all(key.startswith("ade20k/") for key in batch.source_key)
        assert all(key.startswith("celebahq/") for key in batch.target_key)


@needs_samples
def test_real_label_maps_beside_their_photos_as_the_official_loader_reads_them(folders):
    data = folders(
        **{"root": str(SAMPLES), "layout": "same_names", "folder_x": "ade20k", "folder_y": "ade20k"},
        **{
            "pattern_x": "*.png",
            "pattern_y": "*.jpg",
            "structure": "labels",
            "classes": 151,
            "height": 256,
            "width": 256,
        },
    )
    data.setup(None)
    batch = data.examples("test", 6)
    keeps_contract(batch, 151, 256, 256)
    # Means of the normalised picture and of the label map that CoCosNet's own loader gives for these files.
    official = {
        "00001232": (-0.11088, 17.56511),
        "00001349": (-0.26649, 30.20674),
        "00001517": (0.08931, 9.29764),
        "00001599": (-0.14310, 6.51968),
        "00001697": (-0.34480, 14.35585),
        "00001996": (-0.20489, 19.70915),
    }
    for item, key in enumerate(batch.target_key):
        picture, labels = official[key.split("_")[-1].removesuffix(".jpg")]
        assert batch.target[item].mean().item() == pytest.approx(picture, abs=5e-4)
        assert batch.target_structure[item].argmax(0).float().mean().item() == pytest.approx(labels, abs=2e-4)

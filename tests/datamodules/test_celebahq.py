"""CelebA-HQ: splits, label maps in both numberings and all forms of masks, exemplars, attributes, and damaged copies."""

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import face_masks
from datamodules.bad_input import BadInput
from datamodules.celeba_files import ATTRIBUTES, partition, read_mapping
from datamodules.celebahq import FAULTY
from datamodules.exemplar_lists import ExemplarPairs
from datamodules.structures import channels
from datamodules.structures.face_parts import BIT, CLASSES, GLASSES, NUMBERINGS, PARTS
from tests.datamodules.conftest import SAMPLES, first_batch, keeps_contract, needs_samples

PAIRINGS = ["reference", "self", "random", "domains", "same_identity"]
STRUCTURES = ["labels", "part_edges", "edges", "image"]
ANNOTATION = face_masks.ANNOTATION


def number(key: str) -> int:
    return int(Path(key).stem)


def without(root: Path, *names: str) -> None:
    """Take files or folders away from a copy."""
    for name in names:
        shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


# Batches.


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_pairing_and_structure_keeps_the_contract(celebahq, pairing, structure):
    data = celebahq(pairing=pairing, structure=structure, load_height=56, load_width=56, flip=0.5)
    for split in ("train", "val", "test"):
        keeps_contract(first_batch(data, split), channels(structure, CLASSES), 48, 48)


@pytest.mark.parametrize("numbering", list(NUMBERINGS))
def test_label_maps_are_one_class_per_pixel_but_for_glasses(celebahq, numbering):
    maps = first_batch(celebahq(pairing="self", numbering=numbering, batch_size=12)).target_structure
    beyond = maps.sum(1) - 1
    behind = maps[:, GLASSES] if numbering == "cocosnet" else torch.zeros_like(beyond)
    assert ((beyond == 0) | (behind == 1)).all()
    present = maps.flatten(2).amax(2).sum(0)
    assert (present > 0).sum() > 13, "the replica shows nearly all parts"


def test_pairs_show_the_same_thing_only_where_they_do(celebahq):
    assert first_batch(celebahq(pairing="self")).paired.all()
    assert first_batch(celebahq(pairing="same_identity")).paired.all()
    for pairing in ("reference", "random", "domains"):
        assert not first_batch(celebahq(pairing=pairing)).paired.any()


def test_truth_of_a_replica_comes_with_validation(celebahq):
    batch = first_batch(celebahq(truth=True), "val")
    assert batch.truth["target_silhouette"].shape == (2, 1, 48, 48)
    empty = batch.truth["target_background"]
    outside = (batch.truth["target_silhouette"] == 0).expand_as(empty)
    assert (empty - batch.target).abs()[outside].median() < 0.03, "without the person the picture is the same"
    assert (empty - batch.target).abs()[~outside].median() > 0.1


# Splits.


def test_the_split_is_that_of_the_mapping_file(celebahq, celebahq_root):
    mapping = read_mapping(celebahq_root / "CelebA-HQ-to-CelebA-mapping.txt")
    data, seen = celebahq(), set()
    for place, split in enumerate(("train", "val", "test")):
        table = data.index(split)
        own = table.images[table.own]
        assert len(own) > 0
        assert (partition(np.array([mapping[image] for image in own]), None) == place).all()
        assert not seen & set(own.tolist())
        seen |= set(own.tolist())
    assert len(seen) == 24


def test_ranges_and_partition_file_of_celeba_agree():
    edges = np.array([1, 162_770, 162_771, 182_637, 182_638, 202_599])
    assert partition(edges, None).tolist() == [0, 0, 1, 1, 2, 2]


def test_a_partition_file_comes_before_the_ranges(celebahq, celebahq_copy):
    path = celebahq_copy / "list_eval_partition.txt"
    path.write_text(re.sub(r" 1$", " 2", path.read_text(), flags=re.MULTILINE))
    before, after = celebahq().index("test"), celebahq(root=str(celebahq_copy)).index("test")
    assert after.own.sum() > before.own.sum()


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_cocosnets_lists_give_the_same_split(celebahq, celebahq_copy, split):
    expected = celebahq(pairing="self").index(split).images
    without(celebahq_copy, "CelebA-HQ-to-CelebA-mapping.txt", "identity_CelebA.txt")
    assert sorted(celebahq(root=str(celebahq_copy), pairing="self").index(split).images) == sorted(expected)


def test_without_any_list_a_part_is_held_out(celebahq, celebahq_copy):
    without(celebahq_copy, "CelebA-HQ-to-CelebA-mapping.txt", "train.txt", "val.txt")
    data = celebahq(root=str(celebahq_copy), pairing="self", val_fraction=0.2)
    train, val = (set(data.index(split).images.tolist()) for split in ("train", "val"))
    assert (len(train), len(val), len(train & val)) == (19, 5, 0)


@pytest.mark.parametrize(("kind", "file"), [("celeba", "CelebA-HQ-to-CelebA-mapping.txt"), ("lists", "val.txt")])
def test_a_partition_without_its_file_is_refused(celebahq, celebahq_copy, kind, file):
    without(celebahq_copy, file)
    with pytest.raises(BadInput, match=f"data.partition={kind} needs {file}"):
        celebahq(root=str(celebahq_copy), partition=kind).index("train")


def test_known_faulty_images_can_be_left_out(celebahq):
    assert 404 in FAULTY
    assert 70 in FAULTY
    keep, drop = celebahq(), celebahq(keep_faulty=False)
    assert keep.index("train").own.sum() == drop.index("train").own.sum(), "the replica has no such image"


# Exemplars, identities, domains.


def test_exemplars_are_the_listed_ones(celebahq, celebahq_root):
    lines = [line.split(",") for line in (celebahq_root / "celebahq_ref_test.txt").read_text().splitlines()]
    listed = {number(line[0]): number(line[1]) for line in lines}
    data = celebahq()
    data.setup("validate")
    for raw in data.val_dataloader():
        for source, target in zip(raw.source_key, raw.target_key, strict=True):
            assert listed[number(target)] == number(source)


def test_training_sometimes_takes_the_worst_exemplar(celebahq, celebahq_root):
    lines = [line.split(",") for line in (celebahq_root / "celebahq_ref.txt").read_text().splitlines()]
    data = celebahq(hard_fraction=0.25)
    data.setup("fit")
    pairs, table = data.datasets["train"].pairs, data.datasets["train"].table
    assert isinstance(pairs, ExemplarPairs)
    rng, hard, total = np.random.default_rng(0), 0, 0
    for index in range(len(pairs)):
        line = next(line for line in lines if number(line[0]) == table.images[pairs.targets[index]])
        for _ in range(50):
            source, _ = pairs.pick(index, rng)
            assert table.images[source] in (number(line[1]), number(line[-1]))
            hard += int(table.images[source] == number(line[-1]))
            total += 1
    assert 0.2 < hard / total < 0.3


@pytest.mark.parametrize("split", ["val", "test"])
def test_exemplars_of_other_splits_are_training_images(celebahq, split):
    data = celebahq()
    training = set(data.index("train").images.tolist())
    batch = first_batch(data, split)
    assert {number(key) for key in batch.source_key} <= training
    assert not training & {number(key) for key in batch.target_key}


def test_without_a_list_the_face_with_similar_parts_is_taken(celebahq, celebahq_copy):
    without(celebahq_copy, "celebahq_ref.txt")
    data = celebahq(root=str(celebahq_copy))
    data.setup("fit")
    pairs, table = data.datasets["train"].pairs, data.datasets["train"].table
    assert len(pairs) == len(table)
    assert (table.identity[pairs.sources] != table.identity[pairs.targets]).all()
    share = np.stack(
        [np.bincount(table.read_annotation(row, "labels").ravel(), minlength=19) for row in range(len(table))]
    )
    share = share / share.sum(1, keepdims=True)
    distance = ((share[:, None] - share[None]) ** 2).mean(2)
    distance[table.identity[:, None] == table.identity[None]] = np.inf
    assert np.allclose(distance[pairs.targets, pairs.sources], distance.min(1)[pairs.targets], atol=1e-7)


def test_identities_need_celebas_file(celebahq, celebahq_copy):
    without(celebahq_copy, "identity_CelebA.txt")
    with pytest.raises(
        BadInput, match=r"does not say who is who: put identity_CelebA\.txt .* or set data\.pairing=self"
    ):
        celebahq(root=str(celebahq_copy), pairing="same_identity").setup("fit")


@pytest.mark.parametrize("attribute", ["Smiling", "Male", "Yaw"])
def test_domains_are_without_and_with_an_attribute(celebahq, celebahq_root, attribute):
    lines = (celebahq_root / "CelebAMask-HQ-attribute-anno.txt").read_text().splitlines()
    poses = (celebahq_root / "CelebAMask-HQ-pose-anno.txt").read_text().splitlines()
    rows = [line.split() for line in (poses if attribute == "Yaw" else lines)[2:]]
    place = 0 if attribute == "Yaw" else ATTRIBUTES.index(attribute)
    value = {number(cells[0]): float(cells[1 + place]) for cells in rows}
    batch = first_batch(celebahq(pairing="domains", attribute=attribute, batch_size=6))
    assert all(value[number(key)] < 0 for key in batch.source_key)
    assert all(value[number(key)] > 0 for key in batch.target_key)


def test_attributes_and_head_poses_of_images(celebahq, celebahq_root):
    data = celebahq()
    found, angles = data.attributes(np.array([7, 99_999])), data.head_poses(np.array([7, 99_999]))
    line = (celebahq_root / "CelebAMask-HQ-attribute-anno.txt").read_text().splitlines()[9].split()
    assert line[0] == "7.jpg"
    assert found[0].tolist() == [int(value) for value in line[1:]]
    assert (found[1] == 0).all()
    assert np.isfinite(angles[0]).all()
    assert np.isnan(angles[1]).all()


def test_a_misspelt_attribute_is_told_its_nearest_name(celebahq):
    with pytest.raises(BadInput, match=r"no attribute 'Smilling' .* Did you mean 'Smiling'\?"):
        celebahq(attribute="Smilling")


# Mirroring.


@pytest.mark.parametrize("exchanges", [True, False])
def test_left_parts_become_right_ones_in_a_mirrored_picture(celebahq, exchanges):
    plain = first_batch(celebahq(pairing="self", batch_size=12)).target_structure
    mirrored = first_batch(celebahq(pairing="self", batch_size=12, flip=1.0, mirror_exchanges=exchanges))
    order = list(range(CLASSES))
    for part in ("eye", "brow", "ear"):
        left, right = (PARTS.index(f"{side}_{part}") + 1 for side in "lr")
        if exchanges:
            order[left], order[right] = right, left
    assert torch.equal(mirrored.target_structure.flip(-1), plain[:, order])


# Forms of masks, and the merged ones that are kept.


def test_label_maps_are_those_of_the_other_form(celebahq):
    from_parts = first_batch(celebahq(pairing="self", numbering="cocosnet", masks="parts", batch_size=12))
    from_maps = first_batch(celebahq(pairing="self", numbering="cocosnet", masks="cocosnet", batch_size=12))
    assert torch.equal(from_parts.target_structure, from_maps.target_structure)


@pytest.mark.parametrize("folder", ["CelebAMaskHQ-mask", "CelebAMask-HQ-mask", "CelebAMask-HQ-label"])
def test_official_merged_maps_are_found(celebahq, celebahq_copy, folder):
    data = celebahq(pairing="self")
    table = data.index("train")
    (celebahq_copy / folder).mkdir()
    for image in range(24):
        row = np.flatnonzero(np.r_[table.images] == image)
        labels = table.read_annotation(int(row[0]), "labels") if len(row) else np.zeros((32, 32), np.uint8)
        Image.fromarray(labels).save(celebahq_copy / folder / f"{image}.png")
    without(celebahq_copy, ANNOTATION)
    found = first_batch(celebahq(root=str(celebahq_copy), pairing="self"))
    assert torch.equal(found.target_structure, first_batch(data).target_structure)


def test_a_form_that_is_not_there_is_refused(celebahq):
    with pytest.raises(BadInput, match=r"data\.masks=official, but .* has no CelebAMaskHQ-mask"):
        celebahq(masks="official").index("train")


def test_merged_masks_are_kept_and_read_again(celebahq, celebahq_copy, monkeypatch):
    first = first_batch(celebahq(root=str(celebahq_copy), pairing="self"))
    kept = list((celebahq_copy / face_masks.KEPT).rglob("*.png"))
    assert kept
    monkeypatch.setattr(face_masks, "_read_mask", lambda path: pytest.fail(f"{path} is read again"))
    again = first_batch(celebahq(root=str(celebahq_copy), pairing="self"))
    assert torch.equal(first.target_structure, again.target_structure)


def test_masks_that_came_later_are_not_missed(celebahq, celebahq_copy):
    data = celebahq(root=str(celebahq_copy), pairing="self", batch_size=12)
    before = first_batch(data).target_structure
    for mask in (celebahq_copy / ANNOTATION / "0").glob("*_hair.png"):
        mask.unlink()
    after = first_batch(celebahq(root=str(celebahq_copy), pairing="self", batch_size=12)).target_structure
    hair = PARTS.index("hair") + 1
    assert before[:, hair].sum() > 0
    assert after[:, hair].sum() == 0


def test_a_folder_that_cannot_be_written_to_does_no_harm(celebahq, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    batch = first_batch(celebahq(mask_cache=str(blocked), pairing="self"))
    keeps_contract(batch, CLASSES, 48, 48)
    assert "merged anew each time" in caplog.text


def test_a_damaged_kept_stack_is_made_anew(celebahq, celebahq_copy):
    first = first_batch(celebahq(root=str(celebahq_copy), pairing="self"))
    for kept in (celebahq_copy / face_masks.KEPT).rglob("*.png"):
        kept.write_bytes(kept.read_bytes()[:40])
    again = first_batch(celebahq(root=str(celebahq_copy), pairing="self"))
    assert torch.equal(first.target_structure, again.target_structure)


def test_a_read_only_dataset_keeps_its_stacks_in_the_users_cache(celebahq_root, monkeypatch, tmp_path):
    monkeypatch.setattr(face_masks.os, "access", lambda path, mode: False)
    monkeypatch.setattr(face_masks, "user_cache_path", lambda name: tmp_path / name)
    masks = face_masks.find_masks(celebahq_root, None, None)
    masks.stack(0)
    assert list((tmp_path / "exemplar-synthesis").rglob("00000.png"))


# Damaged copies.


def test_masks_of_another_size_are_brought_to_the_first(celebahq_copy):
    path = celebahq_copy / ANNOTATION / "0" / "00000_nose.png"
    mask = Image.open(path)
    mask.resize((64, 64), Image.Resampling.NEAREST).save(path)
    masks = face_masks.find_masks(celebahq_copy, "parts", None)
    assert masks.stack(0).shape == (32, 32)
    assert ((masks.stack(0) & BIT["nose"]) > 0).sum() == (np.asarray(mask)[..., 0] > 0).sum()


def test_masks_of_another_shape_are_unreadable(celebahq, celebahq_copy):
    for path in (celebahq_copy / ANNOTATION / "0").glob("*_nose.png"):
        Image.new("RGB", (32, 20), "white").save(path)
    data = celebahq(root=str(celebahq_copy), pairing="self")
    data.setup("validate")
    with pytest.raises(BadInput, match=r"is 20 x 32 .height x width., but another mask of the image is 32 x 32"):
        next(iter(data.val_dataloader()))


@pytest.mark.parametrize("white", [1, 200])
def test_masks_may_be_grey_and_of_any_white(celebahq_copy, white):
    path = celebahq_copy / ANNOTATION / "0" / "00000_skin.png"
    mask = np.asarray(Image.open(path))[..., 0]
    expected = face_masks.find_masks(celebahq_copy, None, None).stack(0)
    Image.fromarray((mask > 0).astype(np.uint8) * np.uint8(white)).save(path.with_suffix(".PNG"))
    path.unlink()
    assert np.array_equal(face_masks.find_masks(celebahq_copy, None, None).stack(0), expected)


def test_an_image_without_masks_is_left_out_and_counted(celebahq, celebahq_copy):
    victim = int(celebahq(pairing="self").index("train").images[0])
    without(celebahq_copy, f"{ANNOTATION}/0/{victim:05d}_skin.png")
    with pytest.raises(BadInput, match=r"1 of 12 images of the train split cannot be read.*_skin\.png does not exist"):
        celebahq(root=str(celebahq_copy), pairing="self").setup("fit")
    data = celebahq(root=str(celebahq_copy), pairing="self", max_bad_fraction=0.1)
    data.setup("fit")
    assert len(data.datasets["train"]) == 11


def test_listed_images_that_are_not_there_are_left_out_and_counted(celebahq, celebahq_copy):
    without(celebahq_copy, "CelebA-HQ-to-CelebA-mapping.txt", "identity_CelebA.txt")
    victim = (celebahq_copy / "train.txt").read_text().splitlines()[0]
    without(celebahq_copy, f"CelebA-HQ-img/{victim}.jpg")
    with pytest.raises(BadInput, match=rf"1 of 12 images of the train split are not in .* \(the first: {victim}\)"):
        celebahq(root=str(celebahq_copy)).index("train")
    table = celebahq(root=str(celebahq_copy), max_bad_fraction=0.1).index("train")
    assert table.own.sum() == 11


def test_lists_with_windows_line_ends_and_paths_are_read(celebahq, celebahq_copy):
    without(celebahq_copy, "CelebA-HQ-to-CelebA-mapping.txt", "identity_CelebA.txt")
    expected = celebahq(root=str(celebahq_copy)).index("val").images
    for name in ("train.txt", "val.txt"):
        lines = (celebahq_copy / name).read_text().splitlines()
        text = "".join(f"CelebA-HQ-img\\{line}.jpg\r\n" for line in lines)
        (celebahq_copy / name).write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    assert np.array_equal(celebahq(root=str(celebahq_copy)).index("val").images, expected)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("val.txt", "12\nabc\n", "val.txt, line 2: the number of an image expected, found 'abc'"),
        ("celebahq_ref.txt", "1.jpg\n", "celebahq_ref.txt, line 1: a file name and at least one exemplar expected"),
        ("celebahq_ref.txt", "1.jpg,x.jpg\n", "celebahq_ref.txt names files that are not called like 29922.jpg"),
    ],
)
def test_lists_that_cannot_be_understood_are_refused(celebahq, celebahq_copy, name, text, message):
    (celebahq_copy / name).write_text(text)
    with pytest.raises(BadInput, match=re.escape(message)):
        celebahq(root=str(celebahq_copy), partition="lists").index("train")


def test_a_damaged_attribute_file_is_told_by_line(celebahq, celebahq_copy):
    path = celebahq_copy / "CelebAMask-HQ-attribute-anno.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], lines[4][:20], *lines[5:]]))
    with pytest.raises(BadInput, match="line 5: a file name and 40 numbers expected"):
        celebahq(root=str(celebahq_copy), pairing="domains").index("train")


def test_files_that_are_no_images_are_ignored_and_upper_case_ones_are_found(celebahq, celebahq_copy):
    images = celebahq_copy / "CelebA-HQ-img"
    (images / "Thumbs.db").write_bytes(b"thumbs")
    (images / "0.jpg").rename(images / "0.JPG")
    assert (
        sum(celebahq(root=str(celebahq_copy), pairing="self").index(s).own.sum() for s in ("train", "val", "test"))
        == 24
    )


def test_the_parent_folder_is_a_root_too(celebahq, celebahq_root):
    data = celebahq(root=str(celebahq_root.parent))
    batch = first_batch(data)
    assert batch.target_key[0].startswith("CelebAMask-HQ/CelebA-HQ-img/")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root": "/nowhere/at/all"}, "does not exist: set data.root to the folder CelebAMask-HQ"),
        ({"root": str(Path(__file__).parent)}, "holds no folder CelebA-HQ-img"),
    ],
)
def test_a_wrong_root_says_what_to_do(celebahq, changes, message):
    with pytest.raises(BadInput, match=message):
        celebahq(**changes).index("train")


def test_labels_without_masks_say_what_to_do(celebahq, celebahq_copy):
    without(celebahq_copy, ANNOTATION)
    with pytest.raises(
        BadInput, match=r"data\.structure=labels needs the masks .* set data\.structure to edges or image"
    ):
        celebahq(root=str(celebahq_copy)).index("train")
    keeps_contract(first_batch(celebahq(root=str(celebahq_copy), structure="edges")), 1, 48, 48)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 18}, "CelebA-HQ has 19 classes"),
        ({"hard_fraction": 1.5}, "data.hard_fraction must be between 0 and 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(celebahq, changes, message):
    with pytest.raises(BadInput, match=message):
        celebahq(**changes)


# A user's own files.


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_users_own_files_make_a_batch(celebahq, celebahq_root, structure):
    photo = celebahq_root / "CelebA-HQ-img" / "3.jpg"
    shown = celebahq_root / face_masks.WITHOUT_GLASSES / "00005.png" if structure in ("labels", "part_edges") else photo
    batch = celebahq(structure=structure, numbering="cocosnet").batch_from_files([photo], [shown])
    assert batch.target_structure.shape == (1, channels(structure, CLASSES), 48, 48)
    if structure == "part_edges":
        assert batch.target_structure[0, 14].sum() > 50, "contours of the parts are there"
        assert (batch.source_structure[0, 1:14] == 1).all(), "nothing is known of the photo's parts"


# The real thing.


@pytest.fixture
def samples(celebahq, tmp_path):
    """The real samples, with CoCosNet's list of exemplars beside them."""

    def build(**changes):
        settings = {"root": str(SAMPLES / "celebahq"), "lists": str(SAMPLES / "lists"), "mask_cache": str(tmp_path)}
        return celebahq(**{**settings, "height": 256, "width": 256, "batch_size": 4, "eval_batch_size": 4, **changes})

    return build


@needs_samples
def test_real_samples_have_the_means_of_the_official_loader(samples):
    batch = first_batch(samples(numbering="cocosnet"), "val")
    expected = {
        29922: (26768, -0.20009, -0.27163, 1.70007),
        29883: (5487, -0.24809, -0.13136, 2.27106),
        26969: (6897, -0.33655, 0.25095, 3.10805),
        25807: (23071, -0.00810, 0.13738, 2.17587),
    }
    assert [number(key) for key in batch.target_key] == list(expected)
    values = (batch.target_structure * torch.arange(CLASSES)[:, None, None]).sum(1)
    for row, (exemplar, image, other, label) in enumerate(expected.values()):
        assert number(batch.source_key[row]) == exemplar
        assert batch.target[row].mean() == pytest.approx(image, abs=2e-4)
        assert batch.source[row].mean() == pytest.approx(other, abs=2e-4)
        assert values[row].mean() == pytest.approx(label, abs=2e-4)
    assert batch.target_structure[0, GLASSES].sum() == 0


@needs_samples
@pytest.mark.parametrize("numbering", list(NUMBERINGS))
@pytest.mark.parametrize(
    ("structure", "pairing"), [(s, "reference") for s in STRUCTURES] + [("labels", "self"), ("labels", "random")]
)
def test_real_samples_keep_the_contract(samples, structure, pairing, numbering):
    framing = {"height": 64, "width": 64, "load_height": 72, "load_width": 72, "flip": 0.5}
    data = samples(structure=structure, pairing=pairing, numbering=numbering, **framing)
    for split in ("train", "val"):
        keeps_contract(first_batch(data, split), channels(structure, CLASSES), 64, 64)


@needs_samples
def test_real_maps_have_the_same_parts_in_both_numberings(samples):
    official, cocosnet = (first_batch(samples(numbering=n), "val").target_structure for n in ("official", "cocosnet"))
    order = [0, *(NUMBERINGS["cocosnet"].index(part) + 1 for part in PARTS)]
    assert torch.equal(official, cocosnet[:, order])


@needs_samples
def test_real_left_eyes_are_on_the_right_of_the_picture(samples):
    maps = first_batch(samples(), "val").target_structure
    across = torch.arange(256.0)
    left, right = (maps[:, PARTS.index(f"{side}_eye") + 1] for side in "lr")
    centre = [(eye * across).sum((1, 2)) / eye.sum((1, 2)) for eye in (left, right)]
    assert (centre[0] > centre[1]).all()


def test_a_table_is_small_enough_for_every_worker(celebahq):
    table = celebahq().index("train")
    columns = [getattr(table, f.name) for f in dataclasses.fields(table)]
    assert all(value.dtype != object for value in columns if isinstance(value, np.ndarray))

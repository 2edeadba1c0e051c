"""The replica of CelebAMask-HQ: the real layout, faces that are where their masks say, and people that can be told apart."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules import replica
from datamodules.bad_input import BadInput
from datamodules.celeba_files import ATTRIBUTES
from datamodules.replica import truth
from datamodules.replica.celebahq import masks, plan
from datamodules.replica.portrait import draw
from datamodules.replica.portrait_traits import Look, Person, attributes
from datamodules.structures.face_parts import BIT, PARTS, labels_of


def portrait(person: int, take: int = 0, size: int = 96, **changes):
    """A person's picture, and who and how it is."""
    who = Person.sample(np.random.default_rng([person, 1]), male=person % 2 == 1)
    look = Look.sample(np.random.default_rng([person, take, 2]), who, smiles=take % 2 == 0)
    look = type(look)(**{**vars(look), **changes})
    return draw(who, look, size), who, look


def test_the_layout_is_that_of_the_real_dataset(celebahq_root):
    names = {path.name for path in celebahq_root.iterdir()} - {"CelebAMask-HQ-mask-stacks"}
    assert names == {
        *(
            "CelebA-HQ-img",
            "CelebAMask-HQ-mask-anno",
            "CelebA-HQ-to-CelebA-mapping.txt",
            "CelebAMask-HQ-attribute-anno.txt",
        ),
        *(
            "CelebAMask-HQ-pose-anno.txt",
            "README.txt",
            "train.txt",
            "val.txt",
            "celebahq_ref.txt",
            "celebahq_ref_test.txt",
        ),
        *("list_eval_partition.txt", "identity_CelebA.txt", "truth", "replica.json"),
    }
    assert {path.name for path in (celebahq_root / "CelebA-HQ-img").iterdir()} == {f"{i}.jpg" for i in range(24)}
    parts = {path.stem.split("_", 1)[1] for path in (celebahq_root / "CelebAMask-HQ-mask-anno" / "0").iterdir()}
    assert parts <= set(PARTS)
    assert {"skin", "nose", "l_eye", "r_brow", "hair", "neck", "cloth"} <= parts


def test_pictures_and_masks_have_the_formats_of_the_real_ones(celebahq_root):
    image = Image.open(celebahq_root / "CelebA-HQ-img" / "7.jpg")
    mask = Image.open(celebahq_root / "CelebAMask-HQ-mask-anno" / "0" / "00007_skin.png")
    merged = Image.open(celebahq_root / "CelebAMask-HQ-mask-anno" / "all_parts_except_glasses" / "00007.png")
    assert (image.mode, image.size) == ("RGB", (64, 64))
    assert (mask.mode, mask.size) == ("RGB", (32, 32))
    assert set(np.unique(mask)) == {0, 255}
    assert (merged.mode, merged.size) == ("L", (32, 32))
    assert 16 not in np.unique(merged)


def test_text_files_are_written_as_the_real_ones(celebahq_root):
    lines = (celebahq_root / "CelebAMask-HQ-attribute-anno.txt").read_text().splitlines()
    assert lines[0] == "24"
    assert lines[1].split() == list(ATTRIBUTES)
    assert all(len(line.split()) == 41 and set(line.split()[1:]) <= {"1", "-1"} for line in lines[2:])
    poses = (celebahq_root / "CelebAMask-HQ-pose-anno.txt").read_text().splitlines()
    assert poses[1] == "Yaw Pitch Raw"
    assert (celebahq_root / "CelebA-HQ-to-CelebA-mapping.txt").read_text().split()[:3] == [
        "idx",
        "orig_idx",
        "orig_file",
    ]
    assert not (celebahq_root / "val.txt").read_text().endswith("\n")


def test_it_is_a_function_of_its_seed(tmp_path):
    def prints(folder: Path) -> dict[str, str]:
        files = (path for path in folder.rglob("*") if path.is_file() and path.name != "replica.json")
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    settings = {"identities": 6, "images_per_identity": 2, "size": 32, "truth": False}
    same, again, other = (
        prints(replica.write("celebahq", tmp_path / name, seed=seed, **settings))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert same == again
    assert same != other


def test_nobody_is_in_two_splits_and_every_split_shows_women_and_men():
    shots = plan(30, 4, 0)
    people = [{shot.person for shot in shots if shot.split == split} for split in range(3)]
    assert sum(map(len, people)) == len(set.union(*people)) == 30
    assert all({person % 2 for person in split} == {0, 1} for split in people)
    assert [shot.image for shot in shots] == list(range(120))
    assert len({shot.original for shot in shots}) == 120


@pytest.mark.parametrize(
    "settings", [{"identities": 5}, {"images_per_identity": 1}, {"size": 33}, {"identities": 9000}]
)
def test_settings_that_make_no_dataset_are_refused(tmp_path, settings):
    with pytest.raises(BadInput):
        replica.write("celebahq", tmp_path / "x", **settings)


def test_masks_overlap_as_the_real_ones_do():
    drawn, _, _ = portrait(0, glasses=2, hat="none")
    stack = masks(drawn)
    for part in ("nose", "l_eye", "r_eye", "u_lip"):
        where = (stack & BIT[part]) > 0
        assert where.any()
        assert (stack[where] & BIT["skin"] > 0).all(), "skin goes on beneath"
    glasses = (stack & BIT["eye_g"]) > 0
    assert (stack[glasses] & BIT["l_eye"] > 0).any(), "eyes are behind glasses"
    assert (labels_of(stack & ~BIT["eye_g"], "official") == drawn.part[::2, ::2]).all()


def test_left_is_the_subjects_left():
    drawn, _, _ = portrait(1, yaw=0.0, hat="none")
    for part in ("eye", "brow"):
        columns = [np.nonzero(drawn.part == PARTS.index(f"{side}_{part}") + 1)[1].mean() for side in "lr"]
        assert columns[0] > columns[1]


def test_a_turned_head_shows_its_nose_on_that_side():
    places = []
    for yaw in (-30.0, 0.0, 30.0):
        drawn, _, _ = portrait(0, yaw=yaw, roll=0.0, hat="none", shift=(0.0, 0.0))
        columns = {part: np.nonzero(drawn.part == PARTS.index(part) + 1)[1].mean() for part in ("nose", "skin")}
        places.append(columns["nose"] - columns["skin"])
    assert places[0] < places[1] < places[2]


def test_the_structure_alone_does_not_determine_the_picture():
    """Two people drawn with the same look and shapes differ, in colours that are those of their own."""
    _, who, look = portrait(2, hat="none")
    other = type(who)(**{**vars(who), "skin": 0.6 * who.skin, "hair": 1 - who.hair, "seed": 9})
    first, second = draw(who, look, 96), draw(other, look, 96)
    assert (first.part == second.part).mean() > 0.97
    assert np.abs(first.image.astype(int) - second.image).mean() > 10


def test_light_and_place_change_from_picture_to_picture_but_not_the_person():
    first, second = (portrait(4, take, hat="none", blur=0.0)[0] for take in (0, 1))
    assert np.abs(first.background.astype(int) - second.background).mean() > 10
    means = [drawn.image[drawn.part == 1].astype(float).mean(0) for drawn in (first, second)]
    tones = [mean / mean.sum() for mean in means]
    assert np.abs(tones[0] - tones[1]).max() < 0.05, "the hue of the skin stays"


@pytest.mark.parametrize(
    ("attribute", "part", "changes"),
    [
        ("Eyeglasses", "eye_g", {"glasses": 1}),
        ("Wearing_Hat", "hat", {"hat": "brim"}),
        ("Wearing_Necklace", "neck_l", {"necklace": True}),
        ("Wearing_Earrings", "ear_r", {"earrings": True, "yaw": 0.0}),
        ("Mouth_Slightly_Open", "mouth", {"mouth_open": 0.6}),
    ],
)
def test_what_attributes_say_can_be_seen(attribute, part, changes):
    drawn, who, look = portrait(0, **changes)
    assert attributes(who, look)[attribute]
    assert (masks(drawn) & BIT[part] > 0).any()


def test_all_attributes_are_told():
    _, who, look = portrait(0)
    assert list(attributes(who, look)) == list(ATTRIBUTES)


def test_attributes_are_neither_always_nor_never_true(celebahq_root):
    rows = (celebahq_root / "CelebAMask-HQ-attribute-anno.txt").read_text().splitlines()[2:]
    values = np.array([line.split()[1:] for line in rows], int)
    varied = (values.min(0) < values.max(0)).sum()
    assert varied > 22, "in 24 pictures of 8 people"


def test_the_truth_tells_where_a_place_of_the_face_is_in_another_picture(celebahq_root):
    first, second = (portrait(0, take=3, yaw=yaw, roll=0.0, hat="none", glasses=0)[0] for yaw in (-15.0, 15.0))
    flow = truth.correspondence(first.part * first.face, first.uv, second.part * second.face, second.uv)
    nose = first.part == PARTS.index("nose") + 1
    arrived = flow[nose & np.isfinite(flow[..., 0])].round().astype(int)
    assert len(arrived) > 0.5 * nose.sum()
    assert (second.part[arrived[:, 1], arrived[:, 0]] == PARTS.index("nose") + 1).all()
    stored = truth.read(celebahq_root / "truth" / "CelebA-HQ-img" / "0.npz")
    assert stored.uv.shape == (64, 64, 2)
    assert (stored.silhouette[stored.part > 0] == 1).all()


def test_people_and_their_colours_are_told(celebahq_root):
    people = json.loads((celebahq_root / "truth" / "people.json").read_text())
    identities = {line.split()[1] for line in (celebahq_root / "identity_CelebA.txt").read_text().splitlines()}
    assert set(people) == identities
    assert all(len(person["skin"]) == 3 for person in people.values())

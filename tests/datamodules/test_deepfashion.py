"""DeepFashion in the files of its authors and of both families of papers: what is read, how it is prepared and paired."""

import itertools
import logging
import shutil

import numpy as np
import pytest
import torch

from datamodules import replica
from datamodules.bad_input import BadInput
from datamodules.deepfashion import DeepFashion
from datamodules.deepfashion_names import flattened, same
from tests.datamodules.conftest import SAMPLES, first_batch, keeps_contract, needs_samples

MODES = ["same_identity", "reference", "self", "random", "domains"]
NESTED = "img/WOMEN/Tees_Tanks/id_00007838/05_7_additional.jpg"
SKELETON = slice(0, 3)


@pytest.fixture(scope="session")
def fashion_root(tmp_path_factory):
    """A whole replica; tests only read it."""
    root = tmp_path_factory.mktemp("fashion") / "deepfashion"
    return replica.write("deepfashion", root, identities=8, seed=0, height=96)


@pytest.fixture
def fashion_copy(fashion_root, tmp_path):
    """A copy that a test may spoil, without the truth."""
    copy = tmp_path / "deepfashion"
    shutil.copytree(fashion_root, copy, ignore=shutil.ignore_patterns("truth"))
    return copy


@pytest.fixture
def fashion(fashion_root):
    """DeepFashion with small settings, of which a test changes some."""

    def build(**changes):
        settings = {
            "root": str(fashion_root),
            "height": 64,
            "width": 48,
            "structure": "pose_map",
            "pairing": "same_identity",
            "batch_size": 4,
            "num_workers": 0,
            "val_fraction": 0.3,
        }
        return DeepFashion(**{**settings, **changes})

    return build


def person(key):
    return " ".join(same(key).split(" ")[:4])


def view(key):
    return same(key).split(" ")[5]


def test_every_spelling_of_a_name_is_one():
    spellings = [
        NESTED,
        NESTED.replace("/", "\\"),
        "fashionWOMENTees_Tanksid0000783805_7additional.jpg",
        "fasionWOMENTeesTanksid0000783805_7additional.JPG",
        "fashion/WOMEN/Tees_Tanks/id_00007838/05_7_additional.png",
        "WOMENTees_Tanksid0000783805_7additional",
    ]
    assert {same(name) for name in spellings} == {"WOMEN TeesTanks 00007838 05 7 additional"}
    assert same("img/MEN/Denim/id_00000265/01_1_front.jpg") == "MEN Denim 00000265 01 1 front"
    assert same("0002_c1s1_000451_03.jpg") is None
    assert flattened(NESTED) == spellings[2]


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("pairing", MODES)
def test_every_mode_keeps_the_contract_of_a_batch(fashion, pairing, split):
    batch = first_batch(fashion(pairing=pairing), split)
    keeps_contract(batch, 20, 64, 48)
    assert batch.paired.tolist() == [pairing in ("same_identity", "self")] * batch.size
    for source, target in zip(batch.source_key, batch.target_key, strict=True):
        if pairing == "same_identity":
            assert person(source) == person(target)
        if pairing == "reference":
            assert person(source) != person(target)
        if pairing == "domains":
            assert (view(source), view(target)) == ("front", "back")
        assert (source == target) == (pairing == "self")


@pytest.mark.parametrize(("structure", "channels"), [("pose_heatmaps", 18), ("edges", 1), ("image", 3)])
def test_other_structures(fashion, structure, channels):
    keeps_contract(first_batch(fashion(structure=structure)), channels, 64, 48)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"images": "img", "borders": "cut"}, (256, 176)),
        ({"images": "img", "borders": "keep"}, (256, 256)),
        ({"images": "img_highres"}, (256, 256)),
        ({"images": "img_highres"}, (512, 352)),
    ],
)
def test_in_every_preparation_the_skeleton_lies_on_the_person(fashion, changes, size):
    batch = first_batch(fashion(height=size[0], width=size[1], truth=True, batch_size=2, **changes), "val")
    keeps_contract(batch, 20, *size)
    limbs = batch.target_structure[:, 3:].min(1).values < 1 / 255
    inside = limbs & (batch.truth["target_silhouette"][:, 0] > 0)
    assert inside.sum() > 0.9 * limbs.sum()
    x, y, visible = batch.truth["target_joints"].unbind(-1)
    column, row = x.long().clamp(0, size[1] - 1), y.long().clamp(0, size[0] - 1)
    on_the_person = batch.truth["target_silhouette"][torch.arange(2)[:, None], 0, row, column] > 0
    assert on_the_person[visible > 0].float().mean() > 0.8


def test_borders_are_cut_or_kept_and_high_and_low_resolution_show_the_same(fashion):
    kept = first_batch(fashion(images="img", borders="keep", height=256, width=256), "val")
    cut = first_batch(fashion(images="img", height=256, width=176), "val")
    high = first_batch(fashion(images="img_highres", height=256, width=176), "val")
    assert kept.target[..., :38].min() > 0.9
    assert torch.equal(kept.target[..., 40:216], cut.target)
    assert torch.equal(kept.target_structure[:, SKELETON, :, 40:216], cut.target_structure[:, SKELETON])
    assert torch.equal(high.target_structure, cut.target_structure)
    assert (high.target - cut.target).abs().mean() < 0.05


def test_people_are_in_one_split_and_items_may_be_in_two(fashion, fashion_root):
    data = fashion()
    data.setup(None)
    people = {s: {person(d.table.key(r)) for r in range(len(d.table))} for s, d in data.datasets.items()}
    for a, b in itertools.combinations(people.values(), 2):
        assert not a & b
    assert len(people["val"]) == round(0.3 * 8)
    assert len(people["train"] | people["val"]) == 8
    listed = (fashion_root / "test.lst").read_text().split()
    assert people["test"] == {person(name) for name in listed}


def test_the_lists_of_both_families_give_the_same_pairs(fashion):
    csv, text = fashion(pairs="csv"), fashion(pairs="text")
    csv.setup(None)
    text.setup(None)
    for split in ("train", "val", "test"):
        pairs = {}
        for name, data in (("csv", csv), ("text", text)):
            table, found = data.datasets[split].table, data.datasets[split].pairs
            targets = np.repeat(found.targets, np.diff(found.starts))
            pairs[name] = [(table.key(s), table.key(t)) for s, t in zip(found.sources, targets, strict=True)]
        assert set(pairs["csv"]) == set(pairs["text"])
        assert len(pairs["csv"]) > 0
        if split == "test":
            assert pairs["csv"] == pairs["text"]
    # A pass of NTED and PIDM is over targets, each with one of its sources.
    assert len(text.datasets["train"]) < len(csv.datasets["train"])
    drawn = {text.datasets["train"][epoch, 0]["source_key"] for epoch in range(12)}
    assert len(drawn) > 1


def test_test_pairs_are_those_of_the_list_in_its_order(fashion, fashion_root):
    data = fashion(eval_batch_size=64)
    data.setup("test")
    lines = (fashion_root / "fasion-resize-pairs-test.csv").read_text().split()[1:]
    listed = [tuple(same(name) for name in line.split(",")) for line in lines]
    found = [
        (same(source), same(target))
        for batch in data.test_dataloader()
        for source, target in zip(batch.source_key, batch.target_key, strict=True)
    ]
    assert found == listed


def test_all_files_of_poses_say_the_same(fashion):
    batches = [first_batch(fashion(poses=poses), "test") for poses in ("csv", "text", "openpose")]
    for other in batches[1:]:
        assert other.target_key == batches[0].target_key
        assert other.target_structure.equal(batches[0].target_structure)


def test_csv_poses_in_the_frame_with_borders_are_told_by_their_numbers(fashion, fashion_copy):
    for side in ("train", "test"):
        path = fashion_copy / f"fasion-resize-annotation-{side}.csv"
        header, *rows = path.read_text().splitlines()
        shifted = []
        for row in rows:
            name, ys, xs = row.split(":")
            moved = [x if x == -1 else x + 40 for x in map(int, xs.strip(" []").split(","))]
            shifted.append(f"{name.replace('fashion', 'fasion').replace('_Tanks', 'Tanks')}:{ys}:{moved}")
        (fashion_copy / f"fashion-annotation-{side}.csv").write_bytes("\r\n".join([header, *shifted, ""]).encode())
        path.unlink()
    expected, found = first_batch(fashion(), "test"), first_batch(fashion(root=str(fashion_copy)), "test")
    assert found.target_structure.equal(expected.target_structure)


def test_flattened_folders_are_found_without_any_list(fashion, fashion_copy, tmp_path):
    flat = tmp_path / "flat"
    for side, folder in (("train", "train_highres"), ("test", "test_highres")):
        (flat / folder).mkdir(parents=True)
        names = {same(name) for name in (fashion_copy / f"{side}.lst").read_text().split()}
        for path in (fashion_copy / "img_highres").rglob("*.jpg"):
            relative = path.relative_to(fashion_copy / "img_highres").as_posix()
            if same(relative) in names:
                shutil.copy(path, flat / folder / flattened(relative))
        shutil.copy(fashion_copy / f"fasion-resize-annotation-{side}.csv", flat)
    (flat / "train_highres" / "Thumbs.db").touch()
    by_rule, nested = fashion(root=str(flat)), fashion()
    by_rule.setup(None)
    nested.setup(None)
    for split in ("train", "test"):
        ours, theirs = by_rule.datasets[split], nested.datasets[split]
        assert sorted(same(ours.table.key(r)) for r in range(len(ours.table))) == sorted(
            same(theirs.table.key(r)) for r in range(len(theirs.table))
        )
        assert len(ours) == len(theirs)


def test_cocosnets_lists_split_and_pair(fashion, fashion_copy):
    for pattern in ("*.lst", "*_pairs.txt", "*.csv"):
        for path in fashion_copy.glob(pattern):
            path.unlink()
    data = fashion(root=str(fashion_copy), pairing="reference")
    data.setup(None)
    listed = [line.split(",") for line in (fashion_copy / "deepfashion_ref_test.txt").read_text().splitlines()]
    first, test = {same(line[0]): same(line[1]) for line in listed}, data.datasets["test"]
    for source, target in zip(test.pairs.sources, test.pairs.targets, strict=True):
        assert first[same(test.table.key(target))] == same(test.table.key(source))
    train = data.datasets["train"]
    assert (train.pairs.hard_sources != train.pairs.sources).any()
    together = first_batch(fashion(root=str(fashion_copy), pairs="self_pair"), "train")
    assert all(person(a) == person(b) for a, b in zip(together.source_key, together.target_key, strict=True))


@pytest.mark.parametrize("partition", ["lst", "pairs", "cocosnet", "official", "fraction"])
def test_every_partition_trains_and_tests_on_different_people(fashion, partition):
    data = fashion(partition=partition, pairing="self")
    data.setup(None)
    sides = [set(data.datasets[split].table.identity.tolist()) for split in ("train", "test")]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize(
    ("by", "x", "y"), [("gender", None, None), ("view", ["side", "full"], ["back"]), ("category", "first", "last")]
)
def test_domains_are_views_genders_or_categories(fashion, by, x, y):
    known = fashion().catalogue.columns.names[by]
    x, y = ([known[0]], [known[-1]]) if by == "category" else (x, y)
    data = fashion(
        pairing="domains", partition="fraction", val_fraction=0.6, domains_by=by, domain_x=x, domain_y=y, batch_size=1
    )
    batch = first_batch(data)
    word = {"gender": 0, "category": 1, "view": 5}[by]
    assert {same(key).split()[word] for key in batch.source_key} <= set(x or ["MEN"])
    assert {same(key).split()[word] for key in batch.target_key} <= set(y or ["WOMEN"])


def test_listed_files_that_are_not_there_are_dropped_and_counted(fashion, fashion_copy, caplog):
    with (fashion_copy / "train.lst").open("a") as file:
        file.write("fashionWOMENDressesid0099999901_1front.jpg\n\n")
    with (fashion_copy / "fasion-resize-pairs-train.csv").open("a") as file:
        file.write("fashionWOMENDressesid0099999901_1front.jpg,fashionWOMENDressesid0099999901_3back.jpg\n")
    with caplog.at_level(logging.WARNING):
        first_batch(fashion(root=str(fashion_copy), max_bad_fraction=0.1))
    assert "1 of" in caplog.text
    assert "images in" in caplog.text
    assert "pairs in" in caplog.text
    with pytest.raises(BadInput, match=r"id0099999901_1front\.jpg\), more than data\.max_bad_fraction"):
        fashion(root=str(fashion_copy), max_bad_fraction=0.001).setup("fit")


def test_a_pose_file_that_is_missing_or_empty_leaves_its_image_out(fashion, fashion_copy, caplog):
    for path in fashion_copy.glob("*.csv"):
        path.unlink()
    victims = sorted(fashion_copy.glob("pose/**/*1_front.txt"))
    gone, blank = victims[0], victims[1]
    gone.unlink()
    blank.write_text("-1 -1\n" * 18)
    data = fashion(root=str(fashion_copy), pairing="self", val_fraction=0.0, partition="fraction")
    with caplog.at_level(logging.WARNING):
        data.setup("fit")
    train = data.datasets["train"]
    used = {same(train.table.key(row)) for row in train.pairs.targets}
    everything = {same(train.table.key(row)) for row in range(len(train.table))}
    assert everything - used == {same(str(path.with_suffix(".jpg"))) for path in (gone, blank)}
    assert "1 of" in caplog.text
    assert "2 of" in caplog.text
    assert "fewer than 1 joints" in caplog.text


def test_mirrored_as_published_left_and_right_keep_their_channels(fashion):
    for exchanges in (True, False):
        straight, turned = (fashion(flip=f, mirror_exchanges=exchanges, pairing="self") for f in (0.0, 1.0))
        straight.setup("fit")
        turned.setup("fit")
        index = next(i for i in range(8) if "front" in straight.datasets["train"][0, i]["target_key"])
        maps = [
            data.structure.maps(data.datasets["train"][0, index]["target_annotation"][None], torch.zeros(1, 3, 64, 48))
            for data in (straight, turned)
        ]
        assert maps[1].equal(maps[0].flip(-1)) != exchanges


@pytest.mark.parametrize("place", ["parent", "Img", "In-shop Clothes Retrieval Benchmark"])
def test_the_forms_in_which_people_keep_it(fashion, fashion_copy, tmp_path, place):
    root = tmp_path / "data"
    inside = root / "deepfashion" if place == "parent" else root / place
    root.mkdir()
    fashion_copy.rename(inside)
    keeps_contract(first_batch(fashion(root=str(root)), "test"), 20, 64, 48)


def test_a_dataset_that_is_not_there_says_what_to_do(fashion, fashion_copy, tmp_path):
    with pytest.raises(BadInput, match=r"does not exist: .*img_highres.*datamodules\.replica deepfashion"):
        fashion(root=str(tmp_path / "nowhere")).setup("fit")
    (tmp_path / "empty" / "img_highres").mkdir(parents=True)
    with pytest.raises(BadInput, match=r"holds no image that is named like .*password"):
        fashion(root=str(tmp_path / "empty")).setup("fit")
    for path in [*fashion_copy.glob("*.csv"), fashion_copy / "pose"]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(BadInput, match=r"needs poses.*fasion-resize-annotation.*data\.structure=edges"):
        fashion(root=str(fashion_copy)).setup("fit")
    keeps_contract(first_batch(fashion(root=str(fashion_copy), structure="edges")), 1, 64, 48)


def test_settings_that_cannot_be_are_refused(fashion):
    with pytest.raises(BadInput, match=r"no view 'fronte'.*Did you mean 'front'"):
        fashion(pairing="domains", domain_x=["fronte"]).setup("fit")
    with pytest.raises(BadInput, match=r"needs data\.domain_x"):
        fashion(pairing="domains", domains_by="category")
    with pytest.raises(BadInput, match=r"no label maps"):
        fashion(structure="labels")
    with pytest.raises(BadInput, match=r"min_joints"):
        fashion(min_joints=19)


def test_ones_own_photograph_and_pose(fashion, fashion_root, tmp_path):
    """A photograph with OpenPose's text beside it, and a pose without a picture, which is one of the dataset's frame."""
    name = next(path for path in sorted((fashion_root / "img").rglob("*1_front.jpg")))
    pose = fashion_root / "pose" / name.relative_to(fashion_root / "img")
    shutil.copy(name, tmp_path / "me.jpg")
    for end in ("candidate", "subset"):
        shutil.copy(pose.with_name(f"{pose.stem}_{end}.txt"), tmp_path / f"me_{end}.txt")
    data = fashion(
        images="img", borders="keep", height=256, width=256, partition="fraction", val_fraction=0.9, pairing="self"
    )
    batch = data.batch_from_files([tmp_path / "me.jpg"], [tmp_path / "me_subset.txt"])
    assert batch.target_structure.shape == (1, 20, 256, 256)
    data.setup("test")
    dataset = data.datasets["test"]
    row = next(
        row for row in range(len(dataset)) if dataset[0, row]["target_key"].endswith(f"{name.parent.name}/{name.name}")
    )
    drawn = data.structure.maps(dataset[0, row]["target_annotation"][None], batch.target)
    assert drawn.equal(batch.target_structure)
    assert batch.source_structure.equal(batch.target_structure)
    (tmp_path / "me.jpg").unlink()
    alone = data.batch_from_files([None], [tmp_path / "me_subset.txt"])
    assert alone.target_structure.equal(batch.target_structure)


# The official loader's numbers on four real photographs (test phase, 256 x 256): image, exemplar, 3 + 17 channels.
OFFICIAL = {
    "Dresses/id_00000244/02_1_front": "0.55304 0.60053 .02164 .04131 .02067 .16164 .16302 .13614 .14672 .14166 .15037 .10989 .16306 "
    "1 .11349 .16420 1 .16911 .20749 1 .20653 .20775",
    "Dresses/id_00000203/03_1_front": "0.59595 0.55258 .02250 .04012 .01960 .16500 .16512 .14442 .14451 .14376 .14614 .11330 .15518 "
    "1 .11295 .15619 1 .17197 .20878 .20964 .20892 .21175",
    "Cardigans/id_00006462/02_7_additional": "0.75041 0.62258 .02259 .03337 .01530 .18223 .18546 .15963 .14486 .16597 .15363 .13522 .13607 "
    ".16248 .13567 .13836 .16502 .19028 .21649 .21669 .21807 .21945",
    "Cardigans/id_00006266/02_2_side": "0.71689 0.52176 .01598 .02765 .01526 .17196 .17353 .12479 .14492 .12592 1 .10347 1 "
    "1 .10625 1 1 .16743 .20833 .20748 .21122 1",
}


def samples(**changes):
    settings = {
        "root": str(SAMPLES / "deepfashion"),
        "lists": str(SAMPLES / "lists"),
        "height": 256,
        "width": 256,
        "borders": "keep",
        "structure": "pose_map",
        "pairing": "reference",
        "batch_size": 4,
        "num_workers": 0,
    }
    return DeepFashion(**{**settings, **changes})


@needs_samples
def test_real_photographs_are_what_the_official_loader_makes_of_them():
    data = samples(eval_batch_size=4)
    data.setup("test")
    batch = data.on_after_batch_transfer(next(iter(data.test_dataloader())), 0)
    assert [key.removeprefix("img/WOMEN/").removesuffix(".jpg") for key in batch.target_key] == list(OFFICIAL)
    for index, expected in enumerate(OFFICIAL.values()):
        maps = batch.target_structure[index].mean((1, 2))
        found = [batch.target[index].mean(), batch.source[index].mean(), *maps]
        assert [float(value) for value in found] == pytest.approx([float(n) for n in expected.split()], abs=2e-4)


@needs_samples
@pytest.mark.parametrize("pairing", ["self", "random", "reference", "domains"])
def test_real_photographs_in_every_mode_that_so_few_allow(pairing):
    data = samples(pairing=pairing, borders="cut", height=128, width=88, batch_size=1, domain_y=["side", "additional"])
    keeps_contract(first_batch(data, "test"), 20, 128, 88)


@needs_samples
def test_a_list_that_names_photographs_that_are_not_there_says_which():
    with pytest.raises(
        BadInput, match=r"deepfashion_self_pair\.txt are not in .*MEN.Denim.id_00000265.01_1_front\.jpg"
    ):
        samples(pairing="same_identity").setup("test")

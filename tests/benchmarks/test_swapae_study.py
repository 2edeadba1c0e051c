"""What the study of the swapping autoencoder measures is what it says."""

from __future__ import annotations

import torch

from benchmarks.studies.swapae import (
    COLUMNS,
    PARTS,
    VARIANTS,
    Outputs,
    Segmenter,
    difference,
    measures,
    part_agreement,
    parts_of,
    references,
    regions_of,
    report,
    style_distance,
    write_grids,
)
from datamodules.batch import Batch
from datamodules.structures.face_parts import NUMBERINGS
from tests.lightning_modules.swapae.networks import autoencoder

HAIR, SKIN = list(PARTS).index("hair"), list(PARTS).index("skin")


def labels_of(parts: torch.Tensor) -> torch.Tensor:
    """One-hot maps of the first class of each part."""
    classes = torch.tensor([0, *(1 + NUMBERINGS["official"].index(names[0]) for names in list(PARTS.values())[1:])])
    return torch.nn.functional.one_hot(classes[parts], 19).permute(0, 3, 1, 2).float()


def faces(count: int, seed: int = 0) -> Batch:
    """Noise with hair above and skin below."""
    torch.manual_seed(seed)
    images = torch.rand(2, count, 3, 16, 16) * 2 - 1
    parts = torch.full((count, 16, 16), SKIN)
    parts[:, :6] = HAIR
    keys = [str(i) for i in range(count)]
    maps = labels_of(parts)
    return Batch(images[0], maps, images[1], maps, torch.zeros(count, dtype=torch.bool), keys, keys)


def test_all_classes_belong_to_a_part():
    assert sorted(name for names in PARTS.values() for name in names) == sorted(NUMBERINGS["official"])
    batch = faces(2)
    assert set(parts_of(batch.target_structure).unique().tolist()) == {HAIR, SKIN}
    assert regions_of(batch).mean() == 6 / 16


def test_parts_agree_by_intersection_over_union():
    truth = torch.zeros(2, 10, 10, dtype=torch.long)
    truth[:, :5] = SKIN
    found = truth.clone()
    assert part_agreement(found, truth).tolist() == [1.0, 1.0]
    found[0, :5] = 0
    assert part_agreement(found, truth).tolist() == [0.25, 1.0]


def test_style_is_compared_part_by_part():
    batch = faces(2)
    parts = parts_of(batch.target_structure)
    assert style_distance(batch.target, parts, batch.target, parts).max() == 0
    brighter = batch.target.clone()
    brighter[:, :, :6] += 0.4
    half = style_distance(brighter, parts, batch.target, parts)
    # Two parts, of which one is brighter by 0.2 of 1 in its mean and equal in its deviation.
    torch.testing.assert_close(half, torch.full((2,), 0.05))


def test_differences_are_measured_where_they_are_asked_for():
    one, other = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    other[:, :, :2] = 1
    where = torch.zeros(2, 1, 4, 4)
    where[0, :, :2] = 1
    assert difference(one, other, where)[0] == 0.5
    assert difference(one, other, where)[1].isnan()


def test_the_report_has_all_measures_and_an_answer_to_every_claim(tmp_path):
    pairs = faces(7)
    segmenter = Segmenter((8, 12)).eval()
    torch.manual_seed(0)
    made = {name: Outputs.of(autoencoder(), pairs, regions_of(pairs)) for name in VARIANTS}
    measured = {name: measures(outputs, pairs, segmenter) for name, outputs in made.items()}
    assert all(value.shape == (7,) for of in measured.values() for value in of.values())
    truth = parts_of(pairs.target_structure)
    facts = {"steps": 10, "batch": 8, "minutes": dict.fromkeys(VARIANTS, 1.0)}
    text = report(measured, references(pairs, segmenter, truth), facts, "A segmenter.")
    assert all(column.title in text for column in COLUMNS if column.name in measured["plain"])
    assert text.count("(plain → code consistency)") == 3
    write_grids(tmp_path, pairs, made)
    assert {path.name for path in tmp_path.iterdir()} == {"reconstructions.png", "swaps.png", "region_edits.png"}

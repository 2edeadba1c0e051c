"""What the report says of whom the trained correspondence beats, and what it is asked."""

from __future__ import annotations

import torch

from benchmarks.studies.cocosnet import TRAINED, unaligned, verdict
from datamodules.batch import Batch


def test_the_verdict_names_what_is_not_beaten():
    found = {TRAINED: {"right part": 0.6, "near": 0.7}, "pixels": {"right part": 0.5, "near": 0.7}}
    assert verdict(found) == "Not beaten: pixels (near)."
    found[TRAINED]["near"] = 0.71
    assert "beats all" in verdict(found)


def test_unaligned_exemplars_keep_picture_structure_and_truth_together():
    torch.manual_seed(0)
    part = torch.zeros(3, 1, 32, 24)
    part[:, :, 8:24, 6:18] = 5
    batch = Batch(
        source=(part / 5).expand(-1, 3, -1, -1).clone(),
        source_structure=part / 5,
        target=torch.zeros(3, 3, 32, 24),
        target_structure=torch.zeros(3, 1, 32, 24),
        paired=torch.ones(3, dtype=torch.bool),
        source_key=["a"] * 3,
        target_key=["a"] * 3,
        truth={"source_part": part, "source_place": part.expand(-1, 2, -1, -1) / 5, "target_part": part},
    )
    moved = unaligned(batch)
    inside = moved.truth["source_part"] > 0
    assert inside.float().mean(dim=(1, 2, 3)).gt(0.3).all()  # 25 % before: the person is nearer
    assert moved.source_structure.bool().equal(inside)
    assert moved.truth["source_place"].bool().equal(inside.expand(-1, 2, -1, -1))
    assert moved.source[:, :1][inside].mean() > 0.9 > 0.1 > moved.source[:, :1][~inside].mean()
    assert moved.truth["target_part"] is part
    assert not moved.truth["source_part"][0].equal(moved.truth["source_part"][1])

"""The benchmarks of PIDM at their smallest: tables of a model that knows nothing."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
import torch

from benchmarks import pidm, samplers
from benchmarks.studies import pidm as study
from lightning_modules.pidm.module import PIDM
from tests.lightning_modules.pidm.making import STRUCTURE, batch
from tests.lightning_modules.pidm.making import pidm as small


class Pairs:
    """Data of a few random pairs."""

    def examples(self, split: str, count: int) -> Any:
        return batch(count)


def test_samplers_come_nearer_to_many_steps_the_more_they_take() -> None:
    rows = samplers.compare(small(), Pairs(), pairs=2, steps=(2, 12), reference=24)
    assert len(rows) == 2 * len(samplers.SAMPLERS)
    ddim = [row for row in rows if row.sampler == "ddim"]
    assert ddim[0].to_reference is not None
    assert ddim[1].to_reference is not None
    assert ddim[0].to_reference < ddim[1].to_reference
    assert samplers.report(rows).count("within 1 %") == len(samplers.SAMPLERS)


@pytest.mark.parametrize("mode", ["source", "disentangled"])
def test_the_released_manner_makes_the_same_image(mode: str) -> None:
    given = argparse.Namespace(height=32, width=16, steps=3, few=2, repeats=1)
    # Barely trained: random networks blow up differences of rounding.
    torch.manual_seed(0)
    model = PIDM(STRUCTURE, channels=8, multipliers=[1, 2], blocks=1, embedding_channels=16, attention_strides=[2])
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.01)
    _, images = pidm.sampled(model.eval(), mode, 2, given)
    torch.testing.assert_close(images["released manner"], images["ours"], atol=1e-4, rtol=0)


def test_the_verdict_names_what_was_not_beaten() -> None:
    bad, good = dict.fromkeys(study.MEASURES, 0.1), dict.fromkeys(study.MEASURES, 0.5)
    table = {"copy source": {**bad, "silhouette_iou": 0.6}, "mean image": bad} | dict.fromkeys(study.GUIDANCES, bad)
    table["nested 2, 2"] = good
    said = study.verdict(table)
    assert "**nested 2, 2**" in said
    assert "beats both baselines in psnr_silhouette, joint_colours; not in silhouette_iou" in said
    assert "| nested 2, 2 | **0.5** | 0.5 |" in study.markdown(table)

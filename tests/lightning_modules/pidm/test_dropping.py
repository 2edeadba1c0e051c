"""How often conditions are lost, and what a network learns from it."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.pidm.dropping import Dropping
from lightning_modules.pidm.guidance import BOTH, NOTHING, POSE, SOURCE


def test_samples_lose_their_conditions_as_often_as_asked_and_independently():
    torch.manual_seed(0)
    ones = torch.ones(40000, 1, 1, 1)
    structure, source = (kept.flatten() for kept in Dropping(pose=0.3, source=0.2, both=0.1)(ones, ones))
    keeps = 0.9
    assert float(structure.mean()) == pytest.approx(keeps * 0.7, abs=0.01)
    assert float(source.mean()) == pytest.approx(keeps * 0.8, abs=0.01)
    assert float((structure * source).mean()) == pytest.approx(keeps * 0.7 * 0.8, abs=0.01)
    assert set(structure.tolist()) == {0.0, 1.0}


def test_lost_together_means_together():
    torch.manual_seed(0)
    ones = torch.ones(1000, 1, 1, 1)
    structure, source = Dropping(preset="joint")(ones, ones)
    assert torch.equal(structure, source)
    assert 0 < float(source.mean()) < 1


@pytest.mark.parametrize(
    ("dropping", "learned"),
    [
        (Dropping(), {BOTH, POSE, SOURCE, NOTHING}),
        (Dropping(preset="official"), {BOTH, POSE}),
        (Dropping(preset="joint"), {BOTH, NOTHING}),
        (Dropping(pose=0, source=0), {BOTH}),
        (Dropping(pose=0.5, source=0), {BOTH, SOURCE}),
        (Dropping(pose=1.0, source=0), {SOURCE}),
    ],
)
def test_what_a_network_learns_to_predict(dropping, learned):
    assert dropping.learned() == learned


def test_probabilities_are_checked():
    with pytest.raises(BadInput, match=r"model\.drop\.source=1\.5"):
        Dropping(source=1.5)

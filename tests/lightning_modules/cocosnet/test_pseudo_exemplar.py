"""Pseudo exemplars: who gets one, what it shows, and what it counts."""

from __future__ import annotations

from dataclasses import replace

import torch

from lightning_modules.cocosnet.losses import pseudo_factor
from lightning_modules.cocosnet.pseudo_exemplar import PseudoExemplars
from tests.lightning_modules.cocosnet.test_module import drawn


def test_pairs_that_show_the_same_thing_stay_as_they_are():
    batch = drawn(3, paired=True)
    changed, factor = PseudoExemplars(reference_probability=0.0)(batch)
    assert torch.equal(changed.source, batch.source)
    assert torch.allclose(factor, torch.full((3,), pseudo_factor(1.0)))


def test_exemplars_are_replaced_with_the_probability_asked_for():
    torch.manual_seed(0)
    batch = drawn(2)
    kept, factor = PseudoExemplars(reference_probability=1.0)(batch)
    assert torch.equal(kept.source, batch.source)
    assert factor.abs().sum() == 0
    replaced, factor = PseudoExemplars(reference_probability=0.0)(batch)
    assert not torch.equal(replaced.source, batch.source)
    assert replaced.paired.all()
    assert torch.allclose(factor, torch.full((2,), pseudo_factor(1.0)))
    share = torch.stack([PseudoExemplars()(batch)[0].paired.float().mean() for _ in range(300)]).mean()
    assert 0.24 < share < 0.36


def test_a_pseudo_exemplar_shows_the_target_with_its_own_crop_and_flip():
    batch = replace(drawn(1), target=torch.linspace(-1, 1, 64).expand(1, 3, 64, 64).clone())
    torch.manual_seed(0)
    ways = {"rising": 0, "falling": 0}
    for _ in range(20):
        changed, _ = PseudoExemplars(reference_probability=0.0)(batch)
        slope = changed.source[0, 0, 32].diff()
        ways["rising" if slope.mean() > 0 else "falling"] += 1
        assert abs(slope.mean().abs() / (2 / 63) - 256 / 286) < 0.02, "enlarged as published"
        assert set(changed.source_structure.unique().tolist()) == {0.0, 1.0}, "labels stay labels"
    assert min(ways.values()) > 3


def test_without_enlargement_and_flip_it_is_the_target_itself():
    batch = drawn(2)
    changed, _ = PseudoExemplars(reference_probability=0.0, enlargement=1.0, flip=0.0)(batch)
    torch.testing.assert_close(changed.source, batch.target, atol=1e-5, rtol=1e-5)
    assert torch.equal(changed.source_structure, batch.target_structure)


def test_the_batch_that_was_given_is_not_changed():
    batch = drawn(2)
    before = batch.source.clone()
    PseudoExemplars(reference_probability=0.0)(batch)
    assert torch.equal(batch.source, before)

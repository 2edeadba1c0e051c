"""The presets for finding faults do what they say."""

from __future__ import annotations

import logging

import pytest
import torch

from tests.commanding import train

TINY = ["model=pix2pix", "data=market1501", "size=tiny", "callbacks.grids=null", "test=false"]


@pytest.fixture(autouse=True)
def data_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))


def test_one_batch_goes_through_everything(tmp_path):
    run = train(tmp_path / "run", *TINY, "debug=one_batch", "test=true")
    assert torch.load(run.last, weights_only=True)["global_step"] == 1
    assert any(name.startswith("test/") for name in run.read_metrics())


def test_overfit_shows_the_same_pairs_in_every_epoch(tmp_path, monkeypatch):
    from lightning_modules.pix2pix.module import Pix2Pix

    seen = []
    begin_step = Pix2Pix.begin_step

    def noting(self, batch):
        seen.append(
            (
                self.current_epoch,
                list(zip(batch.source_key, batch.target_key, batch.source.sum((1, 2, 3)).tolist(), strict=True)),
            )
        )
        return begin_step(self, batch)

    monkeypatch.setattr(Pix2Pix, "begin_step", noting)
    train(tmp_path / "run", *TINY, "debug=overfit", "trainer.max_epochs=3")
    epochs = [sorted(pair for epoch, pairs in seen if epoch == number for pair in pairs) for number in range(3)]
    assert len(epochs[0]) == 8
    assert epochs[0] == epochs[1] == epochs[2]


def test_profile_says_where_the_time_goes(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        train(tmp_path / "run", *TINY, "debug=profile", "trainer.max_steps=2")
    assert "run_training_batch" in caplog.text

"""A loss that is no number ends the run, names what is at fault, and reaches no checkpoint."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from callbacks.guard import Guard, NotFinite
from callbacks.last_checkpoint import LastCheckpoint

Make = Callable[..., Any]


def test_it_names_the_loss_the_step_and_the_files(painter: Make, people: Make, trainer: Make) -> None:
    with pytest.raises(NotFinite) as caught:
        trainer(Guard()).fit(painter(poison_at=2), datamodule=people())
    sentence = str(caught.value)
    assert "The loss G/l1 became nan at step 3" in sentence
    assert "people/008_a.jpg -> people/008_b.jpg" in sentence
    assert "people/011_a.jpg -> people/011_b.jpg" in sentence
    assert "people/007_a.jpg" not in sentence


def test_good_checkpoints_stay(painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotFinite):
        trainer(Guard(), LastCheckpoint(every_n_steps=1)).fit(painter(poison_at=2), datamodule=people())
    saved = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 2
    assert all(value.isfinite().all() for value in saved["state_dict"].values())


class Window(Guard):
    """Tests nothing at the end of a step, as on a GPU within a window."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        test, self._test_pending = self._test_pending, lambda: None  # type: ignore[method-assign]
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._test_pending = test  # type: ignore[method-assign]


def test_a_window_still_names_its_first_bad_step(painter: Make, people: Make, trainer: Make) -> None:
    with pytest.raises(NotFinite, match=r"The loss G/l1 became nan at step 3, on people/008_a\.jpg"):
        trainer(Window()).fit(painter(poison_at=2), datamodule=people())  # tested when training ends, at step 4


def test_a_pending_window_is_tested_before_saving(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(NotFinite, match=r"The loss G/l1 became nan at step 3"):
        trainer(Window(), LastCheckpoint(every_n_steps=1)).fit(painter(poison_at=2), datamodule=people())
    assert torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 2


def test_weights_are_tested_before_saving(painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path) -> None:
    class Poison(pl.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            if trainer.global_step == 3:
                with torch.no_grad():
                    pl_module.generator[0].weight[0] = float("inf")

    with pytest.raises(NotFinite, match=r"The weight generator\.0\.weight became NaN or infinite at step 3"):
        trainer(Poison(), Guard(), LastCheckpoint(every_n_steps=1)).fit(painter(), datamodule=people())
    assert torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 2


def test_gradients_are_named_before_they_are_used(painter: Make, people: Make, trainer: Make) -> None:
    module = painter(poison_at=2)
    with pytest.raises(NotFinite, match=r"The gradient of generator\.0\.weight became NaN or infinite at step 3"):
        trainer(Guard(gradients=True)).fit(module, datamodule=people())
    assert all(parameter.isfinite().all() for parameter in module.parameters())


def test_healthy_training_is_left_alone(painter: Make, people: Make, trainer: Make) -> None:
    run = trainer(Guard(gradients=True), LastCheckpoint(every_n_steps=1))
    run.fit(painter(), datamodule=people())
    assert run.global_step == 4

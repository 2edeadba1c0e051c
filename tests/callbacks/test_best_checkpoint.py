"""The best checkpoint is that of the best validation, by the first measure that there is."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from callbacks.best_checkpoint import BestCheckpoint
from datamodules.bad_input import BadInput

Make = Callable[..., Any]


class Report(pl.Callback):
    """Logs a value of a measure at each validation."""

    def __init__(self, name: str, values: list[float]) -> None:
        self.name, self.values = name, values

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.log(self.name, self.values[trainer.current_epoch])


def best_step(folder: pathlib.Path) -> int:
    return int(torch.load(folder / "checkpoints/best.ckpt", weights_only=True)["global_step"])


@pytest.mark.parametrize(
    ("name", "values", "epoch"),
    [
        ("val/ssim", [0.1, 0.3, 0.2], 2),
        ("val/lpips", [0.3, 0.1, 0.2], 2),
        ("val/ssim", [0.3, 0.3, 0.3], 1),
        ("val/ssim", [float("nan"), 0.1, float("inf")], 2),
    ],
)
def test_the_direction_is_the_measures_own(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path, name: str, values: list[float], epoch: int
) -> None:
    trainer(Report(name, values), BestCheckpoint([name]), max_epochs=3).fit(painter(), datamodule=people())
    assert best_step(tmp_path) == 4 * epoch


def test_the_first_measure_that_exists_decides(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    best = BestCheckpoint(["val/lpips", "val/ssim", "val/psnr"])
    trainer(Report("val/psnr", [9, 8]), Report("val/ssim", [0.1, 0.2]), best, max_epochs=2).fit(
        painter(), datamodule=people()
    )
    assert best.monitor == "val/ssim"
    assert best_step(tmp_path) == 8


def test_without_its_measure_nothing_is_kept_and_that_is_said_once(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="callbacks.best_checkpoint"):
        trainer(BestCheckpoint(["val/lpips"]), max_epochs=2).fit(painter(), datamodule=people())
    assert [r.getMessage() for r in caplog.records if r.name == "callbacks.best_checkpoint"] == [
        "No best.ckpt is kept: this validation measured none of val/lpips."
    ]
    assert not (tmp_path / "checkpoints/best.ckpt").exists()


def test_a_resumed_run_remembers_what_was_best(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    values = [0.1, 0.5, 0.3, 0.4]
    trainer(Report("val/ssim", values), BestCheckpoint(["val/ssim"]), max_epochs=2).fit(painter(), datamodule=people())
    last = tmp_path / "checkpoints/best.ckpt"
    resumed = BestCheckpoint(["val/psnr", "val/ssim"])
    run = trainer(Report("val/ssim", values), Report("val/psnr", values), resumed, max_epochs=4)
    run.fit(painter(), datamodule=people(), ckpt_path=last, weights_only=True)
    assert resumed.monitor == "val/ssim"
    assert best_step(tmp_path) == 8


def test_testing_saves_nothing(painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path) -> None:
    trainer(Report("val/ssim", [0.1]), BestCheckpoint(["val/ssim"])).validate(
        painter(), datamodule=people(), verbose=False
    )
    assert not (tmp_path / "checkpoints").exists()


def test_what_is_no_measure_is_refused() -> None:
    with pytest.raises(BadInput, match="Did you mean 'ssim'"):
        BestCheckpoint(["val/ssin"])

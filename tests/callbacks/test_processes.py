"""All callbacks together in two processes: nothing hangs, one process writes, and all end at the same step."""

from __future__ import annotations

import os
import pathlib
import signal
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.multiprocessing import ProcessExitedException

from callbacks.best_checkpoint import BestCheckpoint
from callbacks.ema import EMA
from callbacks.grids import SampleGrid
from callbacks.guard import Guard
from callbacks.last_checkpoint import LastCheckpoint
from callbacks.measures import Measures
from callbacks.progress import Progress
from callbacks.throughput import Throughput
from engine.loggers import RunCSV

Make = Callable[..., Any]
TWO = {"strategy": "ddp_fork_find_unused_parameters_true", "devices": 2}


class SignalOneProcess(pl.Callback):
    """Sends SIGTERM to the second process only, inside its second step."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_rank == 1 and batch_idx == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def everything() -> list[pl.Callback]:
    return [
        EMA(decay=0.8),
        Measures(["psnr", "swd", "silhouette_iou"]),
        SampleGrid(items=2),
        Throughput(every_n_steps=2, warmup_steps=1),
        Guard(),
        Progress(),
        BestCheckpoint(["val/psnr"]),
        LastCheckpoint(),
    ]


def test_a_whole_run(painter: Make, people: Make, trainer: Make, read_csv: Make, tmp_path: pathlib.Path) -> None:
    run = trainer(*everything(), max_epochs=2, logger=RunCSV(str(tmp_path)), **TWO)
    run.fit(painter(), datamodule=people())
    found = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert found == [
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "metrics.csv",
        "samples/0000000.png",
        "samples/0000004.png",
        "samples/0000008.png",
        "val_images.csv",
    ]
    assert len(read_csv(tmp_path / "val_images.csv")) == 5
    rows = read_csv(tmp_path / "metrics.csv")
    assert [row["val/psnr"] != "" for row in rows].count(True) == 2
    assert any(float(row["speed/images_per_s"]) > 0 for row in rows if row["speed/images_per_s"])


def test_a_signal_to_one_process_ends_all_after_the_same_step(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    run = trainer(SignalOneProcess(), LastCheckpoint(), max_epochs=2, limit_val_batches=0, **TWO)
    with pytest.raises(ProcessExitedException, match="exit code 143"):
        run.fit(painter(), datamodule=people())
    assert torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 2

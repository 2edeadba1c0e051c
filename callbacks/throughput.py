"""How fast a run is, what it waits for, how much memory it takes, and when it will be done."""

from __future__ import annotations

import datetime
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch

from datamodules.batch import Batch


class Throughput(pl.Callback):
    """Logs, every n steps:

    - `speed/images_per_s`: over all processes, of training alone: validation, grids and checkpoints are left out;
    - `speed/data_wait`: the share of that time in which the loop waited for the next batch, 0 to 1. More than about 0.1
      asks for more `num_workers`. (On a GPU the host runs ahead of the device, so it is an upper bound.)
    - `speed/memory_gib`: the most that this process held so far, on the GPU, or in main memory without one;
    - `speed/minutes_left`: to the nearest of max_steps, max_epochs and max_time, at the pace so far, validation included.
    """

    def __init__(self, every_n_steps: int | None = None, warmup_steps: int = 3) -> None:
        """
        Args:
            every_n_steps: None takes the trainer's `log_every_n_steps`.
            warmup_steps: the first steps after a start are slow (compilation, caches, starting workers) and not counted.
        """
        self.every_n_steps = every_n_steps
        self.warmup_steps = warmup_steps
        self._begin(warmup_steps)

    def _begin(self, skipped: int) -> None:
        self._skip = skipped
        self._last_end: float | None = None
        self._started: float | None = None
        self._paced: tuple[float, int] | None = None
        self._clear()

    def _clear(self) -> None:
        self._waiting = self._working = 0.0
        self._images = 0
        self._wait = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin(self.warmup_steps)
        self._train_start = time.perf_counter()
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        self._started = time.perf_counter()
        self._wait = self._started - self._last_end if self._last_end is not None else 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        counted = self._last_end is not None and self._started is not None
        self._last_end = now
        if self._skip > 0:
            self._skip -= 1
            return
        if self._paced is None:
            self._paced = (now, trainer.global_step)
        if not counted:
            # Something that is not training happened since the last step: its time and this step are left out.
            return
        assert self._started is not None
        self._waiting += self._wait
        self._working += now - self._started
        self._images += batch.size * trainer.world_size
        every = self.every_n_steps or trainer.log_every_n_steps  # type: ignore[attr-defined]
        if trainer.global_step % every == 0:
            self._log(trainer, pl_module, now)
            self._clear()

    def _log(self, trainer: pl.Trainer, pl_module: pl.LightningModule, now: float) -> None:
        total = self._waiting + self._working
        values = {
            "speed/images_per_s": self._images / total,
            "speed/data_wait": self._waiting / total,
            "speed/memory_gib": peak_memory(pl_module.device) / 2**30,
        }
        left = self._seconds_left(trainer, now)
        if left is not None:
            values["speed/minutes_left"] = left / 60
        pl_module.log_dict(values, on_step=True, on_epoch=False, batch_size=1)

    def _seconds_left(self, trainer: pl.Trainer, now: float) -> float | None:
        """To the nearest limit of the run; None when it has none or its pace is not known yet."""
        limits = []
        steps = []
        if trainer.max_steps > 0:
            steps.append(trainer.max_steps - trainer.global_step)
        if trainer.max_epochs is not None and trainer.max_epochs > 0 and trainer.num_training_batches != float("inf"):
            done = trainer.current_epoch * trainer.num_training_batches + trainer.fit_loop.batch_idx + 1
            steps.append(trainer.max_epochs * int(trainer.num_training_batches) - int(done))
        assert self._paced is not None
        since, first = self._paced
        if steps and trainer.global_step > first:
            limits.append(max(0, min(steps)) * (now - since) / (trainer.global_step - first))
        remaining = _time_limit(trainer)
        if remaining is not None:
            limits.append(remaining)
        return min(limits) if limits else None

    def _interrupted(self) -> None:
        self._last_end = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._interrupted()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._interrupted()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._interrupted()


def _time_limit(trainer: pl.Trainer) -> float | None:
    """Seconds that `max_time` leaves; None without it."""
    timer = next((c for c in trainer.callbacks if isinstance(c, pl.callbacks.Timer)), None)  # type: ignore[attr-defined]
    return timer.time_remaining() if timer is not None else None


def peak_memory(device: torch.device) -> int:
    """The most memory, in bytes, that this process has held: on the GPU, or in main memory when there is none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def readable(seconds: float) -> str:
    """`1:02:03` for 3723 seconds."""
    return str(datetime.timedelta(seconds=round(seconds)))

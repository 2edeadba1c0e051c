"""Keeps the checkpoint that a run goes on from, whatever ends it: its limits, a signal, a fault."""

from __future__ import annotations

import logging
import os
import pathlib
import signal
import subprocess
import threading
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from callbacks.guard import NotFinite
from datamodules.batch import Batch

log = logging.getLogger(__name__)


class Interrupted(SystemExit):
    """A signal ended the run after its state was saved; the exit code is 128 + the signal's number, as shells count."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


class LastCheckpoint(Checkpoint):
    """`<run>/checkpoints/last.ckpt`: every n steps, when training ends, at a signal, and at a fault between two steps.

    It is always the state between two steps, so a run that goes on from it equals one that was never cut:

    - SIGTERM (a scheduler takes the machine) and SIGINT (Ctrl-C) end the run after the present step, saved, with exit
      code 143 or 130; a validation that is due after that step is left out. A second Ctrl-C ends it at once, unsaved.
    - SIGUSR1 (`sbatch --signal=USR1@120`: the time limit is near) does the same with code 138; with `requeue` the SLURM
      job is put back into the queue.
    - An error inside a step leaves the weights half-updated: then the file of the last n-step save stays. One that comes
      between steps (a damaged image, a full disk) is saved. A loss that is no number is never saved (callbacks/guard.py).

    Written beside and renamed, so a kill while it is written leaves the old file. (Lightning's ModelCheckpoint cannot
    do this under manual optimisation: it ignores time limits, saves inside steps, and saves on SIGTERM in the handler.)
    """

    def __init__(self, every_n_steps: int = 1000, requeue: bool = False) -> None:
        """
        Args:
            every_n_steps: steps between two saves.
            requeue: at SIGUSR1 in a SLURM job, call `scontrol requeue`; the job's script must then resume this run.
        """
        self.every_n_steps = every_n_steps
        self.requeue = requeue
        self._received: int | None = None
        self._ending: int | None = None
        self._inside_step = False
        self._saved_step: int | None = None
        self._previous: dict[int, Any] = {}

    # Saving

    def _save(self, trainer: pl.Trainer) -> None:
        if trainer.fast_dev_run or self._saved_step == trainer.global_step:  # type: ignore[attr-defined]
            return
        trainer.save_checkpoint(
            pathlib.Path(trainer.default_root_dir) / "checkpoints" / "last.ckpt", weights_only=False
        )
        self._saved_step = trainer.global_step

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._inside_step = False
        self._received = self._ending = None
        self._saved_step = trainer.global_step
        for logger in trainer.loggers:
            # What was recorded after the state that this run goes on from will be recorded again.
            if hasattr(logger, "rewind"):
                logger.rewind(trainer.global_step)
        self._listen()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        self._end_if_told()
        self._inside_step = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self._inside_step = False
        told = self._agreed(trainer)
        if told is not None or trainer.global_step % self.every_n_steps == 0 or _is_last_step(trainer):
            self._save(trainer)
        if told is not None and self._ending is None:
            # Only noted, so that this step still reaches the loggers; raised by whichever hook comes next.
            self._ending = told
            self._announce(trainer, told)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._end_if_told()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)
        self._stop_listening()
        self._end_if_told()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._stop_listening()
        alone = trainer.world_size == 1  # another process may be in the middle of a step
        training = trainer.state.fn == "fit" and trainer.training
        sound = isinstance(exception, Exception) and not isinstance(exception, NotFinite)
        if sound and training and alone and not self._inside_step and self._saved_step is not None:
            self._save(trainer)

    # Signals

    def _listen(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for name in ("SIGTERM", "SIGINT", "SIGUSR1"):
            number = getattr(signal, name, None)
            if number is not None:
                self._previous[number] = signal.signal(number, self._receive)

    def _stop_listening(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._received is not None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt
        self._received = number
        log.warning("%s: ending after this step.", signal.Signals(number).name)

    def _agreed(self, trainer: pl.Trainer) -> int | None:
        """The signal that ends the run after this step, on all processes: they may have received it in different steps."""
        if trainer.world_size == 1:
            return self._received
        number = torch.tensor(self._received or 0, device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(number, reduce_op="max")) or None

    def _announce(self, trainer: pl.Trainer, number: int) -> None:
        if not trainer.is_global_zero:
            return
        name, folder = signal.Signals(number).name, trainer.default_root_dir
        log.warning("Ended by %s after step %d, which is saved. To go on: resume=%s", name, trainer.global_step, folder)
        job = os.environ.get("SLURM_JOB_ID")
        if self.requeue and job and number == getattr(signal, "SIGUSR1", None):
            subprocess.run(["scontrol", "requeue", job], check=False)

    def _end_if_told(self) -> None:
        if self._ending is not None:
            number, self._ending = self._ending, None
            raise Interrupted(number)


def _is_last_step(trainer: pl.Trainer) -> bool:
    """Whether training ends with the step that was just made.

    Saved here rather than when training has ended, because by then Lightning counts a cut epoch as a whole one, and a run
    that is prolonged would not see the rest of it.
    """
    epochs = trainer.max_epochs
    last_epoch = epochs is not None and epochs > 0 and trainer.current_epoch == epochs - 1
    return bool(
        trainer.should_stop or trainer.global_step == trainer.max_steps or (last_epoch and trainer.is_last_batch)
    )

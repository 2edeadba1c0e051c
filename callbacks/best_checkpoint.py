"""Keeps the checkpoint whose images measured best."""

from __future__ import annotations

import logging
import pathlib
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from metrics.glossary import better

log = logging.getLogger(__name__)


class BestCheckpoint(Checkpoint):
    """`<run>/checkpoints/best.ckpt`: the state at the validation with the best value of one measure.

    (Lightning's ModelCheckpoint raises when its measure is missing, and which measures there are depends here on pairs,
    on truth and on which weights lie on the machine.)
    """

    def __init__(self, monitor: list[str]) -> None:
        """
        Args:
            monitor: logged measures in order of preference. The first that exists at the first validation decides, for
                the whole run; whether higher or lower is better is the measure's own (metrics/glossary.py).
        """
        for name in monitor:
            better(name)
        self.preferred = monitor
        self.monitor: str | None = None
        self.best: float | None = None
        self.best_model_path = ""
        self._said = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit" or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        measured = trainer.callback_metrics
        if self.monitor is None:
            self.monitor = next((name for name in self.preferred if name in measured), None)
        if self.monitor is None or self.monitor not in measured:
            if not self._said:
                self._said = True
                log.warning(
                    "No best.ckpt is kept: this validation measured none of %s.",
                    self.monitor or ", ".join(self.preferred),
                )
            return
        value = float(measured[self.monitor])
        if self._improves(value):
            path = pathlib.Path(trainer.default_root_dir) / "checkpoints" / "best.ckpt"
            self.best, self.best_model_path = value, str(path)
            trainer.save_checkpoint(path, weights_only=False)

    def _improves(self, value: float) -> bool:
        assert self.monitor is not None
        if not torch.tensor(value).isfinite():
            return False
        if self.best is None:
            return True
        return value > self.best if better(self.monitor) == "higher" else value < self.best

    def state_dict(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "best": self.best, "best_model_path": self.best_model_path}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.monitor, self.best = state_dict["monitor"], state_dict["best"]
        self.best_model_path = state_dict["best_model_path"]

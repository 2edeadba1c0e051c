"""What a run says of itself while it runs: a bar in a terminal, plain lines in a pipe, a log or a batch job."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import TQDMProgressBar

from callbacks.throughput import readable
from datamodules.batch import Batch

log = logging.getLogger(__name__)


class Progress(TQDMProgressBar):
    """Losses, images per second and the time left; after a validation its measures.

    In a terminal it is tqdm's bar (which, unlike Rich's, survives resizing, notebooks and `tee`). Elsewhere a bar would
    fill the log with carriage returns: there it is one line of the logger `callbacks.progress` now and then.
    """

    def __init__(self, refresh_seconds: float = 0.5, line_seconds: float = 10.0) -> None:
        """
        Args:
            refresh_seconds: between two looks of the bar; each makes a GPU wait for the losses.
            line_seconds: between two lines where there is no terminal.
        """
        super().__init__(refresh_rate=1)
        self.refresh_seconds = refresh_seconds
        self.line_seconds = line_seconds
        self._shown = float("-inf")

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self._shown = float("-inf")
        self._lines = trainer.is_global_zero and not sys.stdout.isatty()
        if self._lines:
            self.disable()

    def _should_update(self, current: int, total: int) -> bool:
        now = time.monotonic()
        if not self.is_enabled or (now - self._shown < self.refresh_seconds and current != total):
            return False
        self._shown = now
        return True

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """What stands behind the bar: losses by their own names, then speed."""
        shown: dict[str, Any] = {
            name.removeprefix("train/"): value
            for name, value in trainer.progress_bar_metrics.items()
            if not name.startswith("val/")
        }
        logged = trainer.callback_metrics
        if "speed/images_per_s" in logged:
            shown["images/s"] = f"{logged['speed/images_per_s']:.3g}"
        if "speed/minutes_left" in logged:
            shown["left"] = readable(60 * float(logged["speed/minutes_left"]))
        return shown

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        now = time.monotonic()
        if self._lines and now - self._shown >= self.line_seconds:
            self._shown = now
            log.info("step %d%s", trainer.global_step, _sentence(self.get_metrics(trainer, pl_module)))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_validation_end(trainer, pl_module)
        measured = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/") and name.count("/") == 1
        }
        if not measured or trainer.sanity_checking or not trainer.is_global_zero:
            return
        line = f"step {trainer.global_step}{_sentence(measured)}"
        if self._lines:
            log.info(line)
        else:
            self.print(line)


def _sentence(values: dict[str, Any]) -> str:
    """`: name value, name value` for numbers and texts."""
    texts = [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()]
    return ": " + ", ".join(texts) if texts else ""

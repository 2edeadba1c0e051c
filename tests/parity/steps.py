"""Whole training steps, as a run makes them: the real module in a real trainer."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.batch import Batch
from lightning_modules.translator import Translator
from tests.parity.golden import Golden

DESCRIBED = ("batch_size", "direction", "optimizers", "D_input_nc", "input_nc", "output_nc")
"""Words of a golden's config that follow from its inputs, or describe what is always so."""


def steps_in(golden: Golden) -> int:
    return len(golden.spec["values_float64"])


def step_options(golden: Golden) -> dict[str, Any]:
    """The official options of a golden."""
    return {name: value for name, value in golden.config.items() if name not in DESCRIBED}


class _Losses(pl.Callback):
    """The losses of every step, raw."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, Translator)
        self.steps.append(dict(pl_module.last_losses))


def losses_of_steps(module: Translator, batches: Sequence[Batch]) -> list[dict[str, Tensor]]:
    """Train `module` on the batches, in order; what each step's losses were."""
    losses = _Losses()
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[losses],
        )
        trainer.fit(module, DataLoader(list(batches), batch_size=None, collate_fn=lambda batch: batch))
    return losses.steps

"""Stops a run whose losses, gradients or weights are no numbers any more, before anything of it is saved.

A run that diverged would otherwise go on for days and replace its good checkpoints by useless ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from lightning_modules.translator import Translator


class NotFinite(BadInput):
    """A loss, a gradient or a weight became NaN or infinite."""


class _Seen(NamedTuple):
    """What a step showed, kept until it is tested."""

    step: int
    names: list[str]
    finite: Tensor
    values: Tensor
    files: list[str]


class Guard(pl.Callback):
    """Raises `NotFinite`, which names the loss, the step and the files, at the first loss that is no number.

    On a processor every step is tested at once. On a GPU a test would make the host wait for the device; there the
    steps of a window are tested together, and still the first bad one is named. Whatever is pending is tested before a
    checkpoint is written, together with all weights, so that no bad state reaches a file.
    """

    def __init__(self, every_n_steps: int = 20, gradients: bool = False) -> None:
        """
        Args:
            every_n_steps: length of the window on a GPU.
            gradients: also test every gradient before its optimiser uses it, which names the parameter where a fault
                begins; makes a GPU wait in every step.
        """
        self.every_n_steps = every_n_steps
        self.gradients = gradients
        self._pending: list[_Seen] = []
        self._files: list[str] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._pending = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        self._files = [
            f"{source} -> {target}" for source, target in zip(batch.source_key, batch.target_key, strict=True)
        ]

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        if not self.gradients:
            return
        named = {name: p.grad for name, p in pl_module.named_parameters() if p.grad is not None}
        bad = _first_not_finite(named)
        # A loss scaler meets infinities by design: it skips the step and lowers its scale.
        if bad is not None and trainer.precision != "16-mixed":
            raise NotFinite(f"The gradient of {bad} {self._where(trainer.global_step + 1, self._files)}")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, Translator)
        losses = pl_module.last_losses
        if losses:
            values = torch.stack([value.detach().float().mean() for value in losses.values()])
            self._pending.append(_Seen(trainer.global_step, list(losses), values.isfinite(), values, self._files))
        if pl_module.device.type == "cpu" or len(self._pending) >= self.every_n_steps:
            self._test_pending()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._test_pending()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._test_pending()
        bad = _first_not_finite(dict(pl_module.named_parameters()))
        if bad is not None:
            raise NotFinite(f"The weight {bad} {self._where(trainer.global_step, self._files)}")

    def _test_pending(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        # One transfer for the whole window.
        finite = torch.cat([seen.finite for seen in pending]).tolist()
        position = 0
        for seen in pending:
            for index, name in enumerate(seen.names):
                if not finite[position + index]:
                    value = seen.values[index].item()
                    raise NotFinite(f"The loss {name} {self._where(seen.step, seen.files, str(value))}")
            position += len(seen.names)

    @staticmethod
    def _where(step: int, files: list[str], value: str = "NaN or infinite") -> str:
        shown = ", ".join(files[:8]) + (f" and {len(files) - 8} more" if len(files) > 8 else "")
        return (
            f"became {value} at step {step}, on {shown}. Nothing was saved since; the last checkpoint is from before."
            " Look at these files, lower the learning rate, clip gradients (trainer.gradient_clip_val) or use"
            " trainer.precision=32-true, then go on with resume=<the run's folder>."
        )


@torch.no_grad()
def _first_not_finite(tensors: dict[str, Tensor]) -> str | None:
    """The name of the first tensor with a NaN or an infinity; one transfer from the device when all is well."""
    floating = {name: tensor.detach() for name, tensor in tensors.items() if tensor.is_floating_point()}
    if not floating:
        return None
    # A largest absolute value is finite exactly when all values are; unlike a sum of squares it cannot overflow.
    norms = torch.stack([norm.float() for norm in torch._foreach_norm(list(floating.values()), float("inf"))])
    finite = norms.isfinite()
    if bool(finite.all()):
        return None
    return next(name for name, fine in zip(floating, finite.tolist(), strict=True) if not fine)

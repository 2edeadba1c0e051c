"""Exponential moving average of the networks that make images.

Images of an averaged network are steadier than those of the weights of any one step; diffusion models and StyleGAN-like
generators are always judged by the average. Only `image_networks()` are averaged: a discriminator's average serves nobody.

Parameters are averaged in place with one fused operation per network and device, buffers (running statistics, counters)
are copied, for an average of a counter means nothing. `torch.optim.swa_utils.AveragedModel` would copy whole modules, which
fails for parametrised or compiled networks, and knows neither a start nor a warm-up; timm's ModelEmaV3 likewise copies
modules; Lightning's WeightAveraging copies everything, discriminators and frozen feature networks included, and averages
buffers. What is kept here is a dictionary of tensors.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from datamodules.batch import Batch
from lightning_modules.translator import Translator

log = logging.getLogger(__name__)

Averages = dict[str, dict[str, Tensor]]
"""Network -> the state dict of its average."""


class EMA(pl.Callback):
    """Keeps the average after every step, and shows it wherever images are made: validation, test, prediction, grids.

    In a checkpoint it is the key `ema`: {network: state dict of the averaged network}; `state_dict` holds the weights that
    training goes on with.
    """

    def __init__(self, decay: float = 0.999, start_step: int = 0, warmup: bool = False) -> None:
        """
        Args:
            decay: d in average <- d average + (1 - d) weights; 0.999 remembers about 1000 steps.
            start_step: up to this step the average is the weights themselves.
            warmup: begin with a shorter memory: min(d, (1 + n) / (10 + n)) at the n-th update.
        """
        if not 0 <= decay < 1:
            raise ValueError(f"decay={decay} is not in [0, 1)")
        self.decay = decay
        self.start_step = start_step
        self.warmup = warmup
        self.averages: Averages = {}
        self._loaded: Averages | None = None
        self._weights: Averages | None = None

    def decay_at(self, step: int, steps_per_round: int = 1) -> float:
        """The decay of the update after step `step` (counted from 1): a function of the step alone, so that a resumed
        run needs no counter. An optimisation round of several steps (accumulation) is one update."""
        update = (step - self.start_step) // steps_per_round
        if update <= 0:
            return 0.0
        return min(self.decay, (1 + update) / (10 + update)) if self.warmup else self.decay

    # Averaging

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._prepare(pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, Translator)
        steps_per_round = pl_module.accumulate_grad_batches
        if trainer.global_step % steps_per_round == 0:
            self.update(pl_module, self.decay_at(trainer.global_step, steps_per_round))

    @torch.no_grad()
    def update(self, pl_module: pl.LightningModule, decay: float) -> None:
        """One update of all averages towards the present weights."""
        for name, network in _image_networks(pl_module).items():
            average = self.averages[name]
            learnt = dict(network.named_parameters(remove_duplicate=False))
            values = [average[key] for key in learnt]
            weights = [parameter.detach().to(average[key]) for key, parameter in learnt.items()]
            if values:
                torch._foreach_lerp_(values, weights, 1 - decay)
            for key, value in network.named_buffers(remove_duplicate=False):
                if key in average:  # a buffer that is not persistent is no part of the network's state
                    average[key].copy_(value)

    def _prepare(self, pl_module: pl.LightningModule) -> None:
        """Take the averages of a checkpoint that was loaded, or begin with the present weights."""
        networks = _image_networks(pl_module)
        if self._loaded is not None:
            device = pl_module.device
            self.averages = {
                name: {key: value.to(device, copy=True) for key, value in state.items()}
                for name, state in self._loaded.items()
            }
            self._loaded = None
        elif not self.averages:
            self.averages = {name: _precise(_copy(network)) for name, network in networks.items()}

    # Showing the average

    @contextmanager
    def applied(self, pl_module: pl.LightningModule) -> Iterator[None]:
        """Within it, the image networks hold their averages; afterwards their own weights again, whatever happened.

        Within `validate`, `test` and `predict` they hold them already, and nothing is done.
        """
        if self._weights is not None or not self.averages:
            yield
            return
        self._apply(pl_module)
        try:
            yield
        finally:
            self._restore(pl_module)

    @torch.no_grad()
    @torch.inference_mode(False)
    def _apply(self, pl_module: pl.LightningModule) -> None:
        if self._weights is None:
            networks = _image_networks(pl_module)
            self._weights = {name: _copy(network) for name, network in networks.items()}
            for name, network in networks.items():
                _fill(network, self.averages[name])

    @torch.no_grad()
    @torch.inference_mode(False)
    def _restore(self, pl_module: pl.LightningModule) -> None:
        if self._weights is not None:
            for name, network in _image_networks(pl_module).items():
                _fill(network, self._weights[name])
            self._weights = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._prepare(pl_module)
        self._apply(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restore(pl_module)

    on_test_start = on_predict_start = on_validation_start
    on_test_end = on_predict_end = on_validation_end

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._restore(pl_module)

    # Checkpoints

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["ema"] = {name: dict(average) for name, average in self.averages.items()}
        if self._weights is not None:
            # Saved while the averages are shown: `state_dict` is of the weights nonetheless.
            for name, network in _image_networks(pl_module).items():
                prefix = _prefix(pl_module, network)
                checkpoint["state_dict"] |= {f"{prefix}{key}": value for key, value in self._weights[name].items()}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._weights = None
        self._loaded = checkpoint.get("ema")
        if self._loaded is None:
            self.averages = {}
            log.warning("The checkpoint holds no averaged networks; the average begins with its weights.")


@contextmanager
def averaged(trainer: pl.Trainer, pl_module: pl.LightningModule) -> Iterator[None]:
    """Within it, the image networks hold their averages if the run keeps any."""
    callback = next((callback for callback in trainer.callbacks if isinstance(callback, EMA)), None)  # type: ignore[attr-defined]
    if callback is None:
        yield
        return
    with callback.applied(pl_module):
        yield


def _image_networks(pl_module: pl.LightningModule) -> dict[str, nn.Module]:
    assert isinstance(pl_module, Translator)
    return pl_module.image_networks()


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in network.state_dict().items()}


def _precise(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """In float32 where it is stored with fewer bits: small updates would be rounded away."""
    return {
        key: value.float() if value.dtype in (torch.bfloat16, torch.float16) else value for key, value in state.items()
    }


@torch.no_grad()
def _fill(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Write values into a network's tensors where they lie: optimisers, DDP and compiled graphs hold on to these."""
    for key, value in network.state_dict().items():
        value.copy_(state[key])


def _prefix(pl_module: pl.LightningModule, network: nn.Module) -> str:
    """Where a network's names begin in the state dict of the whole module."""
    return next(f"{name}." if name else "" for name, module in pl_module.named_modules() if module is network)

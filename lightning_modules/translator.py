"""The translator: what every method shares, and what it promises to everything else.

A method says which networks it has, in which phases they are trained and how an image is made. This base does the rest,
once for all of them: optimisation in phases, clipping, accumulation, learning-rate schedules, keyed randomness and logging.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from datamodules.batch import Batch
from lightning_modules.blocks.picture import structure_picture

OptimizerFactory = Callable[[Any], Optimizer]
"""Parameters in, optimiser out: a Hydra partial such as `{_target_: torch.optim.Adam, _partial_: true, lr: 2e-4}`."""
SchedulerFactory = Callable[[Optimizer], LRScheduler]
"""Optimiser in, schedule of its learning rate out."""
Place = Callable[[str, Literal["picture", "mask"]], Tensor]
"""A user's file, framed as the data frames the pictures of users: a picture (3, H, W) in [-1, 1], a mask (1, H, W) in [0, 1]."""
Step = dict[str, Tensor]
"""What one step computes once and its phases share, such as the translations that a discriminator and a generator judge."""


class Loss(NamedTuple):
    """One term of a phase's objective. The value is logged raw; the objective is the sum of weight * value."""

    value: Tensor
    weight: float = 1.0


@dataclass(frozen=True)
class Phase:
    """One update of one group of networks: which networks, by which losses, how often.

    Phases run in the order in which the method lists them. Only the phase's own networks get gradients from its losses.
    """

    name: str
    networks: tuple[nn.Module, ...]
    """Whose parameters this phase trains."""
    losses: Callable[[Batch, Step], dict[str, Loss]]
    """The terms of the objective, by the names under which they are logged (`train/<name>`)."""
    interval: int = 1
    """The phase runs in every `interval`-th optimisation round ..."""
    offset: int = 0
    """... namely in rounds where round % interval == offset."""
    optimizer: str = ""
    """Phases of equal optimiser name share one optimiser over all their networks; empty: the phase's name."""

    @property
    def optimizer_name(self) -> str:
        return self.optimizer or self.name

    def parameters(self) -> list[nn.Parameter]:
        """The parameters of its networks, each once."""
        return list(dict.fromkeys(chain.from_iterable(network.parameters() for network in self.networks)))


class Translator(pl.LightningModule):
    """Base of every method: (an appearance, a structure) -> an image.

    A subclass implements `phases`, `translate` and `image_networks`, and usually `begin_step` and `panels`.

    One batch is one step, for `max_steps`, checkpoints, averages and logs alike, whatever number of optimisers steps in it.
    With accumulation over k batches, an optimisation round takes k steps. Random numbers of a step are a function of
    (seed, step, rank): training code draws from torch's global generators and needs no state to be resumed exactly.
    """

    def __init__(
        self,
        optimizer: OptimizerFactory | None = None,
        scheduler: SchedulerFactory | None = None,
        scheduler_interval: Literal["epoch", "step"] = "epoch",
    ) -> None:
        """
        Args:
            optimizer: makes the optimiser of every phase (see `make_optimizer` to treat phases differently); a translator
                that is only applied needs none.
            scheduler: makes the schedule of each optimiser's learning rate; None keeps the rate.
            scheduler_interval: whether the schedule's unit is an epoch or an optimisation round.
        """
        super().__init__()
        self.automatic_optimization = False
        self.reads: tuple[str, ...] = ("source", "structure")
        """Which sides of a batch `translate` looks at."""
        self.layout_from: Literal["structure", "picture"] = "structure"
        """What it takes the layout from: the structure's maps, or the target picture itself."""
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.scheduler_interval = scheduler_interval
        self.seed = 0
        self.gradient_clip_val: float | None = None
        self.accumulate_grad_batches = 1
        self.last_losses: dict[str, Tensor] = {}
        self._phases: list[Phase] = []
        self._optimizer_names: list[str] = []
        self._cut_gradients: dict[str, Tensor] = {}

    # What a method provides

    def phases(self) -> list[Phase]:
        """The updates of one step, in order. Called once, when training begins."""
        raise NotImplementedError(f"{type(self).__name__} does not say in which phases it is trained")

    def begin_step(self, batch: Batch) -> Step:
        """What the phases of a step share, computed once with gradients for every network."""
        return {}

    def translate(self, batch: Batch, **options: Any) -> Tensor:
        """The one way to get an image: (B, 3, H, W) in [-1, 1] for the batch's sources and target structures."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it makes an image")

    def placed_options(self, options: dict[str, Any], place: Place) -> dict[str, Any]:
        """The options of `translate` with tensors in place of files that belong to the user's pictures, such as a mask."""
        return options

    def image_networks(self) -> dict[str, nn.Module]:
        """The networks that `translate` uses, by name: what is averaged over training, exported and counted."""
        raise NotImplementedError(f"{type(self).__name__} does not say which networks make its images")

    def panels(self, batch: Batch) -> dict[str, Tensor]:
        """What is worth looking at for a batch: title -> (B, 3, H, W) in [-1, 1], in the order of reading."""
        return {
            "source": batch.source,
            "structure": structure_picture(batch.target_structure),
            "translation": self.translate(batch),
            "target": batch.target,
        }

    def caveats(self) -> list[str]:
        """What whoever reads a result of this translator must know, a sentence each: they go into logs, metrics.json and
        reports. Usually nothing."""
        return []

    def make_optimizer(self, name: str, parameters: list[nn.Parameter]) -> Optimizer:
        """The optimiser called `name` (see `Phase.optimizer`) over the given parameters."""
        if self.optimizer is None:
            raise ValueError(f"{type(self).__name__} was built without an optimizer and cannot be trained")
        return self.optimizer(parameters)

    # What Lightning asks

    def forward(self, batch: Batch, **options: Any) -> Tensor:
        """The same as `translate`."""
        return self.translate(batch, **options)

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LRScheduler]]:
        """One optimiser for each distinct optimiser name of the phases, in order of first appearance."""
        self._phases = self.phases()
        groups: dict[str, dict[nn.Parameter, None]] = {}
        for phase in self._phases:
            groups.setdefault(phase.optimizer_name, {}).update(dict.fromkeys(phase.parameters()))
        self._optimizer_names = list(groups)
        optimizers = [self.make_optimizer(name, list(parameters)) for name, parameters in groups.items()]
        return optimizers, [self.scheduler(optimizer) for optimizer in optimizers] if self.scheduler else []

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """All phases of one step, on one batch."""
        with self._counted_as_one_step():
            torch.manual_seed(key(self.seed, self.global_step, self.global_rank))
            optimisation_round, position = divmod(self.global_step, self.accumulate_grad_batches)
            completes_round = position == self.accumulate_grad_batches - 1
            step = self.begin_step(batch)
            self.last_losses = {}
            for phase in self._phases:
                if optimisation_round % phase.interval == phase.offset:
                    self._run(phase, batch, step, update=completes_round)
            if completes_round and self.scheduler_interval == "step":
                for scheduler in _as_list(self.lr_schedulers()):
                    scheduler.step()
        self.log_dict(
            {f"train/{name}": value for name, value in self.last_losses.items()}, prog_bar=True, batch_size=batch.size
        )

    def validation_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The translation of a held-out batch, for callbacks to measure; random numbers are a function of the batch's place."""
        with keyed_randomness(self.seed, "evaluation", batch_index, self.global_rank):
            return self.translate(batch)

    test_step = validation_step
    predict_step = validation_step

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip here: Lightning calls it after a loss scaler has unscaled the gradients."""
        if self.gradient_clip_val is not None:
            parameters = chain.from_iterable(group["params"] for group in optimizer.param_groups)
            torch.nn.utils.clip_grad_norm_(parameters, self.gradient_clip_val)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Bring epoch schedules to this epoch, by its number.

        Not at the start of an epoch: a run that is resumed where an epoch ended does not get that hook for the next one.
        """
        if self.scheduler_interval == "epoch":
            for scheduler in _as_list(self.lr_schedulers()):
                while scheduler.last_epoch < self.current_epoch:
                    scheduler.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the gradients of an optimisation round that is cut in the middle."""
        if self.accumulate_grad_batches > 1:
            gradients = {name: p.grad for name, p in self.named_parameters() if p.grad is not None}
            checkpoint["accumulated_gradients"] = gradients

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the gradients of an optimisation round that was cut in the middle (see `on_train_start`)."""
        self._cut_gradients = checkpoint.get("accumulated_gradients", {})

    def on_train_start(self) -> None:
        """Put them back: only now, as Lightning clears gradients between loading a checkpoint and training."""
        for name, gradient in self._cut_gradients.items():
            parameter = self.get_parameter(name)
            parameter.grad = gradient.to(parameter)
        self._cut_gradients = {}

    # How a phase runs

    def _run(self, phase: Phase, batch: Batch, step: Step, update: bool) -> None:
        """Gradients of one phase's objective; with `update`, the step of its optimiser."""
        optimizer = self._optimizer_of(phase)
        with self._only(phase):
            losses = phase.losses(batch, step)
            objective = torch.stack([loss.weight * loss.value for loss in losses.values()]).sum()
            self.manual_backward(objective / self.accumulate_grad_batches)
        self.last_losses.update({name: loss.value.detach() for name, loss in losses.items()})
        if update:
            optimizer.step()
            optimizer.zero_grad()

    def _optimizer_of(self, phase: Phase) -> Any:
        return _as_list(self.optimizers())[self._optimizer_names.index(phase.optimizer_name)]

    @contextmanager
    def _only(self, phase: Phase) -> Iterator[None]:
        """Within it, only the phase's own parameters get gradients."""
        own = set(phase.parameters())
        others = [p for p in self.parameters() if p.requires_grad and p not in own]
        for parameter in others:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in others:
                parameter.requires_grad_(True)

    @contextmanager
    def _counted_as_one_step(self) -> Iterator[None]:
        """Count this batch as one step of the trainer.

        Lightning 2.6 counts every step of every optimiser under manual optimisation. Its loop hangs the counting on two
        private hooks of each optimiser before every batch; here they are taken off again and the loop's counter goes up
        by one. This is the one place that knows of it.
        """
        loop = self.trainer.fit_loop.epoch_loop.manual_optimization
        profiler = self.trainer.profiler  # type: ignore[attr-defined]
        for optimizer in _as_list(self.optimizers()):
            optimizer._on_before_step = lambda: profiler.start("optimizer_step")
            optimizer._on_after_step = lambda: profiler.stop("optimizer_step")
        yield
        loop.optim_step_progress.increment_ready()
        loop.optim_step_progress.increment_completed()


def key(*parts: int | str) -> int:
    """A seed that is a function of the given parts alone, such as (seed, step, rank): far apart for neighbours."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@contextmanager
def keyed_randomness(*parts: int | str) -> Iterator[None]:
    """Within it, torch's global generators start from the key of `parts`; afterwards they go on as if nothing was drawn."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(key(*parts))
        yield


def _as_list(one_or_several: Any) -> Sequence[Any]:
    """Lightning hands out a single optimiser or schedule bare, several in a list, none as None or an empty list."""
    if one_or_several is None:
        return []
    return one_or_several if isinstance(one_or_several, list | tuple) else [one_or_several]

"""The order of training, and a loader that can go on exactly where it stopped.

Everything random is a function of (seed, epoch, index). The sampler therefore yields pairs (epoch, index), from which the
dataset makes each item's own generator: no worker has a state, and an item is the same whichever worker makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from torch.utils.data import DataLoader

from datamodules.bad_input import BadInput

Key = tuple[int, int]
"""(epoch, index)."""


class KeyedBatchSampler:
    """Batches of (epoch, index), for one process of several.

    Training: a new order in every epoch; every process gets equally many full batches, and what is left over waits for
    another epoch. Batch k of all processes together is batch k of one process with a batch size that much greater.
    Evaluation: the order of the list, every item once, none added to fill a batch.
    """

    def __init__(
        self, length: int, batch_size: int, *, train: bool, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        self.length, self.batch_size, self.train, self.seed = length, batch_size, train, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.skip = 0
        """Batches at the beginning of the next pass that are left out."""

    @property
    def sampler(self) -> Self:
        """Itself: Lightning tells the epoch to the `sampler` of a batch sampler, and to nothing else."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.train:
            return self.length // (self.batch_size * self.world_size)
        mine = len(range(self.rank, self.length, self.world_size))
        return -(-mine // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        order = (
            np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
            if self.train
            else np.arange(self.length)
        )
        mine, epoch = order[self.rank :: self.world_size], self.epoch if self.train else 0
        for batch in range(self.skip, len(self)):
            indices = mine[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield [(epoch, int(index)) for index in indices]


class KeyedLoader(DataLoader):
    """A DataLoader over a `KeyedBatchSampler` whose position can be saved and restored, with any number of workers.

    The state counts the batches that were handed out, not those that workers prepared. Lightning saves and restores it
    with a checkpoint and sets the epoch. Without Lightning the next pass over the loader is the next epoch.
    """

    batch_sampler: KeyedBatchSampler

    def __init__(self, dataset: Any, sampler: KeyedBatchSampler, **settings: Any) -> None:
        # Its own generator: the base class would otherwise take a number from the global one at every pass.
        super().__init__(dataset, batch_sampler=sampler, generator=torch.Generator(), **settings)
        self._handed_out = 0
        self._resume: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        # A generator function: nothing of this happens before the first batch is asked for. Lightning makes the iterator
        # before it sets the epoch.
        sampler = self.batch_sampler
        # A position belongs to the epoch that was cut short. If another one comes next (Lightning ended that one early,
        # by its limit on batches), it begins afresh.
        resume, self._resume = self._resume, None
        self._handed_out = resume[1] if resume and resume[0] == sampler.epoch else 0
        sampler.skip = self._handed_out
        for batch in super().__iter__():
            if isinstance(batch, BadInput):
                raise batch
            self._handed_out += 1
            yield batch
        self._handed_out = 0
        sampler.set_epoch(sampler.epoch + 1)

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many batches of it were handed out."""
        return {"epoch": self.batch_sampler.epoch, "batches": self._handed_out}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batches that a state counts."""
        finished = state["batches"] >= len(self) > 0
        self.batch_sampler.set_epoch(state["epoch"] + finished)
        self._resume = None if finished else (state["epoch"], state["batches"])

"""A method and a dataset as small as can be, for callbacks to be tried in real runs."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from datamodules.batch import Batch
from lightning_modules.translator import Loss, Phase, Step, Translator

torch.set_num_threads(1)


class Painter(Translator):
    """A generator that repaints the source, with a batch norm, dropout and noise; and a discriminator that is ignored by averages."""

    def __init__(self, rate: float = 0.05, poison_at: int | None = None) -> None:
        super().__init__(optimizer=lambda parameters: torch.optim.Adam(parameters, lr=rate))
        self.generator = nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.1), nn.Conv2d(4, 3, 1)
        )
        self.discriminator = nn.Conv2d(3, 1, 3)
        self.poison_at = poison_at

    def phases(self) -> list[Phase]:
        return [Phase("D", (self.discriminator,), self._judge), Phase("G", (self.generator,), self._paint)]

    def begin_step(self, batch: Batch) -> Step:
        return {"fake": self.translate(batch)}

    def _judge(self, batch: Batch, step: Step) -> dict[str, Loss]:
        return {
            "D/gap": Loss(
                (self.discriminator(step["fake"].detach()) - self.discriminator(batch.target)).square().mean()
            )
        }

    def _paint(self, batch: Batch, step: Step) -> dict[str, Loss]:
        l1 = (step["fake"] - batch.target).abs().mean()
        if self.global_step == self.poison_at:
            l1 = l1 * float("nan")
        return {"G/l1": Loss(l1)}

    def translate(self, batch: Batch, **options: Any) -> Tensor:
        noise = torch.randn_like(batch.source[:, :1])
        return torch.tanh(self.generator(torch.cat([batch.source, noise], dim=1)))

    def image_networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}


def items(first: int, count: int, height: int = 32, width: int = 16) -> Batch:
    """Pairs whose pictures are a function of their numbers: a bright rectangle on a dark, smooth background."""
    pictures = []
    for number in range(first, first + count):
        generator = torch.Generator().manual_seed(number)
        colours = torch.rand(4, 3, 1, 1, generator=generator)
        background = -1 + 0.6 * colours[0] * torch.linspace(0, 1, height).view(1, -1, 1).expand(3, height, width)
        silhouette = torch.zeros(2, 1, height, width)
        for side in range(2):
            top, left = 4 + 3 * side, 3 + 2 * side + number % 3
            silhouette[side, :, top : top + 20, left : left + 7] = 1
        both = [torch.where(mask > 0, 0.4 + 0.5 * colours[1], background) for mask in silhouette]
        pictures.append((*both, *silhouette, background))
    source, target, source_silhouette, target_silhouette, background = (
        torch.stack(list(p)) for p in zip(*pictures, strict=True)
    )
    return Batch(
        source=source,
        source_structure=source_silhouette,
        target=target,
        target_structure=target_silhouette,
        paired=torch.ones(count, dtype=torch.bool),
        source_key=[f"people/{number:03d}_a.jpg" for number in range(first, first + count)],
        target_key=[f"people/{number:03d}_b.jpg" for number in range(first, first + count)],
        truth={
            "source_silhouette": source_silhouette,
            "target_silhouette": target_silhouette,
            "source_background": background,
            "target_background": background,
            "target_joints": torch.tensor([[8.0, 12.0, 1.0], [2.0, 2.0, 0.0]]).expand(count, 2, 3),
        },
    )


class Batches:
    """A loader that knows how many batches were consumed, and shares them out to processes without padding."""

    def __init__(self, batches: list[Batch], rank: int = 0, world_size: int = 1) -> None:
        self.batches = batches[rank::world_size]
        self.done = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        self.done %= max(1, len(self.batches))
        while self.done < len(self.batches):
            self.done += 1
            yield self.batches[self.done - 1]

    def state_dict(self) -> dict[str, int]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.done = state["done"]


class People(pl.LightningDataModule):
    """A few pairs. `sizes` are those of the validation batches."""

    def __init__(
        self, train_batches: int = 4, sizes: tuple[int, ...] = (3, 2), paired: bool = True, truth: bool = True
    ) -> None:
        super().__init__()
        self.train_batches = train_batches
        self.sizes = sizes
        self.paired = paired
        self.truth = truth

    def _batch(self, first: int, count: int) -> Batch:
        batch = items(first, count)
        batch = replace(batch, paired=torch.full_like(batch.paired, self.paired))
        return batch if self.truth else replace(batch, truth={})

    def held_out(self) -> list[Batch]:
        starts = [sum(self.sizes[:position]) for position in range(len(self.sizes))]
        return [self._batch(1000 + start, size) for start, size in zip(starts, self.sizes, strict=True)]

    def train_dataloader(self) -> Batches:
        return Batches([self._batch(4 * number, 4) for number in range(self.train_batches)])

    def val_dataloader(self) -> Batches:
        assert self.trainer is not None
        return Batches(self.held_out(), self.trainer.global_rank, self.trainer.world_size)

    def test_dataloader(self) -> Batches:
        return self.val_dataloader()

    def examples(self, split: str, count: int) -> Batch:
        return self._batch(1000, count)


@pytest.fixture
def painter() -> Callable[..., Painter]:
    """Makes the small method, always with the same first weights."""

    def make(**settings: Any) -> Painter:
        torch.manual_seed(0)
        return Painter(**settings)

    return make


@pytest.fixture
def people() -> type[People]:
    return People


@pytest.fixture
def trainer(tmp_path: pathlib.Path) -> Callable[..., pl.Trainer]:
    """Makes a quiet trainer on the CPU that writes into a folder."""

    def make(*callbacks: pl.Callback, folder: pathlib.Path = tmp_path, **settings: Any) -> pl.Trainer:
        settings = {
            "accelerator": "cpu",
            "devices": 1,
            "max_epochs": 1,
            "logger": False,
            "enable_checkpointing": any(isinstance(c, pl.callbacks.Checkpoint) for c in callbacks),
            "enable_progress_bar": any(isinstance(c, pl.callbacks.ProgressBar) for c in callbacks),
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "use_distributed_sampler": False,
            "log_every_n_steps": 1,
            **settings,
        }
        return pl.Trainer(default_root_dir=folder, callbacks=list(callbacks), **settings)

    return make


@pytest.fixture
def read_csv() -> Callable[[pathlib.Path], list[dict[str, str]]]:
    """Reads the rows of a csv file."""

    def read(file: pathlib.Path) -> list[dict[str, str]]:
        with file.open(newline="") as text:
            return list(csv.DictReader(text))

    return read

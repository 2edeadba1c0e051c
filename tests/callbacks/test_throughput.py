"""Speed is that of training alone, and what the loop waits for is told apart from what it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from callbacks.throughput import Throughput, peak_memory, readable

Make = Callable[..., Any]
STEP, WAIT, PAUSE = 0.03, 0.02, 0.25


class Slow(pl.Callback):
    """Makes every step, every wait for data and every validation take a known time, and remembers what was logged."""

    def __init__(self) -> None:
        self.logged: list[dict[str, float]] = []

    def on_train_batch_start(self, *_: Any) -> None:
        time.sleep(STEP)

    def on_validation_start(self, *_: Any) -> None:
        time.sleep(PAUSE)

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        speed = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("speed/")}
        if speed and (not self.logged or speed != self.logged[-1]):
            self.logged.append(speed)


@pytest.fixture
def slow_people(people: Make) -> Any:
    """Data that takes a known time to arrive."""

    class SlowPeople(people):  # type: ignore[misc,valid-type]
        def train_dataloader(self) -> Any:
            loader = super().train_dataloader()
            batches = loader.batches

            class Arriving(list[Any]):
                def __getitem__(self, index: Any) -> Any:
                    time.sleep(WAIT)
                    return batches[index]

            loader.batches = Arriving(batches)
            return loader

    return SlowPeople(train_batches=10)


def test_what_is_logged(painter: Make, slow_people: Any, trainer: Make) -> None:
    slow = Slow()
    run = trainer(Throughput(every_n_steps=5), slow, max_epochs=2, val_check_interval=5)
    run.fit(painter(), datamodule=slow_people)
    last = slow.logged[-1]
    assert set(last) == {"speed/images_per_s", "speed/data_wait", "speed/memory_gib", "speed/minutes_left"}
    # Four images a step, whatever validations cost; steps of Lightning itself and of the tiny network take a little more.
    assert 0.4 < last["speed/images_per_s"] / (4 / (STEP + WAIT)) <= 1
    assert 0.15 < last["speed/data_wait"] < 0.6
    assert last["speed/memory_gib"] > 0.05


def test_the_time_left_includes_validations(painter: Make, slow_people: Any, trainer: Make) -> None:
    slow = Slow()
    trainer(Throughput(every_n_steps=10, warmup_steps=1), slow, max_epochs=3).fit(painter(), datamodule=slow_people)
    first, second = slow.logged[0], slow.logged[1]
    assert 60 * first["speed/minutes_left"] > 20 * (STEP + WAIT)
    assert 60 * second["speed/minutes_left"] > 10 * (STEP + WAIT) + 0.5 * PAUSE * 10 / 19
    assert second["speed/minutes_left"] < first["speed/minutes_left"] + PAUSE / 60


def test_a_time_limit_is_the_time_left(painter: Make, slow_people: Any, trainer: Make) -> None:
    slow = Slow()
    trainer(Throughput(every_n_steps=5), slow, max_epochs=1, max_time={"seconds": 2}).fit(
        painter(), datamodule=slow_people
    )
    assert 60 * slow.logged[0]["speed/minutes_left"] < 2


def test_the_first_steps_do_not_count(painter: Make, slow_people: Any, trainer: Make) -> None:
    slow = Slow()
    trainer(Throughput(every_n_steps=1, warmup_steps=8), slow).fit(painter(), datamodule=slow_people)
    assert len(slow.logged) == 2  # of steps 9 and 10


def test_memory_and_texts() -> None:
    assert peak_memory(torch.device("cpu")) > 50 * 2**20
    assert readable(3723.4) == "1:02:03"

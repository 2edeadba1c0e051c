"""Whatever ends a run, `last.ckpt` is a state between two steps, and the run that goes on from it is the same run."""

from __future__ import annotations

import os
import pathlib
import signal
import stat
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from callbacks.last_checkpoint import Interrupted, LastCheckpoint
from engine.loggers import RunCSV

Make = Callable[..., Any]


class Signal(pl.Callback):
    """Sends this process a signal inside a step, or in a validation."""

    def __init__(self, number: int, step: int, times: int = 1, in_validation: bool = False) -> None:
        self.number, self.step, self.times, self.in_validation = number, step, times, in_validation

    def _send(self, trainer: Any) -> None:
        if trainer.global_step == self.step:
            self.step = -1  # once
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)

    def on_before_optimizer_step(self, trainer: Any, *_: Any) -> None:
        if not self.in_validation:
            self._send(trainer)

    def on_validation_batch_start(self, trainer: Any, *_: Any) -> None:
        if self.in_validation:
            self._send(trainer)


def saved_step(folder: pathlib.Path) -> int:
    return int(torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"])


def test_saves_every_n_steps_and_at_the_end(painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path) -> None:
    steps: list[int] = []

    class Seen(pl.Callback):
        def on_save_checkpoint(self, trainer: Any, *_: Any) -> None:
            steps.append(trainer.global_step)

    trainer(Seen(), LastCheckpoint(every_n_steps=3), max_steps=7, max_epochs=-1).fit(painter(), datamodule=people())
    assert steps == [3, 6, 7]
    assert [file.name for file in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 138)])
def test_a_signal_ends_the_run_after_its_step_saved(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path, number: int, code: int
) -> None:
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    with pytest.raises(Interrupted) as caught:
        trainer(LastCheckpoint(), Signal(number, step=1)).fit(painter(), datamodule=people())
    assert caught.value.code == code
    assert saved_step(tmp_path) == 2
    assert {each: signal.getsignal(each) for each in handlers} == handlers


def test_a_signal_in_the_last_step_counts_too(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(Interrupted):
        trainer(LastCheckpoint(), Signal(signal.SIGTERM, step=3), limit_val_batches=0).fit(
            painter(), datamodule=people()
        )
    assert saved_step(tmp_path) == 4


def test_a_signal_in_a_validation_ends_the_run_after_the_next_step(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(Interrupted):
        trainer(LastCheckpoint(), Signal(signal.SIGTERM, step=4, in_validation=True), max_epochs=2).fit(
            painter(), datamodule=people()
        )
    assert saved_step(tmp_path) == 5


def test_a_second_ctrl_c_ends_at_once(painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path) -> None:
    with pytest.raises(SystemExit) as caught:
        trainer(LastCheckpoint(), Signal(signal.SIGINT, step=1, times=2)).fit(painter(), datamodule=people())
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Lightning ignores Ctrl-C from here on
    assert not isinstance(caught.value, Interrupted)
    assert not (tmp_path / "checkpoints/last.ckpt").exists()


def test_requeueing_asks_slurm(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(scontrol.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    run = trainer(LastCheckpoint(requeue=True), Signal(signal.SIGUSR1, step=1))
    monkeypatch.setenv("SLURM_JOB_ID", "1234")
    with pytest.raises(Interrupted):
        run.fit(painter(), datamodule=people())
    assert (tmp_path / "asked").read_text() == "requeue 1234\n"


@pytest.mark.parametrize("step", [1, 3, 5])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    painter: Make, people: Make, trainer: Make, read_csv: Make, tmp_path: pathlib.Path, step: int
) -> None:
    settings: dict[str, Any] = {"max_epochs": 3, "limit_val_batches": 0}
    whole = painter()
    folder = tmp_path / "whole"
    trainer(LastCheckpoint(), folder=folder, logger=RunCSV(str(folder)), **settings).fit(whole, datamodule=people())

    cut = tmp_path / "cut"
    with pytest.raises(Interrupted):
        trainer(LastCheckpoint(), Signal(signal.SIGTERM, step), folder=cut, logger=RunCSV(str(cut)), **settings).fit(
            painter(), datamodule=people()
        )
    module = painter()
    torch.manual_seed(99)
    trainer(LastCheckpoint(), folder=cut, logger=RunCSV(str(cut)), **settings).fit(
        module, datamodule=people(), ckpt_path=cut / "checkpoints/last.ckpt", weights_only=True
    )
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in whole.state_dict().items())
    assert read_csv(cut / "metrics.csv") == read_csv(folder / "metrics.csv")


def test_a_killed_run_repeats_what_came_after_its_last_save(
    painter: Make, people: Make, trainer: Make, read_csv: Make, tmp_path: pathlib.Path
) -> None:
    class Kill(pl.Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == 5:
                raise KeyboardInterrupt

    folder = tmp_path / "whole"
    trainer(folder=folder, logger=RunCSV(str(folder)), max_epochs=2).fit(painter(), datamodule=people())
    cut = tmp_path / "cut"
    with pytest.raises(SystemExit):
        trainer(Kill(), LastCheckpoint(every_n_steps=3), folder=cut, logger=RunCSV(str(cut)), max_epochs=2).fit(
            painter(), datamodule=people()
        )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert saved_step(cut) == 3
    assert [row["step"] for row in read_csv(cut / "metrics.csv")] == ["0", "1", "2", "3", "4"]
    trainer(LastCheckpoint(), folder=cut, logger=RunCSV(str(cut)), max_epochs=2).fit(
        painter(), datamodule=people(), ckpt_path=cut / "checkpoints/last.ckpt", weights_only=True
    )
    assert read_csv(cut / "metrics.csv") == read_csv(folder / "metrics.csv")


def test_a_fault_between_steps_is_saved(painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path) -> None:
    class Damaged(people):  # type: ignore[misc,valid-type]
        def train_dataloader(self) -> Any:
            loader = super().train_dataloader()
            loader.batches[3] = None

            class Reads(type(loader)):  # type: ignore[misc]
                def __iter__(self) -> Any:
                    for batch in super().__iter__():
                        if batch is None:
                            raise OSError("a picture cannot be read")
                        yield batch

            loader.__class__ = Reads
            return loader

    with pytest.raises(OSError, match="cannot be read"):
        trainer(LastCheckpoint()).fit(painter(), datamodule=Damaged())
    assert saved_step(tmp_path) == 3


def test_a_fault_inside_a_step_is_not(painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path) -> None:
    module = painter()
    healthy = module._paint

    def paint(batch: Any, step: Any) -> Any:
        if module.global_step == 2:
            raise RuntimeError("out of memory")  # when the discriminator was updated already
        return healthy(batch, step)

    module._paint = paint
    with pytest.raises(RuntimeError, match="out of memory"):
        trainer(LastCheckpoint()).fit(module, datamodule=people())
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("steps", [4, 6])
def test_a_finished_run_can_be_prolonged(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path, steps: int
) -> None:
    whole, module = painter(), painter()
    trainer(max_epochs=3).fit(whole, datamodule=people())
    trainer(LastCheckpoint(), max_epochs=3, max_steps=steps).fit(painter(), datamodule=people())
    trainer(max_epochs=3).fit(
        module, datamodule=people(), ckpt_path=tmp_path / "checkpoints/last.ckpt", weights_only=True
    )
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in whole.state_dict().items())

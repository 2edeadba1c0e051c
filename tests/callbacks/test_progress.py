"""A bar in a terminal, lines elsewhere; losses, speed and measures in both."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from callbacks.measures import Measures
from callbacks.progress import Progress
from callbacks.throughput import Throughput

Make = Callable[..., Any]


def test_without_a_terminal_there_are_lines(
    painter: Make, people: Make, trainer: Make, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, logger="callbacks.progress"):
        trainer(Progress(line_seconds=0), Throughput(every_n_steps=1, warmup_steps=1), Measures(["psnr"])).fit(
            painter(), datamodule=people()
        )
    lines = [record.getMessage() for record in caplog.records if record.name == "callbacks.progress"]
    assert lines[0].startswith("step 1")
    assert "G/l1" in lines[2]
    assert "images/s" in lines[3]
    assert "left 0:00:0" in lines[3]
    assert lines[4].startswith("step 4: val/psnr ")
    assert "copy_source" not in lines[4]
    assert "\r" not in capsys.readouterr().out


def test_lines_come_now_and_then(painter: Make, people: Make, trainer: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="callbacks.progress"):
        trainer(Progress(line_seconds=600), limit_val_batches=0).fit(painter(), datamodule=people())
    assert [r.getMessage()[:6] for r in caplog.records if r.name == "callbacks.progress"] == ["step 1"]


def test_in_a_terminal_there_is_a_bar(
    painter: Make, people: Make, trainer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    class Terminal:
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

        def flush(self) -> None: ...

        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    trainer(Progress(refresh_seconds=0), Throughput(every_n_steps=1, warmup_steps=1), Measures(["psnr"])).fit(
        painter(), datamodule=people()
    )
    text = "".join(written)
    assert "4/4" in text
    assert "G/l1=" in text
    assert "images/s=" in text
    assert "step 4: val/psnr" in text


def test_other_processes_are_silent(painter: Make, people: Make, trainer: Make) -> None:
    bar = Progress()
    run = trainer(bar)
    run.strategy._global_rank = 1
    bar.setup(run, painter(), "fit")
    assert bar.is_disabled or os.environ.get("RANK") is None

"""Grids show the same items with the same noise every time, and training does not notice."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning.loggers import Logger

from callbacks.ema import EMA
from callbacks.grids import FOOTER, GAP, HEADER, SampleGrid, grid, panels_of

Make = Callable[..., Any]


def test_files_are_named_by_their_step(painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path) -> None:
    module, data = painter(), people()
    run = trainer(SampleGrid(items=3), max_epochs=2)
    run.fit(module, datamodule=data)
    run.test(module, datamodule=data, verbose=False)
    names = sorted(file.name for file in (tmp_path / "samples").iterdir())
    assert names == ["0000000.png", "0000004.png", "0000008.png", "test.png"]
    # Three items of 32 x 16, enlarged seven times; the four panels of every method.
    picture = Image.open(tmp_path / "samples/0000004.png")
    assert picture.size == (4 * (16 * 7 + GAP) + GAP, HEADER + 3 * (32 * 7 + FOOTER))


def test_every_n_epochs(painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path) -> None:
    trainer(SampleGrid(items=1, every_n_epochs=2, at_start=False), max_epochs=3).fit(painter(), datamodule=people())
    assert [file.name for file in (tmp_path / "samples").iterdir()] == ["0000008.png"]


def test_training_does_not_notice(painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path) -> None:
    watched, alone = painter(), painter()
    trainer(SampleGrid(), max_epochs=2).fit(watched, datamodule=people())
    trainer(max_epochs=2).fit(alone, datamodule=people())
    assert all(torch.equal(value, alone.state_dict()[name]) for name, value in watched.state_dict().items())
    assert watched.training == alone.training


def test_noise_is_the_same_every_time_and_dropout_is_off(painter: Make, people: Make, trainer: Make) -> None:
    module, run = painter().train(), trainer()
    batch = people().examples("val", 2)
    first = panels_of(run, module, batch, seed=0)
    torch.rand(1)
    again, other = panels_of(run, module, batch, seed=0), panels_of(run, module, batch, seed=1)
    assert torch.equal(first["translation"], again["translation"])
    assert not torch.equal(first["translation"], other["translation"])
    assert module.training
    assert module.generator[1].num_batches_tracked == 0


def test_the_average_is_shown(painter: Make, people: Make, trainer: Make) -> None:
    module, ema = painter(), EMA(decay=0.9)
    run = trainer(ema, limit_val_batches=0)
    run.fit(module, datamodule=people())
    batch = people().examples("val", 2)
    shown = panels_of(run, module, batch, seed=0)["translation"]
    plain = panels_of(trainer(), module, batch, seed=0)["translation"]
    module.generator.load_state_dict(ema.averages["generator"])
    assert torch.equal(shown, panels_of(trainer(), module, batch, seed=0)["translation"])
    assert not torch.equal(shown, plain)


def test_loggers_get_the_picture(painter: Make, people: Make, trainer: Make) -> None:
    pictures: dict[tuple[str, int], tuple[int, ...]] = {}

    class Album(Logger):
        name = version = None

        def log_metrics(self, *_: Any, **__: Any) -> None: ...

        def log_hyperparams(self, *_: Any, **__: Any) -> None: ...

        def log_picture(self, name: str, image: np.ndarray, step: int) -> None:
            pictures[name, step] = image.shape

    trainer(SampleGrid(items=1), logger=Album()).fit(painter(), datamodule=people())
    assert list(pictures) == [("samples/val", 0), ("samples/val", 4)]


def test_cells_hold_the_images() -> None:
    colours = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1).expand(3, 3, 128, 128)
    picture = grid({"a": colours, "b": -colours[..., :64, :64]}, ["x", "y", "z"])  # the second is shown twice as large
    for row, level in enumerate((0, 128, 255)):
        top = HEADER + row * (128 + FOOTER)
        assert (picture[top : top + 128, GAP : GAP + 128] == level).all()
        assert (picture[top : top + 128, 2 * GAP + 128 : 2 * GAP + 256] == (255, 128, 0)[row]).all()


def test_titles_and_keys_are_written_and_cut_to_fit() -> None:
    cell = torch.zeros(1, 3, 128, 128)
    short, long = grid({"source": cell}, ["a.jpg"]), grid({"source" * 20: cell}, ["a.jpg" * 60])
    assert short.shape == long.shape
    for picture in (short, long):
        assert (picture[:HEADER] < 128).any()
        assert (picture[HEADER + 128 :] < 200).any()
        assert (picture[:, :GAP] > 250).all()  # nothing sticks out
    assert (short != long).any()


def test_a_panel_of_another_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"Panel 'mask' must be \(1, 3, H, W\), not \(1, 1, 8, 8\)"):
        grid({"mask": torch.zeros(1, 1, 8, 8)}, ["a"])

"""A run that is killed in the middle of an epoch and goes on has the same weights at the end as one that was left alone."""

from __future__ import annotations

import signal
import time

import pytest
import torch

from datamodules.bad_input import BadInput
from engine.run_folder import RunFolder
from tests.commanding import METHODS, QUICK, finished, started, train

LIMITS = ["experiment=smoke", "trainer.max_steps=22", "trainer.max_epochs=-1", "callbacks=ema", "callbacks.last_checkpoint.every_n_steps=3",
          "callbacks.grids=null", "callbacks.measures=null", "data.num_workers=1", "data.limit_pairs.train=32", "test=false"]  # fmt: skip


def states_equal(a: RunFolder, b: RunFolder) -> None:
    """Weights, averages and pools of two runs' last checkpoints are equal to the bit."""
    ours, theirs = (torch.load(run.last, weights_only=True) for run in (a, b))
    assert ours["global_step"] == theirs["global_step"]
    for part in ("state_dict", "ema", "optimizer_states"):
        flat_ours, flat_theirs = dict(_flat(ours[part])), dict(_flat(theirs[part]))
        assert flat_ours.keys() == flat_theirs.keys()
        for name, value in flat_ours.items():
            same = (
                torch.equal(value, flat_theirs[name]) if isinstance(value, torch.Tensor) else value == flat_theirs[name]
            )
            assert same, f"{part} {name}"


def _flat(tree, path=""):
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list | tuple) else None
    if items is None:
        yield path, tree
        return
    for key, value in items:
        yield from _flat(value, f"{path}.{key}")


@pytest.mark.parametrize(
    ("method", "dataset"),
    [
        *((method, "market1501") for method in QUICK),
        *(pytest.param(method, "market1501", marks=pytest.mark.slow) for method in METHODS if method not in QUICK),
        pytest.param("pix2pix", "mixture", marks=pytest.mark.slow),
    ],
)
def test_killed_in_mid_epoch_and_resumed_equals_left_alone(method, dataset, tmp_path):
    alone = train(tmp_path / "alone", f"model={method}", f"data={dataset}", *LIMITS)
    cut = RunFolder(tmp_path / "cut")
    words = [f"model={method}", f"data={dataset}", *LIMITS, "trainer.accelerator=cpu", f"hydra.run.dir={cut.path}"]
    process = started("train.py", *words, OMP_NUM_THREADS=str(torch.get_num_threads()))
    while not cut.last.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, (
        "the run ended before it could be killed: " + process.stderr.read()[-2000:]
    )
    step = torch.load(cut.last, weights_only=True)["global_step"]
    assert step < 22
    assert not cut.metrics_file.exists()
    done = finished("train.py", f"resume={cut.path}", OMP_NUM_THREADS=str(torch.get_num_threads()))
    assert done.returncode == 0, done.stderr
    states_equal(alone, cut)
    rows = [line.split(",") for line in (cut.path / "metrics.csv").read_text().splitlines()]
    steps = [int(row[rows[0].index("step")]) for row in rows[1:]]
    assert steps == sorted(steps)
    assert steps[-1] == 21


def test_a_resumed_run_keeps_its_config_but_for_the_values_that_are_changed(tmp_path):
    first = train(tmp_path / "run", "model=pix2pix", *LIMITS, "trainer.max_steps=4")
    train(first.path, f"resume={first.path}", "trainer.max_steps=6")
    assert torch.load(first.last, weights_only=True)["global_step"] == 6
    assert first.read_config()["trainer"]["max_steps"] == 6
    with pytest.raises(BadInput, match="keeps its own config"):
        train(first.path, f"resume={first.path}", "model=cyclegan")
    with pytest.raises(BadInput, match=r"goes on from its last.ckpt alone; .* init="):
        train(first.path, f"resume={first.checkpoints / 'best.ckpt'}")
    with pytest.raises(BadInput, match="leave out resume or init"):
        train(first.path, f"resume={first.last}", f"init={first.last}")


def test_a_new_run_may_start_from_the_averaged_networks_of_another(tmp_path):
    first = train(tmp_path / "first", "model=pix2pix", *LIMITS, "trainer.max_steps=4")
    second = train(tmp_path / "second", "model=pix2pix", *LIMITS, "trainer.max_steps=1", f"init={first.last}",
                   "model.optimizer.lr=0")  # fmt: skip
    held, started = (torch.load(run.last, weights_only=True) for run in (first, second))
    assert started["global_step"] == 1
    averaged = held["ema"]["generator"]
    name = next(name for name, value in averaged.items() if value.ndim == 4)
    assert torch.equal(started["state_dict"][f"generator.{name}"], averaged[name])
    assert not torch.equal(averaged[name], held["state_dict"][f"generator.{name}"])
    judge = next(name for name, value in held["state_dict"].items() if name.startswith("disc") and value.ndim == 4)
    assert torch.equal(started["state_dict"][judge], held["state_dict"][judge])
    with pytest.raises(BadInput, match=r"init=.* is not of this model"):
        train(
            tmp_path / "third",
            "model=pix2pix",
            *LIMITS,
            "trainer.max_steps=1",
            f"init={first.last}",
            "model.ngf=12",
        )

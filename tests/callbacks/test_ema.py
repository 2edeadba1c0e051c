"""The average follows the weights, is shown where images are made, and survives checkpoints to the bit."""

from __future__ import annotations

import contextlib
import copy
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from callbacks.ema import EMA, averaged
from callbacks.last_checkpoint import LastCheckpoint

Make = Callable[..., Any]


def weights(module: Any) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.generator.state_dict().items()}


class Watch(pl.Callback):
    """Remembers the generator after each step and during validation."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Tensor]] = []
        self.shown: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.steps.append(weights(pl_module))

    def on_validation_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.shown.append(weights(pl_module))


def test_average_is_the_recurrence(painter: Make, people: Make, trainer: Make) -> None:
    module, watch, ema = painter(), Watch(), EMA(decay=0.8, start_step=2)
    trainer(ema, watch, limit_val_batches=0).fit(module, datamodule=people())
    name = "0.weight"
    expected = watch.steps[1][name]  # up to start_step, the weights themselves
    for step in watch.steps[2:]:
        expected = 0.8 * expected + 0.2 * step[name]
    torch.testing.assert_close(ema.averages["generator"][name], expected)
    assert not torch.equal(expected, watch.steps[-1][name])


def test_buffers_are_copied(painter: Make, people: Make, trainer: Make) -> None:
    module, ema = painter(), EMA(decay=0.8)
    trainer(ema, limit_val_batches=0).fit(module, datamodule=people())
    average = ema.averages["generator"]
    assert average["1.num_batches_tracked"] == 4
    assert torch.equal(average["1.running_mean"], module.generator[1].running_mean)


def test_only_the_networks_that_make_images_are_averaged(painter: Make, people: Make, trainer: Make) -> None:
    ema = EMA()
    trainer(ema, limit_val_batches=0).fit(painter(), datamodule=people())
    assert list(ema.averages) == ["generator"]


def test_warmup_begins_with_a_short_memory() -> None:
    ema = EMA(decay=0.99, warmup=True, start_step=10)
    assert ema.decay_at(10) == 0
    assert ema.decay_at(11) == 2 / 11
    assert ema.decay_at(10_000) == 0.99


def test_a_round_of_accumulation_is_one_update(painter: Make, people: Make, trainer: Make) -> None:
    module, watch, ema = painter(), Watch(), EMA(decay=0.5)
    module.accumulate_grad_batches = 2
    start = weights(module)["0.weight"]
    trainer(ema, watch, limit_val_batches=0).fit(module, datamodule=people())
    expected = 0.5 * (0.5 * start + 0.5 * watch.steps[1]["0.weight"]) + 0.5 * watch.steps[3]["0.weight"]
    torch.testing.assert_close(ema.averages["generator"]["0.weight"], expected)


def test_validation_sees_the_average_and_training_its_weights(painter: Make, people: Make, trainer: Make) -> None:
    module, watch, ema = painter(), Watch(), EMA(decay=0.8)
    trainer(watch, ema).fit(module, datamodule=people())
    for shown in watch.shown:
        assert_same(shown, ema.averages["generator"])
    assert_same(weights(module), watch.steps[-1])


def test_before_its_start_the_average_is_the_weights(painter: Make, people: Make, trainer: Make) -> None:
    watch = Watch()
    trainer(EMA(start_step=100), watch).fit(painter(), datamodule=people())
    assert_same(watch.shown[-1], watch.steps[-1])


def test_weights_come_back_after_a_fault_in_validation(painter: Make, people: Make, trainer: Make) -> None:
    class Fault(pl.Callback):
        def on_validation_batch_start(self, *_: Any) -> None:
            raise OSError("disk")

    module, watch = painter(), Watch()
    with pytest.raises(OSError, match="disk"):
        trainer(EMA(decay=0.8), watch, Fault()).fit(module, datamodule=people())
    assert_same(weights(module), watch.steps[-1])


def test_applied_restores_after_a_fault_and_nests(painter: Make, people: Make, trainer: Make) -> None:
    module, ema = painter(), EMA(decay=0.8)
    run = trainer(ema, limit_val_batches=0)
    run.fit(module, datamodule=people())
    before = weights(module)
    with contextlib.suppress(OSError), averaged(run, module), averaged(run, module):
        assert_same(weights(module), ema.averages["generator"])
        raise OSError("disk")
    assert_same(weights(module), before)


def test_tensors_stay_where_they_are(painter: Make, people: Make, trainer: Make) -> None:
    module, ema = painter(), EMA(decay=0.8)
    run = trainer(ema, limit_val_batches=0)
    run.fit(module, datamodule=people())
    places = [parameter.data_ptr() for parameter in module.parameters()]
    with averaged(run, module):
        assert [parameter.data_ptr() for parameter in module.parameters()] == places


def test_checkpoint_holds_both_even_when_saved_in_validation(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    class Save(pl.Callback):
        def on_validation_batch_end(self, trainer: Any, *_: Any) -> None:
            trainer.save_checkpoint(tmp_path / "inside.ckpt")

    module, ema = painter(), EMA(decay=0.8)
    trainer(ema, Save()).fit(module, datamodule=people())
    saved = torch.load(tmp_path / "inside.ckpt", weights_only=True)
    assert_same(saved["ema"]["generator"], ema.averages["generator"])
    in_checkpoint = {
        name.removeprefix("generator."): v for name, v in saved["state_dict"].items() if "generator" in name
    }
    assert_same(in_checkpoint, weights(module))
    # The contract: the averaged network is one call away.
    module.generator.load_state_dict(saved["ema"]["generator"])


@pytest.mark.parametrize("cut", [3, 4, 6])
def test_a_resumed_run_is_the_same_to_the_bit(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path, cut: int
) -> None:
    whole, ema = painter(), EMA(decay=0.8, warmup=True)
    trainer(ema, max_epochs=3).fit(whole, datamodule=people())
    first = trainer(EMA(decay=0.8, warmup=True), LastCheckpoint(), max_epochs=3, max_steps=cut, folder=tmp_path / "cut")
    first.fit(painter(), datamodule=people())
    module, resumed = painter(), EMA(decay=0.8, warmup=True)
    torch.manual_seed(99)
    trainer(resumed, max_epochs=3).fit(
        module, datamodule=people(), ckpt_path=tmp_path / "cut/checkpoints/last.ckpt", weights_only=True
    )
    assert_same(module.state_dict(), whole.state_dict())
    assert_same(resumed.averages["generator"], ema.averages["generator"])


def test_testing_a_checkpoint_tests_its_average(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    class Shown(Watch):
        def on_test_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            self.shown.append(weights(pl_module))

    ema = EMA(decay=0.8)
    trainer(ema, LastCheckpoint(), limit_val_batches=0).fit(painter(), datamodule=people())
    shown = Shown()
    trainer(EMA(), shown).test(
        painter(), datamodule=people(), ckpt_path=tmp_path / "checkpoints/last.ckpt", weights_only=True, verbose=False
    )
    assert_same(shown.shown[0], ema.averages["generator"])


def test_low_precision_weights_are_averaged_in_float32(painter: Make) -> None:
    module, ema = painter().bfloat16(), EMA(decay=0.999)
    ema._prepare(module)
    start = copy.deepcopy(ema.averages["generator"]["0.weight"])
    with torch.no_grad():
        module.generator[0].weight += 0.01
    ema.update(module, 0.999)
    assert not torch.equal(ema.averages["generator"]["0.weight"], start)  # in bfloat16 the change is rounded away


def test_tied_weights_stay_tied(painter: Make) -> None:
    module, ema = painter(), EMA()
    module.generator[3].bias = torch.nn.Parameter(torch.zeros(3))
    module.generator.twin = torch.nn.Module()
    module.generator.twin.bias = module.generator[3].bias
    ema._prepare(module)
    with torch.no_grad():
        module.generator[3].bias += 1
    ema.update(module, 0.5)
    average = ema.averages["generator"]
    assert average["3.bias"].tolist() == average["twin.bias"].tolist() == [0.5] * 3


def test_impossible_decay_is_refused() -> None:
    with pytest.raises(ValueError, match=r"decay=1\.0 is not in"):
        EMA(decay=1.0)


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    different = [name for name, value in expected.items() if not torch.equal(found[name], value)]
    assert not different

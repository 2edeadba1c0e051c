"""What the base does for every method: one batch is one step, phases train their own networks, resuming is exact."""

from __future__ import annotations

import functools

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from datamodules.batch import Batch
from lightning_modules.translator import Loss, Phase, Translator, key, keyed_randomness


def batch_of(value: float, size: int = 2) -> Batch:
    image = torch.full((size, 3, 4, 4), value)
    return Batch(image, image, image, image, torch.ones(size, dtype=torch.bool), ["s"] * size, ["t"] * size)


class Loader(torch.utils.data.DataLoader):
    """Eight different batches, in order."""

    def __init__(self) -> None:
        super().__init__([batch_of(i / 10) for i in range(8)], batch_size=None, collate_fn=lambda batch: batch)


class Pair(Translator):
    """A generator and a judge, with dropout and noise, as small as can be."""

    def __init__(self, intervals: tuple[int, int] = (1, 1), **settings) -> None:
        super().__init__(functools.partial(torch.optim.SGD, lr=0.1), **settings)
        self.generator = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.5))
        self.judge = nn.Conv2d(3, 1, 1)
        self.intervals = intervals
        self.seen: list[tuple[str, bool, bool]] = []

    def begin_step(self, batch):
        return {"fake": self.generator(batch.source) + 0.1 * torch.randn_like(batch.source)}

    def phases(self):
        return [
            Phase("generator", (self.generator,), self.generator_losses, interval=self.intervals[0]),
            Phase("judge", (self.judge,), self.judge_losses, interval=self.intervals[1]),
        ]

    def generator_losses(self, batch, step):
        return {
            "close": Loss((step["fake"] - batch.target).square().mean(), 2.0),
            "fool": Loss(self.judge(step["fake"]).mean()),
        }

    def judge_losses(self, batch, step):
        return {"judge": Loss(self.judge(step["fake"].detach()).mean() - self.judge(batch.target).mean() ** 2)}

    def translate(self, batch, **options):
        return self.generator(batch.source)

    def image_networks(self):
        return {"generator": self.generator}

    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        graded = [
            any(p.grad is not None and p.grad.any() for p in network.parameters())
            for network in (self.generator, self.judge)
        ]
        self.seen.append(("generator" if optimizer is self.optimizers()[0].optimizer else "judge", *graded))


def train(translator, tmp_path, *, batches=8, epochs=1, ckpt_path=None, callbacks=(), **settings):
    pl.seed_everything(0, verbose=False)
    settings = {"max_epochs": epochs, "limit_train_batches": batches, **settings}
    trainer = pl.Trainer(
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        callbacks=list(callbacks),
        **settings,
    )
    trainer.fit(translator, Loader(), ckpt_path=ckpt_path, weights_only=True)
    return trainer


def built(**settings) -> Pair:
    torch.manual_seed(1)
    return Pair(**settings)


def test_one_batch_is_one_step_however_many_optimisers_there_are(tmp_path):
    assert train(built(), tmp_path).global_step == 8
    assert train(built(), tmp_path, epochs=-1, max_steps=5).global_step == 5


def test_one_batch_is_one_step_also_where_no_optimiser_steps(tmp_path):
    assert train(built(intervals=(4, 4)), tmp_path).global_step == 8


def test_a_phase_gives_gradients_to_its_own_networks_only(tmp_path):
    translator = built()
    train(translator, tmp_path, batches=1)
    assert translator.seen == [("generator", True, False), ("judge", False, True)]
    assert all(p.requires_grad for p in translator.parameters())


def test_a_phase_runs_in_its_rounds(tmp_path):
    translator = built(intervals=(1, 3))
    train(translator, tmp_path, batches=7)
    assert [name for name, *_ in translator.seen].count("judge") == 3
    assert [name for name, *_ in translator.seen].count("generator") == 7


def test_gradients_are_clipped_per_optimiser(tmp_path):
    translator = built()
    translator.gradient_clip_val = 1e-3
    before = [p.detach().clone() for p in translator.parameters()]
    train(translator, tmp_path, batches=1)
    for network in (translator.generator, translator.judge):
        moved = [
            (p - b).square().sum()
            for p, b in zip(translator.parameters(), before, strict=True)
            if any(p is q for q in network.parameters())
        ]
        assert torch.stack(moved).sum().sqrt().item() == pytest.approx(0.1 * 1e-3, rel=1e-3)


def test_accumulation_adds_up_the_gradients_of_k_batches(tmp_path):
    translator = built()
    translator.accumulate_grad_batches = 4
    trainer = train(translator, tmp_path)
    assert trainer.global_step == 8
    assert len(translator.seen) == 2 * 2  # two rounds of two optimisers


def test_an_epoch_schedule_follows_the_number_of_the_epoch(tmp_path):
    rates = []

    class Rates(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, *_):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    schedule = functools.partial(torch.optim.lr_scheduler.LambdaLR, lr_lambda=lambda epoch: 0.5**epoch)
    train(built(scheduler=schedule), tmp_path, batches=1, epochs=3, callbacks=[Rates()])
    assert rates == pytest.approx([0.1, 0.05, 0.025])


class SaveAt(pl.Callback):
    """A checkpoint after the given step, then as if the power was cut."""

    def __init__(self, step: int, path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True
            trainer.limit_train_batches = 0


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("stop", [8, 16])
def test_a_run_cut_at_an_epochs_end_and_resumed_equals_one_left_alone(tmp_path, stop, accumulate):
    """(Cuts in mid-epoch need a loader that knows its place: see tests/test_resume.py.)"""
    schedule = functools.partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    alone, cut, resumed = (built(scheduler=schedule) for _ in range(3))
    for translator in (alone, cut, resumed):
        translator.accumulate_grad_batches = accumulate
    train(alone, tmp_path, epochs=3)
    train(cut, tmp_path, epochs=3, callbacks=[SaveAt(stop, tmp_path / "cut.ckpt")])
    trainer = train(resumed, tmp_path, epochs=3, ckpt_path=tmp_path / "cut.ckpt")
    assert trainer.global_step == 24
    for name, value in alone.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_keys_differ_for_neighbours_and_randomness_is_given_back():
    assert len({key(seed, step, rank) for seed in range(4) for step in range(4) for rank in range(4)}) == 64
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with keyed_randomness(0, "evaluation", 7):
        drawn = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with keyed_randomness(0, "evaluation", 7):
        assert torch.equal(torch.rand(3), drawn)

"""Going on in the middle: what a run sees is the same to the bit, however it was cut and whoever reads the files."""

import itertools
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from datamodules.batch import Batch


def tensors(batch):
    return [value for value in dict(batch).values() if isinstance(value, torch.Tensor)]


def same(a, b):
    keys = a.source_key == b.source_key and a.target_key == b.target_key
    return keys and all(x.equal(y) for x, y in zip(tensors(a), tensors(b), strict=True))


def through(data, epochs=3):
    """The finished batches of some epochs."""
    loader = data.train_dataloader()
    return [data.on_after_batch_transfer(raw, 0) for _ in range(epochs) for raw in loader]


SIZES = {"height": 32, "width": 16, "load_height": 36, "load_width": 18, "sigma": 2.0}
SETTINGS = {**SIZES, "flip": 0.5, "limit_pairs": {"train": 18}, "seed": 3}


@pytest.mark.parametrize(
    ("pairing", "workers"), [("same_identity", 0), ("same_identity", 2), ("random", 0), ("domains", 2)]
)
def test_items_and_augmentation_are_the_same_after_a_cut(market, pairing, workers):
    settings = {**SETTINGS, "pairing": pairing, "cameras_x": [1, 2, 3], "cameras_y": [4, 5, 6]}
    whole = market(**settings)
    whole.setup("fit")
    expected = through(whole)
    for stop in {len(expected) // 3, 7}:
        cut, resumed = market(num_workers=workers, **settings), market(num_workers=workers, **settings)
        for data in (cut, resumed):
            data.setup("fit")
        first = cut.train_dataloader()
        seen = [cut.finished(raw) for raw in itertools.islice((raw for _ in range(3) for raw in first), stop)]
        second = resumed.train_dataloader()
        second.load_state_dict(first.state_dict())
        rest = [
            resumed.finished(raw)
            for raw in itertools.islice((r for _ in range(3) for r in second), len(expected) - stop)
        ]
        assert all(same(a, b) for a, b in zip(expected, [*seen, *rest], strict=True))


def test_another_epoch_frames_the_same_pair_differently(market):
    data = market(**SETTINGS)
    data.setup("fit")
    dataset = data.datasets["train"]
    assert dataset[0, 5]["target"].equal(dataset[0, 5]["target"])
    assert any(not dataset[0, index]["target"].equal(dataset[1, index]["target"]) for index in range(4))
    assert not any(
        data.datasets["val"][0, index]["target"].equal(data.datasets["val"][0, index + 1]["target"])
        for index in range(2)
    )


class Watcher(pl.LightningModule):
    """Learns nothing and remembers what it was shown."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[Batch] = []
        self.stop_after = stop_after

    def training_step(self, batch, batch_idx):
        self.seen.append(batch)
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        assert batch.source.dtype == torch.float32

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_train_batch_end(self, *args):
        if len(self.seen) == self.stop_after:
            self.trainer.save_checkpoint(self.trainer.default_root_dir + "/cut.ckpt")
            self.trainer.should_stop = True


def fit(folder, data, watcher, **settings):
    trainer = pl.Trainer(
        **{"max_epochs": 3, "accelerator": "cpu", "logger": False, "enable_checkpointing": False, **settings},
        **{"enable_progress_bar": False, "enable_model_summary": False, "default_root_dir": str(folder)},
        use_distributed_sampler=False,
        num_sanity_val_steps=1,
    )
    trainer.fit(watcher, datamodule=data, ckpt_path=folder / "cut.ckpt" if watcher.stop_after is None else None)
    return watcher.seen


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("stop", "workers"), [(1, 0), (4, 0), (8, 0), (9, 2)])
def test_a_lightning_run_goes_on_exactly(market, tmp_path, stop, workers):
    def data():
        return market(num_workers=workers, **SETTINGS)

    reference = market(**SETTINGS)
    reference.setup("fit")
    expected = through(reference)
    assert len(expected) == 12
    seen = fit(tmp_path, data(), Watcher(stop_after=stop))
    rest = fit(tmp_path, data(), Watcher())
    assert len(seen) == stop
    assert all(same(a, b) for a, b in zip(expected, [*seen, *rest], strict=True))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_limit_on_batches_still_shows_a_new_order_every_epoch(market, tmp_path):
    seen = fit(tmp_path, market(**SETTINGS), Watcher(stop_after=99), limit_train_batches=2)
    reference = market(**SETTINGS)
    reference.setup("fit")
    expected = through(reference)
    assert all(same(a, b) for a, b in zip(seen, [expected[k] for k in (0, 1, 4, 5, 8, 9)], strict=True))


def test_each_process_of_a_run_takes_its_own_part(market):
    def keys(split, rank, world_size):
        data = market(batch_size=2, limit_pairs={"train": 21, "test": 21})
        data.trainer = SimpleNamespace(world_size=world_size, global_rank=rank, num_devices=world_size)
        data.setup(None)
        loader = data.train_dataloader() if split == "train" else data.test_dataloader()
        return [list(zip(raw.source_key, raw.target_key, strict=True)) for raw in loader]

    for split, expected in (("train", 20), ("test", 21)):
        parts = [keys(split, rank, 2) for rank in range(2)]
        seen = [pair for part in parts for batch in part for pair in batch]
        assert len(seen) == len(set(seen)) == expected
    assert len(keys("train", 0, 2)) == len(keys("train", 1, 2)) == 5

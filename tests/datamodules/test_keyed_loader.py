"""Order and position: every process its part, every index once, and going on exactly where a run stopped."""

import itertools

import pytest
from torch.utils.data import Dataset

from datamodules.bad_input import BadInput
from datamodules.keyed_loader import KeyedBatchSampler, KeyedLoader


class Keys(Dataset):
    """Hands out the keys themselves."""

    def __getitem__(self, key):
        return key


def loader(length=23, batch_size=4, workers=0, collate=lambda items: items, **settings):
    sampler = KeyedBatchSampler(length, batch_size, **{"train": True, "seed": 1, **settings})
    return KeyedLoader(Keys(), sampler, num_workers=workers, collate_fn=collate, persistent_workers=workers > 0)


def test_training_gives_full_batches_in_a_new_order_each_epoch():
    batches = loader()
    epochs = [list(batches) for _ in range(3)]
    assert [len(epoch) for epoch in epochs] == [5, 5, 5]
    assert all(len(batch) == 4 for epoch in epochs for batch in epoch)
    orders = [[index for batch in epoch for _, index in batch] for epoch in epochs]
    assert all(len(set(order)) == 20 for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert {number for number, _ in itertools.chain.from_iterable(epochs[2])} == {2}


def test_another_seed_is_another_order_and_the_same_seed_the_same():
    assert list(loader()) == list(loader())
    assert list(loader()) != list(loader(seed=2))


@pytest.mark.parametrize("world_size", [2, 3])
def test_batch_k_of_all_processes_is_batch_k_of_one_with_a_greater_batch(world_size):
    alone = list(loader(50, 4 * world_size))
    parts = [list(loader(50, 4, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert len({len(part) for part in parts}) == 1
    for whole, *shares in zip(alone, *parts, strict=True):
        assert sorted(itertools.chain.from_iterable(shares)) == sorted(whole)


def test_evaluation_covers_every_item_once_in_order_without_filling_up():
    assert [index for batch in loader(train=False) for _, index in batch] == list(range(23))
    parts = [list(loader(train=False, rank=rank, world_size=3)) for rank in range(3)]
    seen = [index for part in parts for batch in part for _, index in batch]
    assert sorted(seen) == list(range(23))
    assert all(len(part) == len(loader(train=False, rank=rank, world_size=3)) for rank, part in enumerate(parts))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [1, 4, 5, 7, 12])
def test_a_loader_goes_on_after_the_batches_that_were_handed_out(stop, workers):
    through = loader(workers=0)
    expected = [batch for _ in range(3) for batch in through]

    cut = loader(workers=workers)
    seen = list(itertools.islice((batch for _ in range(3) for batch in cut), stop))
    state = cut.state_dict()

    resumed = loader(workers=workers)
    resumed.load_state_dict(state)
    rest = [batch for _ in range(3) for batch in resumed][: len(expected) - stop]
    assert seen + rest == expected


def test_a_state_of_an_epoch_that_was_ended_early_does_not_reach_into_the_next():
    cut = loader()
    list(itertools.islice(cut, 3))
    resumed = loader()
    resumed.load_state_dict(cut.state_dict())
    resumed.batch_sampler.set_epoch(1)  # as Lightning does after its limit on batches
    assert list(resumed) == list(itertools.islice(_epochs(loader()), 5, 10))


def test_abandoning_a_pass_starts_the_epoch_anew():
    batches = loader(workers=1)
    first = list(itertools.islice(batches, 2))
    assert list(itertools.islice(batches, 2)) == first


def test_bad_input_of_a_worker_is_raised_as_it_is():
    broken = loader(workers=1, collate=lambda items: BadInput("a.jpg is damaged"))
    with pytest.raises(BadInput, match=r"^a\.jpg is damaged$"):
        next(iter(broken))


def _epochs(batches):
    while True:
        yield from batches

"""Several datasets as one: order, shares, sides that cross, and going on exactly."""

import itertools
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from datamodules.mixture import Mixture
from tests.commanding import composed
from tests.datamodules.conftest import first_batch, keeps_contract, paint
from tests.datamodules.test_resume import same, through

SIZE = {"height": 32, "width": 16, "load_height": 36, "load_width": 18, "structure": "image"}


@pytest.fixture
def mixture(market, folders, tmp_path):
    """Twenty people (a) and ten pictures of one's own (b)."""
    for number in range(14):
        paint(tmp_path / "x" / f"{number:02}.png", number, size=(40, 20))

    def build(**changes):
        parts = {
            "a": market(**SIZE, pairing="same_identity", flip=0.5, limit_pairs={"train": 20}),
            "b": folders(**SIZE, pairing="random", flip=0.5),
        }
        settings = {**SIZE, "batch_size": 4, "num_workers": 0, "seed": 3, "parts": parts}
        return Mixture(**{**settings, **changes})

    return build


def keys_of(batches, side="source_key"):
    return [key for batch in batches for key in getattr(batch, side)]


@pytest.mark.parametrize("pairing", ["within", "across", "domains"])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_batches_keep_the_contract(mixture, pairing, split):
    batch = first_batch(mixture(pairing=pairing), split)
    keeps_contract(batch, 3, 32, 16)
    sides = [[key[:2] for key in keys] for keys in (batch.source_key, batch.target_key)]
    if pairing == "domains":
        assert {*sides[0]} == {"a/"}
        assert {*sides[1]} == {"b/"}
    else:
        assert all((x == y) == (pairing == "within") for x, y in zip(*sides, strict=True))
    assert batch.paired.tolist() == [pairing == "within" and key == "a/" for key in sides[1]]


def test_an_epoch_holds_every_pair_of_every_part_once(mixture):
    data = mixture(batch_size=1)
    data.setup("fit")
    batches = list(data.train_dataloader())
    pairs = [(b.source_key[0], b.target_key[0]) for b in batches]
    assert len({pair for pair in pairs if pair[0].startswith("a/")}) == 20
    assert len({target for _, target in pairs if target.startswith("b/")}) == len(pairs) - 20 > 5
    first = [source[:2] for source, _ in pairs]
    assert first != sorted(first), "the parts are mixed"


def test_weights_say_how_much_is_of_each_part_and_nothing_comes_again_before_all_have_come(mixture):
    data = mixture(batch_size=1, weights={"a": 1, "b": 4})
    data.setup("fit")
    length = len(data.datasets["train"].parts["b"])
    batches = through(data, epochs=2)
    targets = [batch.target_key[0] for batch in batches]
    shares = Counter(target[:2] for target in targets)
    assert shares["b/"] == pytest.approx(4 * shares["a/"], abs=5)
    seen = Counter(target for target in targets if target.startswith("b/"))
    assert len(seen) == length
    assert max(seen.values()) - min(seen.values()) <= 1
    again = [batch for batch in batches if batch.target_key[0] == next(iter(seen))]
    assert not all(batch.target.equal(again[0].target) for batch in again), "each time framed in another way"


@pytest.mark.parametrize(("pairing", "workers"), [("within", 0), ("within", 2), ("across", 0), ("domains", 2)])
def test_a_mixture_goes_on_exactly(mixture, pairing, workers):
    whole = mixture(pairing=pairing)
    whole.setup("fit")
    expected = through(whole)
    cut, resumed = (mixture(pairing=pairing, num_workers=workers) for _ in range(2))
    for data in (cut, resumed):
        data.setup("fit")
    first, second = cut.train_dataloader(), resumed.train_dataloader()
    seen = [cut.finished(raw) for raw in itertools.islice((raw for _ in range(3) for raw in first), 9)]
    second.load_state_dict(first.state_dict())
    rest = [
        resumed.finished(raw) for raw in itertools.islice((raw for _ in range(3) for raw in second), len(expected) - 9)
    ]
    assert all(same(a, b) for a, b in zip(expected, [*seen, *rest], strict=True))


def test_each_process_takes_its_own_part_of_a_mixture(mixture):
    def keys(rank):
        data = mixture(batch_size=2)
        data.trainer = SimpleNamespace(world_size=2, global_rank=rank, num_devices=2)
        data.setup("fit")
        return [key for raw in data.train_dataloader() for key in zip(raw.source_key, raw.target_key, strict=True)]

    parts = [keys(rank) for rank in range(2)]
    assert len(parts[0]) == len(parts[1])
    assert not {*parts[0]} & {*parts[1]}


def test_evaluation_takes_each_part_in_turn_and_limits_hold_for_all_together(mixture):
    data = mixture(limit_pairs={"train": 6, "val": 4, "test": 4})
    data.setup(None)
    assert len(data.datasets["train"]) == 6
    keys = [key[:2] for key in keys_of(data.test_dataloader())]
    assert keys == sorted(keys)
    assert len(keys) == 4
    assert {*keys} == {"a/", "b/"}


@pytest.mark.parametrize("pairing", ["within", "across", "domains"])
def test_examples_are_of_all_parts_and_always_the_same(mixture, pairing):
    data = mixture(pairing=pairing)
    data.setup("fit")
    batch = data.examples("val", 3)
    assert batch.size == 3
    assert {key[:2] for key in batch.source_key + batch.target_key} == {"a/", "b/"}
    assert same(batch, data.examples("val", 3))


def test_parts_that_show_their_structure_themselves_meet_others_that_have_pictures_of_it(
    mixture, market, folders, tmp_path
):
    for number in range(4):
        paint(tmp_path / "l" / f"{number}.png", number, size=(40, 20))
        paint(tmp_path / "r" / f"{number}.png", number + 9, size=(40, 20))
    aligned = folders(**SIZE, layout="same_names", folder_x="l", folder_y="r", pairing="domains")
    data = mixture(parts={"a": market(**SIZE, limit_pairs={"train": 4}), "b": aligned})
    keeps_contract(first_batch(data), 3, 32, 16)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"parts": {}}, "needs two parts or more"),
        ({"height": 30, "load_height": 30}, r"data\.parts\.a has height=32.* add data\.parts\.a\.height=30"),
        ({"weights": {"a": 1, "bb": 2}}, "Did you mean 'b'"),
        ({"weights": {"a": 1}}, "greater than 0 for every part, such as b: 1"),
        ({"weights": {"a": 1, "b": 1}, "pairing": "domains"}, r"set data\.weights=null"),
    ],
)
def test_parts_that_cannot_be_together_are_refused(mixture, changes, sentence):
    with pytest.raises(BadInput, match=sentence):
        mixture(**changes)


def test_structures_of_other_channels_are_refused(market, celebahq):
    settings = {"height": 48, "width": 48, "structure": "labels", "classes": 5}
    with pytest.raises(BadInput, match=r"of 19 channels, the mixture of 5: set data\.structure to image or edges"):
        Mixture(**settings, parts={"a": celebahq(), "b": celebahq()})


def test_a_misspelt_setting_of_a_part_is_found():
    with pytest.raises(BadInput, match=r"data\.parts\.a\.flop is not a setting .* Did you mean 'flip'"):
        composed("model=swapae", "data=mixture", "+data.parts.a.flop=1")


def test_a_users_picture_of_other_proportions_comes_back_as_it_was(mixture, tmp_path):
    data = mixture()
    photo = tmp_path / "photo.png"
    Image.linear_gradient("L").resize((90, 100)).convert("RGB").save(photo)
    batch = data.batch_from_files([photo], [photo])
    back = data.as_given(batch.source[0], photo)
    original = torch.from_numpy(np.array(Image.open(photo))).permute(2, 0, 1) / 127.5 - 1
    assert back.shape == original.shape
    assert (back - original).abs().mean() < 0.05, "without its padding"
    assert torch.equal(data.placed(photo, "picture"), batch.source[0])

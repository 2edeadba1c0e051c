"""The images of a split by themselves: each once, whole, as batches have them, for every dataset and any share of processes."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.bad_input import BadInput
from datamodules.market1501 import Market1501
from datamodules.mixture import Mixture
from datamodules.translation import TranslationDataModule
from tests.datamodules.conftest import paint

SIZE = {"height": 32, "width": 16}


def seen(data: TranslationDataModule, split: str = "train", rank: int = 0, world_size: int = 1) -> torch.Tensor:
    """All pictures of a split as one tensor (N, 3, H, W)."""
    return torch.cat(list(data.pictures(split, rank, world_size)))


def expected(data: TranslationDataModule, split: str = "train") -> torch.Tensor:
    """The same, one file after the other, by the framing of evaluation."""
    table = data.index(split)
    pixels = [data._whole().picture(table.read_picture(row)) for row in range(len(table))]
    return torch.stack(pixels).float() / 127.5 - 1


def test_every_image_of_the_training_split_comes_once_whole_and_unmirrored_without_setting_it_up(market):
    data = market(**SIZE, load_height=40, load_width=20, flip=1.0, eval_batch_size=5, limit_pairs={"train": 2})
    found = list(data.pictures("train"))
    assert {len(batch) for batch in found[:-1]} == {5}
    torch.testing.assert_close(torch.cat(found), expected(data))
    assert data.datasets == {}


def test_what_is_set_up_is_not_looked_for_again(market, monkeypatch):
    data = market(**SIZE)
    data.setup("fit")
    wanted = expected(data)
    monkeypatch.setattr(Market1501, "index", None)
    assert seen(data).equal(wanted)


def test_processes_share_the_images_and_workers_change_nothing(market):
    alone = seen(market(**SIZE))
    data = market(**SIZE, num_workers=2)
    shares = [seen(data, rank=rank, world_size=3) for rank in range(3)]
    assert all(share.equal(alone[rank::3]) for rank, share in enumerate(shares))


@pytest.mark.parametrize("load", [{}, {"load_height": 40, "load_width": 20}])
def test_a_packed_store_gives_the_same_where_it_has_this_size(market, tmp_path, load, monkeypatch):
    packed = market(**SIZE, **load, cache="packed", cache_dir=str(tmp_path))
    packed.setup("fit")
    assert seen(packed).equal(seen(market(**SIZE)))
    if not load:
        packed.datasets["train"].store.places[:] = 0
        first = seen(packed)
        assert all(picture.equal(first[0]) for picture in first), "the store is read, not the files"


def test_exemplars_from_another_split_are_not_of_this_one(celebahq):
    data = celebahq(pairing="reference")
    table = data.index("val")
    assert 0 < table.own.sum() < len(table), "the replica's validation faces have exemplars of training"
    assert len(seen(data, "val")) == table.own.sum()


def test_with_domains_they_are_those_of_the_domain_that_is_translated_to(folders, tmp_path):
    for number in range(6):
        paint(tmp_path / "x" / f"{number}.png", number)
        paint(tmp_path / "y" / f"{number}.png", 40 + number)
    data = folders(folder_y="y")
    table = data.index("train")
    chosen = np.flatnonzero(table.domain == data.target_domain)
    assert 0 < len(chosen) < len(table)
    assert seen(data).equal(expected(data)[chosen])


@pytest.mark.parametrize(("pairing", "parts"), [("within", "ab"), ("across", "ab"), ("domains", "b")])
def test_those_of_a_mixture_are_those_of_its_parts(market, folders, tmp_path, pairing, parts):
    for number in range(6):
        paint(tmp_path / "x" / f"{number}.png", number)
    settings = {**SIZE, "structure": "image"}
    built = {"a": market(**settings), "b": folders(**settings, pairing="self")}
    data = Mixture(**settings, parts=built, pairing=pairing, batch_size=4, num_workers=0)
    assert seen(data).equal(torch.cat([expected(built[name]) for name in parts]))


def test_an_image_that_is_damaged_in_the_middle_is_passed_over_and_named(market, market_copy: Path, caplog):
    data = market(**SIZE, root=str(market_copy))
    path = Path(data.index("train").path(3))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[2:middle] = bytes(middle - 2)  # the end that the look at every file finds stays whole
    path.write_bytes(content)
    data.max_bad_fraction = 1.0
    with caplog.at_level(logging.WARNING):
        found = seen(data)
    assert len(found) == len(data.index("train")) - 1
    assert path.name in caplog.text


def test_a_split_without_images_is_refused(folders, tmp_path):
    paint(tmp_path / "x" / "1.png")
    with pytest.raises(BadInput, match="the val split has no images"):
        next(iter(folders(pairing="self", val_fraction=0.0).pictures("val")))

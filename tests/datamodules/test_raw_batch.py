"""What travels from the workers: bytes, and every tensor of it to the same place."""

import pytest
import torch

from datamodules.bad_input import BadInput
from datamodules.raw_batch import RawBatch


def item(number):
    return {
        "source": torch.full((3, 4, 2), number, dtype=torch.uint8),
        "target": torch.full((3, 4, 2), number + 100, dtype=torch.uint8),
        "source_annotation": None,
        "target_annotation": torch.full((18, 3), float(number)),
        "paired": number == 1,
        "source_key": f"{number}.jpg",
        "target_key": f"{number}.png",
        "truth": {"target_silhouette": torch.ones(1, 4, 2, dtype=torch.uint8)},
    }


def test_items_are_put_together():
    raw = RawBatch.collated([item(0), item(1)])
    assert raw.source.shape == (2, 3, 4, 2)
    assert raw.source_annotation is None
    assert raw.target_annotation[1].eq(1).all()
    assert raw.paired.tolist() == [False, True]
    assert raw.source_key == ["0.jpg", "1.jpg"]
    assert raw.truth["target_silhouette"].shape == (2, 1, 4, 2)


def test_an_item_that_could_not_be_read_stands_for_all():
    error = BadInput("a.jpg is damaged")
    assert RawBatch.collated([item(0), error]) is error


@pytest.mark.parametrize("how", ["to", "pin_memory"])
def test_every_tensor_goes_along(how, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(1) or tensor.to("meta"))
    raw = RawBatch.collated([item(0), item(1)])
    moved = raw.to("meta") if how == "to" else raw.pin_memory()
    tensors = [moved.source, moved.target, moved.target_annotation, moved.paired, moved.truth["target_silhouette"]]
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert moved.source_key == raw.source_key

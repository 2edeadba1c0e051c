"""A checkpoint is read without executing anything from it, and says itself what it is."""

from __future__ import annotations

import os

import pytest
import torch

from datamodules.bad_input import BadInput
from engine.checkpoint import load_weights, read
from lightning_modules.translator import Translator


class Small(Translator):
    """One network of a given width."""

    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.generator = torch.nn.Linear(width, width)

    def image_networks(self):
        return {"generator": self.generator}


def saved(path, **more):
    translator = Small()
    torch.save({"state_dict": translator.state_dict(), "config": {"seed": 0}, **more}, path)
    return translator


def test_a_checkpoint_gives_back_its_config_and_weights(tmp_path):
    original = saved(tmp_path / "a.ckpt")
    checkpoint = read(tmp_path / "a.ckpt")
    assert checkpoint["config"] == {"seed": 0}
    other = Small()
    load_weights(other, checkpoint)
    assert torch.equal(other.generator.weight, original.generator.weight)


def test_averaged_networks_are_used_unless_told_otherwise(tmp_path):
    averaged = {"weight": torch.full((2, 2), 7.0), "bias": torch.zeros(2)}
    original = saved(tmp_path / "a.ckpt", ema={"generator": averaged})
    checkpoint = read(tmp_path / "a.ckpt")
    translator = Small()
    load_weights(translator, checkpoint)
    assert torch.equal(translator.generator.weight, averaged["weight"])
    load_weights(translator, checkpoint, averaged=False)
    assert torch.equal(translator.generator.weight, original.generator.weight)


class Hostile:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_a_file_that_would_execute_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "config": {}, "more": Hostile()}, tmp_path / "hostile.ckpt")
    with pytest.raises(BadInput, match="would have to execute code"):
        read(tmp_path / "hostile.ckpt")
    assert not (tmp_path / "executed").exists()


def test_what_is_no_checkpoint_is_said_in_a_sentence(tmp_path):
    (tmp_path / "text.ckpt").write_text("no weights here")
    saved(tmp_path / "whole.ckpt")
    (tmp_path / "cut.ckpt").write_bytes((tmp_path / "whole.ckpt").read_bytes()[:-200])
    torch.save({"model.0.weight": torch.zeros(1)}, tmp_path / "bare.ckpt")
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for name, sentence in {
        "absent.ckpt": "no such checkpoint",
        "text.ckpt": "is no checkpoint, or was cut off",
        "cut.ckpt": "is no checkpoint, or was cut off",
        "bare.ckpt": "not a checkpoint of this project",
        "run": "is a run's folder",
    }.items():
        with pytest.raises(BadInput, match=sentence):
            read(tmp_path / name)


def test_weights_of_another_width_are_refused_and_named(tmp_path):
    saved(tmp_path / "a.ckpt")
    with pytest.raises(BadInput, match=r"generator.weight is \(2, 2\) and should be \(3, 3\)"):
        load_weights(Small(width=3), read(tmp_path / "a.ckpt"))

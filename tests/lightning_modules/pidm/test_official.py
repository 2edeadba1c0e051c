"""The published checkpoint: every entry accounted for, its pickled objects never built, hostile files refused."""

from __future__ import annotations

import collections
import json
import os
import pathlib
import subprocess
import sys
import types

import pytest
import torch

from datamodules.bad_input import BadInput
from engine import checkpoint as checkpoints
from engine.applying import rebuild
from lightning_modules.pidm import official, untrusted
from tests.lightning_modules.pidm.networks import awake, conditions

WORDS = {
    "image_size": 32,
    "in_channels": 23,
    "model_channels": 8,
    "num_res_blocks": 1,
    "embed_channels": 16,
    "attention_resolutions": [16, 8],
    "channel_mult": [1, 2, 2],
}


def published(path: pathlib.Path, state: dict, **more) -> pathlib.Path:
    """A file in the form of the published one."""
    torch.save({"model": state, "ema": state, "optimizer": {"state": {}, "param_groups": []}, **more}, path)
    return path


def network():
    return awake(official.network(WORDS))


def config_object() -> object:
    """An instance of a class that does not exist where the file is read, as the published configuration is."""
    module = types.ModuleType("tensorfn_of_others")
    kind = type("DiffusionConfig", (dict,), {"__module__": module.__name__})
    module.DiffusionConfig = kind
    sys.modules[module.__name__] = module
    made = kind(lr=2e-5)
    made.where = pathlib.PurePosixPath("checkpoints")
    return made


class Attack:
    """Runs a function when it is unpickled."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def test_a_state_dict_survives_the_way_there_and_back():
    original, copy = network(), official.network(WORDS)
    report = official.load_state(copy, official.to_official(original))
    assert len(report.loaded) == len(original.state_dict())
    for name, value in original.state_dict().items():
        assert torch.equal(copy.state_dict()[name], value), name


def test_all_852_published_entries_are_accounted_for(golden_dir):
    spec = json.loads((golden_dir / "pidm_full.json").read_text())
    with torch.device("meta"):
        made = official.network(spec["config"])
        state = {name: torch.empty(shape) for name, shape in spec["state"].items()}
        report = official.load_state(made, state)
    assert len(report.loaded) + len(report.dead) == len(state) == 852
    assert sorted(report.dead) == sorted(spec["never_used_in_forward"])
    assert sum(p.numel() for p in made.parameters()) == 162_374_406


def test_a_state_dict_tells_its_network():
    assert official.told_by(official.to_official(network())) == {
        name: value
        for name, value in official.arguments(WORDS).items()
        if name not in ("dropout", "checkpointing", "heads", "mix", "patch")
    }


def test_what_is_missing_left_over_or_of_another_shape_is_listed_and_nothing_is_loaded():
    state = official.to_official(network())
    state.pop("out.2.bias")
    state["input_blocks.99.0.weight"] = torch.zeros(1)
    state["input_blocks.0.0.bias"] = torch.zeros(3)
    fresh = official.network(WORDS)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    with pytest.raises(BadInput) as refused:
        official.load_state(fresh, state, "last.pt")
    for words in (
        "last.pt",
        "missing out.2.bias",
        "left over input_blocks.99.0.weight",
        "input_blocks.0.0.bias is [3]",
    ):
        assert words in str(refused.value)
    assert all(torch.equal(before[name], value) for name, value in fresh.state_dict().items())


@pytest.mark.parametrize("word", [{"num_heads": 4}, {"dims": 3}, {"resblock_updown": False}])
def test_words_of_networks_that_ours_is_not_are_refused(word):
    with pytest.raises(BadInput, match=next(iter(word))):
        official.arguments({**WORDS, **word})


def test_objects_of_unknown_classes_are_inert(tmp_path):
    state = official.to_official(network())
    file = published(tmp_path / "last.pt", state, conf=config_object())
    sys.modules.pop("tensorfn_of_others")
    contents = untrusted.read(file)
    assert isinstance(contents["conf"], untrusted.Inert)
    assert official.read(file).keys() == state.keys()
    assert "tensorfn_of_others" not in sys.modules


@pytest.mark.parametrize(
    "attack",
    [
        Attack(os.system, "touch {mark}"),
        Attack(subprocess.check_call, ["touch", "{mark}"]),
        Attack(eval, "open({mark!r}, 'w')"),
        Attack(exec, "open({mark!r}, 'w')"),
        Attack(os.getenv, "HOME"),
        Attack(__import__, "os"),
        Attack(torch.load, "{mark}"),
        Attack(torch.hub.load, "{mark}", "model"),
    ],
    ids=["os.system", "subprocess", "eval", "exec", "os.getenv", "import", "torch.load", "torch.hub"],
)
def test_a_hostile_file_is_refused_and_never_run(attack, tmp_path):
    mark = tmp_path / "executed"

    def filled(value):
        if isinstance(value, list):
            return [filled(item) for item in value]
        return (
            value.replace("{mark!r}", repr(str(mark))).replace("{mark}", str(mark)) if isinstance(value, str) else value
        )

    function, arguments = attack.call
    hostile = Attack(function, *map(filled, arguments))
    file = published(tmp_path / "last.pt", official.to_official(network()), conf=hostile)
    with pytest.raises(BadInput, match="no honest checkpoint"):
        official.read(file)
    assert not mark.exists()


@pytest.mark.parametrize("contents", [{"model": {}}, [1, 2], {"ema": {"a": 1}}, {"ema": 3}])
def test_files_of_another_form_are_refused_in_a_sentence(contents, tmp_path):
    torch.save(contents, tmp_path / "last.pt")
    with pytest.raises(BadInput, match="ema"):
        official.read(tmp_path / "last.pt")


def test_damaged_and_missing_files_are_refused_in_a_sentence(tmp_path):
    file = published(tmp_path / "last.pt", official.to_official(network()))
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(BadInput, match="cut off"):
        official.read(file)
    with pytest.raises(BadInput, match="no such file"):
        official.read(tmp_path / "none.pt")


def test_a_published_file_becomes_a_checkpoint_that_makes_the_same_predictions(tmp_path, capsys):
    made = network()
    state = {**official.to_official(made), "middle_block.1.qkv.bias": torch.zeros(48)}
    file = published(tmp_path / "last.pt", collections.OrderedDict(state))
    out = tmp_path / "pidm.ckpt"
    words = [str(file), str(out), "--data", "market1501", "--set", "data.height=32", "data.width=16"]
    with pytest.raises(SystemExit) as ended:
        official.main(words)
    assert ended.value.code == 0
    assert "1 without effect left out" in capsys.readouterr().out
    assert checkpoints.read(out)["config"]["model"]["drop"]
    translator, _, _ = rebuild(str(out), None, None, 0, averaged=True)
    noisy, t, structure, source = conditions(channels=20, height=32, width=16)
    with torch.no_grad():
        made.eval()
        expected = made(noisy, t, structure, made.texture(source))
        found = translator.network(noisy, t, structure, translator.network.texture(source))
    torch.testing.assert_close(found, expected)
    with pytest.raises(SystemExit, match="exists already"):
        official.main(words)

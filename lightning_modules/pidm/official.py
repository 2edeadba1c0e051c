"""The published PIDM checkpoint (ankanbhunia/PIDM), by its words and names -> ours.

A published file is a dict: `model` and `ema` (state dicts with the same 852 names; images are made with `ema`), `scheduler`,
`optimizer`, and `conf`, a pickled object of a configuration library. The object is never built: whatever in the file is
neither a tensor nor a plain container is read as an inert stand-in, and a file that names functions of the standard library
instead, as no honest configuration does, is refused.

    python -m lightning_modules.pidm.official last.pt pidm.ckpt

(or `python -m engine.adopt pidm pidm.ckpt last.pt`) writes a checkpoint that evaluate.py and translate.py take.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from datamodules.bad_input import BadInput, exits_with_one_sentence
from lightning_modules.pidm import untrusted
from lightning_modules.pidm.network import Network

OFFICIAL_CHANNELS = 3
"""Of the noisy image, which come before those of the structure."""

# Official words -> arguments of our network

DEFAULTS: dict[str, Any] = {
    "image_size": 256,
    "in_channels": 23,
    "model_channels": 128,
    "out_channels": 6,
    "num_res_blocks": 2,
    "embed_channels": 512,
    "attention_resolutions": [32, 16, 8],
    "dropout": 0.1,
    "channel_mult": [1, 1, 2, 2, 4, 4],
    "num_heads": 1,
    "use_checkpoint": False,
}
"""The released DeepFashion model's."""
FIXED: dict[str, tuple[Any, ...]] = {
    "num_input_res_blocks": (None,),
    "time_embed_channels": (None,),
    "input_channel_mult": (None,),
    "conv_resample": (True,),
    "dims": (2,),
    "num_classes": (None,),
    "num_heads": (1,),  # with more, the official code mixes queries, keys and values up
    "resblock_updown": (True,),
    "resnet_use_zero_module": (True, False),  # how weights start: a loaded network does not show it
}
"""Words that could make another network, with the values that ours has. All others are without effect there."""


def arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `Network` for official words (BeatGANsAutoencConfig); words that are not given are the released model's.

    Raises:
        BadInput: a word has a value that makes a network which ours is not.
    """
    for word, values in FIXED.items():
        if word in config and config[word] not in values:
            raise BadInput(f"{word}={config[word]!r} makes a network that is not supported; only {values[0]!r} is")
    words = {**DEFAULTS, **config}
    size, levels = words["image_size"], len(words["channel_mult"])
    reached = {size // 2**level: 2**level for level in range(levels)}
    return {
        "structure_channels": words["in_channels"] - OFFICIAL_CHANNELS,
        "out_channels": words["out_channels"],
        "channels": words["model_channels"],
        "multipliers": list(words["channel_mult"]),
        "blocks": words["num_res_blocks"],
        "embedding_channels": words["embed_channels"],
        "attention_strides": sorted(reached[side] for side in words["attention_resolutions"] if side in reached),
        "dropout": words["dropout"],
        "checkpointing": words["use_checkpoint"],
    }


def network(config: Mapping[str, Any]) -> Network:
    """Our network of a set of official words, untrained."""
    return Network(**arguments(config))


RELEASED = (
    "model.drop.preset=official",
    "model.guidance.mode=source",
    "model.guidance.style=2",
    "model.sampler.name=ddim",
    "model.sampler.steps=100",
    "model.sampler.spacing=official",
)
"""How the released model was trained and how its published images were made, as settings of ours."""


# Our names -> official names

RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "embedding": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "skip": "skip_connection",
}
MIXING = {"norm": "norm", "to_query": "to_q", "to_key_and_value": "to_kv", "out": "proj_out2"}
WHOLE = {
    "predictor.time.first": "time_embed.time_embed.0",
    "predictor.time.second": "time_embed.time_embed.2",
    "predictor.stem": "input_blocks.0.0",
    "predictor.norm": "out.0",
    "predictor.head": "out.2",
    "texture_encoder.stem": "encoder.input_blocks.0.0",
}
DEAD = re.compile(r"encoder\.time_embed\..*|encoder\..*\.emb_layers\..*|.*\.(cond_emb_layers|qkv|proj_out1)\..*")
"""Entries that nothing reads in the official forward pass; ours leaves them out."""


def official_name(name: str) -> str:
    """The official name of an entry of `Network`."""
    module, _, entry = name.rpartition(".")
    if module in WHOLE:
        return f"{WHOLE[module]}.{entry}"
    found = re.fullmatch(r"texture_encoder\.blocks\.(\d+)\.(\w+)", module)
    if found:
        return f"encoder.input_blocks.{int(found[1]) + 1}.0.{RESIDUAL[found[2]]}.{entry}"
    found = re.fullmatch(r"predictor\.(down|middle|up)\.(\d+)\.(residual|mixing|upsample)\.(\w+)", module)
    if not found:
        raise BadInput(f"{name} has no counterpart in the official code: model.mix must be attention, model.patch 1")
    side, number, part, layer = found[1], int(found[2]), found[3], found[4]
    inner = (MIXING if part == "mixing" else RESIDUAL)[layer]
    if side == "middle":  # block, attention, block
        where = f"middle_block.{1 if part == 'mixing' else 2 * number}"
    else:
        block = f"input_blocks.{number + 1}" if side == "down" else f"output_blocks.{number}"
        where = f"{block}.{0 if part == 'residual' else 1}"
    return f"{where}.{inner}.{entry}"


def to_official(network: Network) -> dict[str, Tensor]:
    """The entries of a network under their official names, in their official shapes (attention layers as convolutions)."""
    state = {}
    for name, value in network.state_dict().items():
        is_linear_of_mixing = ".mixing." in name and value.ndim == 2
        state[official_name(name)] = value[..., None] if is_linear_of_mixing else value
    return state


# Loading


@dataclass
class Report:
    """What became of every entry of an official state dict."""

    source: str
    loaded: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    """Entries without effect in the official code."""

    def __str__(self) -> str:
        return f"{self.source}: {len(self.loaded)} entries loaded, {len(self.dead)} without effect left out"


def load_state(network: Network, state: Mapping[str, Tensor], source: str = "The given state dict") -> Report:
    """Take over an official state dict, to the last entry.

    Raises:
        BadInput: entries are missing, left over or of another shape; lists them. Nothing is loaded then.
    """
    report = Report(source)
    expected = to_official(network)
    names = {official_name(name): name for name in network.state_dict()}
    missing = [name for name in expected if name not in state]
    left_over = [name for name in state if name not in expected and not DEAD.fullmatch(name)]
    shapes = [
        f"{name} is {list(state[name].shape)} and should be {list(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    faults = [f"missing {_some(missing)}"] * bool(missing) + [f"left over {_some(left_over)}"] * bool(left_over)
    faults += [_some(shapes)] * bool(shapes)
    if faults:
        raise BadInput(f"{source} does not fit this PIDM: {'; '.join(faults)}")
    ours = {}
    own = network.state_dict()
    for name, value in state.items():
        if name in expected:
            ours[names[name]] = value.reshape(own[names[name]].shape)
            report.loaded.append(name)
        else:
            report.dead.append(name)
    network.load_state_dict(ours)
    return report


def _some(names: Sequence[str], count: int = 4) -> str:
    shown = ", ".join(names[:count])
    return shown if len(names) <= count else f"{shown} and {len(names) - count} more"


def told_by(state: Mapping[str, Tensor], source: str = "The given state dict") -> dict[str, Any]:
    """Arguments of `Network` that the names and shapes of an official state dict tell (all but the dropout).

    Raises:
        BadInput: it is not of a PIDM.
    """
    needed = (
        "input_blocks.0.0.weight",
        "out.2.weight",
        "time_embed.time_embed.0.weight",
        "encoder.input_blocks.0.0.weight",
    )
    absent = [name for name in needed if name not in state]
    if absent:
        raise BadInput(f"{source} is not the state dict of a PIDM: it has no {absent[0]}")
    channels, in_channels = state["input_blocks.0.0.weight"].shape[:2]
    numbers = {int(found[1]) for name in state if (found := re.match(r"input_blocks\.(\d+)\.", name))}
    halving = _doubling_outputs(state)
    blocks = min(halving, default=max(numbers))
    levels = len(halving) + 1
    rows = [1 + level * (blocks + 1) for level in range(levels)]  # the first block of each level
    widths = [state[f"input_blocks.{row + blocks - 1}.0.out_layers.3.weight"].shape[0] for row in rows]
    attending = {
        int(found[1]) for name in state if (found := re.fullmatch(r"input_blocks\.(\d+)\.1\.to_q\.weight", name))
    }
    return {
        "structure_channels": in_channels - OFFICIAL_CHANNELS,
        "out_channels": state["out.2.weight"].shape[0],
        "channels": channels,
        "multipliers": [width // channels for width in widths],
        "blocks": blocks,
        "embedding_channels": state["time_embed.time_embed.0.weight"].shape[0],
        "attention_strides": [2**level for level, row in enumerate(rows) if row + blocks - 1 in attending],
    }


def _doubling_outputs(state: Mapping[str, Tensor]) -> set[int]:
    """The numbers of the upward blocks after which the size doubles; as they count from 0, the first is a level's blocks."""
    pattern = re.compile(r"output_blocks\.(\d+)\.\d+\.in_layers\.0\.weight")
    found = [int(match[1]) for name in state if (match := pattern.fullmatch(name))]
    return {number for number in found if found.count(number) > 1}


# A published file as a checkpoint of ours


def read(path: str | Path) -> dict[str, Tensor]:
    """The averaged networks, `ema`, of a published file. Nothing in the file is executed.

    Raises:
        BadInput: it cannot be read, is refused (see `untrusted.read`), or holds no such networks.
    """
    contents = untrusted.read(path)
    state = contents.get("ema") if isinstance(contents, Mapping) else None
    if not isinstance(state, Mapping):
        held = f"holds {', '.join(map(str, contents))}" if isinstance(contents, Mapping) else "is no dict"
        raise BadInput(
            f"{path} is no published PIDM checkpoint, which has the averaged networks under 'ema': it {held}"
        )
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()):
        raise BadInput(f"{path}: what stands under 'ema' is not a state dict of tensors")
    return {name.removeprefix("module."): value.detach().clone() for name, value in state.items()}


Networks = Mapping[str, "str | Path | Mapping[str, Tensor]"]
NETWORKS = {"ema": "network"}
"""The part of a published file that makes images -> attribute of `PIDM` (see engine/adopt.py)."""


def _state(networks: Networks) -> tuple[Mapping[str, Tensor], str]:
    """The state dict, and its name in sentences."""
    given = networks["ema"]
    return (read(given), str(given)) if isinstance(given, str | Path) else (given, "The given state dict")


def settings_told_by(networks: Networks) -> list[str]:
    """The data of the published model, and how its images were made."""
    return ["data=deepfashion", "data.structure=pose_map", "data.height=256", "data.width=256", *RELEASED]


def arguments_told_by(networks: Networks) -> dict[str, Any]:
    """Arguments of `PIDM` that the entries of the published networks tell.

    Raises:
        BadInput: a file that cannot be read, or is of no PIDM.
    """
    told = told_by(*_state(networks))
    learned = told.pop("out_channels") == 2 * OFFICIAL_CHANNELS
    del told["structure_channels"]  # the data's; see load_into
    return {**told, "diffusion.learned_variance": learned}


def load_into(module: Any, networks: Networks) -> list[Report]:
    """Take over the published networks into a `PIDM`.

    Raises:
        BadInput: the data has structures of other channels, or the state dict does not fit to the last entry.
    """
    state, source = _state(networks)
    channels, here = told_by(state, source)["structure_channels"], module.network.predictor.stem.in_channels
    if here - OFFICIAL_CHANNELS != channels:
        raise BadInput(
            f"{source} takes structures of {channels} channels, but those of the data have {here - OFFICIAL_CHANNELS}: set "
            f"data.structure"
        )
    return [load_state(module.network, state, source)]


@exits_with_one_sentence
def main(arguments: Sequence[str] | None = None) -> None:
    """python -m lightning_modules.pidm.official FILE OUT: the published checkpoint as one of ours."""
    # A command: it stands above the engine. Nothing else here knows of it.
    from engine.adopt import adopted, save

    parser = argparse.ArgumentParser(prog="python -m lightning_modules.pidm.official", description=main.__doc__)
    parser.add_argument("file", type=Path, help="such as last.pt")
    parser.add_argument("out", type=Path, help="such as pidm.ckpt")
    parser.add_argument("--data", default="deepfashion", help="the dataset to evaluate on (conf/data)")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings, such as data.height=64")
    given = parser.parse_args(arguments)
    if given.out.exists():
        raise BadInput(f"{given.out} exists already: choose another name")
    checkpoint, reports = adopted("pidm", {"ema": given.file}, [f"data={given.data}", *given.set])
    save(checkpoint, given.out)
    print(
        f"{reports[0]}\n{given.out} is written: python translate.py ckpt={given.out} source=... structure=... out=..."
    )


if __name__ == "__main__":
    main()

"""Models of taesungp/swapping-autoencoder-pytorch, by its words and names -> ours.

A published checkpoint is one flat state dict: `E.`, `G.`, `D.` and `Dpatch.` (encoder, generator, two discriminators), a
counter, and blur kernels that are constants. It holds no averaged weights, no optimiser state and no options, so what it was
built with is read off its shapes.
"""

from __future__ import annotations

import argparse
import math
import pickle
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from datamodules.bad_input import BadInput, exits_with_one_sentence
from lightning_modules.blocks.fir_resample import Resample
from lightning_modules.swapae.discriminator import Discriminator
from lightning_modules.swapae.encoder import Encoder
from lightning_modules.swapae.generator import Generator
from lightning_modules.swapae.patch_discriminator import PatchDiscriminator

KINDS: dict[str, type[nn.Module]] = {
    "E": Encoder,
    "G": Generator,
    "D": Discriminator,
    "Dpatch": PatchDiscriminator,
}
"""Prefix of the entries -> network."""
OURS = {"E": "encoder", "G": "generator", "D": "discriminator", "Dpatch": "patch_discriminator"}
"""Prefix of the entries -> the module's name for it."""
COUNTER = "num_discriminator_iters"


# Official words -> our networks

DEFAULTS: dict[str, Any] = {
    "crop_size": 256,
    "use_antialias": True,
    "num_classes": 0,
    "spatial_code_ch": 8,
    "global_code_ch": 2048,
    "netE_num_downsampling_sp": 4,
    "netE_num_downsampling_gl": 2,
    "netE_scale_capacity": 1.0,
    "netE_nc_steepness": 2.0,
    "netG_scale_capacity": 1.0,
    "netG_num_base_resnet_layers": 2,
    "netG_use_noise": True,
    "netD_scale_capacity": 1.0,
    "netPatchD_scale_capacity": 4.0,
    "netPatchD_max_nc": 384,
    "patch_size": 128,
    "patch_use_aggregation": True,
}
"""The official options that make networks."""

RELEASED: dict[str, dict[str, Any]] = {
    "church, bedroom or AFHQ at 256": {},
    "FFHQ or mountain at 512": {"crop_size": 512},
    "FFHQ at 1024": {
        "crop_size": 768,
        "global_code_ch": 1536,
        "netE_num_downsampling_sp": 5,
        "netE_scale_capacity": 0.4,
        "netG_scale_capacity": 0.8,
        "patch_size": 256,
    },
}
"""The options of the published models, where they are not the defaults."""


def settings(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Arguments of our four networks, by their prefix, for official options; options that make no network are ignored.

    Raises:
        BadInput: networks without blur, which no published model has.
    """
    words = {**DEFAULTS, **options}
    if not words["use_antialias"]:
        raise BadInput("use_antialias=False (networks without blur) is not supported; no published model has it")
    return {
        "E": {
            "content_channels": words["spatial_code_ch"],
            "style_channels": words["global_code_ch"],
            "content_downsamplings": words["netE_num_downsampling_sp"],
            "style_downsamplings": words["netE_num_downsampling_gl"],
            "capacity": words["netE_scale_capacity"],
            "steepness": words["netE_nc_steepness"],
        },
        "G": {
            "content_channels": words["spatial_code_ch"],
            "style_channels": words["global_code_ch"] + words["num_classes"],
            "upsamplings": words["netE_num_downsampling_sp"],
            "capacity": words["netG_scale_capacity"],
            "head_blocks": words["netG_num_base_resnet_layers"],
            "noise": words["netG_use_noise"],
        },
        "D": {
            "height": words["crop_size"],
            "width": words["crop_size"],
            "capacity": words["netD_scale_capacity"],
        },
        "Dpatch": {
            "patch_size": words["patch_size"],
            "capacity": words["netPatchD_scale_capacity"],
            "max_channels": words["netPatchD_max_nc"],
            "average_references": words["patch_use_aggregation"],
        },
    }


def network(prefix: str, options: Mapping[str, Any]) -> nn.Module:
    """One of the four networks, untrained."""
    return KINDS[prefix](**settings(options)[prefix])


def networks(options: Mapping[str, Any]) -> dict[str, nn.Module]:
    """All four networks of a set of official options, by their prefix."""
    return {prefix: network(prefix, options) for prefix in KINDS}


# Our names -> official names

LAYER = {"conv.weight": "Conv.weight", "conv.bias": "Conv.bias", "activation.bias": "Act.bias"}
"""Entries of a convolution layer."""


def _block_name(level: int, standard: int) -> str:
    """What the discriminators call the block that works at size 2**level: numbered up to `standard`, else by its size."""
    return str(standard + 1 - level) if level <= standard else f"{2**level}x{2**level}"


def official_name(network: nn.Module, name: str) -> str:
    """The official name of an entry, without the network's prefix."""
    if isinstance(network, Generator):
        return _generator_name(name)
    module, layer = re.fullmatch(r"(.*?)\.?((?:conv|activation)\.(?:weight|bias)|weight|bias)", name).groups()  # type: ignore[union-attr]
    return f"{_module_name(network, module)}.{LAYER.get(layer, layer)}"


def _generator_name(name: str) -> str:
    name = re.sub(r"^code_modulation\.", "SpatialCodeModulation.", name)
    name = re.sub(r"^head\.(\d+)", r"HeadResnetBlock\1", name)
    name = re.sub(r"^up\.(\d+)", lambda found: f"UpsamplingResBlock{2 ** (4 + int(found[1]))}", name)
    name = re.sub(r"^to_rgb\.", "ToRGB.", name)
    name = name.replace("skip.conv.", "skip.Conv.").replace("skip.activation.", "skip.Act.")
    return name.replace(".activation.", ".activate.")


def _module_name(network: nn.Module, module: str) -> str:
    """The official name of a convolution layer or linear layer of encoder or discriminators."""
    if isinstance(network, Encoder):
        halved = int(math.log2(network.stride))
        rules: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
            (r"trunk\.from_rgb", "FromRGB"),
            (r"trunk\.blocks\.(\d+)", lambda found: f"DownToSpatialCode.ResBlockDownBy{2 ** int(found[1])}"),
            (r"content_head\.(\d+)", r"ToSpatialCode.\1"),
            (
                r"style_head\.convs\.(\d+)",
                lambda found: f"DownToGlobalCode.ConvLayerDownBy{2 ** (halved + int(found[1]))}",
            ),
            (r"style_head\.linear", "ToGlobalCode.0"),
        ]
    elif isinstance(network, Discriminator):
        levels = len(network.blocks) + 2
        rules = [
            (r"from_rgb", "stylegan2_D.convs.0"),
            (r"blocks\.(\d+)", lambda found: f"stylegan2_D.convs.{_block_name(levels - int(found[1]), 8)}"),
            (r"final_conv", "stylegan2_D.final_conv"),
            (r"head\.(\d+)", r"stylegan2_D.final_linear.\1"),
        ]
    else:
        assert isinstance(network, PatchDiscriminator)
        levels = len(network.blocks) + 2
        rules = [
            (r"from_rgb", "convs.0"),
            (r"blocks\.(\d+)", lambda found: f"convs.{_block_name(levels - int(found[1]), 6)}"),
            (r"widen", "convs.5"),
            (r"final_conv", "convs.6"),
            (r"pair_head\.(\d+)", r"pairlinear.\1"),
        ]
    for pattern, replacement in rules:
        if re.match(pattern + r"(\.|$)", module):
            return re.sub("^" + pattern, replacement, module)
    raise KeyError(f"{type(network).__name__} has no module {module!r}")


def _official_value(network: nn.Module, name: str, value: Tensor) -> Tensor:
    """An entry of ours in the official shape: modulated weights with a dimension for the sample, the last bias as an image."""
    if not isinstance(network, Generator):
        return value
    if name == "to_rgb.bias":
        return value.view(1, -1, 1, 1)
    return value[None] if name.endswith("conv.weight") and "skip" not in name else value


def constants(network: nn.Module) -> dict[str, Tensor]:
    """The blur kernels that the official state dict holds for a network, by their names in it."""
    found: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, Resample):
            kernel = torch.outer(module.kernel, module.kernel)
            where = name.removesuffix(".blur")
            if isinstance(network, Generator):
                found[f"{_generator_name(where)}.blur.kernel"] = kernel
            else:
                found[f"{_module_name(network, where)}.Blur.kernel"] = kernel
    if isinstance(network, Encoder):
        for position in range(len(network.style_head.convs)):
            name = _module_name(network, f"style_head.convs.{position}")
            found[f"{name}.Blur.kernel"] = network.trunk.from_rgb.conv.weight.new_ones(1, 1)
    if isinstance(network, Generator):
        found["ToRGB.upsample.kernel"] = next(iter(found.values()))
    return found


def to_official(parts: Mapping[str, nn.Module], with_constants: bool = False) -> dict[str, Tensor]:
    """The flat official state dict of networks, given by their prefix."""
    state: dict[str, Tensor] = {}
    for prefix, network in parts.items():
        for name, value in network.state_dict().items():
            state[f"{prefix}.{official_name(network, name)}"] = _official_value(network, name, value)
        if with_constants:
            state |= {f"{prefix}.{name}": value for name, value in constants(network).items()}
    return state


# Reading and loading


@dataclass
class Report:
    """What became of every entry of an official state dict."""

    source: str
    loaded: list[str] = field(default_factory=list)
    constant: list[str] = field(default_factory=list)
    """Blur kernels: equal to ours."""
    ignored: list[str] = field(default_factory=list)
    """Entries of networks that were not asked for, and the counter."""

    def __str__(self) -> str:
        return (
            f"{self.source}: {len(self.loaded)} entries loaded, {len(self.constant)} constant kernels equal ours, "
            f"{len(self.ignored)} entries not used"
        )


def read(path: str | Path) -> dict[str, Tensor]:
    """The flat state dict in a file, such as `latest_checkpoint.pth`. Nothing in it is executed.

    Raises:
        BadInput: no such file, or no flat state dict of this method.
    """
    if not Path(path).is_file():
        raise BadInput(f"{path}: there is no such file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise BadInput(f"{path} cannot be read as a state dict: {str(error).splitlines()[0]}") from error
    flat = isinstance(state, Mapping) and all(isinstance(value, Tensor) for value in state.values())
    if not flat or not any(name.startswith("E.") for name in state):
        raise BadInput(f"{path} is no flat state dict with entries E.*, G.*, as published swapping autoencoders are")
    return dict(state)


def load_state(parts: Mapping[str, nn.Module], state: Mapping[str, Tensor], source: str = "the checkpoint") -> Report:
    """Put an official state dict into networks of ours, given by their prefix (`{"E": ..., "G": ...}`), to the last entry.

    Blur kernels may be in it or not; where they are, they must be ours.

    Raises:
        BadInput: entries are missing, unknown or of another shape. Nothing is loaded then.
    """
    report, faults = Report(source), []
    ours: dict[str, dict[str, Tensor]] = {}
    expected_constants = {
        f"{p}.{name}": value for p, network in parts.items() for name, value in constants(network).items()
    }
    unused = dict(state)
    for prefix, network in parts.items():
        ours[prefix] = {}
        for name, value in network.state_dict().items():
            official = f"{prefix}.{official_name(network, name)}"
            given, wanted = unused.pop(official, None), _official_value(network, name, value)
            if given is None:
                faults.append(f"{official} is missing")
            elif given.shape != wanted.shape:
                faults.append(f"{official} is {list(given.shape)} and should be {list(wanted.shape)}")
            else:
                ours[prefix][name] = given.reshape(value.shape)
                report.loaded.append(official)
    for name, value in unused.items():
        if name in expected_constants:
            report.constant.append(name)
            if value.shape != expected_constants[name].shape or not torch.allclose(
                value.to(expected_constants[name]), expected_constants[name], atol=1e-6
            ):
                faults.append(f"{name} is another blur kernel than that of this network")
        elif name == COUNTER or name.split(".")[0] in KINDS.keys() - parts.keys():
            report.ignored.append(name)
        else:
            faults.append(f"{name} has no place")
    if faults:
        raise BadInput(_mismatch(parts, state, source, faults))
    for prefix, network in parts.items():
        network.load_state_dict(ours[prefix])
    return report


def _mismatch(parts: Mapping[str, nn.Module], state: Mapping[str, Tensor], source: str, faults: list[str]) -> str:
    theirs, here = describe(state), describe(to_official(parts))
    differing = [
        f"{what} {theirs[what]} (here {value})"
        for what, value in here.items()
        if what in theirs and theirs[what] != value
    ]
    why = f"it has {', '.join(differing)}; " if differing else ""
    return f"{source} does not fit this model: {why}{faults[0]} ({len(faults)} entries differ)"


def describe(state: Mapping[str, Tensor]) -> dict[str, int]:
    """What an official state dict was built with, as far as its names and shapes tell, in our words."""
    facts: dict[str, int] = {}

    def shape(name: str, what: str, dimension: int) -> None:
        if name in state:
            facts[what] = state[name].shape[dimension]

    def count(pattern: str, what: str) -> None:
        number = len({found[0] for name in state if (found := re.match(pattern, name))})
        if number:
            facts[what] = number

    shape("E.ToSpatialCode.1.Conv.weight", "content channels", 0)
    shape("E.ToGlobalCode.0.weight", "style channels", 0)
    count(r"E\.DownToSpatialCode\.ResBlockDownBy\d+", "content downsamplings")
    count(r"E\.DownToGlobalCode\.ConvLayerDownBy\d+", "style downsamplings")
    shape("E.FromRGB.Conv.weight", "first encoder width", 0)
    count(r"G\.HeadResnetBlock\d+", "head blocks")
    count(r"G\.UpsamplingResBlock\d+", "upsamplings")
    shape("G.ToRGB.conv.weight", "last generator width", 2)
    count(r"D\.stylegan2_D\.convs\.(?!0\.)[^.]+", "discriminator blocks")
    shape("D.stylegan2_D.convs.0.Conv.weight", "first discriminator width", 0)
    shape("D.stylegan2_D.final_linear.0.weight", "discriminator features", 1)
    count(r"Dpatch\.convs\.(?![056]\.)[^.]+", "patch discriminator blocks")
    shape("Dpatch.convs.0.Conv.weight", "first patch discriminator width", 0)
    return facts


def load(
    parts: Mapping[str, nn.Module], source: str | Path | Mapping[str, Tensor], prefixes: Iterable[str] = ("E", "G")
) -> Report:
    """Take over a published checkpoint into networks of ours.

    Args:
        parts: networks of ours by prefix.
        source: a file, or the state dict itself.
        prefixes: which networks: encoder and generator make images; the discriminators, which need not match the size
            then, only go on training.

    Raises:
        BadInput: it cannot be read, or does not fit.
    """
    state = read(source) if isinstance(source, str | Path) else source
    chosen = {prefix: parts[prefix] for prefix in prefixes}
    return load_state(chosen, state, str(source) if isinstance(source, str | Path) else "the given state dict")


# A published checkpoint as one of ours


def released(state: Mapping[str, Tensor], source: str = "the checkpoint") -> dict[str, Any]:
    """The options that a published checkpoint was built with: the set whose shapes it has.

    Raises:
        BadInput: it has the shapes of none.
    """
    given = {
        name: list(value.shape) for name, value in state.items() if name != COUNTER and not name.endswith(".kernel")
    }
    for options in RELEASED.values():
        with torch.device("meta"):
            expected = to_official(networks(options))
        if given == {name: list(value.shape) for name, value in expected.items()}:
            return options
    raise BadInput(
        f"{source} has the sizes of no published model ({'; '.join(RELEASED)}) but {describe(state)}: build networks of those "
        f"sizes and load it with lightning_modules.swapae.official.load"
    )


Networks = Mapping[str, "str | Path | Mapping[str, Tensor]"]
NETWORKS = {"checkpoint": "encoder, generator, discriminator, patch_discriminator"}
"""A published file holds all four networks (see engine/adopt.py)."""


def _state(networks: Networks) -> tuple[Mapping[str, Tensor], str]:
    """The state dict, and its name in sentences."""
    given = networks["checkpoint"]
    return (read(given), str(given)) if isinstance(given, str | Path) else (given, "the given state dict")


def settings_told_by(networks: Networks) -> list[str]:
    """Pictures of the published model's size."""
    size = {**DEFAULTS, **released(*_state(networks))}["crop_size"]
    return [
        "data=folders",
        "data.structure=image",
        "data.folder_x=images",
        "data.pairing=random",
        f"data.height={size}",
        f"data.width={size}",
        "data.load_height=null",
        "data.load_width=null",
    ]


def arguments_told_by(networks: Networks) -> dict[str, Any]:
    """Arguments of the four networks, by the published model whose shapes the file has.

    Raises:
        BadInput: a file that cannot be read, or has the shapes of no published model.
    """
    options = released(*_state(networks))
    return {f"{OURS[p]}.{name}": value for p, own in settings(options).items() for name, value in own.items()}


def load_into(module: nn.Module, networks: Networks) -> list[Report]:
    """Take over a published checkpoint into a `SwapAE`.

    Raises:
        BadInput: it does not fit to the last entry.
    """
    state, source = _state(networks)
    return [load_state({prefix: module.get_submodule(name) for prefix, name in OURS.items()}, state, source)]


@exits_with_one_sentence
def main(arguments: Sequence[str] | None = None) -> None:
    """python -m lightning_modules.swapae.official FILE OUT: a published checkpoint as one of ours, to translate with."""
    # A command: it stands above the engine. Nothing else here knows of it.
    from engine.adopt import adopted, save

    parser = argparse.ArgumentParser(prog="python -m lightning_modules.swapae.official", description=main.__doc__)
    parser.add_argument("file", type=Path, help="such as church_pretrained/latest_checkpoint.pth")
    parser.add_argument("out", type=Path, help="such as church.ckpt")
    given = parser.parse_args(arguments)
    if given.out.exists():
        raise BadInput(f"{given.out} exists already: choose another name")
    checkpoint, reports = adopted("swapae", {"checkpoint": given.file})
    save(checkpoint, given.out)
    print(
        f"{reports[0]}\n{given.out} is written: python translate.py ckpt={given.out} source=... structure=... out=..."
    )


if __name__ == "__main__":
    main()

"""Published checkpoints of microsoft/CoCosNet: their names, flags and files -> ours.

A release is three bare state dicts, `<epoch>_net_Corr.pth`, `<epoch>_net_G.pth`, `<epoch>_net_D.pth`. `read_release` reads
them, `load_state` puts one into a network of ours and accounts for every entry, `*_arguments` translate the flags of the
official commands into constructor arguments, and `RELEASED` names the flags of the four released sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.cocosnet.adaptor import DomainAdaptor
from lightning_modules.cocosnet.correspondence import CorrespondenceNetwork
from lightning_modules.cocosnet.discriminator import MultiscaleDiscriminator, PatchDiscriminator
from lightning_modules.cocosnet.generator import SpadeGenerator
from lightning_modules.cocosnet.non_local import NonLocalBlock
from lightning_modules.cocosnet.spade import SpadeBlock
from lightning_modules.cocosnet.spectral import normed_layers

DEAD_BRANCHES = {
    ".dec.": "the discriminators' decoder, which the official forward pass never calls",
    "domain_classifier.": "the domain classifier, which no loss of the official code uses",
}
UNSUPPORTED = {
    ".gap_fc.": "D_cam > 0 (its discriminator differs, and the loss it was made for is absent from the official code)",
    ".gmp_fc.": "D_cam > 0 (its discriminator differs, and the loss it was made for is absent from the official code)",
}
RELEASED: dict[str, dict[str, Any]] = {
    "ade20k": {"semantic_nc": 151, "adaptor_kernel": 3, "maskmix": True, "warp_bilinear": False, "warp_patch": False},
    "celebahq": {"semantic_nc": 19, "adaptor_kernel": 4, "maskmix": True, "warp_bilinear": True, "warp_patch": False},
    "celebahqedge": {
        "semantic_nc": 15,
        "adaptor_kernel": 4,
        "maskmix": True,
        "warp_bilinear": True,
        "warp_patch": False,
    },
    "deepfashion": {
        "semantic_nc": 20,
        "adaptor_kernel": 4,
        "maskmix": False,
        "warp_bilinear": True,
        "warp_patch": True,
    },
}
"""Flags in which the released checkpoints differ; all have PONO, PONO_C and use_attention. DeepFashion's files and those of
the other sets need adaptor_kernel 4 although their training commands do not say so."""


@dataclass(frozen=True)
class Entry:
    """One entry of our state dict, and the official entries that, one after the other, make it up."""

    ours: str
    theirs: tuple[str, ...]


@dataclass
class Report:
    """What became of every entry of a published state dict."""

    file: str
    loaded: int = 0
    """How many official entries were used."""
    ignored: dict[str, list[str]] = field(default_factory=dict)
    """Why -> the entries that were left out."""

    def __str__(self) -> str:
        left = "".join(f"; {len(names)} left out: {why}" for why, names in self.ignored.items())
        return f"{self.file}: {self.loaded} entries loaded{left}"


# Flags -> constructor arguments


def _norm(config: Mapping[str, Any]) -> str:
    if config.get("PONO", False):
        return "position"
    kind = str(config.get("norm_G", "spectralspadesyncbatch3x3"))
    return "instance" if "instance" in kind else "batch"


def correspondence_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments of `CorrespondenceNetwork` for the official options `config`, with their defaults."""
    return {
        "structure_channels": config["semantic_nc"],
        "width": config.get("ngf", 64),
        "stride": config.get("warp_stride", 4),
        "adaptor_kernel": config.get("adaptor_kernel", 3),
        "norm": _norm(config),
        "excitation": config.get("adaptor_se", False),
        "non_local": config.get("adaptor_nonlocal", False),
        "deeper": config.get("adaptor_res_deeper", False),
        "dilated": config.get("dilation_conv", False),
        "coordinates": config.get("use_coordconv", False),
        "mask_mixing": config.get("maskmix", False),
        "structure_noise": config.get("mask_noise", False),
        "window": config.get("match_kernel", 3),
        "centre": "window" if config.get("PONO_C", False) else "positions",
        "fetch": "patches" if config.get("warp_patch", False) else "pixels",
        "upsampling": "bilinear" if config.get("warp_bilinear", False) else "nearest",
    }


def generator_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments of `SpadeGenerator` for the official options `config`."""
    conditions = {"warp_mask": "warp_and_structure", "warp": "warp", "mask": "structure"}
    return {
        "structure_channels": config["semantic_nc"],
        "width": config.get("ngf", 64),
        "norm": _norm(config),
        "attention": config.get("use_attention", False),
        "condition": conditions[config.get("CBN_intype", "warp_mask")],
    }


def discriminator_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments of `MultiscaleDiscriminator` for the official options `config`."""
    return {
        "structure_channels": config["semantic_nc"],
        "scales": config.get("num_D", 2),
        "width": config.get("ndf", 64),
        "layers": config.get("n_layers_D", 4),
        "attention": config.get("use_attention", False),
    }


def loss_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `CoCosNet` that concern its losses, for the official options `config`."""
    modes = {"hinge": "hinge", "ls": "lsgan", "original": "vanilla", "w": "wgangp"}
    vgg = config.get("lambda_vgg", 10.0)
    return {
        "weights": {
            "adversarial": config.get("weight_gan", 10.0),
            "discriminator_features": config.get("lambda_feat", 10.0),
            "domain_alignment": config.get("novgg_featpair", 10.0),
            "feature_matching": vgg * config.get("fm_ratio", 0.1),
            "perceptual": config.get("weight_perceptual", 0.01),
            "contextual": vgg * config.get("ctx_w", 1.0),
            "mask": config.get("weight_mask", 0.0),
            "cycle": config.get("warp_cycle_w", 0.0),
            "self_warp": config.get("warp_self_w", 0.0),
        },
        "gan_mode": modes[config.get("gan_mode", "hinge")],
        "perceptual_layer": "r" + config.get("which_perceptual", "5_2").replace("_", ""),
        "contextual_r22": config.get("use_22ctx", False),
        "mask": config.get("warp_mask_losstype", "none"),
        "two_cycle": config.get("two_cycle", False),
    }


LOSS_NAMES = {
    "no_vgg_feat": "domain_alignment",
    "fm": "feature_matching",
    "perc": "perceptual",
    "contextual": "contextual",
    "mask": "mask",
    "G_warp_cycle": "cycle",
    "G_warp_self": "self_warp",
    "GAN": "adversarial",
    "GAN_Feat": "discriminator_features",
}
"""Official name of a term of the generator's objective -> ours."""


def factor_in_batch(pseudo: Tensor) -> Tensor:
    """What the official code multiplies the samples of one GPU's batch with in its losses on pseudo pairs.

    `pseudo` (B,) is 1 for a sample with a pseudo exemplar, else 0. Ours does not depend on the batch: `pseudo_factor`.
    """
    return pseudo / (pseudo.sum() + 1e-5)


def build(kind: str, config: Mapping[str, Any]) -> nn.Module:
    """The network 'Corr', 'G' or 'D' for the official options `config`."""
    if kind == "Corr":
        return CorrespondenceNetwork(**correspondence_arguments(config))
    if kind == "G":
        return SpadeGenerator(**generator_arguments(config))
    return MultiscaleDiscriminator(**discriminator_arguments(config))


# Names


def entries(network: nn.Module) -> Iterator[Entry]:
    """Every entry of the network's state dict with its official counterpart."""
    if isinstance(network, CorrespondenceNetwork):
        yield from _adaptor("structure_adaptor.", "adaptive_model_seg.", network.structure_adaptor)
        yield from _adaptor("image_adaptor.", "adaptive_model_img.", network.image_adaptor)
        for index, _ in enumerate(network.refine):
            for number in (0, 1):
                yield from _plain(f"refine.{index}.conv_{number}.", f"layer.{index}.conv{number + 1}.")
            yield Entry(f"refine.{index}.activation.weight", (f"layer.{index}.prelu.weight",))
        yield from _plain("theta.", "theta.")
        yield from _plain("phi.", "phi.")
    elif isinstance(network, SpadeGenerator):
        yield from _plain("start.", "fc.")
        names = {"head": "head_0", "middle_0": "G_middle_0", "middle_1": "G_middle_1"}
        for name in ("head", "middle_0", "middle_1", "up_0", "up_1", "up_2", "up_3"):
            yield from _spade_block(f"{name}.", f"{names.get(name, name)}.", getattr(network, name))
        yield from _non_local("attention.", "attn.", network.attention)
        yield from _plain("to_image.", "conv_img.")
    elif isinstance(network, MultiscaleDiscriminator):
        for index, discriminator in enumerate(network.scales):
            yield from _patch_discriminator(f"scales.{index}.", f"discriminator_{index}.", discriminator)
    else:
        raise TypeError(f"{type(network).__name__} has no official counterpart")


def _plain(ours: str, theirs: str) -> Iterator[Entry]:
    for what in ("weight", "bias"):
        yield Entry(ours + what, (theirs + what,))


def _normed(ours: str, theirs: str, bias: bool = False) -> Iterator[Entry]:
    yield Entry(f"{ours}parametrizations.weight.original", (f"{theirs}weight_orig",))
    for vector in ("u", "v"):
        yield Entry(f"{ours}parametrizations.weight.0.{vector}", (f"{theirs}weight_{vector}",))
    if bias:
        yield Entry(f"{ours}bias", (f"{theirs}bias",))


def _adaptor(ours: str, theirs: str, adaptor: DomainAdaptor) -> Iterator[Entry]:
    for index in range(len(adaptor.layers)):
        yield from _normed(f"{ours}layers.{index}.0.", f"{theirs}layer{index + 1}.0.")
    for name, official in (("head", "head_0"), ("middle_0", "G_middle_0"), ("middle_1", "G_middle_1")):
        yield from _spade_block(f"{ours}{name}.", f"{theirs}{official}.", getattr(adaptor, name))
    yield from _non_local(f"{ours}attention.", f"{theirs}attn.", adaptor.attention)
    for index, block in enumerate(adaptor.deeper):
        yield from _spade_block(f"{ours}deeper.{index}.", f"{theirs}deeper{index}.", block)
    for index in range(len(adaptor.smoothing)):
        yield from _normed(f"{ours}smoothing.{index}.0.", f"{theirs}degridding{index}.0.")


def _spade_block(ours: str, theirs: str, block: nn.Module) -> Iterator[Entry]:
    assert isinstance(block, SpadeBlock)
    spades = ("0", "1", "s") if block.widens else ("0", "1")
    for what in ("weight", "bias"):
        yield Entry(f"{ours}shared.{what}", tuple(f"{theirs}norm_{n}.mlp_shared.1.{what}" for n in spades))
    for n in spades:
        for what in ("weight", "bias"):
            halves = tuple(f"{theirs}norm_{n}.mlp_{half}.{what}" for half in ("gamma", "beta"))
            yield Entry(f"{ours}modulation_{n}.scale_shift.{what}", halves)
        for name in getattr(block, f"modulation_{n}").state_dict():
            if name.startswith("norm."):
                yield Entry(f"{ours}modulation_{n}.{name}", (f"{theirs}norm_{n}.param_free_{name}",))
        yield from _normed(f"{ours}conv_{n}.", f"{theirs}conv_{n}.", bias=n != "s")
    if not isinstance(block.excitation, nn.Identity):
        yield Entry(f"{ours}excitation.squeeze.weight", (f"{theirs}se_layar.fc.0.weight",))
        yield Entry(f"{ours}excitation.excite.weight", (f"{theirs}se_layar.fc.2.weight",))


def _non_local(ours: str, theirs: str, block: nn.Module) -> Iterator[Entry]:
    if not isinstance(block, NonLocalBlock):
        return
    yield Entry(f"{ours}gate", (f"{theirs}gamma",))
    spectral = bool(normed_layers(block))
    for name in ("theta", "phi", "g", "o"):
        if spectral:
            yield from _normed(f"{ours}{name}.", f"{theirs}{name}.")
        else:
            yield Entry(f"{ours}{name}.weight", (f"{theirs}{name}.weight",))


def _patch_discriminator(ours: str, theirs: str, discriminator: nn.Module) -> Iterator[Entry]:
    assert isinstance(discriminator, PatchDiscriminator)
    yield from _plain(f"{ours}first.", f"{theirs}model0.0.")
    for index in range(len(discriminator.stages)):
        yield from _normed(f"{ours}stages.{index}.0.", f"{theirs}model{index + 1}.0.0.")
    yield from _non_local(f"{ours}attention.", f"{theirs}attn.", discriminator.attention)
    yield from _plain(f"{ours}logits.", f"{theirs}model{len(discriminator.stages) + 1}.0.")


# Loading


def load_state(network: nn.Module, state: Mapping[str, Tensor], file: str = "the checkpoint") -> Report:
    """Put a published state dict into `network` (not folded), and say what became of each of its entries.

    Raises:
        BadInput: entries are missing, of another shape or unknown: the checkpoint belongs to other flags, which are named.
    """
    report, own = Report(file), network.state_dict()
    unused = dict.fromkeys(state)
    missing: list[str] = []
    left_over: list[str] = []
    shapes: list[str] = []
    translated = {}
    for entry in entries(network):
        absent = [name for name in entry.theirs if name not in state]
        missing.extend(absent)
        for name in entry.theirs:
            unused.pop(name, None)
        if absent:
            continue
        parts = [state[name] for name in entry.theirs]
        value = parts[0] if len(parts) == 1 else _joined(parts)
        if value is None or value.shape != own[entry.ours].shape:
            whole = list(own[entry.ours].shape)
            needed = f"{whole} with {' and '.join(entry.theirs[1:])}" if len(parts) > 1 else f"{whole}"
            shapes.append(f"{entry.theirs[0]} is {list(parts[0].shape)} where {needed} is needed")
            continue
        translated[entry.ours] = value
        report.loaded += len(parts)
    for name in unused:
        why = next((reason for part, reason in DEAD_BRANCHES.items() if part in name), None)
        if why:
            report.ignored.setdefault(why, []).append(name)
        else:
            of = next((f", of {what}" for part, what in UNSUPPORTED.items() if part in name), "")
            left_over.append(f"{name}{of}")
    faults = [f"missing {_some(missing)}"] * bool(missing) + [f"left over {_some(left_over)}"] * bool(left_over)
    faults += [_some(shapes)] * bool(shapes)
    if faults:
        raise BadInput(_mismatch(network, state, file, faults))
    network.load_state_dict(translated)
    return report


def _joined(parts: list[Tensor]) -> Tensor | None:
    """Entries that make up one of ours, one after the other; None where they do not go together."""
    if len({part.shape[1:] for part in parts}) > 1:
        return None
    return torch.cat(parts)


def _some(names: list[str], count: int = 4) -> str:
    shown = ", ".join(names[:count])
    return shown if len(names) <= count else f"{shown} and {len(names) - count} more"


def _mismatch(network: nn.Module, state: Mapping[str, Tensor], file: str, faults: list[str]) -> str:
    theirs, ours = describe(state), describe(to_official(network))
    known = {key: value for key, value in theirs.items() if key in ours}
    differing = [f"{key} {value} (here {ours[key]})" for key, value in known.items() if value != ours[key]]
    which = released_name(theirs)
    came = f"{file} does not fit this model"
    if differing:
        seems = f"seems to be of the released set {which!r}" if which else "belongs to another set of flags"
        came = f"{file} {seems} and does not fit this model: {', '.join(differing)}"
    return f"{came}; {'; '.join(faults)}"


def to_official(network: nn.Module) -> dict[str, Tensor]:
    """The network's state under the official names (without dead branches)."""
    official: dict[str, Tensor] = {}
    state = network.state_dict()
    for entry in entries(network):
        parts = state[entry.ours].chunk(len(entry.theirs)) if len(entry.theirs) > 1 else [state[entry.ours]]
        official.update(zip(entry.theirs, parts, strict=True))
    return official


def describe(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The official flags that an official state dict's names and shapes tell, as far as it has the entries that do."""
    flags: dict[str, Any] = {}

    def size(flag: str, name: str, dimension: int, less: int = 0, parts: int = 1) -> None:
        if name in state and state[name].dim() > dimension:
            flags[flag] = (state[name].shape[dimension] - less) // parts

    if any(name.startswith("adaptive_model_seg.") for name in state):
        flags["network"] = "Corr"
        size("semantic_nc", "adaptive_model_seg.layer1.0.weight_orig", 1)
        size("ngf", "adaptive_model_seg.layer1.0.weight_orig", 0)
        size("adaptor_kernel", "adaptive_model_seg.layer2.0.weight_orig", 3)
        mixed = state.get("layer.0.conv1.weight")
        if mixed is not None and {"semantic_nc", "ngf"} <= flags.keys():
            extra = mixed.shape[1] - 4 * flags["ngf"]
            flags["maskmix"] = extra >= flags["semantic_nc"]
            flags["use_coordconv"] = extra % flags["semantic_nc"] == 3
        flags["adaptor_se"] = any(".se_layar." in name for name in state)
        flags["adaptor_nonlocal"] = "adaptive_model_seg.attn.gamma" in state
        flags["adaptor_res_deeper"] = any(".deeper0." in name for name in state)
        flags["dilation_conv"] = any(".degridding0." in name for name in state)
    elif any(name.startswith(("fc.", "G_middle_0.", "conv_img.")) for name in state):
        flags["network"] = "G"
        size("semantic_nc", "fc.weight", 1, less=3)
        size("ngf", "fc.weight", 0, parts=16)
        flags["use_attention"] = "attn.gamma" in state
    elif any(name.startswith("discriminator_0.") for name in state):
        flags["network"] = "D"
        size("semantic_nc", "discriminator_0.model0.0.weight", 1, less=3)
        size("ndf", "discriminator_0.model0.0.weight", 0)
        flags["num_D"] = len({name.split(".")[0] for name in state})
        flags["n_layers_D"] = max(
            (int(found[1]) for name in state if (found := re.match(r"discriminator_0\.model(\d+)\.", name))), default=4
        )
        flags["use_attention"] = "discriminator_0.attn.gamma" in state
    if flags.get("network") in ("Corr", "G"):
        flags["batch norm"] = any(name.endswith("running_mean") for name in state)
    return flags


def released_name(flags: Mapping[str, Any]) -> str | None:
    """Which released set has these flags, as far as they are known."""
    for name, released in RELEASED.items():
        if all(flags.get(key, value) == value for key, value in released.items()) and "semantic_nc" in flags:
            return name
    return None


def read_release(folder: str | Path, epoch: str = "latest", kinds: tuple[str, ...] = ("Corr", "G")) -> dict[str, dict]:
    """The state dicts of a published checkpoint folder: {'Corr': ..., 'G': ...[, 'D': ...]}.

    Raises:
        BadInput: a file is missing or is no bare state dict.
    """
    folder, states = Path(folder), {}
    for kind in kinds:
        path = folder / f"{epoch}_net_{kind}.pth"
        if not path.is_file():
            there = sorted(file.name for file in folder.glob("*_net_*.pth")) if folder.is_dir() else []
            listed = f"the folder has {', '.join(there)}" if there else "the folder has no *_net_*.pth at all"
            raise BadInput(
                f"{path} is missing ({listed}); a published CoCosNet is <epoch>_net_Corr.pth and <epoch>_net_G.pth."
            )
        states[kind] = read(path)
    return states


def read(path: str | Path) -> dict[str, Tensor]:
    """A published file: a bare state dict.

    Raises:
        BadInput: it cannot be read, or is something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BadInput(f"{path} cannot be read as a state dict: {str(error).splitlines()[0]}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BadInput(f"{path} is not a bare state dict of tensors, as CoCosNet's published files are.")
    return {name.removeprefix("module."): value for name, value in state.items()}


NETWORKS = {"Corr": "correspondence", "G": "generator", "D": "discriminator"}
"""Official network -> attribute of `CoCosNet`."""
NEEDED = ("Corr", "G")
"""What makes images; without the discriminator only training cannot go on."""
EXPERIMENTS = {
    "ade20k": "ade20k",
    "celebahq": "celebahq",
    "celebahqedge": "celebahq_edge",
    "deepfashion": "deepfashion",
}
"""Released set -> conf/experiment/cocosnet_<name>.yaml."""
Networks = Mapping[str, "str | Path | Mapping[str, Tensor]"]
"""State dicts or their files, by official name of the network."""


def _states(networks: Networks) -> dict[str, tuple[Mapping[str, Tensor], str]]:
    """Official name -> state dict, and its name in sentences."""
    return {
        kind: (read(given), str(given)) if isinstance(given, str | Path) else (given, f"the given {kind}")
        for kind, given in networks.items()
    }


def flags_told_by(networks: Networks) -> dict[str, Any]:
    """The official flags that the files of one release tell together.

    Raises:
        BadInput: what makes images is not all there, a file is of another network, or the files are of different flags.
    """
    absent = [kind for kind in NEEDED if kind not in networks]
    if absent:
        raise BadInput(
            f"{' and '.join(absent)} is missing: an image needs Corr=<epoch>_net_Corr.pth and G=<epoch>_net_G.pth"
        )
    flags: dict[str, Any] = {}
    teller: dict[str, str] = {}
    for kind, (state, source) in _states(networks).items():
        told = describe(state)
        if told.get("network") != kind:
            found = f"those of {told['network']}" if "network" in told else f"such as {_some(list(state), 2)}"
            raise BadInput(f"{source} was given as {kind}, but has entries of another network ({found})")
        if "semantic_nc" not in told:
            raise BadInput(f"{source} does not fit CoCosNet: its first convolution, which tells its flags, is missing")
        attention = told.pop("use_attention", None)
        if attention is not None:
            flags[f"use_attention of {kind}"] = attention
        for flag, value in told.items():
            if flag != "network" and flags.setdefault(flag, value) != value:
                raise BadInput(
                    f"{teller[flag]} has {flag} {flags[flag]} but {source} has {value}: files of different released sets"
                )
            teller.setdefault(flag, source)
    return flags


def settings_told_by(networks: Networks) -> list[str]:
    """The experiment of the released set that has as many structure channels; ADE20k's where none has."""
    channels = flags_told_by(networks)["semantic_nc"]
    known = next((name for name, flags in RELEASED.items() if flags["semantic_nc"] == channels), "ade20k")
    return [f"experiment=cocosnet_{EXPERIMENTS[known]}"]


def arguments_told_by(networks: Networks) -> dict[str, Any]:
    """Arguments of `CoCosNet`, dotted, that the files tell; kernels are those of the file, whatever the commands said.

    Raises:
        BadInput: see `flags_told_by`.
    """
    flags = flags_told_by(networks)
    norm = {"norm": "batch"} if flags["batch norm"] else {}
    correspondence = {
        "width": flags["ngf"],
        "adaptor_kernel": flags.get("adaptor_kernel", 3),
        "mask_mixing": flags.get("maskmix", False),
        "coordinates": flags.get("use_coordconv", False),
        "excitation": flags["adaptor_se"],
        "non_local": flags["adaptor_nonlocal"],
        "deeper": flags["adaptor_res_deeper"],
        "dilated": flags["dilation_conv"],
        **norm,
    }
    generator = {"width": flags["ngf"], "attention": flags["use_attention of G"], **norm}
    told = {"correspondence": correspondence, "generator": generator}
    if "D" in networks:
        told["discriminator"] = {
            "width": flags["ndf"],
            "scales": flags["num_D"],
            "layers": flags["n_layers_D"],
            "attention": flags["use_attention of D"],
        }
    return {f"{network}.{name}": value for network, own in told.items() for name, value in own.items()}


def load_into(module: nn.Module, networks: Networks) -> list[Report]:
    """Take over official state dicts or files, by official name, into a `CoCosNet`.

    Raises:
        BadInput: a name that is none of the three, or a state dict that does not fit to the last entry.
    """
    unknown = sorted(networks.keys() - NETWORKS.keys())
    if unknown:
        raise BadInput(f"CoCosNet has no network {unknown[0]!r}, only {', '.join(NETWORKS)}")
    return [
        load_state(module.get_submodule(NETWORKS[kind]), state, source)
        for kind, (state, source) in _states(networks).items()
    ]

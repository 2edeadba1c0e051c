"""Networks of junyanz/pytorch-CycleGAN-and-pix2pix, by its words and names -> ours.

Published checkpoints are bare state dicts. `told_by` says by their entries which network they are of, `load` builds ours, and
`load_state` moves the entries over and accounts for every one. The functions that build a network from options take the
words of the official constructors, so that whoever knows those need not learn ours first.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.norms import NormKind
from lightning_modules.blocks.patch_discriminator import PatchDiscriminator, PixelDiscriminator
from lightning_modules.blocks.resnet_generator import Padding, ResNetGenerator
from lightning_modules.blocks.unet_generator import UNetGenerator

State = dict[str, Tensor]
WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel, DistributedDataParallel and torch.compile put in front of names."""
NORM_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
PADDINGS: dict[str, Padding] = {"reflect": "reflect", "replicate": "replicate", "zero": "zeros"}


# Official words -> our networks


def norm_words(word: str) -> dict[str, Any]:
    """`norm` and `bias` of our networks for an official norm: without a norm, the official convolutions have no bias either.

    (`trainer.sync_batchnorm=true` makes syncbatch of batch.)
    """
    kinds: dict[str, NormKind] = {"instance": "instance", "batch": "batch", "syncbatch": "batch", "none": "none"}
    if word not in kinds:
        raise BadInput(f"norm={word!r} is not one of the official code: {', '.join(kinds)}")
    return {"norm": kinds[word], "bias": word == "instance"}


def resnet_generator(
    input_nc: int = 3,
    output_nc: int = 3,
    ngf: int = 64,
    n_blocks: int = 9,
    norm: str = "instance",
    use_dropout: bool = False,
    padding_type: str = "reflect",
) -> ResNetGenerator:
    """The official `ResnetGenerator` of these arguments."""
    padding = PADDINGS[padding_type]
    return ResNetGenerator(input_nc, output_nc, n_blocks, ngf, dropout=use_dropout, padding=padding, **norm_words(norm))


def unet_generator(
    input_nc: int = 3,
    output_nc: int = 3,
    num_downs: int = 8,
    ngf: int = 64,
    norm: str = "batch",
    use_dropout: bool = False,
) -> UNetGenerator:
    """The official `UnetGenerator` of these arguments, which has five levels also where fewer are asked for."""
    return UNetGenerator(input_nc, output_nc, max(num_downs, 5), ngf, dropout=use_dropout, **norm_words(norm))


def patch_discriminator(
    input_nc: int = 3, ndf: int = 64, n_layers: int = 3, norm: str = "instance"
) -> PatchDiscriminator:
    """The official `NLayerDiscriminator` of these arguments."""
    return PatchDiscriminator(input_nc, ndf, n_layers, **norm_words(norm))


def pixel_discriminator(input_nc: int = 3, ndf: int = 64, norm: str = "instance") -> PixelDiscriminator:
    """The official `PixelDiscriminator` of these arguments."""
    return PixelDiscriminator(input_nc, ndf, **norm_words(norm))


# Official names -> our names


def names_of(network: nn.Module) -> dict[str, str]:
    """Official module name -> ours, for every convolution and norm of one of the four networks."""
    for kind, names in _NAMES.items():
        if isinstance(network, kind):
            return names(network)
    raise TypeError(f"{type(network).__name__} is none of the four networks of pix2pix and CycleGAN")


def _resnet_names(network: ResNetGenerator) -> dict[str, str]:
    count = len(network.blocks)
    after = 10 + count
    convs = {1: "stem", 4: "downs.0", 7: "downs.1", after: "ups.0", after + 3: "ups.1"}
    names = {f"model.{index}": f"{name}.conv" for index, name in convs.items()}
    names |= {f"model.{index + 1}": f"{name}.norm" for index, name in convs.items()}
    names[f"model.{after + 7}"] = "head"
    # Padding by zeros is part of the convolutions, any other a module before each; dropout is a module between the halves.
    first = 0 if network.padding == "zeros" else 1
    dropout = any(module.p > 0 for module in network.modules() if isinstance(module, nn.Dropout))
    second = 2 * first + 3 + dropout
    for block in range(count):
        for index, half in ((first, "first"), (second, "second")):
            names[f"model.{10 + block}.conv_block.{index}"] = f"blocks.{block}.{half}.conv"
            names[f"model.{10 + block}.conv_block.{index + 1}"] = f"blocks.{block}.{half}.norm"
    return names


def _unet_names(network: UNetGenerator) -> dict[str, str]:
    names = {"model.model.0": "downs.0.conv", "model.model.3": "ups.0.conv"}
    prefix = "model.model.1.model"
    innermost = network.depth - 1
    for level in range(1, network.depth):
        up = 3 if level == innermost else 5  # the innermost level has no norm and no submodule between its halves
        names |= {f"{prefix}.1": f"downs.{level}.conv", f"{prefix}.{up}": f"ups.{level}.conv"}
        names |= {f"{prefix}.2": f"downs.{level}.norm"} if level < innermost else {}
        names |= {f"{prefix}.{up + 1}": f"ups.{level}.norm"}
        prefix += ".3.model"
    return names


def _patch_names(network: PatchDiscriminator) -> dict[str, str]:
    names = {"model.0": "stages.0.conv", f"model.{2 + 3 * network.layers}": "head"}
    for stage in range(1, network.layers + 1):
        names |= {f"model.{3 * stage - 1}": f"stages.{stage}.conv", f"model.{3 * stage}": f"stages.{stage}.norm"}
    return names


def _pixel_names(network: PixelDiscriminator) -> dict[str, str]:
    return {"net.0": "stages.0.conv", "net.2": "stages.1.conv", "net.3": "stages.1.norm", "net.5": "head"}


_NAMES: dict[type[nn.Module], Callable[[Any], dict[str, str]]] = {
    ResNetGenerator: _resnet_names,
    UNetGenerator: _unet_names,
    PatchDiscriminator: _patch_names,
    PixelDiscriminator: _pixel_names,
}


# Official state dicts


def read(source: str | Path | Mapping[str, Tensor]) -> tuple[State, str]:
    """A state dict from a file, or as given, with plain names; and what to call it in a sentence.

    Raises:
        BadInput: there is no such file, or it is no bare state dict.
    """
    if isinstance(source, Mapping):
        state, where = dict(source), "The given state dict"
    else:
        where = str(source)
        if not Path(source).is_file():
            raise BadInput(f"{where}: there is no such file")
        try:
            state = torch.load(source, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
            raise BadInput(f"{where} cannot be read as a state dict: {str(error).splitlines()[0]}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BadInput(f"{where} is not a bare state dict of tensors, as the official code writes them")
    return {_unwrapped(name): value for name, value in state.items()}, where


def _unwrapped(name: str) -> str:
    while name.startswith(WRAPPERS):
        name = name.split(".", 1)[1]
    return name


class Told(NamedTuple):
    """What the entries of an official state dict tell: the official constructor, and its arguments."""

    constructor: Callable[..., nn.Module]
    words: dict[str, Any]

    @property
    def is_generator(self) -> bool:
        return self.constructor in (resnet_generator, unet_generator)


def told_by(state: Mapping[str, Tensor], where: str = "The given state dict") -> Told:
    """Which official network, of which size, a state dict is of.

    Two things do not show: whether a ResNet pads by 'reflect' or 'replicate' (the first is assumed), and whether a U-Net has
    dropout (it is assumed, as in all published ones).

    Raises:
        BadInput: it is of none of the four networks, or lacks the entries that would tell.
    """
    kernels = {name.removesuffix(".weight"): value for name, value in state.items() if value.ndim == 4}
    try:
        if "model.10.conv_block.1" in kernels or "model.10.conv_block.0" in kernels:
            return Told(resnet_generator, _resnet_words(state, kernels))
        if "model.model.0" in kernels:
            words = {
                "input_nc": kernels["model.model.0"].shape[1],
                "output_nc": kernels["model.model.3"].shape[1],  # a transposed convolution: inputs stand first
                "num_downs": len(kernels) // 2,
                "ngf": kernels["model.model.0"].shape[0],
                "norm": _norm_in(state, "model.model.1.model.1", "model.model.1.model.2"),
                "use_dropout": True,
            }
            return Told(unet_generator, words)
        if "model.0" in kernels:
            ndf, input_nc = kernels["model.0"].shape[:2]
            sizes = {"input_nc": input_nc, "ndf": ndf, "n_layers": len(kernels) - 2}
            return Told(patch_discriminator, {**sizes, "norm": _norm_in(state, "model.2", "model.3")})
        if "net.0" in kernels:
            ndf, input_nc = kernels["net.0"].shape[:2]
            norm = _norm_in(state, "net.2", "net.3")
            return Told(pixel_discriminator, {"input_nc": input_nc, "ndf": ndf, "norm": norm})
    except KeyError as error:
        raise BadInput(f"{where} is incomplete: missing {error.args[0]}.weight") from error
    raise BadInput(
        f"{where} is of no network of pix2pix and CycleGAN (ResNet or U-Net generator, patch or pixel discriminator): "
        f"its first entries are {', '.join(list(state)[:3]) or 'none'}"
    )


def _resnet_words(state: Mapping[str, Tensor], kernels: State) -> dict[str, Any]:
    """Padding modules and dropout move the convolutions of a block: 1 and 5, with dropout 1 and 6; by zeros 0 and 3 or 4."""
    positions = sorted(int(name.rsplit(".", 1)[1]) for name in kernels if name.startswith("model.10.conv_block."))
    first, second = positions[0], positions[-1]
    blocks = sum(name.endswith(f".conv_block.{first}") for name in kernels)
    return {
        "input_nc": kernels["model.1"].shape[1],
        "output_nc": kernels[f"model.{17 + blocks}"].shape[0],
        "ngf": kernels["model.1"].shape[0],
        "n_blocks": blocks,
        "norm": _norm_in(state, "model.4", "model.5"),
        "use_dropout": second == 2 * first + 4,
        "padding_type": "reflect" if first == 1 else "zero",
    }


def _norm_in(state: Mapping[str, Tensor], conv: str, norm: str) -> str:
    """The norm after a convolution: batch norm has a scale, and only before instance norm there is a bias."""
    if f"{norm}.weight" in state:
        return "batch"
    return "instance" if f"{conv}.bias" in state else "none"


def load_state(network: nn.Module, state: Mapping[str, Tensor], where: str = "The given state dict") -> None:
    """Take over an official state dict, to the last entry.

    Statistics that old releases of torch wrote for instance norms are dropped: they were never used, since published
    generators run with the statistics of the image at hand.

    Raises:
        BadInput: entries are missing, left over or of another size; lists them.
    """
    names = names_of(network)
    modules = dict(network.named_modules())
    ours: State = {}
    left_over = []
    for name, value in state.items():
        module, _, entry = name.rpartition(".")
        own = f"{names.get(module, '')}.{entry}"
        if isinstance(modules.get(names.get(module, "")), nn.InstanceNorm2d) and entry in NORM_BUFFERS:
            continue
        if module in names and own in network.state_dict():
            ours[own] = value
        else:
            left_over.append(name)
    theirs = {mine: official for official, mine in names.items()}
    missing, sizes = [], []
    for own, value in network.state_dict().items():
        module, _, entry = own.rpartition(".")
        official = f"{theirs[module]}.{entry}"
        if own not in ours and entry == "num_batches_tracked":
            ours[own] = value  # not written before torch 0.4.1
        elif own not in ours:
            missing.append(official)
        elif ours[own].shape != value.shape:
            sizes.append(f"{official} is {list(ours[own].shape)} and should be {list(value.shape)}")
    faults = [f"missing {', '.join(missing)}"] * bool(missing) + [f"left over {', '.join(left_over)}"] * bool(left_over)
    if faults + sizes:
        raise BadInput(f"{where} does not fit this {type(network).__name__}: {'; '.join(faults + sizes)}")
    network.load_state_dict(ours)


def load(source: str | Path | Mapping[str, Tensor], **words: Any) -> nn.Module:
    """The network of an official checkpoint, such as `latest_net_G.pth`, with its weights.

    Args:
        words: arguments of the official constructor that its entries do not tell (see `told_by`): `padding_type="replicate"`
            for a ResNet, `use_dropout=False` for a U-Net.

    Raises:
        BadInput: it cannot be read, is of another network, or does not fit to the last entry.
    """
    state, where = read(source)
    told = told_by(state, where)
    network = told.constructor(**{**told.words, **words})
    load_state(network, state, where)
    return network

"""Options of junyanz/pytorch-CycleGAN-and-pix2pix's command line -> arguments of Pix2Pix and CycleGAN.

Each function takes the options that it knows out of `options`; `refuse_unknown` says which were not known to any.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from datamodules.bad_input import BadInput
from lightning_modules.blocks.official_names import (
    State,
    norm_words,
    patch_discriminator,
    resnet_generator,
    told_by,
    unet_generator,
)
from lightning_modules.schedules import linear_decay

SCHEDULE_OPTIONS = ("lr_policy", "epoch_count", "n_epochs", "n_epochs_decay", "lr_decay_iters")


def generator_words(options: dict[str, Any]) -> dict[str, Any]:
    """`netG`, `ngf`, `norm` and `no_dropout`, as Pix2Pix and CycleGAN want them."""
    net = options.pop("netG")
    kind, _, size = net.partition("_")
    words: dict[str, Any] = {"ngf": options.pop("ngf", 64), "dropout": not options.pop("no_dropout")}
    if kind == "resnet" and size.removesuffix("blocks").isdigit():
        words |= {"generator": "resnet", "blocks": int(size.removesuffix("blocks"))}
    elif kind == "unet" and size.isdigit() and int(size).bit_count() == 1:
        words |= {"generator": "unet", "depth": int(size).bit_length() - 1}
    else:
        raise BadInput(f"netG={net!r} is not one of the official code, such as resnet_9blocks or unet_256")
    return words | norm_words(options.pop("norm"))


def discriminator_words(options: dict[str, Any]) -> dict[str, Any]:
    """`netD`, `n_layers_D` and `ndf`, as Pix2Pix and CycleGAN want them."""
    net, layers = options.pop("netD", "basic"), options.pop("n_layers_D", 3)
    if net not in ("basic", "n_layers", "pixel"):
        raise BadInput(f"netD={net!r} is not one of the official code: basic, n_layers, pixel")
    kind = "pixel" if net == "pixel" else "patch"
    return {"discriminator": kind, "patch_layers": layers if net == "n_layers" else 3, "ndf": options.pop("ndf", 64)}


def training_words(options: dict[str, Any]) -> dict[str, Any]:
    """`init_type`, `init_gain`, `lr`, `beta1` and what `schedule` knows, as Pix2Pix and CycleGAN want them."""
    betas = options.pop("beta1", 0.5), options.pop("beta2", 0.999)
    policy = {name: options.pop(name) for name in SCHEDULE_OPTIONS if name in options}
    return {
        "init": options.pop("init_type", "normal"),
        "init_gain": options.pop("init_gain", 0.02),
        "optimizer": functools.partial(torch.optim.Adam, lr=options.pop("lr", 2e-4), betas=betas),
        "scheduler": functools.partial(schedule, options=policy),
    }


def told_words(networks: Iterable[tuple[State, str]]) -> dict[str, Any]:
    """What official state dicts tell of the networks of Pix2Pix and CycleGAN; each is given with its name in sentences."""
    words: dict[str, Any] = {}
    for state, where in networks:
        told = told_by(state, where)
        size = told.words
        if told.constructor is resnet_generator:
            words |= {"generator": "resnet", "ngf": size["ngf"], "blocks": size["n_blocks"]}
        elif told.constructor is unet_generator:
            words |= {"generator": "unet", "ngf": size["ngf"], "depth": size["num_downs"]}
        elif told.constructor is patch_discriminator:
            words |= {"discriminator": "patch", "ndf": size["ndf"], "patch_layers": size["n_layers"]}
        else:
            words |= {"discriminator": "pixel", "ndf": size["ndf"]}
        if told.is_generator:
            words |= {"dropout": size["use_dropout"]}
        words |= norm_words(size["norm"])
    return words


def schedule(optimizer: Optimizer, options: dict[str, Any]) -> LRScheduler:
    """`lr_policy` with `epoch_count`, `n_epochs`, `n_epochs_decay` and `lr_decay_iters` (which counts epochs)."""
    policy = options.get("lr_policy", "linear")
    constant, decay = options.get("n_epochs", 100), options.get("n_epochs_decay", 100)
    if policy == "linear":
        return linear_decay(optimizer, constant, decay, options.get("epoch_count", 1))
    if policy == "step":
        return lr_scheduler.StepLR(optimizer, options.get("lr_decay_iters", 50), gamma=0.1)
    if policy == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, constant)
    raise BadInput(f"lr_policy={policy!r} has no counterpart here: linear, step and cosine have")


def refuse_unknown(options: dict[str, Any]) -> None:
    """
    Raises:
        BadInput: an option is left.
    """
    if options:
        raise BadInput(f"The official options {', '.join(options)} have no counterpart here")

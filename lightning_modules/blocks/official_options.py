"""Options of junyanz/pytorch-CycleGAN-and-pix2pix's command line -> arguments of Pix2Pix and CycleGAN.

Each function takes the options that it knows out of `options`; `refuse_unknown` says which were not known to any.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from datamodules.bad_input import BadInput
from lightning_modules.blocks.official_names import norm_kind
from lightning_modules.schedules import linear_decay


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
    return words | {"norm": norm_kind(options.pop("norm"))}


def discriminator_words(options: dict[str, Any]) -> dict[str, Any]:
    """`netD`, `n_layers_D` and `ndf`, as Pix2Pix and CycleGAN want them."""
    net, layers = options.pop("netD", "basic"), options.pop("n_layers_D", 3)
    if net not in ("basic", "n_layers", "pixel"):
        raise BadInput(f"netD={net!r} is not one of the official code: basic, n_layers, pixel")
    kind = "pixel" if net == "pixel" else "patch"
    return {"discriminator": kind, "patch_layers": layers if net == "n_layers" else 3, "ndf": options.pop("ndf", 64)}


def optimizer_words(options: dict[str, Any]) -> dict[str, Any]:
    """`lr` and `beta1` (and `beta2`), as Pix2Pix and CycleGAN want them."""
    rate, betas = options.pop("lr", 2e-4), (options.pop("beta1", 0.5), options.pop("beta2", 0.999))
    return {"optimizer": functools.partial(torch.optim.Adam, lr=rate, betas=betas)}


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

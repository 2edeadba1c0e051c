"""Published CycleGAN weights (junyanz/pytorch-CycleGAN-and-pix2pix) -> ours.

The published downloads (`horse2zebra`, `monet2photo`, `style_vangogh` ...) are one generator each: 9 residual blocks, instance
norm, no dropout, and the name says from what to what. `load` makes the network of such a file; `load_into` fills a module
from what a training run of the official code left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from datamodules.bad_input import BadInput
from lightning_modules.blocks.official_names import load, load_state, read
from lightning_modules.blocks.official_options import (
    discriminator_words,
    generator_words,
    refuse_unknown,
    told_words,
    training_words,
)
from lightning_modules.cyclegan.module import CycleGAN

__all__ = ["arguments", "arguments_told_by", "load", "load_into"]

Networks = Mapping[str, str | Path | Mapping[str, Tensor]]
"""State dicts or their files, by official name of the network."""
NETWORKS = {
    "G_A": "generator_xy",  # A -> B
    "G_B": "generator_yx",
    "D_A": "discriminator_y",  # the judge of what G_A makes: it looks at images of B
    "D_B": "discriminator_x",
}
"""Official network -> attribute of `CycleGAN`; A is domain X, B is domain Y."""


def arguments(**options: Any) -> dict[str, Any]:
    """Arguments of `CycleGAN`, all but its sizes, from options of the official command line, which keep their defaults.

    Raises:
        BadInput: an option that has no counterpart here.
    """
    defaults = {"netG": "resnet_9blocks", "norm": "instance", "no_dropout": True, "gan_mode": "lsgan", "pool_size": 50}
    options = {**defaults, "lambda_A": 10.0, "lambda_B": 10.0, "lambda_identity": 0.5, **options}
    words = generator_words(options) | discriminator_words(options) | training_words(options)
    words |= {
        "gan_mode": options.pop("gan_mode"),
        "gradient_penalty_weight": 0.0,  # the official wgangp has no penalty
        "cycle_weight_x": float(options.pop("lambda_A")),
        "cycle_weight_y": float(options.pop("lambda_B")),
        "identity_weight": float(options.pop("lambda_identity")),
        "pool_size": options.pop("pool_size"),
    }
    refuse_unknown(options)
    return words


def arguments_told_by(networks: Networks) -> dict[str, Any]:
    """Arguments of `CycleGAN` that the entries of official state dicts tell: sizes of networks and norm.

    Raises:
        BadInput: a file that cannot be read, or is of no network of CycleGAN.
    """
    return told_words(read(source) for source in networks.values())


def load_into(module: CycleGAN, networks: Networks) -> None:
    """Take over official state dicts, by official name: `{"G_A": "latest_net_G_A.pth", ...}`, any of the four.

    Raises:
        BadInput: a name that is none of the four, or a state dict that does not fit to the last entry.
    """
    for name, source in networks.items():
        if name not in NETWORKS:
            raise BadInput(f"CycleGAN has no network {name!r}, only {', '.join(NETWORKS)}")
        load_state(getattr(module, NETWORKS[name]), *read(source))

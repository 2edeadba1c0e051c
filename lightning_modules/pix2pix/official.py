"""Published pix2pix weights (junyanz/pytorch-CycleGAN-and-pix2pix) -> ours.

The published downloads (`edges2shoes`, `sat2map`, `map2sat`, `facades_label2photo`, `day2night`) are generators only: U-Nets of
depth 8 with batch norm and dropout, for pictures in [-1, 1]. `load` makes the network of such a file; `load_into` fills a
module from what a training run of the official code left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from datamodules.bad_input import BadInput
from lightning_modules.blocks.official_names import load, load_state, read, told_by
from lightning_modules.blocks.official_options import (
    discriminator_words,
    generator_words,
    refuse_unknown,
    told_words,
    training_words,
)
from lightning_modules.pix2pix.module import Pix2Pix

__all__ = ["arguments", "arguments_told_by", "load", "load_into"]

Networks = Mapping[str, str | Path | Mapping[str, Tensor]]
"""State dicts or their files, by official name of the network."""
NETWORKS = {"G": "generator", "D": "discriminator"}
"""Official network -> attribute of `Pix2Pix`."""


def arguments(**options: Any) -> dict[str, Any]:
    """Arguments of `Pix2Pix`, all but its sizes, from options of the official command line, which keep their defaults.

    Raises:
        BadInput: an option that has no counterpart here.
    """
    defaults = {"netG": "unet_256", "norm": "batch", "no_dropout": False, "gan_mode": "vanilla"}
    options = {**defaults, "lambda_L1": 100.0, **options}
    words = generator_words(options) | discriminator_words(options) | training_words(options)
    words |= {
        "gan_mode": options.pop("gan_mode"),
        "gradient_penalty_weight": 0.0,  # the official wgangp has no penalty
        "l1_weight": float(options.pop("lambda_L1")),
        "structure_range": "image",
    }
    refuse_unknown(options)
    return words


def arguments_told_by(networks: Networks) -> dict[str, Any]:
    """Arguments of `Pix2Pix` that the entries of official state dicts tell: sizes of networks, norm, the structure's channels.

    Raises:
        BadInput: a file that cannot be read, or is of no network of pix2pix.
    """
    states = {name: read(source) for name, source in networks.items()}
    words = told_words(states.values())
    if "G" in states:
        words["structure_channels"] = told_by(*states["G"]).words["input_nc"]
    return words


def load_into(module: Pix2Pix, networks: Networks) -> None:
    """Take over official state dicts, by official name: `{"G": "latest_net_G.pth", "D": "latest_net_D.pth"}`, or one of them.

    Raises:
        BadInput: a name that is none of the two, or a state dict that does not fit to the last entry.
    """
    for name, source in networks.items():
        if name not in NETWORKS:
            raise BadInput(f"pix2pix has no network {name!r}, only G and D")
        load_state(getattr(module, NETWORKS[name]), *read(source))

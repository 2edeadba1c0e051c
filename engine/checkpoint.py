"""A checkpoint: read without executing anything from it, and enough on its own to rebuild the method and its data.

It is Lightning's dictionary of tensors and plain containers, with two keys more: `config` (the resolved config of the run)
and `ema` (averaged networks, where the run kept them).
"""

from __future__ import annotations

import pathlib
import pickle
import zipfile
from typing import Any

import pytorch_lightning as pl
import torch

from datamodules.bad_input import BadInput
from lightning_modules.translator import Translator


class SelfDescribing(pl.Callback):
    """Puts the run's config into every checkpoint."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["config"] = self.config


def read(path: str | pathlib.Path) -> dict[str, Any]:
    """The contents of a checkpoint of ours, on the CPU.

    Raises:
        BadInput: there is no such file, it is no checkpoint, it would need code to be executed, or it is not of ours.
    """
    path = pathlib.Path(path)
    if path.is_dir() and (path / "checkpoints").is_dir():
        raise BadInput(
            f"{path} is a run's folder; name a checkpoint in it, such as {path / 'checkpoints' / 'last.ckpt'}"
        )
    if not path.is_file():
        raise BadInput(f"{path}: there is no such checkpoint")
    if not zipfile.is_zipfile(path):
        raise BadInput(
            f"{path} is no checkpoint, or was cut off while it was written: copy it again or take another one"
        )
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadInput(
            f"{path} holds more than tensors and plain containers and would have to execute code to be read; it is refused "
            f"({_global_named_in(error)})"
        ) from error
    except (RuntimeError, EOFError, KeyError, ValueError) as error:
        raise BadInput(f"{path} is no checkpoint, or is damaged ({str(error).splitlines()[0]})") from error
    if not isinstance(contents, dict) or "state_dict" not in contents or "config" not in contents:
        raise BadInput(
            f"{path} is not a checkpoint of this project: it holds no config; published weights of a method are turned into one "
            "by `python -m engine.adopt` (or `python -m lightning_modules.swapae.official FILE OUT`)"
        )
    return contents


def _global_named_in(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if "GLOBAL" in line or "Unsupported" in line]
    return (lines or str(error).splitlines())[0][:200]


def load_weights(
    translator: Translator, checkpoint: dict[str, Any], averaged: bool = True, source: str = "the checkpoint"
) -> None:
    """Load the networks of a checkpoint; the averaged ones, where it holds them, unless told otherwise.

    Raises:
        BadInput: the networks are not those of the translator; names what is missing, left over or of another size.
    """
    expected, given = translator.state_dict(), checkpoint["state_dict"]
    missing = [name for name in expected if name not in given]
    left_over = [name for name in given if name not in expected]
    shapes = [
        f"{name} is {tuple(given[name].shape)} and should be {tuple(value.shape)}"
        for name, value in expected.items()
        if name in given and isinstance(value, torch.Tensor) and value.shape != given[name].shape
    ]
    if missing or left_over or shapes:
        found = [f"missing {_some(missing)}"] * bool(missing) + [f"left over {_some(left_over)}"] * bool(left_over)
        raise BadInput(f"{source} is not of this model: " + "; ".join([*found, *([_some(shapes)] if shapes else [])]))
    translator.load_state_dict(given)
    if averaged:
        networks = translator.image_networks()
        for name, state in checkpoint.get("ema", {}).items():
            networks[name].load_state_dict(state)


def _some(names: list[str], count: int = 3) -> str:
    shown = ", ".join(names[:count])
    return shown if len(names) <= count else f"{shown} and {len(names) - count} more"

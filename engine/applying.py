"""From a checkpoint to a translator and its data, with the settings that the command line changes."""

from __future__ import annotations

import copy
from typing import Any

from datamodules.bad_input import BadInput
from engine.build import build_data, build_translator
from engine.check import check
from engine.checkpoint import load_weights, read
from lightning_modules.translator import Translator


def rebuild(
    ckpt: str, model: dict[str, Any] | None, data: dict[str, Any] | None, seed: int, averaged: bool
) -> tuple[Translator, Any, dict[str, Any]]:
    """The method and the data of a checkpoint.

    Args:
        model: settings that replace single ones of the checkpoint's model.
        data: the same for its data; with a `_target_` it is another dataset altogether.

    Returns:
        The translator with its weights, ready to be applied; the data; the config that both were built from.

    Raises:
        BadInput: no checkpoint of ours, a setting that the method or dataset does not have, weights that do not fit.
    """
    checkpoint = read(ckpt)
    config = {**with_changes(checkpoint["config"], model, data), "seed": seed}
    check(config, "engine.configs.TrainConfig")
    translator = build_translator(config)
    load_weights(translator, checkpoint, averaged, source=ckpt)
    return translator.eval(), build_data(config), config


def with_changes(config: dict[str, Any], model: dict[str, Any] | None, data: dict[str, Any] | None) -> dict[str, Any]:
    """A checkpoint's config with the settings that a command changes."""
    changed = copy.deepcopy(config)
    if model and "_target_" in model:
        raise BadInput(
            "the method is that of the checkpoint: only single settings of it can be changed, as model.NAME=VALUE"
        )
    changed["model"] = _merged(changed["model"], model or {})
    changed["data"] = copy.deepcopy(data) if data and "_target_" in data else _merged(changed["data"], data or {})
    return changed


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged

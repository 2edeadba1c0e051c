"""From a checked config to the objects that it describes."""

from __future__ import annotations

import copy
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from datamodules.bad_input import BadInput
from datamodules.translation import TranslationDataModule
from engine.checkpoint import SelfDescribing
from engine.run_folder import RunFolder
from lightning_modules.translator import Translator


def build(section: dict[str, Any], **more: Any) -> Any:
    """The object that a section with `_target_` describes, with plain lists and dicts as its arguments.

    Raises:
        BadInput: what the constructor itself says is wrong, without Hydra's wrapping.
    """
    try:
        return instantiate(section, _convert_="all", **more)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, BadInput):
            cause = cause.__cause__
        if cause is not None:
            raise cause from error
        raise


def build_data(config: dict[str, Any]) -> TranslationDataModule:
    """The data of a config."""
    return build(config["data"])


def build_translator(config: dict[str, Any]) -> Translator:
    """The method of a config, with the settings that Lightning leaves to a module under manual optimisation."""
    translator: Translator = build(config["model"])
    translator.seed = config.get("seed", 0)
    trainer = config.get("trainer", {})
    translator.gradient_clip_val = trainer.get("gradient_clip_val")
    translator.accumulate_grad_batches = trainer.get("accumulate_grad_batches", 1)
    return translator


def build_trainer(config: dict[str, Any], folder: RunFolder, with_loggers: bool = True) -> pl.Trainer:
    """The trainer of a config, writing into a run's folder.

    Raises:
        BadInput: it asks for a GPU, and there is none.
    """
    settings = copy.deepcopy(config["trainer"])
    if settings["accelerator"] in ("gpu", "cuda") and not (
        torch.cuda.is_available() or torch.backends.mps.is_available()
    ):
        raise BadInput(
            f"trainer.accelerator={settings['accelerator']}: torch sees no GPU on this machine; trainer=cpu runs on its "
            "processor, trainer=ddp_cpu trainer.devices=2 in two processes there"
        )
    settings.pop("gradient_clip_val", None)
    settings.pop("accumulate_grad_batches", None)
    several = settings["devices"] != 1 or settings.get("num_nodes", 1) > 1
    if several and settings["strategy"] == "auto":
        # A phase trains a part of the networks: the others get no gradient in its backward pass.
        settings["strategy"] = "ddp_find_unused_parameters_true"
    callbacks = [build(section) for section in config["callbacks"].values() if section]
    loggers = [build(section, save_dir=str(folder.path)) for section in config["logger"].values() if section]
    return build(
        settings,
        default_root_dir=str(folder.path),
        callbacks=[*callbacks, SelfDescribing(config)],
        logger=loggers if with_loggers else False,
        # Our samplers know of ranks and of where a run was cut; Lightning's replacement would shuffle and forget.
        use_distributed_sampler=False,
    )

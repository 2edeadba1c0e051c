"""A config that cannot work is refused in one sentence before anything is built."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from datamodules.bad_input import BadInput
from engine.check import check, resolved

CONFIG = {
    "model": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 2e-4, "betas": [0.5, 0.999]},
    "data": {},
    "trainer": {"_target_": "pytorch_lightning.trainer.trainer.Trainer", "max_steps": 10, "limit_val_batches": 0.5},
    "callbacks": {"ema": None},
    "logger": {},
    "seed": 0,
}


def changed(**sections):
    return {**CONFIG, **sections}


def test_a_config_that_fits_passes():
    check(CONFIG, "engine.configs.TrainConfig")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (changed(sed=1), "sed is not a setting of this command. Did you mean 'seed'?"),
        (changed(seed="one"), "seed='one' should be a valid integer"),
        (
            changed(trainer={**CONFIG["trainer"], "max_stepz": 3}),
            "trainer.max_stepz is not a setting of pytorch_lightning.trainer.trainer.Trainer. Did you mean 'max_steps'?",
        ),
        (
            changed(trainer={**CONFIG["trainer"], "max_steps": "abc"}),
            "trainer.max_steps='abc' should be a valid integer",
        ),
        (changed(trainer={**CONFIG["trainer"], "max_steps": 3.5}), "trainer.max_steps=3.5 should be a valid integer"),
        (changed(model={**CONFIG["model"], "betas": [0.5, "x"]}), None),
        (
            changed(callbacks={"mine": {"_target_": "engine.check.nothing"}}),
            "callbacks.mine._target_: engine.check.nothing: check.py defines no 'nothing'.",
        ),
        (
            {k: v for k, v in CONFIG.items() if k != "trainer"},
            "trainer is missing: engine.configs.TrainConfig needs it",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_place_and_a_remedy(config, sentence):
    if sentence is None:  # torch annotates it with its own types, which are not known without importing torch
        check(config, "engine.configs.TrainConfig")
        return
    with pytest.raises(BadInput) as error:
        check(config, "engine.configs.TrainConfig")
    assert str(error.value).startswith(sentence)


def test_a_missing_value_and_a_broken_interpolation_are_named():
    with pytest.raises(BadInput, match="ckpt"):
        resolved(OmegaConf.create({"ckpt": "???"}))
    with pytest.raises(BadInput, match="nowhere"):
        resolved(OmegaConf.create({"data": {"width": "${nowhere}"}}))

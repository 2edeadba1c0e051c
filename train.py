"""Train a method on a dataset: fit, validate, test, from one config.

python train.py experiment=quickstart
python train.py model=cyclegan data=market1501 data.pairing=domains trainer.max_epochs=50
python train.py resume=runs/cyclegan_market1501/2026-01-31_12-00-00-000000
python train.py -m model=pix2pix,cyclegan seed=0,1
"""

from __future__ import annotations

import pathlib
from typing import Any

from engine.command import given_overrides, run_command


def act(config: dict[str, Any], output: pathlib.Path) -> float | None:
    """Go on with a checked config: see `engine.training`."""
    from engine.training import main

    return main(config, output, given_overrides())


if __name__ == "__main__":
    run_command("train", "engine.configs.TrainConfig", act)

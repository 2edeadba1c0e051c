"""Measure a checkpoint; method and data are rebuilt from what it holds.

python evaluate.py ckpt=runs/.../checkpoints/last.ckpt
python evaluate.py -m ckpt=... model.guidance.mode=nested model.guidance.pose=1,2,3 model.guidance.style=1,2,3
"""

from __future__ import annotations

import pathlib
from typing import Any

from engine.command import run_command


def act(config: dict[str, Any], output: pathlib.Path) -> float | None:
    """Go on with a checked config: see `engine.evaluation`."""
    from engine.evaluation import main

    return main(config, output)


if __name__ == "__main__":
    run_command("evaluate", "engine.configs.EvaluateConfig", act, open_sections=("model", "data"))

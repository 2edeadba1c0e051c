"""Apply a checkpoint to your own files: images in, translated images out.

python translate.py ckpt=runs/.../checkpoints/last.ckpt source=photo.jpg structure=pose.json out=translated
"""

from __future__ import annotations

import pathlib
from typing import Any

from engine.command import run_command


def act(config: dict[str, Any], output: pathlib.Path) -> float | None:
    """Go on with a checked config: see `engine.translation`."""
    from engine.translation import main

    return main(config, output)


if __name__ == "__main__":
    run_command("translate", "engine.configs.TranslateConfig", act, open_sections=("model", "data"))

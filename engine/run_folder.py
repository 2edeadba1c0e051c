"""A run's folder: everything that a run writes, and nothing elsewhere.

config.yaml                 what ran, resolved
checkpoints/{last,best}.ckpt
metrics.csv                 what was logged, a row per time
metrics.json                what was measured at the end
samples/<step>.png
images/                      every translation, where evaluate.py was asked for them
train.log
"""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import yaml

from datamodules.bad_input import BadInput


class RunFolder:
    """The files of one run, by what they are."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = pathlib.Path(path)
        self.config_file = self.path / "config.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.last = self.checkpoints / "last.ckpt"
        self.best = self.checkpoints / "best.ckpt"
        self.metrics_file = self.path / "metrics.json"
        self.samples = self.path / "samples"
        self.images = self.path / "images"

    def write_config(self, config: dict[str, Any]) -> None:
        """Write the resolved config, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        _write_whole(self.config_file, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))

    def read_config(self) -> dict[str, Any]:
        """The resolved config.

        Raises:
            BadInput: the folder is not that of a run.
        """
        if not self.config_file.is_file():
            raise BadInput(f"{self.path} is not the folder of a run: it holds no config.yaml")
        return dict(yaml.safe_load(self.config_file.read_text(encoding="utf-8")))

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write the measures of the finished run, whole or not at all."""
        _write_whole(self.metrics_file, json.dumps(metrics, indent=2) + "\n")

    def read_metrics(self) -> dict[str, Any]:
        """The measures of a finished run; empty while it is not finished."""
        return dict(json.loads(self.metrics_file.read_text(encoding="utf-8"))) if self.metrics_file.is_file() else {}


def _write_whole(file: pathlib.Path, text: str) -> None:
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)

"""Commands as a user gives them: composed and checked by the same code, carried out in this process or in one of its own."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any

import hydra
import pytest

from engine.check import check, resolved
from engine.command import CONFIGS, ROOT, register_resolvers
from engine.run_folder import RunFolder

METHODS = sorted(path.stem for path in (CONFIGS / "model").glob("*.yaml"))
DATASETS = sorted(path.stem.removesuffix("_tiny") for path in (CONFIGS / "data" / "sizes").glob("*_tiny.yaml"))
QUICK = ("pix2pix", "cyclegan")
"""The methods that the fast tests take through what needs a process of its own; the slow ones take all."""
QUIET = ["trainer.accelerator=cpu", "callbacks.progress=null", "trainer.enable_progress_bar=false"]


def fast_for(*quick: str) -> list[Any]:
    """Every method as a parameter; those that are not `quick` marked slow."""
    return [method if method in quick else pytest.param(method, marks=pytest.mark.slow) for method in METHODS]


def composed(*overrides: str, command: str = "train") -> dict[str, Any]:
    """The checked config that a command line gives."""
    register_resolvers()
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = resolved(hydra.compose(command, overrides=list(overrides)))
    check(config, f"engine.configs.{command.capitalize()}Config")
    return config


def train(folder: pathlib.Path, *overrides: str) -> RunFolder:
    """`python train.py ...` in this process, into `folder`."""
    from engine.training import main

    resumes = any(override.startswith("resume=") for override in overrides)
    main(composed(*([] if resumes else QUIET), *overrides), folder, overrides)
    return RunFolder(folder)


def started(*words: str, **environment: str) -> subprocess.Popen[str]:
    """`python <words>` in a process of its own, from the project's root."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same, waited for."""
    process = started(*words, **environment)
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)

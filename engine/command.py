"""A command: composes one config with Hydra, checks it, and hands it to a function; wrong input ends in one sentence.

Nothing here imports torch: `--help`, `--cfg job` and a misspelt setting take a second.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import CompactHydraException, ConfigCompositionException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from datamodules import structures
from datamodules.bad_input import BadInput, nearest
from engine.check import check, resolved

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "conf"


class Refused(CompactHydraException):
    """A `BadInput` on its way out of a sweep: Hydra goes on with the other jobs, says which one it was, and exits with code 1."""


def run_command(
    name: str,
    function: str,
    act: Callable[[dict[str, Any], pathlib.Path], float | None],
    open_sections: Sequence[str] = (),
) -> None:
    """Run a command with the config `conf/<name>.yaml`.

    Args:
        name: the command's name and that of its root config.
        function: the dotted path of the function whose parameters are the keys of the root config.
        act: receives the checked config and the folder that Hydra made for this job; what it returns is the value that a
            sweep optimises.
        open_sections: sections whose keys are known only once a checkpoint is read: overrides of these may add keys, and
            the function checks them.
    """
    register_resolvers()
    sys.argv[1:] = [f"++{word}" if _changes_one_of(open_sections, word) else word for word in sys.argv[1:]]
    _explain_wrong_overrides(name, sys.argv[1:])

    @hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=name)
    def main(config: DictConfig) -> float | None:
        output = pathlib.Path(HydraConfig.get().runtime.output_dir)
        try:
            arguments = resolved(config)
            check(arguments, function)
            return act(arguments, output)
        except BadInput as error:
            _leave_nothing(output, name)
            if HydraConfig.get().mode == RunMode.RUN and not _shows_tracebacks():
                # Hydra would write the overrides before the sentence and a hint after it.
                sys.exit(f"Error: {error}")
            raise Refused(str(error)) from error

    main()


def _shows_tracebacks() -> bool:
    return os.environ.get("HYDRA_FULL_ERROR") == "1"


def _leave_nothing(output: pathlib.Path, name: str) -> None:
    """Remove the folder of a job that was refused before it wrote anything but its log."""
    if not output.is_dir() or output == pathlib.Path.cwd():
        return
    if {path.name for path in output.iterdir()} <= {f"{name}.log"}:
        shutil.rmtree(output)
        with contextlib.suppress(OSError):
            output.parent.rmdir()


def _changes_one_of(sections: Sequence[str], word: str) -> bool:
    name, dot, _ = word.split("=", 1)[0].partition(".")
    return "=" in word and bool(dot) and name in sections


def given_overrides() -> list[str]:
    """The overrides of this job as they were written on the command line."""
    return list(HydraConfig.get().overrides.task)


def register_resolvers() -> None:
    """Teach OmegaConf the functions that conf/ uses: how many channels a structure has, where a run writes."""
    OmegaConf.register_new_resolver("structure_channels", structures.channels, replace=True)
    OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)


def _run_folder(resume: str | None, default: str) -> str:
    """Where a job writes: into the run that it goes on with, or into a folder of its own."""
    return str(folder_of(resume)) if resume and folder_of(resume).is_dir() else default


def folder_of(run: str) -> pathlib.Path:
    """The folder of a run, named by itself or by a checkpoint in it."""
    path = pathlib.Path(run)
    return path.parent.parent if path.suffix == ".ckpt" else path


def _explain_wrong_overrides(name: str, argv: Sequence[str]) -> None:
    """Compose once before Hydra does, to say of a misspelt key or group what its nearest right name is."""
    arguments = get_args_parser().parse_args(list(argv))
    asks_only = arguments.help or arguments.hydra_help or arguments.shell_completion or arguments.info
    if asks_only or arguments.config_path or arguments.config_name or arguments.config_dir:
        return
    try:
        with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
            hydra.compose(name, overrides=_first_job(arguments.overrides))
    except HydraException as error:
        if _shows_tracebacks():
            raise
        sys.exit(f"Error: {explained(error, name, arguments.overrides)}")


def _first_job(overrides: Sequence[str]) -> list[str]:
    """The overrides of a sweep's first job: those that name several values are cut to the first."""
    first = []
    for text, override in zip(overrides, OverridesParser.create().parse_overrides(list(overrides)), strict=True):
        if override.key_or_group.startswith("hydra") and override.key_or_group != "hydra.searchpath":
            continue
        if override.is_sweep_override() and override.is_discrete_sweep():
            value = next(iter(override.sweep_string_iterator()))
            first.append(f"{text.split('=', 1)[0]}={value}")
        elif not override.is_sweep_override():
            first.append(text)
    return first


def explained(error: HydraException, name: str, overrides: Sequence[str]) -> str:
    """One sentence for an error of composition, with the nearest right name."""
    text = str(error)
    if missing := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, option = missing.groups()
        options = sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
        return f"{group}={option}: there is no such {group}; there are {', '.join(options)}.{nearest(option, options)}"
    if isinstance(error, ConfigCompositionException) and (
        struct := re.search(r"Key '([^']+)' is not in struct", str(error.__cause__ or text) + text)
    ):
        key = struct.group(1)
        full_key = next((o.lstrip("+~").split("=", 1)[0] for o in overrides if key in o), key)
        known = _keys_beside(full_key, key, name, overrides)
        return f"{full_key}: the config has no key {key!r}.{nearest(key, known)} (python {name}.py --cfg job prints all keys)"
    if unknown := re.search(r"Could not override '([^']+)'\.\s*No match in the defaults list", text):
        groups = [path.name for path in CONFIGS.iterdir() if path.is_dir()]
        return f"{unknown.group(1)}: there is no such config group.{nearest(unknown.group(1), groups)}"
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def _keys_beside(full_key: str, key: str, name: str, overrides: Sequence[str]) -> list[str]:
    """The keys that the config has where `key` was looked for."""
    others = [o for o in _first_job(overrides) if o.lstrip("+~").split("=", 1)[0] != full_key]
    try:
        with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
            config = hydra.compose(name, overrides=others)
    except HydraException:
        return []
    parents = full_key.split(".")[: full_key.split(".").index(key)] if key in full_key.split(".") else []
    node = OmegaConf.select(config, ".".join(parents)) if parents else config
    return [str(k) for k in node] if isinstance(node, DictConfig) else []

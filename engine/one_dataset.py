"""The data of a run without its run: for small commands about a dataset (`python -m datamodules.show` ...)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from datamodules.bad_input import BadInput
from datamodules.translation import TranslationDataModule
from engine.build import build
from engine.check import check, resolved
from engine.command import CONFIGS, explained, register_resolvers


def names() -> list[str]:
    """The datasets that have a config."""
    return sorted(path.stem for path in (CONFIGS / "data").glob("*.yaml"))


def one_dataset(name: str, root: Path, overrides: Sequence[str] = ()) -> TranslationDataModule:
    """The data that `train.py data=<name> data.root=<root> data.<override> ...` would use, built and not set up.

    Args:
        name: of a file in `conf/data`.
        root: the dataset's folder.
        overrides: settings of the data as `key=value`, without `data.` before them.

    Raises:
        BadInput: an unknown name or key, a wrong value, or settings that cannot be together.
    """
    register_resolvers()
    for override in overrides:
        if "=" not in override:
            raise BadInput(f"{override!r} is no setting: write it as key=value, such as pairing=domains")
    words = [f"data={name}", *(f"data.{_quoted(override)}" for override in overrides)]
    try:
        with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
            config = hydra.compose("train", overrides=words)
    except HydraException as error:
        raise BadInput(explained(error, "train", words)) from error
    config.data.root = ""  # replaced below: a path may hold signs that mean something to Hydra
    section = {**resolved(config.data), "root": str(root)}
    check({key: value for key, value in section.items() if key != "_target_"}, section["_target_"])
    data: TranslationDataModule = build(section)
    return data


def _quoted(override: str) -> str:
    """The setting with its value in quotes where Hydra would not take it as it is: `*.jpg`, `{split}A`, non-ASCII names."""
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        key, _, value = override.partition("=")
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{key}="{escaped}"'
    return override

"""The config of callbacks and loggers names every setting that there is, and can be built as it stands."""

from __future__ import annotations

import inspect
import pathlib
from typing import Any

import pytest
import yaml
from hydra.utils import get_class, instantiate

from metrics.glossary import MEANING

CONF = pathlib.Path(__file__).parents[2] / "conf"
SECTIONS = [
    pytest.param(group, section, id=f"{file.stem}.{name}")
    for group in ("callbacks", "logger")
    for file in sorted((CONF / group).glob("*.yaml"))
    for name, section in (yaml.safe_load(file.read_text()) or {}).items()
    if isinstance(section, dict)
]


@pytest.mark.parametrize(("group", "section"), SECTIONS)
def test_every_setting_is_listed_and_none_that_is_not(group: str, section: dict[str, Any]) -> None:
    settings = set(inspect.signature(get_class(section["_target_"])).parameters)
    # Where a logger writes is the run's business.
    assert section.keys() - {"_target_"} == settings - {"save_dir"}


@pytest.mark.parametrize(("group", "section"), SECTIONS)
def test_it_can_be_built(
    group: str, section: dict[str, Any], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    instantiate(section, _convert_="all", **({"save_dir": str(tmp_path)} if group == "logger" else {}))


def test_the_measures_of_the_config_are_measures() -> None:
    section = yaml.safe_load((CONF / "callbacks/default.yaml").read_text())["measures"]
    assert set(section["measures"]) <= set(MEANING)

"""The configs that benchmarks measure: a method at its paper's size, or at the small one of its quick start."""

from __future__ import annotations

import functools
from typing import Any

SIZES = ["small", "paper"]
PEOPLE = [
    "data.root=${oc.env:DATA_ROOT,data}/replica/market1501_quickstart",
    "data.replica={identities: 64, images_per_identity: 12, seed: 0}",
]


@functools.cache
def methods() -> list[str]:
    """Every method that has a config."""
    from engine.command import CONFIGS

    return sorted(path.stem for path in (CONFIGS / "model").glob("*.yaml"))


def small(method: str) -> list[str]:
    """The quick start that trains a method, or its tiny size."""
    from omegaconf import OmegaConf

    from engine.command import CONFIGS

    for path in sorted((CONFIGS / "experiment").glob("quickstart*.yaml")):
        defaults = OmegaConf.load(path).get("defaults", [])
        if {"override /model": method} in [dict(entry) for entry in defaults if not isinstance(entry, str)]:
            return [f"experiment={path.stem}"]
    return ["experiment=smoke", f"model={method}", "data=market1501"]


def paper(method: str) -> list[str]:
    """The method's own sizes, on 256 x 256 people, one at a time."""
    return [f"model={method}", "data=market1501", "data.height=256", "data.width=256", "data.batch_size=1", *PEOPLE]


def compose(method: str, size: str, overrides: list[str]) -> dict[str, Any]:
    """The resolved config of a method for a size."""
    import hydra

    from engine.check import check, resolved
    from engine.command import CONFIGS, register_resolvers

    register_resolvers()
    chosen = (small if size == "small" else paper)(method)
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = hydra.compose("train", overrides=[*chosen, *overrides])
    plain = resolved(config)
    check(plain, "engine.configs.TrainConfig")
    return plain

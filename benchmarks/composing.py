"""The configs that benchmarks measure: a method at its paper's size, or at a small one."""

from __future__ import annotations

from typing import Any

METHODS = ["pix2pix", "cyclegan"]
SIZES = ["small", "paper"]
SMALL = {
    "pix2pix": ["data=market1501", "data.batch_size=16", "model.condition=structure_and_source"],
    "cyclegan": ["data=market1501", "data.pairing=domains", "data.batch_size=4", "model.ngf=32", "model.blocks=6"],
}
PAPER = {
    "pix2pix": ["data=market1501", "data.height=256", "data.width=256", "data.batch_size=1"],
    "cyclegan": ["data=market1501", "data.pairing=domains", "data.height=256", "data.width=256", "data.batch_size=1"],
}


def compose(method: str, size: str, overrides: list[str]) -> dict[str, Any]:
    """The resolved config of a method for a size, on a replica of Market-1501."""
    import hydra

    from engine.check import check, resolved
    from engine.command import CONFIGS, register_resolvers

    register_resolvers()
    replica = [
        "data.root=${oc.env:DATA_ROOT,data}/replica/market1501_quickstart",
        "data.replica={identities: 64, images_per_identity: 12, seed: 0}",
    ]
    chosen = (SMALL if size == "small" else PAPER)[method]
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = hydra.compose("train", overrides=[f"model={method}", *chosen, *replica, *overrides])
    plain = resolved(config)
    check(plain, "engine.configs.TrainConfig")
    return plain

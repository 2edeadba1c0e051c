"""The measures of a checkpoint: `metrics.json`, a csv row per image, grids, and the images themselves where asked for."""

from __future__ import annotations

import pathlib
from typing import Any

from datamodules.bad_input import BadInput
from engine import report
from engine.applying import rebuild
from engine.build import build_trainer
from engine.run_folder import RunFolder
from engine.training import quieten


def main(config: dict[str, Any], output: pathlib.Path) -> float | None:
    """Measure the checkpoint of a checked config and write the results into `output`."""
    split = config["split"]
    if split not in ("val", "test"):
        raise BadInput(f"split={split!r} is not one of val, test")
    if config["trainer"]["devices"] != 1:
        raise BadInput("evaluate.py measures on one device: leave trainer.devices=1; a sweep runs one job per setting")
    quieten()
    folder = RunFolder(output)
    translator, data, rebuilt = rebuild(
        config["ckpt"], config.get("model"), config.get("data"), config["seed"], config["averaged"]
    )
    data.test_split = split
    settings = {**rebuilt, **{part: config[part] for part in ("trainer", "callbacks", "logger")}}
    folder.write_config({**settings, **{key: config[key] for key in ("ckpt", "split", "averaged", "images")}})
    if config["images"]:
        settings["callbacks"] = {**settings["callbacks"], "images": {"_target_": "callbacks.saved_images.SavedImages"}}
    trainer = build_trainer(settings, folder)
    trainer.test(translator, datamodule=data, verbose=False)
    measured = {name.replace("test/", f"{split}/", 1): float(value) for name, value in trainer.callback_metrics.items()}
    results = report.with_caveats(measured, translator)
    folder.write_metrics(results)
    report.conclude(results, folder)
    return None

"""One training run: fit, validate, test, and what is left in its folder.

`main` is what `train.py` does with a composed config; `run` is what each process does with the folder's config.
"""

from __future__ import annotations

import argparse
import logging
import os
import pathlib
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from datamodules.bad_input import BadInput
from engine.command import folder_of
from engine.run_folder import RunFolder

log = logging.getLogger(__name__)


def main(config: dict[str, Any], output: pathlib.Path, overrides: Sequence[str]) -> float | None:
    """Carry out a checked config, or go on with the run that it names.

    Args:
        overrides: what the command line changed, for a run that goes on with a config of its own.

    Returns:
        The measure named by `objective`, for sweeps that optimise.
    """
    from engine.launch import launch

    resume = config.pop("resume")
    if resume:
        folder, config = _resumed(resume, overrides)
    else:
        folder = RunFolder(output)
        if config["init"]:
            weights = pathlib.Path(config["init"]).expanduser().absolute()
            if not weights.is_file():
                raise BadInput(f"init={config['init']}: there is no such checkpoint")
            config["init"] = str(weights)
    folder.write_config(config)
    launch(config, folder, resume=bool(resume))
    objective = config["objective"]
    if objective is None:
        return None
    measured = folder.read_metrics()
    if objective not in measured:
        raise BadInput(f"objective={objective}: this run measured no such thing, only {', '.join(sorted(measured))}")
    return float(measured[objective])


def _resumed(resume: str, overrides: Sequence[str]) -> tuple[RunFolder, dict[str, Any]]:
    """The folder and config of a run that goes on: its own config, with the values that the command line changes."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    from engine.check import check

    folder = RunFolder(folder_of(resume))
    if resume.endswith(".ckpt") and pathlib.Path(resume).name != folder.last.name:
        raise BadInput(
            f"resume={resume}: a run goes on from its {folder.last.name} alone; to start a new run from other weights, say init={resume}"
        )
    config = OmegaConf.create(folder.read_config())
    if not folder.last.is_file():
        raise BadInput(
            f"resume={resume}: there is no {folder.last}; the run was cut before its first checkpoint, start it anew"
        )
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if override.key_or_group == "resume":
            continue
        if override.key_or_group == "init":
            raise BadInput(f"{override.input_line}: a resumed run has networks already; leave out resume or init")
        if "." not in override.key_or_group and override.key_or_group not in ("test", "objective", "name"):
            raise BadInput(
                f"{override.input_line}: a resumed run keeps its own config; single values such as trainer.max_steps=1000 can be changed"
            )
        OmegaConf.update(config, override.key_or_group, override.value(), force_add=True)
    changed = OmegaConf.to_container(config, resolve=True)
    assert isinstance(changed, dict)
    plain: dict[str, Any] = {str(key): value for key, value in changed.items()}
    check(plain, "engine.configs.TrainConfig")
    return folder, plain


def run(folder: RunFolder, resume: bool) -> None:
    """Train, validate and test in this process, which is one of several when several devices were asked for."""
    import pytorch_lightning as pl

    from engine import report
    from engine.build import build_data, build_trainer, build_translator
    from engine.checkpoint import load_weights, read

    config = folder.read_config()
    quieten()
    pl.seed_everything(config["seed"], verbose=False)
    data = build_data(config)
    translator = build_translator(config)
    if config.get("init") and not resume:
        load_weights(translator, read(config["init"]), source=f"init={config['init']}")
    trainer = build_trainer(config, folder)
    for logger in trainer.loggers:
        logger.log_hyperparams(config)
    if trainer.is_global_zero:
        report.announce(config, folder, translator, resume)
    trainer.fit(translator, datamodule=data, ckpt_path=folder.last if resume else None, weights_only=True)
    if trainer.interrupted:
        log.warning("Stopped early. To go on: python train.py resume=%s", folder.path)
        sys.exit(1)
    measured = {name: float(value) for name, value in trainer.callback_metrics.items() if not name.startswith("train/")}
    if config["test"]:
        measured |= _test(trainer, translator, data, folder)
    if trainer.is_global_zero:
        results = report.with_caveats(measured, translator)
        folder.write_metrics(results)
        report.conclude(results, folder)


def quieten() -> None:
    """Leave Lightning its warnings, but not its remarks."""
    for name in ("pytorch_lightning", "lightning_fabric", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)  # what trainer.profiler found
    for remark in (
        ".*does not have many workers.*",
        ".*LeafSpec.*is deprecated.*",
        ".*in eval mode at the start of training.*",
    ):
        warnings.filterwarnings("ignore", remark)


def _test(trainer: Any, translator: Any, data: Any, folder: RunFolder) -> dict[str, float]:
    """The measures of the best checkpoint on the test split, or of the last where nothing said which is best."""
    checkpoint = next((file for file in (folder.best, folder.last) if file.is_file()), None)
    trainer.test(translator, datamodule=data, ckpt_path=checkpoint, weights_only=True, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("test/")}


def _worker() -> None:
    """One of several processes of a run, started by `engine.launch`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    folder = RunFolder(arguments.folder)
    first = os.environ.get("RANK", "0") == "0"
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if first:
        handlers.append(logging.FileHandler(folder.path / "train.log"))
    logging.basicConfig(
        level=logging.INFO if first else logging.ERROR,
        handlers=handlers,
        format="[%(asctime)s][%(name)s][%(levelname)s] - %(message)s",
    )
    try:
        run(folder, arguments.resume)
    except BadInput as error:
        (folder.path / ".refused").write_text(str(error), encoding="utf-8")
        sys.exit(1)


if __name__ == "__main__":
    _worker()

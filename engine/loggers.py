"""Where a run's numbers and pictures go: always a csv file in its folder, and W&B or TensorBoard if asked for.

Beyond Lightning's interface, a logger may have `log_picture(name, image, step)` for grids, and `rewind(step)`, which takes
its records back to the state that a resumed run goes on from.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import pathlib
from typing import Any, Literal

import numpy as np
from lightning_fabric.loggers.csv_logs import _ExperimentWriter
from lightning_fabric.loggers.logger import rank_zero_experiment
from numpy.typing import NDArray
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from datamodules.bad_input import BadInput

log = logging.getLogger(__name__)


class _Rows(_ExperimentWriter):
    """`metrics.csv` that goes on where it ends, instead of deleting what it finds."""

    def _check_log_dir_exists(self) -> None:
        file = pathlib.Path(self.metrics_file_path)
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            self.metrics_keys = text.partition("\n")[0].strip().split(",")
            if not text.endswith("\n"):
                self._write(self._read())  # a killed run left half a line

    def save(self) -> None:
        """Append what was recorded; when a new column appears, write the whole file anew and put it in place at once."""
        new = set().union(*self.metrics) - set(self.metrics_keys)
        if new and self.metrics_keys:
            self.metrics, recorded = [], self.metrics
            rows = [*self._read(), *recorded]
            self.metrics_keys = sorted({*self.metrics_keys, *new})
            self._write(rows)
        else:
            super().save()

    def rewind(self, step: int) -> None:
        """Drop the rows of `step` and later."""
        self.save()
        rows = self._read()
        kept = [row for row in rows if int(row["step"]) < step]
        if len(kept) < len(rows):
            self._write(kept)

    def _read(self) -> list[dict[str, Any]]:
        file = pathlib.Path(self.metrics_file_path)
        if not file.is_file():
            return []
        with file.open(newline="", encoding="utf-8") as text:
            return [row for row in csv.DictReader(text) if (row.get("step") or "").isdigit()]

    def _write(self, rows: list[dict[str, Any]]) -> None:
        file = pathlib.Path(self.metrics_file_path)
        partial = file.with_name(f".{file.name}.partial")
        with partial.open("w", newline="", encoding="utf-8") as text:
            writer = csv.DictWriter(text, fieldnames=self.metrics_keys)
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(file)


class RunCSV(CSVLogger):
    """`<run>/metrics.csv`: one row per time that something is logged, a column per name, `step` counted in batches from 0.

    A resumed run keeps the rows up to the state that it goes on from and replaces those after it.
    """

    def __init__(self, save_dir: str = ".", flush_every_n_steps: int = 50) -> None:
        """
        Args:
            save_dir: the run's folder.
            flush_every_n_steps: what was logged reaches the file this often, and whenever validation or training ends.
        """
        super().__init__(save_dir, name="", version="", flush_logs_every_n_steps=flush_every_n_steps)

    @property
    def log_dir(self) -> str:
        return self.save_dir

    @property
    @rank_zero_experiment
    def experiment(self) -> _ExperimentWriter:
        if self._experiment is None:
            self._experiment = _Rows(self.log_dir)
        return self._experiment

    def log_hyperparams(self, params: Any = None) -> None:
        """Nothing: the run's config.yaml says it all."""

    @rank_zero_only
    def rewind(self, step: int) -> None:
        """Drop the rows of `step` (counted from 0) and later."""
        self.experiment.rewind(step)


class RunWandb(WandbLogger):
    """Weights & Biases, which never asks, never waits long and never ends a run.

    `mode=auto` is what WANDB_MODE says; without it online when there is an API key (`wandb login` or WANDB_API_KEY), else
    offline. When the server cannot be reached a run goes on offline. An offline run lies in `<run>/wandb`; `wandb sync <run>/wandb/offline-run-*` uploads it.
    A resumed run goes on under the same id.

    Image grids hold pictures of the dataset, and the terms of DeepFashion, Market-1501 and others forbid to pass these on:
    an online run gets grids only with `upload_images=true`. An offline run gets them unless `upload_images=false`; they
    stay on this machine until you sync.
    """

    def __init__(
        self,
        save_dir: str = ".",
        project: str = "exemplar-synthesis",
        mode: Literal["auto", "online", "offline"] = "auto",
        upload_images: bool | None = None,
        init_timeout: float = 10.0,
        finish_timeout: float = 60.0,
        name: str | None = None,
        group: str | None = None,
        tags: list[str] | None = None,
        entity: str | None = None,
    ) -> None:
        """
        Args:
            save_dir: the run's folder.
            project, name, group, tags, entity: as W&B shows them; the jobs of a sweep share a group.
            mode: see above.
            upload_images: see above.
            init_timeout: seconds to wait for the server at the start.
            finish_timeout: seconds to wait for uploads at the end.
        """
        import wandb

        chosen = os.environ.get("WANDB_MODE", mode) if mode == "auto" else mode
        if chosen in ("auto", "online"):
            # Silent: else W&B asks the server for the user's name, to print it.
            wandb.setup(wandb.Settings(silent=True))
            known = wandb.login(prompt=False, verify=False)
            if chosen == "online" and not known:
                raise BadInput("logger.wandb.mode=online needs an API key: run `wandb login` once, or use mode=auto.")
            chosen = "online" if known else "offline"
        settings = wandb.Settings(
            init_timeout=init_timeout, finish_timeout=finish_timeout, console="off", silent=True, x_disable_stats=True
        )
        super().__init__(
            save_dir=save_dir,
            project=project,
            id=_kept_id(pathlib.Path(save_dir)),
            name=name,
            group=group,
            tags=tags,
            entity=entity,
            settings=settings,
            mode=chosen,
            reinit="finish_previous",
        )
        self.upload_images = upload_images

    @property
    def is_offline(self) -> bool:
        """Whether the run is recorded on this machine only."""
        return self._wandb_init["mode"] == "offline"

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None:
            import wandb

            try:
                run = self._start()
            except (wandb.errors.CommError, wandb.errors.UsageError, OSError) as error:
                if self.is_offline:
                    raise
                reason = str(error).splitlines()[0]
                log.warning("W&B cannot be reached (%s); this run is recorded offline in %s.", reason, self.save_dir)
                # Else the id of the run that could not begin stays taken in W&B's background process.
                wandb.teardown()
                self._wandb_init["mode"] = "offline"
                run = self._start()
            if not self.is_offline:
                log.info("W&B: %s", run.url)
            self._experiment = run
        return self._experiment

    def _start(self) -> Any:
        """Begin a W&B run, say what its x-axis is, and note its id for a resumed run."""
        import wandb

        folder = pathlib.Path(self.save_dir or ".")
        folder.mkdir(parents=True, exist_ok=True)
        run = wandb.init(**self._wandb_init)
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        file = _id_file(folder)
        file.parent.mkdir(exist_ok=True)
        file.write_text(str(run.id), encoding="utf-8")
        return run

    @rank_zero_only
    def log_picture(self, name: str, image: NDArray[np.uint8], step: int) -> None:
        """Log an (H, W, 3) image, if `upload_images` allows it."""
        if self.upload_images or (self.upload_images is None and self.is_offline):
            self.log_image(name, [image], step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Keep the run open while the program may go on to test, close it when training failed."""
        super().finalize(status)
        if status == "failed" and self._experiment is not None:
            self._experiment.finish(exit_code=1)


def _id_file(folder: pathlib.Path) -> pathlib.Path:
    return folder / "wandb" / "id"


def _kept_id(folder: pathlib.Path) -> str | None:
    """The id under which this run was recorded before it was resumed."""
    file = _id_file(folder)
    return file.read_text(encoding="utf-8") if file.is_file() else None


class RunTensorBoard(TensorBoardLogger):
    """TensorBoard event files in `<run>/tensorboard`; needs the package `tensorboard`."""

    def __init__(self, save_dir: str = ".") -> None:
        """
        Args:
            save_dir: the run's folder.
        """
        try:
            super().__init__(save_dir, name="tensorboard", version="", default_hp_metric=False)
        except ModuleNotFoundError as error:
            raise BadInput(
                "logger=tensorboard needs a package that is not installed: pip install tensorboard."
            ) from error

    @property
    def log_dir(self) -> str:
        return str(pathlib.Path(self.root_dir))

    @rank_zero_only
    def log_hyperparams(self, params: Any, metrics: Any = None, step: int | None = None) -> None:
        """The config as a text; TensorBoard's own table takes flat numbers only."""
        text = json.dumps(params, indent=2, default=str)
        self.experiment.add_text("config", f"```\n{text}\n```")

    @rank_zero_only
    def save(self) -> None:
        """Write what is pending; the config is in the run's config.yaml."""
        self.experiment.flush()

    @rank_zero_only
    def log_picture(self, name: str, image: NDArray[np.uint8], step: int) -> None:
        """Log an (H, W, 3) image."""
        self.experiment.add_image(name, image, step, dataformats="HWC")

    @rank_zero_only
    def rewind(self, step: int) -> None:
        """Hide the records of `step` and later."""
        if step > 0:
            self.experiment.close()
            self._experiment = None
            self._kwargs["purge_step"] = step

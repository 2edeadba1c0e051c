"""How good the translations are, at every validation and test, and how good it is to do nothing."""

from __future__ import annotations

import csv
import logging
import pathlib
from collections import defaultdict
from typing import Any, Literal, get_args

import pytorch_lightning as pl
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from datamodules.bad_input import BadInput, nearest
from datamodules.batch import Batch
from metrics.frechet import FeatureStatistics, frechet_distance
from metrics.glossary import COPY_SOURCE, PER_IMAGE
from metrics.image_quality import quantise
from metrics.suite import Suite
from metrics.swd import sliced_wasserstein

log = logging.getLogger(__name__)

Reference = Literal["targets", "train"]

Row = dict[str, Any]
"""One image: `source_key`, `target_key`, and a value for each of its measures."""


class _Set:
    """Images of one kind (translations, targets, copies of the source), as measures of sets need them."""

    def __init__(self, suite: Suite, device: torch.device, most: int, fid: bool = True) -> None:
        """
        Args:
            device: where features are made.
            most: how many images are kept for SWD.
            fid: whether FID asks for these images; where it cannot be measured, it never does.
        """
        self.suite = suite
        self.most = most
        self.pictures: list[Tensor] = []
        self.kept = 0
        self.statistics: FeatureStatistics | None = None
        if fid and suite.inception is not None and "fid" in suite.names:
            # Apple's devices have no float64, in which the statistics are kept.
            exact = torch.device("cpu") if device.type == "mps" else device
            self.statistics = FeatureStatistics(suite.inception.dimensions).to(exact)

    def add(self, images: Tensor) -> None:
        if self.statistics is not None:
            self.statistics.update(self.suite.features(images))
        if "swd" in self.suite.names and self.kept < self.most:
            self.pictures.append(quantise(images[: self.most - self.kept]).cpu())
            self.kept += len(self.pictures[-1])


class Measures(pl.Callback):
    """Logs `val/<measure>` and `test/<measure>` of the translations, and `val/copy_source/<measure>` of the baseline that
    returns the source image as it is: a method that is not better has learnt nothing.

    A value is the mean over all images of the split that have it, whatever the number of processes; `fid` and `swd` compare
    the set of translations with the set of their targets, an item's repeats included. With `fid_reference: train`, `fid`
    compares it with all images of the training split instead. Images are measured as they would be saved, in 8 bits. Which
    measures there are depends on the data (pairs, a replica's truth) and on the weights on this machine; nothing is ever
    downloaded, and no measure uses random weights. The networks of measures live here, outside the method: they enter no
    checkpoint.

    `<run>/<split>_images.csv` has a row per image, with its files and all its values, best read with the worst first.
    """

    def __init__(
        self,
        measures: list[str],
        lpips_weights: str | None = None,
        fid_weights: str | None = None,
        fid_convention: Literal["pytorch_fid", "torch_fidelity", "clean", "pose"] = "pytorch_fid",
        fid_reference: Reference = "targets",
        swd_images: int = 256,
        silhouette_threshold: float = 0.1,
        baseline: bool = True,
        write_rows: bool = True,
    ) -> None:
        """
        Args:
            measures: what to measure where it is possible; names of metrics/glossary.py.
            lpips_weights: a file of torchvision's AlexNet; null looks into torch's folder.
            fid_weights: a file of Inception's weights; null looks into torch's folder.
            fid_convention: which weights and resize (metrics/inception.py); never compare values of two conventions.
            fid_reference: what `fid` compares with, in the translations and in the baseline, in validation and in test.
                targets: those of the split. train: every image of the training split, each once, whole and unmirrored, at
                the batch's size (`TranslationDataModule.pictures`), read once per run; the protocol of the pose-transfer
                tables together with `fid_convention: pose`. Never compare values of the two.
            swd_images: SWD compares the first so many images of the split (its time grows with them).
            silhouette_threshold: how far, in RGB of [0, 1], a colour must be from the background to be the person.
            baseline: also measure copies of the source, once per run.
            write_rows: write the csv of single images.

        Raises:
            BadInput: there is no such `fid_reference`.
        """
        if fid_reference not in get_args(Reference):
            raise BadInput(
                f"callbacks.measures.fid_reference={fid_reference!r} is not one of {', '.join(get_args(Reference))}."
                f"{nearest(fid_reference, get_args(Reference))}"
            )
        self.measures = measures
        self.settings: dict[str, Any] = {
            "lpips_weights": lpips_weights,
            "fid_weights": fid_weights,
            "fid_convention": fid_convention,
            "silhouette_threshold": silhouette_threshold,
        }
        self.fid_reference = fid_reference
        self.swd_images = swd_images
        self.baseline = baseline
        self.write_rows = write_rows
        self.rows: dict[str, list[Row]] = {}
        """Split -> its images, as measured last: the same on every process."""
        self._suite: Suite | None = None
        self._fitted = False
        self._sets: dict[str, _Set] = {}
        self._measured: dict[str, list[Row]] = {}
        self._constant: dict[str, tuple[_Set, dict[str, float]]] = {}
        self._training: tuple[Any, _Set] | None = None
        """The data and its training images, once FID has asked for them: kept for the whole run."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find weights and load them, so that what is wrong with them shows before training."""
        if self._suite is None:
            self._suite = Suite(self.measures, **self.settings)
        self._constant = {}

    # Collecting

    def _begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule, split: str) -> None:
        assert self._suite is not None
        suite, device = self._suite.to(pl_module.device), pl_module.device
        most = -(-self.swd_images // trainer.world_size)
        if self.fid_reference == "train" and suite.inception is not None:
            self._see_training_images(trainer, suite, device)
        self._sets = {"translation": _Set(suite, device, most)}
        self._measured = {"translation": []}
        if split not in self._constant:
            # Targets and copies of sources are the same at every validation: seen once.
            self._sets["target"] = _Set(suite, device, most, fid=self.fid_reference == "targets")
            if self.baseline:
                self._sets[COPY_SOURCE] = _Set(suite, device, most)
                self._measured[COPY_SOURCE] = []

    def _see_training_images(self, trainer: pl.Trainer, suite: Suite, device: torch.device) -> None:
        """Make the statistics of all training images, where this was not done for these data; each process takes its share."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if self._training is not None and self._training[0] is data:
            return
        log.info("fid compares with all images of the training split: they are read now, once")
        seen = _Set(suite, device, most=0)
        for images in data.pictures("train", trainer.global_rank, trainer.world_size):
            seen.add(images.to(device))
        self._training = data, seen

    def _collect(self, outputs: Any, pl_module: Any, batch: Batch) -> None:
        assert self._suite is not None
        if not self._fitted:
            self._suite.fit_to(*batch.target.shape[-2:])
            self._fitted = True
        # The method's validation step hands on its translation; one that does not is asked for it.
        translation = outputs if isinstance(outputs, Tensor) else pl_module.translate(batch)
        if translation.shape[-2:] != batch.target.shape[-2:]:
            made, true = (" x ".join(map(str, image.shape[-2:])) for image in (translation, batch.target))
            raise BadInput(
                f"a translation of {made} (height x width) cannot be measured against a target of {true}: set "
                "callbacks.measures=null, or a data.preprocess that gives all pictures one size"
            )
        images = {"translation": translation.detach().float(), "target": batch.target, COPY_SOURCE: _source(batch)}
        for kind, collected in self._sets.items():
            collected.add(images[kind])
        for kind, rows in self._measured.items():
            rows.extend(_rows(self._suite.per_image(images[kind], batch), batch))

    # Concluding

    def _conclude(self, trainer: pl.Trainer, pl_module: pl.LightningModule, split: str) -> None:
        everyone = _gathered(self._measured)
        rows = [row for measured in everyone for row in measured["translation"]]
        target = self._sets["target"] if "target" in self._sets else self._constant[split][0]
        values = _means(rows) | self._of_sets(trainer, self._sets["translation"], target)
        if split not in self._constant:
            constant: dict[str, float] = {}
            if self.baseline:
                constant = _means([row for measured in everyone for row in measured[COPY_SOURCE]])
                constant |= self._of_sets(trainer, self._sets[COPY_SOURCE], target)
            self._constant[split] = (target, constant)
        baseline = {f"{COPY_SOURCE}/{name}": value for name, value in self._constant[split][1].items()}
        self._sets, self._measured = {}, {}
        if trainer.sanity_checking:
            self._constant = {}
            return
        self.rows[split] = rows
        pl_module.log_dict({f"{split}/{name}": value for name, value in {**values, **baseline}.items()})
        if self.write_rows and trainer.is_global_zero and rows:
            write(rows, pathlib.Path(trainer.default_root_dir) / f"{split}_images.csv")

    def _of_sets(self, trainer: pl.Trainer, generated: _Set, target: _Set) -> dict[str, float]:
        """FID and SWD of a set over all processes, computed by one of them."""
        values: dict[str, float] = {}
        real = target if self._training is None else self._training[1]
        if generated.statistics is not None and real.statistics is not None:
            ours, theirs = generated.statistics.compute(), real.statistics.compute()
            if ours is not None and theirs is not None and trainer.is_global_zero:
                values["fid"] = frechet_distance(*theirs, *ours).item()
        if "swd" in generated.suite.names:
            pictures = [_concatenated(images.pictures) for images in (generated, target)]
            if trainer.is_global_zero and all(len(images) for images in pictures):
                device = trainer.strategy.root_device
                levels = sliced_wasserstein(pictures[0].to(device), pictures[1].to(device))
                values["swd"] = sum(levels) / len(levels)
        return trainer.strategy.broadcast(values)

    # Hooks

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin(trainer, pl_module, "val")

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._collect(outputs, pl_module, batch)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._conclude(trainer, pl_module, "val")

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin(trainer, pl_module, "test")

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._collect(outputs, pl_module, batch)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._conclude(trainer, pl_module, "test")


def _source(batch: Batch) -> Tensor:
    """The source image at the target's size."""
    if batch.source.shape == batch.target.shape:
        return batch.source
    return F.interpolate(batch.source, size=batch.target.shape[-2:], mode="bilinear", antialias=True)


def _rows(values: dict[str, list[float | None]], batch: Batch) -> list[Row]:
    rows: list[Row] = []
    for index, (source, target) in enumerate(zip(batch.source_key, batch.target_key, strict=True)):
        measured = {name: column[index] for name, column in values.items() if column[index] is not None}
        rows.append({"source_key": source, "target_key": target, **measured})
    return rows


def _means(rows: list[Row]) -> dict[str, float]:
    """Measure -> its mean over the images that have it, in the order of the glossary."""
    columns: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name in row.keys() - {"source_key", "target_key"}:
            columns[name].append(row[name])
    return {name: sum(columns[name]) / len(columns[name]) for name in PER_IMAGE if name in columns}


def _gathered(value: Any) -> list[Any]:
    """What every process holds, on every process: counts may differ, and a process may hold nothing."""
    if not (dist.is_available() and dist.is_initialized()):
        return [value]
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, value)
    return everyone


def _concatenated(pictures: list[Tensor]) -> Tensor:
    """The images of all processes as one tensor (N, 3, H, W); empty without any."""
    everyone = [images for share in _gathered(pictures) for images in share]
    return torch.cat(everyone) if everyone else torch.empty(0)


def write(rows: list[Row], file: pathlib.Path) -> None:
    """Write the rows of single images as csv, whole or not at all."""
    columns = ["source_key", "target_key", *(name for name in PER_IMAGE if any(name in row for row in rows))]
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as text:
        writer = csv.DictWriter(text, fieldnames=columns)
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(file)

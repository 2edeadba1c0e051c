"""Every translation of a split as a file, for scripts that measure folders of images."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from callbacks.grids import save
from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from metrics.image_quality import quantise

LONGEST = 100
"""Bytes of a key that a name keeps, its last ones: file systems allow names of 255 bytes, and a name holds two keys."""


class SavedImages(pl.Callback):
    """`<run>/images/<source>_2_<target>_vis.png`: every translation of a test, in the 8 bits that are measured.

    The names are those that the scripts of pose-transfer papers (GFLA, DPTN, PIDM) take apart, see `image_name`. No file is
    ever overwritten: an item whose name is taken, such as the second repeat of a pair, gets a number (`..._vis_2.png`).
    Each file is written whole or not at all.
    """

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        """Name -> how many items had it, with small letters: to some file systems A and a are the same."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse what would mix images up, before any is made.

        Raises:
            BadInput: the folder holds images already, or there are several processes.
        """
        if stage != "test":
            return
        if trainer.world_size > 1:
            raise BadInput("images are written by one process, which alone knows all names: set trainer.devices=1")
        folder = _folder(trainer)
        if folder.is_dir() and any(folder.iterdir()):
            raise BadInput(
                f"{folder} holds images of an earlier evaluation: choose another folder with hydra.run.dir=..."
            )
        self._names = {}

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not isinstance(outputs, Tensor):
            # To ask for them again might give other images than those that were measured.
            raise BadInput(
                f"images=true needs a test_step that returns the translations: {type(pl_module).__name__}'s does not"
            )
        pictures = quantise(outputs).permute(0, 2, 3, 1).cpu().numpy()
        for picture, source, target in zip(pictures, batch.source_key, batch.target_key, strict=True):
            save(picture, _folder(trainer) / f"{self._free(image_name(source, target))}.png")

    def _free(self, name: str) -> str:
        """The name, or the name with a number, that no image has yet."""
        times = self._names.get(name.lower(), 0) + 1
        self._names[name.lower()] = times
        # A number behind a name may itself be another item's name.
        return name if times == 1 else self._free(f"{name}_{times}")


def image_name(source_key: str, target_key: str) -> str:
    """What a translation is called, without extension: `<source>_2_<target>_vis`.

    Both sides are keys without extension, with `_` for path separators and everything but letters, digits, `.`, `-` and
    `_`. Scripts split at `_2_`; so that the target is what follows, a `_2_` inside a key becomes `-2_`.
    """
    return f"{_safe(source_key)}_2_{_safe(target_key)}_vis"


def _safe(key: str) -> str:
    stem = re.sub(r"[^\w.-]+", "_", str(pathlib.PurePosixPath(key).with_suffix("")))
    stem = re.sub(r"_2(?=_|$)", "-2", stem)
    return stem.encode()[-LONGEST:].decode(errors="ignore")


def _folder(trainer: pl.Trainer) -> pathlib.Path:
    return pathlib.Path(trainer.default_root_dir) / "images"

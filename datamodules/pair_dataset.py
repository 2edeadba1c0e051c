"""From (epoch, index) to a framed pair of pictures and annotations. Runs in the workers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.bad_input import BadInput
from datamodules.keyed_loader import Key
from datamodules.pairing import Pairs
from datamodules.reading import Unreadable
from datamodules.structures.structure import Annotation
from datamodules.table import Table
from datamodules.transforms import Framing

log = logging.getLogger(__name__)

ATTEMPTS = 8
"""How many pairs in a row may be unreadable before training stops."""


@dataclass
class PairDataset(Dataset):
    """The pairs of a split.

    In training an item that cannot be read is replaced by the next pair of the list, and logged; elsewhere the item *is*
    the `BadInput` that says which file, since a measure over other images would be another measure.
    """

    table: Table
    pairs: Pairs
    annotation: Annotation
    framing: Framing
    train: bool
    flip: float = 0.0
    seed: int = 0
    classes: int = 0
    """Number of classes of label maps, to find wrong ones."""
    truth: bool = False
    """Whether to read what the replica knows of each image."""

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: Key) -> dict[str, Any] | BadInput:
        epoch, index = key
        if not self.train:
            # No seed of a run: what is measured is the same for all runs.
            return self._item_or_reason(index, np.random.default_rng([0, index]))
        found: dict[str, Any] | BadInput = BadInput("there are no pairs")
        for attempt in range(ATTEMPTS):
            found = self._item_or_reason(
                (index + attempt) % len(self), np.random.default_rng([self.seed, epoch, index])
            )
            if not isinstance(found, Unreadable):
                break
            log.warning("%s; the next pair takes its place", found)
        return found

    def _item_or_reason(self, index: int, rng: np.random.Generator) -> dict[str, Any] | BadInput:
        try:
            return self._item(index, rng)
        except BadInput as error:
            return error

    def _item(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        source_row, target_row = self.pairs.pick(index, rng)
        target_framing = self.framing.drawn(rng, self.flip) if self.train else self.framing
        source_framing = self.framing.drawn(rng, self.flip) if self.train else self.framing
        if self.pairs.framing == "together":
            source_framing = target_framing
        elif self.pairs.framing == "mirrored_together":
            source_framing = replace(source_framing, mirrored=target_framing.mirrored)
        source, source_annotation = self._side(source_row, source_framing)
        target, target_annotation = self._side(target_row, target_framing)
        return {
            "source": source,
            "target": target,
            "source_annotation": source_annotation,
            "target_annotation": target_annotation,
            "paired": self.pairs.same_thing,
            "source_key": self.table.key(source_row),
            "target_key": self.table.key(target_row),
            "truth": {**self._truth("source", source_row), **self._truth("target", target_row)} if self.truth else {},
        }

    def _side(self, row: int, framing: Framing) -> tuple[Tensor, Tensor | None]:
        pixels = self.table.read_picture(row)
        annotation = self.table.framed_annotation(row, self.annotation, framing, pixels, self.classes)
        return framing.picture(pixels), annotation

    def _truth(self, side: str, row: int) -> dict[str, Tensor]:
        path = (Path(self.table.root) / "truth" / self.table.key(row)).with_suffix(".npz")
        try:
            with np.load(path) as stored:
                silhouette, background, part, place = (
                    self.table.trimmed(stored[name]) for name in ("silhouette", "background", "part", "uv")
                )
        except FileNotFoundError as error:
            raise BadInput(f"{path} does not exist: data.truth=true needs a replica, which alone knows it") from error
        return {
            f"{side}_silhouette": self.framing.labels(silhouette)[None],
            f"{side}_background": self.framing.picture(background),
            f"{side}_part": self.framing.labels(part)[None],
            f"{side}_place": torch.stack([self.framing.labels(place[..., axis].astype(np.float32)) for axis in (0, 1)]),
        }

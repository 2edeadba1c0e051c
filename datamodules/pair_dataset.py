"""From (epoch, index) to a framed pair of pictures and annotations. Runs in the workers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.bad_input import BadInput
from datamodules.keyed_loader import Key
from datamodules.packed import PackedStore
from datamodules.pairing import Pairs
from datamodules.reading import Unreadable
from datamodules.structures.structure import Annotation
from datamodules.table import Table
from datamodules.transforms import Framing

log = logging.getLogger(__name__)

Side = Literal["source", "target"]

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
    decode: Literal["exact", "fast"] = "exact"
    """Whether a JPEG is decoded as it is stored, or to a part of its size where that is enough."""
    store: PackedStore | None = None
    """What is decoded and resized already, for the load size of `framing`."""

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: Key) -> dict[str, Any] | BadInput:
        return self._read(key, self._item)

    def one_side(self, side: Side, key: Key) -> dict[str, Any] | BadInput:
        """One side of a pair without the other, which is not read: what an item says of it, framed on its own."""
        return self._read(key, partial(self._one_side, side))

    def _read(self, key: Key, make: Callable[[int, np.random.Generator], dict[str, Any]]) -> dict[str, Any] | BadInput:
        epoch, index = key
        if not self.train:
            # No seed of a run: what is measured is the same for all runs.
            return _made_or_reason(make, index, np.random.default_rng([0, index]))
        found: dict[str, Any] | BadInput = BadInput("there are no pairs")
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng([self.seed, epoch, index])
            found = _made_or_reason(make, (index + attempt) % len(self), rng)
            if not isinstance(found, Unreadable):
                break
            log.warning("%s; the next pair takes its place", found)
        return found

    def _one_side(self, side: Side, index: int, rng: np.random.Generator) -> dict[str, Any]:
        row = self.pairs.pick(index, rng)[0 if side == "source" else 1]
        picture, annotation = self._side(row, self.framing.drawn(rng, self.flip) if self.train else self.framing)
        return {
            side: picture,
            f"{side}_annotation": annotation,
            f"{side}_key": self.table.key(row),
            "truth": self._truth(side, row) if self.truth else {},
        }

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
        loaded = None if self.store is None else self.store.loaded(row)
        if loaded is None:
            enough = self.table.enough(self.annotation, self.framing) if self.decode == "fast" else None
            pixels = self.table.read_picture(row, enough)
            framing = framing.fitted(pixels.shape[:2], self.table.key(row))
            loaded = self.table.loaded(row, self.annotation, framing, self.classes, pixels)
        annotation = self.table.placed_annotation(loaded.annotation, self.annotation, framing)
        return framing.placed(loaded.picture), annotation

    def _truth(self, side: str, row: int) -> dict[str, Tensor]:
        path = (Path(self.table.root) / "truth" / self.table.key(row)).with_suffix(".npz")
        try:
            with np.load(path) as stored:
                silhouette, background, part, place = (
                    self.table.trimmed(stored[name]) for name in ("silhouette", "background", "part", "uv")
                )
        except FileNotFoundError as error:
            raise BadInput(f"{path} does not exist: data.truth=true needs a replica, which alone knows it") from error
        framing = self.framing.fitted(silhouette.shape[:2], self.table.key(row))
        known = {
            f"{side}_silhouette": framing.labels(silhouette)[None],
            f"{side}_background": framing.picture(background),
            f"{side}_part": framing.labels(part)[None],
            f"{side}_place": torch.stack([framing.labels(place[..., axis].astype(np.float32)) for axis in (0, 1)]),
        }
        keypoints = self.table.loaded_annotation(row, "keypoints", framing, silhouette, self.classes)
        joints = self.table.placed_annotation(keypoints, "keypoints", framing)
        return known if joints is None else {**known, f"{side}_joints": joints}


def _made_or_reason(
    make: Callable[[int, np.random.Generator], dict[str, Any]], index: int, rng: np.random.Generator
) -> dict[str, Any] | BadInput:
    try:
        return make(index, rng)
    except BadInput as error:
        return error

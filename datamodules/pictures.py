"""The images of a split by themselves, for what compares with a whole set of them and asks for no pairs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.bad_input import BadInput
from datamodules.packed import PackedStore
from datamodules.reading import Unreadable
from datamodules.structures.structure import Annotation
from datamodules.table import Table
from datamodules.transforms import Framing

log = logging.getLogger(__name__)


@dataclass
class Pictures(Dataset):
    """Rows of a table as pictures (3, height, width) uint8, whole and unmirrored; or why one cannot be read."""

    table: Table
    rows: np.ndarray
    """(N,) int."""
    annotation: Annotation
    """What structures are drawn from: it decides how much of a JPEG `decode=fast` reads."""
    framing: Framing
    decode: Literal["exact", "fast"] = "exact"
    """See `PairDataset.decode`."""
    store: PackedStore | None = None
    """What is decoded and resized already, to the load size of `framing`."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor | BadInput:
        row = int(self.rows[index])
        kept = None if self.store is None else self.store.loaded(row)
        if kept is not None:
            return self.framing.placed(kept.picture)
        try:
            enough = self.table.enough(self.annotation, self.framing) if self.decode == "fast" else None
            pixels = self.table.read_picture(row, enough)
            return self.framing.fitted(pixels.shape[:2], self.table.key(row)).picture(pixels)
        except BadInput as error:
            return error

    def share(self, rank: int, world_size: int) -> Self:
        """Those that one of several processes reads: every picture is read by one of them."""
        return replace(self, rows=self.rows[rank::world_size])


def batches(pictures: Pictures, batch_size: int, workers: int) -> Iterator[Tensor]:
    """All pictures in their order, as (B, 3, height, width) uint8 of at most `batch_size`; those that cannot be read are
    logged and passed over.

    Args:
        workers: how many processes read; 0: this one.

    Raises:
        BadInput: a picture can be read, but not framed as the data's settings say.
    """
    loader: DataLoader = DataLoader(
        pictures,
        batch_size=batch_size,
        num_workers=min(workers, -(-len(pictures) // batch_size)),
        collate_fn=_collated,
        generator=torch.Generator(),  # of its own: the base class would take a number from the global one
    )
    for pixels, faults in loader:
        for fault in faults:
            if not isinstance(fault, Unreadable):
                raise fault
            log.warning("%s; it is left out", fault)
        if pixels is not None:
            yield pixels


def _collated(items: Sequence[Tensor | BadInput]) -> tuple[Tensor | None, list[BadInput]]:
    """What can be read of a batch, and why the rest cannot."""
    found = [item for item in items if isinstance(item, Tensor)]
    return torch.stack(found) if found else None, [item for item in items if isinstance(item, BadInput)]

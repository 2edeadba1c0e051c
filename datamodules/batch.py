"""The batch: what data promises to methods.

Every dataset fills it, every method reads what it needs, and neither knows of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch(Mapping[str, Any]):
    """B pairs of (an appearance, a structure to follow), all on one device.

    It is a frozen mapping of its fields (`batch["source"]` is `batch.source`), moves between devices with `to`, and is
    sliced with `select`. Lightning and the DataLoader use `to` and `pin_memory`.
    """

    source: Tensor
    """(B, 3, H, W) in [-1, 1]: the appearance; source person, exemplar, image of domain X."""
    source_structure: Tensor
    """(B, S, H, W): the structure of the source; pose maps in [0, 1], one-hot labels, edge maps, or a picture in [0, 1]."""
    target: Tensor
    """(B, 3, H, W) in [-1, 1]: the ground truth for `target_structure`; an image of domain Y when unpaired."""
    target_structure: Tensor
    """(B, S, H, W): the structure to follow."""
    paired: Tensor
    """(B,) bool: whether source and target show the same thing, so that `target` is what a translation should look like."""
    source_key: list[str]
    """The file that each source was read from, relative to the dataset's root: every output can be traced to it."""
    target_key: list[str]
    """The file that each target was read from."""
    truth: Mapping[str, Tensor] = field(default_factory=dict)
    """What only a replica knows, for measuring; empty for a real dataset. Names in use:

    `target_silhouette`, `source_silhouette` (B, 1, H, W) in {0, 1}: where the person is;
    `target_background`, `source_background` (B, 3, H, W) in [-1, 1]: the same picture without the person;
    `target_joints`, `source_joints` (B, K, 3): x, y in pixels and whether the joint is visible, where there are poses;
    `target_part`, `source_part` (B, 1, H, W): the number of the body part that a pixel shows, 0 for none;
    `target_place`, `source_place` (B, 2, H, W) in [0, 1]: which place of that part, around it and along it.
    """

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return (f.name for f in fields(self))

    def __len__(self) -> int:
        return len(fields(self))

    @property
    def size(self) -> int:
        """B, the number of pairs."""
        return self.source.shape[0]

    def map_tensors(self, function: Any) -> Self:
        """The same batch with `function` applied to every tensor."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed = {name: function(value) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **changed, truth={name: function(value) for name, value in self.truth.items()})

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """The same batch on another device."""
        return self.map_tensors(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """The same batch in page-locked memory, for copies that overlap with work on the device."""
        return self.map_tensors(Tensor.pin_memory)

    def select(self, items: slice | list[int]) -> Self:
        """The pairs at the given positions."""
        positions = list(range(self.size))[items] if isinstance(items, slice) else items
        chosen = self.map_tensors(lambda tensor: tensor[positions])
        return replace(
            chosen,
            source_key=[self.source_key[i] for i in positions],
            target_key=[self.target_key[i] for i in positions],
        )

    def swapped(self) -> Self:
        """The pairs in the other direction: the source's structure becomes the one to follow."""
        truth = {
            {"source": "target", "target": "source"}[side] + "_" + what: value
            for side, _, what, value in ((*name.partition("_"), value) for name, value in self.truth.items())
        }
        return replace(
            self,
            source=self.target,
            source_structure=self.target_structure,
            source_key=self.target_key,
            target=self.source,
            target_structure=self.source_structure,
            target_key=self.source_key,
            truth=truth,
        )


def joined(batches: Sequence[Batch]) -> Batch:
    """Batches of pictures of one size and structures of one kind as one. Of the truth, what all of them have."""
    first = batches[0]
    tensors = {
        name: torch.cat([batch[name] for batch in batches])
        for name in ("source", "source_structure", "target", "target_structure", "paired")
    }
    known = [name for name in first.truth if all(name in batch.truth for batch in batches)]
    return replace(
        first,
        **tensors,
        source_key=[key for batch in batches for key in batch.source_key],
        target_key=[key for batch in batches for key in batch.target_key],
        truth={name: torch.cat([batch.truth[name] for batch in batches]) for name in known},
    )

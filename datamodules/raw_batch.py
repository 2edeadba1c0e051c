"""What workers hand out: pictures of 8 bits and compact annotations, a quarter or less of a finished batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import torch
from torch import Tensor

from datamodules.bad_input import BadInput

SIDES = ("source", "target")


@dataclass(frozen=True, eq=False)
class RawBatch:
    """B pairs before their structure maps are drawn."""

    source: Tensor
    """(B, 3, H, W) uint8."""
    target: Tensor
    """(B, 3, H, W) uint8."""
    source_annotation: Tensor | None
    """What the source's structure is drawn from (see `Structure.maps`)."""
    target_annotation: Tensor | None
    """What the target's structure is drawn from."""
    paired: Tensor
    """(B,) bool."""
    source_key: list[str]
    target_key: list[str]
    truth: Mapping[str, Tensor] = field(default_factory=dict)
    """Names as in `Batch.truth`: silhouettes and parts (B, 1, H, W), backgrounds (B, 3, H, W), uint8; places (B, 2, H, W) and
    joints (B, K, 3), float32."""

    @classmethod
    def collated(cls, items: Sequence[Mapping[str, Any] | BadInput]) -> RawBatch | BadInput:
        """Put items together. One that could not be read stands for all: the main process is to say so."""
        for item in items:
            if isinstance(item, BadInput):
                return item
        first: Mapping[str, Any] = items[0]  # type: ignore[assignment]

        def stacked(values: list[Any]) -> Any:
            if isinstance(values[0], Mapping):
                return {name: stacked([value[name] for value in values]) for name in values[0]}
            if isinstance(values[0], Tensor):
                return torch.stack(values)
            return None if values[0] is None else values

        if any(item[f"{side}_annotation"] is None for item in items for side in SIDES):  # type: ignore[index]
            items = [_self_shown(item, items) for item in items]  # type: ignore[arg-type]
        columns = {name: stacked([item[name] for item in items]) for name in first}  # type: ignore[index]
        return cls(**{**columns, "paired": torch.tensor(columns["paired"])})

    def map_tensors(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same with `function` applied to every tensor."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {name: function(value) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **changed, truth={name: function(value) for name, value in self.truth.items()})

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """The same on another device."""
        return self.map_tensors(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """The same in page-locked memory; the DataLoader calls this."""
        return self.map_tensors(lambda tensor: tensor.pin_memory())


def _self_shown(item: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """An item whose picture itself shows its structure, with that picture as its annotation where other items have one:
    a batch may hold items of several datasets."""
    changes = {
        f"{side}_annotation": item[side]
        for side in SIDES
        if item[f"{side}_annotation"] is None and any(other[f"{side}_annotation"] is not None for other in items)
    }
    return {**item, **changes}

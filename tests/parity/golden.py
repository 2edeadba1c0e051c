"""A golden: what an official implementation computed, with the recipe of its weights and inputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tests.golden import recipe

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Golden:
    """One golden of a folder; weights and inputs are rebuilt from names, shapes and a seed."""

    file: Path

    @property
    def name(self) -> str:
        return self.file.stem

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Its json file."""
        return json.loads(self.file.read_text())

    @property
    def network(self) -> str:
        """What was run, and of which repository; empty where the file says nothing."""
        return str(self.spec.get("network", "")) if isinstance(self.spec, dict) else ""

    @property
    def config(self) -> dict[str, Any]:
        """The arguments of the official constructor, in its words."""
        return self.spec["config"]

    def state(self, prefix: str = "", dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """The state dict of what stands under `prefix` (such as `G_A.`), without the prefix."""
        shapes = {name: shape for name, shape in self.spec["state"].items() if name.startswith(prefix)}
        values = recipe.state_dict(shapes, self.spec["seed"])
        tensors = {name.removeprefix(prefix): torch.from_numpy(value) for name, value in values.items()}
        return {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}

    def input(self, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
        """An input drawn by the recipe: an image, where its `kind` says so, or normal numbers."""
        described = self.spec["inputs"][name]
        draw = recipe.image if "image" in described["kind"] else recipe.draw
        return torch.from_numpy(draw(name, tuple(described["shape"]), self.spec["seed"])).to(dtype)

    @cached_property
    def outputs(self) -> dict[str, Tensor]:
        """What came out, by name."""
        file = self.file.with_suffix(".npz")
        if not file.is_file():
            return {}
        with np.load(file) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


class Compared(NamedTuple):
    """One number or array of ours beside the official one."""

    name: str
    ours: Tensor | float
    official: Tensor | float
    tolerance: float = 1e-4
    """Largest difference, as a part of the largest official number in it (where that is 0, the difference itself)."""

    @property
    def error(self) -> float:
        ours, official = (torch.as_tensor(x, dtype=torch.float64).detach() for x in (self.ours, self.official))
        if ours.shape != official.shape:
            raise AssertionError(f"{self.name} is {tuple(ours.shape)} and should be {tuple(official.shape)}")
        difference, scale = (ours - official).abs().max().item(), official.abs().max().item()
        return difference / (scale or 1.0)


Comparison = Callable[[Golden], Iterator[Compared]]
_comparisons: list[tuple[tuple[str, ...], Comparison]] = []


def compares(*networks: str) -> Callable[[Comparison], Comparison]:
    """Claim the goldens whose `network` begins with one of these texts."""

    def register(comparison: Comparison) -> Comparison:
        _comparisons.append((networks, comparison))
        return comparison

    return register


def comparison_of(golden: Golden) -> Comparison | None:
    """What claims a golden; None where it is of no network of ours."""
    return next((function for networks, function in _comparisons if golden.network.startswith(networks)), None)

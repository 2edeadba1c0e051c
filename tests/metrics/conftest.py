"""The golden numbers of the measures and the inputs that they were made from."""

from __future__ import annotations

import importlib.util
import json
import pathlib
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

torch.set_num_threads(1)


class Golden(NamedTuple):
    """Numbers of reference implementations (`values`, `inputs`) and the recipe that rebuilds their inputs."""

    values: dict[str, Any]
    inputs: dict[str, Any]
    recipe: ModuleType

    def draw(self, name: str, *shape: int) -> Tensor:
        return torch.from_numpy(self.recipe.draw(name, shape, 0))

    def image(self, name: str, *shape: int) -> Tensor:
        return torch.from_numpy(self.recipe.image(name, shape, 0))


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> Golden:
    try:
        folder = pathlib.Path(request.getfixturevalue("golden_dir"))
    except pytest.FixtureLookupError:
        folder = pathlib.Path(__file__).parents[1] / "golden"
    specification = importlib.util.spec_from_file_location("recipe_of_measures", folder / "recipe.py")
    assert specification is not None
    assert specification.loader is not None
    recipe = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(recipe)
    contents = json.loads((folder / "metrics.json").read_text())
    return Golden(contents["values"], contents["inputs"], recipe)


@pytest.fixture(scope="session")
def pictures(golden: Golden) -> tuple[Tensor, Tensor]:
    """(generated, target): three uint8 pictures of 192 x 176 each."""
    shape = (3, 3, 192, 176)
    base = golden.recipe.image("metrics.base", (3, 3, 12, 11), 0).astype(np.float64).repeat(16, 2).repeat(16, 3)
    target = np.clip(0.6 * base + 0.04 * golden.recipe.draw("metrics.n1", shape, 0), -1, 1)
    generated = np.clip(target + 0.08 * golden.recipe.draw("metrics.n2", shape, 0), -1, 1)
    target, generated = (np.floor((x + 1) / 2 * 255 + 0.5).astype(np.uint8) for x in (target, generated))
    assert int(target.sum()) == golden.values["uint8.checksum"]["gt_sum"]
    assert int(generated.sum()) == golden.values["uint8.checksum"]["pred_sum"]
    return torch.from_numpy(generated), torch.from_numpy(target)

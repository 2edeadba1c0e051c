"""Coordinates of feature maps."""

from __future__ import annotations

import torch

from lightning_modules.blocks.coordinates import coordinates_of


def test_x_runs_along_rows_and_y_along_columns():
    x, y = coordinates_of(torch.zeros(2, 5, 3, 5))[1]
    assert x.equal(torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]).expand(3, 5))
    assert y.equal(torch.tensor([[-1.0], [0.0], [1.0]]).expand(3, 5))

"""Colours are compared region by region, whatever lies where."""

from __future__ import annotations

import torch

from metrics.style import colour_distance


def painted(regions: torch.Tensor, colours: dict[int, float]) -> torch.Tensor:
    image = torch.zeros(1, 3, *regions.shape[2:])
    for number, value in colours.items():
        image[:, :, regions[0, 0] == number] = value
    return image


def test_the_same_colours_in_other_places_are_no_distance():
    mine, theirs = torch.zeros(1, 1, 4, 6), torch.zeros(1, 1, 4, 6)
    mine[..., :2], mine[..., 2:3], theirs[..., 4:], theirs[..., 3:4] = 1, 2, 1, 2
    colours = {0: 0.0, 1: -1.0, 2: 1.0}
    exemplar = painted(theirs, {**colours, 0: 0.7})
    assert colour_distance(painted(mine, colours), mine, exemplar, theirs).tolist() == [0.0]
    # Region 1, twice as large as region 2, is grey instead of black: 0.5 in [0, 1].
    changed = colour_distance(painted(mine, {**colours, 1: 0.0}), mine, exemplar, theirs)
    torch.testing.assert_close(changed, torch.tensor([0.5 * 2 / 3], dtype=torch.float64))


def test_without_a_common_region_there_is_no_distance():
    nothing = torch.zeros(1, 1, 4, 6)
    assert colour_distance(painted(nothing, {}), nothing, painted(nothing, {}), nothing).isnan().all()

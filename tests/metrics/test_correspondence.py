"""Matches are judged by the body part and by the place that they fall on."""

from __future__ import annotations

import torch

from metrics.correspondence import near_the_place, of_positions, right_part, same_coordinates, true_places


def truth() -> dict[str, torch.Tensor]:
    """A bar of two parts that is four pixels further right in the source; its lower part is hidden there."""
    part = torch.zeros(1, 1, 20, 12)
    part[:, :, 2:10, 2:5], part[:, :, 10:18, 2:5] = 3, 7
    y = torch.linspace(0, 1, 20).view(1, 1, 20, 1).expand(1, 1, 20, 12)
    x = torch.linspace(0.2, 0.4, 12).view(1, 1, 1, 12).expand(1, 1, 20, 12)
    place = torch.cat((x, y), dim=1)
    source = part.roll(4, dims=3)
    source[source == 7] = 0
    return {
        "target_part": part,
        "source_part": source,
        "target_place": place,
        "source_place": place.roll(4, dims=3),
    }


def test_the_true_match_is_right_and_near_everywhere():
    matches = same_coordinates(20, 12)[None].clone()
    matches[:, 0] = (matches[:, 0] + 4).clamp(max=11)
    known, places = truth(), true_places(truth())
    assert right_part(matches, known).tolist() == [1.0]
    assert near_the_place(matches, places).tolist() == [1.0]
    assert places[0, :, 5, 3].tolist() == [7, 5]
    assert places[0, :, 12, 3].isnan().all()  # of the part that the source hides


def test_same_coordinates_miss_what_moved_further_than_a_tenth():
    matches, known = same_coordinates(20, 12)[None], truth()
    assert right_part(matches, known).tolist() == [0.0]
    assert near_the_place(matches, true_places(known)).tolist() == [0.0]
    assert near_the_place(matches, true_places(known), near=0.2).tolist() == [1.0]


def test_without_a_common_part_there_is_no_share():
    known = {**truth(), "source_part": torch.zeros(1, 1, 20, 12)}
    assert right_part(same_coordinates(20, 12)[None], known).isnan().all()


def test_positions_become_pixels_at_the_same_place_within_them():
    identity = torch.arange(6).view(1, 2, 3)
    assert torch.equal(of_positions(identity, columns=3, stride=4)[0], same_coordinates(8, 12))
    moved = of_positions(torch.full((1, 2, 3), 5), columns=3, stride=4)
    assert moved[0, :, 6, 1].tolist() == [2 * 4 + 1, 1 * 4 + 2]

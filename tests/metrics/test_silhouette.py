"""Silhouettes are found where no mixture of the two backgrounds explains a pixel."""

from __future__ import annotations

import torch

from metrics.silhouette import distance_to_backgrounds, generated_silhouette, intersection_over_union

RED, BLUE = torch.tensor([1.0, -1, -1]).view(1, 3, 1, 1), torch.tensor([-1.0, -1, 1]).view(1, 3, 1, 1)


def test_either_background_and_any_mixture_are_background() -> None:
    shares = torch.tensor([0, 0.25, 0.5, 1]).view(1, 1, 1, -1)
    mixtures = RED * (1 - shares) + BLUE * shares
    assert not generated_silhouette(mixtures, RED.expand(1, 3, 1, 4), BLUE.expand(1, 3, 1, 4), threshold=0.01).any()


def test_a_colour_beyond_the_segment_is_the_person() -> None:
    # Green differs from both; a purer red than red lies on the line, but not between the two.
    colours = torch.cat([torch.tensor([-1.0, 1, -1]).view(1, 3, 1, 1), RED * 1.5], dim=3)
    distance = distance_to_backgrounds(colours, 0.5 * RED.expand(1, 3, 1, 2), 0.5 * BLUE.expand(1, 3, 1, 2))
    assert (distance > 0.3).all()


def test_distance_is_in_units_of_rgb() -> None:
    white, black = torch.ones(1, 3, 1, 1), -torch.ones(1, 3, 1, 1)
    torch.testing.assert_close(distance_to_backgrounds(white, black, black), torch.full((1, 1, 1, 1), 3**0.5))


def test_overlap_of_masks() -> None:
    found, truth = torch.zeros(3, 1, 2, 4), torch.zeros(3, 1, 2, 4)
    found[0, :, :, :2], truth[0, :, :, 1:3] = 1, 1  # a third
    found[1], truth[1] = 1, 1  # the same
    assert intersection_over_union(found, truth).tolist() == [1 / 3, 1, 1]  # two empty masks agree

"""The target's colour is looked for at its joints, inside its silhouette."""

from __future__ import annotations

import torch
from torch import Tensor

from metrics.joints import joint_colours

RED, BLUE, GREY = (torch.tensor(colour).view(3, 1, 1) for colour in ([200, 0, 0], [0, 0, 200], [90, 90, 90]))


def person(top: Tensor, bottom: Tensor) -> Tensor:
    """Two garments on grey: (1, 3, 64, 32) uint8."""
    picture = GREY.expand(3, 64, 32).clone()
    picture[:, 10:30, 12:20], picture[:, 30:55, 12:20] = top, bottom
    return picture[None].byte()


SILHOUETTE = torch.zeros(1, 1, 64, 32)
SILHOUETTE[:, :, 10:55, 12:20] = 1
# A shoulder, a knee, one that is not visible, one in the background, one outside of the picture.
JOINTS = torch.tensor([[[13, 12, 1], [18, 45, 1], [float("nan"), 0, 0], [3, 3, 1], [40, 80, 1]]])


def test_the_share_of_joints_with_the_right_colour() -> None:
    target = person(RED, BLUE)
    pictures = torch.cat([target, person(RED, RED), person(BLUE, RED)])
    found = joint_colours(pictures, *(x.expand(3, *x.shape[1:]) for x in (target, JOINTS, SILHOUETTE)))
    assert found.tolist() == [1.0, 0.5, 0.0]


def test_a_person_who_stands_elsewhere_has_no_colour_there() -> None:
    target = person(RED, BLUE)
    assert joint_colours(target.roll(10, dims=3), target, JOINTS, SILHOUETTE).item() == 0


def test_the_background_beside_a_joint_does_not_count() -> None:
    target = person(RED, BLUE)
    other = torch.where(SILHOUETTE > 0, target, 255).byte()
    assert joint_colours(other, target, JOINTS, SILHOUETTE).item() == 1


def test_shading_is_allowed() -> None:
    target = person(RED, BLUE)
    darker = (target.float() * 0.8).byte()
    assert joint_colours(darker, target, JOINTS, SILHOUETTE).item() == 1


def test_without_a_joint_there_is_no_value() -> None:
    target = person(RED, BLUE)
    assert joint_colours(target, target, JOINTS[:, 2:], SILHOUETTE).isnan().all()

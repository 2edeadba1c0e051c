"""Is the right colour found at the target's joints? A sleeve is to be where the arm is asked for, in its own colour."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

AGREES = 0.2
"""How far apart two colours may be, as a Euclidean distance in RGB of [0, 1] (black and white: 1.73), to count as equal:
shading and noise of one garment lie below, neighbouring garments above."""

WINDOW = 1 / 32
"""Half the side of the window around a joint, as a part of the image's height: 2 pixels of 64, thinner than a limb."""


def joint_colours(generated: Tensor, target: Tensor, joints: Tensor, silhouette: Tensor) -> Tensor:
    """The share of a target's joints around which the generated image shows the target's colour.

    Colours are means over the pixels of the true silhouette in a square window around the joint; they agree when they are
    at most `AGREES` apart. Joints that are not visible, or have no silhouette around them, do not count.

    Args:
        generated, target: (B, 3, H, W) uint8.
        joints: (B, K, 3) x, y, visible, in pixels.
        silhouette: (B, 1, H, W), non-zero where the person is.

    Returns:
        (B,) in [0, 1] float64; NaN where no joint counts.
    """
    height, width = generated.shape[2:]
    radius = max(1, round(WINDOW * height))
    person = (silhouette > 0).float()
    x, y, visible = joints.float().nan_to_num(nan=-1.0).unbind(-1)
    column, row = x.floor().long(), y.floor().long()
    inside = (visible > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1))[:, None]

    def around(planes: Tensor) -> Tensor:
        """Sums over the window at each joint: (B, C, H, W) -> (B, C, K)."""
        side = 2 * radius + 1
        sums = F.avg_pool2d(planes, side, stride=1, padding=radius, divisor_override=1)
        return sums.flatten(2).gather(2, place.expand(-1, planes.shape[1], -1))

    pixels = around(person)
    counts = inside & (pixels[:, 0] > 0)
    shown, wanted = (around(image.float() / 255 * person) / pixels.clamp(min=1) for image in (generated, target))
    agrees = (shown - wanted).norm(dim=1) <= AGREES
    return (agrees & counts).sum(dim=1).double() / counts.sum(dim=1)

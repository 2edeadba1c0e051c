"""Human pose as the structure to follow: keypoints from the workers, one heatmap per joint on the device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from datamodules.bad_input import BadInput
from datamodules.structures.structure import Annotation

JOINTS = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)
"""The 18 joints of OpenPose's COCO model, in its order. Right is the person's own right: the left of a frontal picture."""

TORSO = tuple(JOINTS.index(name) for name in ("right_shoulder", "left_shoulder", "right_hip", "left_hip"))
"""The joints without which a pose counts as not found (the rule of the published pair lists)."""


def _other_side(name: str) -> str:
    side, _, joint = name.partition("_")
    return {"right": f"left_{joint}", "left": f"right_{joint}"}.get(side, name)


MIRROR = np.array([JOINTS.index(_other_side(name)) for name in JOINTS])
"""Where the joints of a mirrored picture come from: `mirrored = joints[MIRROR]`."""


class PoseHeatmaps:
    """One channel per joint: exp(-d² / (2σ²)) of the distance d to it, zeros where the joint is missing."""

    annotation: Annotation = "keypoints"

    def __init__(self, sigma: float = 6.0) -> None:
        """
        Args:
            sigma: σ in pixels of the output. Pose transfer uses 6 at every image size (PATN, Zhu et al. 2019).
        """
        if sigma <= 0:
            raise BadInput(f"data.sigma must be greater than 0, not {sigma}")
        self.sigma = sigma

    def maps(self, annotation: Tensor | None, picture: Tensor) -> Tensor:
        """(B, K, H, W) from keypoints (B, K, 3)."""
        assert annotation is not None, "a pose cannot be told from a picture"
        return heatmaps(annotation, picture.shape[-2], picture.shape[-1], self.sigma)


def heatmaps(keypoints: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Gaussians of keypoints (..., K, 3) given as x, y, visible in pixels: (..., K, height, width) with a peak of 1.

    exp(-(dx² + dy²) / 2σ²) is the product of a function of x and one of y, so K (height + width) exponentials are enough.
    """
    x, y, visible = keypoints.unbind(-1)

    def gaussian(centre: Tensor, length: int) -> Tensor:
        positions = torch.arange(length, device=keypoints.device, dtype=keypoints.dtype)
        return torch.exp(-((positions - centre[..., None]) ** 2) / (2 * sigma**2))

    # A missing joint's coordinates may be anything, also not a number: they must not reach the product.
    present = visible > 0
    columns = gaussian(torch.where(present, x, 0), width)
    rows = gaussian(torch.where(present, y, 0), height) * present[..., None]
    return rows[..., :, None] * columns[..., None, :]

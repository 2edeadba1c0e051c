"""What every structure can do: draw its maps, on the device, from what the workers handed out."""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor

Annotation = Literal["keypoints", "skeleton", "labels", "parts", "picture"]


class Structure(Protocol):
    """A kind of structure map."""

    annotation: Annotation
    """What it is drawn from: keypoints, the shapes of a skeleton (`pose_map`), class indices, overlapping parts of a face
    (`face_parts`), or a picture."""

    def maps(self, annotation: Tensor | None, picture: Tensor) -> Tensor:
        """Draw the maps of a batch.

        Args:
            annotation: keypoints (B, K, 3) as x, y, visible, in pixels of the output; or class indices (B, H, W); or
                skeletons (see `pose_map`) or parts (see `part_edges`), both (B, h, w) int32; or pictures (B, 3, H, W)
                uint8. None where the picture itself shows its structure.
            picture: (B, 3, H, W) uint8, the pictures that the annotation belongs to.

        Returns:
            (B, S, H, W) float in [0, 1].
        """
        ...


POSES: tuple[Annotation, ...] = ("keypoints", "skeleton")
"""What is made of keypoints."""

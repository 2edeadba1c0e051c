"""What every structure can do: draw its maps, on the device, from what the workers handed out."""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor

Annotation = Literal["keypoints", "labels", "parts", "picture"]


class Structure(Protocol):
    """A kind of structure map."""

    annotation: Annotation
    """What it is drawn from: keypoints, class indices, overlapping parts of a face (`face_parts`), or a picture."""

    def maps(self, annotation: Tensor | None, picture: Tensor) -> Tensor:
        """Draw the maps of a batch.

        Args:
            annotation: keypoints (B, K, 3) as x, y, visible, in pixels of the output; or class indices (B, H, W); or
                parts (see `part_edges`); or pictures (B, 3, H, W) uint8. None where the picture itself shows its structure.
            picture: (B, 3, H, W) uint8, the pictures that the annotation belongs to.

        Returns:
            (B, S, H, W) float in [0, 1].
        """
        ...

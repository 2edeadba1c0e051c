"""A picture as the structure to follow: the other side of an aligned pair, or the image of another domain."""

from __future__ import annotations

from torch import Tensor

from datamodules.structures.structure import Annotation


class Picture:
    """Three channels in [0, 1]."""

    annotation: Annotation = "picture"

    def maps(self, annotation: Tensor | None, picture: Tensor) -> Tensor:
        """The picture of the structure, or the picture itself where it has no other: (B, 3, H, W) in [0, 1]."""
        return (picture if annotation is None else annotation).float().div(255)

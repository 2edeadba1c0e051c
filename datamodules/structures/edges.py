"""Edges as the structure to follow, found on the device by Canny's detector."""

from __future__ import annotations

from kornia.filters import canny
from torch import Tensor

from datamodules.bad_input import BadInput
from datamodules.structures.structure import Annotation


class Edges:
    """One channel in {0, 1}: 1 on an edge."""

    annotation: Annotation = "picture"

    def __init__(self, low: float = 0.1, high: float = 0.2) -> None:
        """
        Args:
            low, high: thresholds of the gradient's magnitude; an edge begins above `high` and goes on above `low`.
        """
        if not 0 < low <= high < 1:
            raise BadInput(f"edges need 0 < data.edge_low <= data.edge_high < 1, not {low} and {high}")
        self.low, self.high = low, high

    def maps(self, annotation: Tensor | None, picture: Tensor) -> Tensor:
        """The edges of the picture of the structure, or of the picture itself: (B, 1, H, W)."""
        shown = (picture if annotation is None else annotation).float().div(255)
        return canny(shown, self.low, self.high)[1]

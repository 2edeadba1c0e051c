"""Guidance: several predictions under different conditions, combined into one (section 3.3 of the paper).

With e(p, s) the prediction from pose p and source s, and ∅ for a condition that is left out (zeros):

    none          e(x_p, x_s)
    source        e(x_p, ∅) + w_s (e(x_p, x_s) - e(x_p, ∅))                                the released code's
    disentangled  e(∅, ∅) + w_p (e(x_p, ∅) - e(∅, ∅)) + w_s (e(∅, x_s) - e(∅, ∅))          the paper's
    nested        e(∅, ∅) + w_p (e(x_p, ∅) - e(∅, ∅)) + w_s (e(x_p, x_s) - e(x_p, ∅))

Each is a weighted sum of at most three predictions. Those of weight zero are never computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from datamodules.bad_input import BadInput, nearest

MODES = ("none", "source", "disentangled", "nested")


class Branch(NamedTuple):
    """Which conditions a prediction is given; the others are ∅."""

    pose: bool
    source: bool

    @property
    def described(self) -> str:
        """In words."""
        given = [name for name, is_given in (("the pose", self.pose), ("the source", self.source)) if is_given]
        return " and ".join(given) or "nothing"


NOTHING, POSE, SOURCE, BOTH = Branch(False, False), Branch(True, False), Branch(False, True), Branch(True, True)


@dataclass(frozen=True)
class Guidance:
    """Which predictions are made at a noise level, and how they are combined."""

    mode: Literal["none", "source", "disentangled", "nested"] = "nested"
    """See above."""
    pose: float = 1.5
    """w_p, of disentangled and nested."""
    style: float = 1.5
    """w_s, of all but none."""
    interval: Sequence[float] = (0.0, 1.0)
    """The noise levels where guidance acts, as parts of T (arXiv 2404.07724); elsewhere it is e(x_p, x_s) alone."""
    batched: bool | None = None
    """Make all predictions of a step in one call, or (False) one after another, in less memory. None takes what is faster: one
    call on a GPU and for single images; on a processor several images fill its cache as it is."""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadInput(
                f"guidance mode {self.mode!r} is not one of {', '.join(MODES)}.{nearest(str(self.mode), MODES)}"
            )
        for name, value in (("pose", self.pose), ("style", self.style)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise BadInput(f"guidance scale {name}={value!r} must be a number")
        ends = self.interval
        if (
            isinstance(ends, str)
            or not isinstance(ends, Sequence)
            or len(ends) != 2
            or not 0 <= ends[0] <= ends[1] <= 1
        ):
            raise BadInput(f"guidance interval={ends!r} must be two parts of T in rising order, such as [0.2, 0.8]")

    def weights(self, part: float | None = None) -> dict[Branch, float]:
        """What each prediction counts, those that count nothing left out; in the order of evaluation.

        Args:
            part: the noise level as t / T; None: one where guidance acts.
        """
        if self.mode == "none" or (part is not None and not self.interval[0] <= part <= self.interval[1]):
            return {BOTH: 1.0}
        pose, style = self.pose, self.style
        by_mode: dict[str, dict[Branch, float]] = {
            "source": {BOTH: style, POSE: 1 - style},
            "disentangled": {NOTHING: 1 - pose - style, POSE: pose, SOURCE: style},
            "nested": {NOTHING: 1 - pose, POSE: pose - style, BOTH: style},
        }
        return {branch: weight for branch, weight in by_mode[self.mode].items() if weight != 0}

    def combine(self, predictions: Mapping[Branch, Tensor], part: float | None = None) -> Tensor:
        """The guided prediction, on all channels alike."""
        terms = [weight * predictions[branch] for branch, weight in self.weights(part).items()]
        return sum(terms[1:], terms[0])

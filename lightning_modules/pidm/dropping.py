"""Leaving conditions out in training, so that the network learns to predict without them too (η in the paper)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from datamodules.bad_input import BadInput
from lightning_modules.pidm.guidance import BOTH, NOTHING, POSE, SOURCE, Branch

PRESETS = {"official": (0.0, 0.1, 0.0), "joint": (0.0, 0.0, 0.1)}


@dataclass(frozen=True)
class Dropping:
    """How often a sample loses its pose, its source, or both; what is lost is ∅, zeros."""

    pose: float = 0.1
    """Probability of losing the pose ..."""
    source: float = 0.1
    """... of losing the source, independently ..."""
    both: float = 0.0
    """... and of losing the two together, independently of both."""
    preset: Literal["official", "joint"] | None = None
    """Takes the place of the three: official loses the source alone (0.1), as the released model was trained; joint loses both
    or nothing (0.1), one reading of the paper."""

    def __post_init__(self) -> None:
        for name, part in zip(("pose", "source", "both"), self.probabilities, strict=True):
            if not 0 <= part <= 1:
                raise BadInput(f"model.drop.{name}={part} must be a probability, between 0 and 1")

    @property
    def probabilities(self) -> tuple[float, float, float]:
        """Of losing the pose, the source, and the two together."""
        return (self.pose, self.source, self.both) if self.preset is None else PRESETS[self.preset]

    def learned(self) -> set[Branch]:
        """The predictions that a network learns when conditions are lost so."""
        pose, source, both = self.probabilities
        keeps_some = both < 1
        found = {NOTHING} if both > 0 or (pose > 0 and source > 0) else set()
        found |= {POSE} if keeps_some and source > 0 and pose < 1 else set()
        found |= {SOURCE} if keeps_some and pose > 0 and source < 1 else set()
        return found | ({BOTH} if keeps_some and pose < 1 and source < 1 else set())

    def __call__(self, structure: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Structures (B, S, H, W) and sources (B, 3, H, W), zero for the samples that lose them."""
        pose_lost, source_lost, both_lost = self.probabilities
        draws = torch.rand(3, len(source), 1, 1, 1, device=source.device)
        keeps = draws[2] >= both_lost
        return structure * (keeps & (draws[0] >= pose_lost)), source * (keeps & (draws[1] >= source_lost))

"""Pseudo exemplars: the ground truth itself, framed anew, as an exemplar whose translation is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.batch import Batch
from lightning_modules.cocosnet.losses import pseudo_factor


@dataclass(frozen=True)
class PseudoExemplars:
    """Gives samples without a known translation one, with probability 1 − `reference_probability`.

    Samples whose source and target show the same thing (`Batch.paired`: another view of a person, an augmented copy) are
    pseudo pairs as they are. The others keep their exemplar (a retrieved one) with `reference_probability`, and otherwise
    get the target with a crop and a flip of its own, as published: its size is enlarged, then cropped back at random.
    """

    reference_probability: float = 0.7
    enlargement: float = 286 / 256
    flip: float = 0.5
    published_batch: int = 4

    def __call__(self, batch: Batch) -> tuple[Batch, Tensor]:
        """The batch with its pseudo exemplars, and the factor (B,) of each sample in the losses on pseudo pairs."""
        given = batch.paired.to(batch.source.device)
        drawn = ~given & (torch.rand(batch.size, device=given.device) >= self.reference_probability)
        factor = given * pseudo_factor(1.0, self.published_batch)
        factor = factor + drawn * pseudo_factor(1 - self.reference_probability, self.published_batch)
        framing = self._framing(batch)
        photo = F.grid_sample(batch.target, framing, mode="bilinear", padding_mode="reflection", align_corners=False)
        structure = F.grid_sample(
            batch.target_structure, framing, mode="nearest", padding_mode="border", align_corners=False
        )
        choose = drawn.view(-1, 1, 1, 1)
        changed = replace(
            batch,
            source=torch.where(choose, photo, batch.source),
            source_structure=torch.where(choose, structure, batch.source_structure),
            paired=given | drawn,
        )
        return changed, factor

    def _framing(self, batch: Batch) -> Tensor:
        """(B, H, W, 2): where each pixel of the crop lies in the whole picture."""
        visible = 1 / self.enlargement
        count, device = batch.size, batch.target.device
        place = (torch.rand(count, 2, device=device) * 2 - 1) * (1 - visible)
        mirrored = torch.where(torch.rand(count, device=device) < self.flip, -1.0, 1.0)
        matrix = torch.zeros(count, 2, 3, device=device)
        matrix[:, 0, 0], matrix[:, 1, 1], matrix[:, :, 2] = visible * mirrored, visible, place
        return F.affine_grid(matrix, list(batch.target.shape), align_corners=False)

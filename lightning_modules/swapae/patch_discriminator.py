"""The patch co-occurrence discriminator D_patch: do these crops come from images of one texture? (arXiv 2007.00653, 3.3)"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.equalised import EqualLinear
from lightning_modules.blocks.memory_layout import channels_together
from lightning_modules.swapae.residual_block import ConvLayer, ResidualBlock


class PatchDiscriminator(nn.Module):
    """Features of crops, and a head that judges a pair of them."""

    def __init__(
        self,
        patch_size: int = 128,
        capacity: float = 4.0,
        max_channels: int = 384,
        average_references: bool = True,
        pair_width: int = 2048,
    ) -> None:
        """
        Args:
            patch_size: of the crops: a power of two.
            capacity: factor on the layers' widths.
            max_channels: the widest a halving block may be; the last block is twice as wide.
            average_references: whether every query is compared with the mean over its image's reference crops, or query t
                with reference t.
        """
        super().__init__()
        if patch_size < 8 or patch_size & (patch_size - 1):
            raise BadInput(f"patch_size={patch_size} must be a power of two of at least 8")
        levels = int(math.log2(patch_size))
        widths = [self.width_at(2**level, capacity, max_channels) for level in range(levels, 1, -1)]
        last = widths[-1]
        self.patch_size, self.average_references = patch_size, average_references
        self.from_rgb = ConvLayer(3, widths[0], 3)
        self.blocks = nn.Sequential(*(ResidualBlock(a, b) for a, b in itertools.pairwise(widths)))
        self.widen = ResidualBlock(last, 2 * last, down=False)
        self.final_conv = ConvLayer(2 * last, last, 3, padding="none")
        heads = [2 * last * 2 * 2, pair_width, pair_width, pair_width // 2]
        self.pair_head = nn.Sequential(
            *(EqualLinear(a, b, activate=True) for a, b in itertools.pairwise(heads)),
            EqualLinear(heads[-1], 1),
        )

    @staticmethod
    def width_at(size: int, capacity: float, max_channels: int) -> int:
        """The channels of the layers that work at size x size."""
        width = int(2**10 / size * capacity)
        return min(max_channels, width) if size <= 16 else width

    def features(self, crops: Tensor) -> Tensor:
        """(B, T, 3, P, P) -> (B, T, F): T crops of each image."""
        batch, count = crops.shape[:2]
        crops_of_all = channels_together(crops.flatten(0, 1))
        features = self.final_conv(self.widen(self.blocks(self.from_rgb(crops_of_all))))
        return features.flatten(1).unflatten(0, (batch, count))

    def pair(self, reference: Tensor, query: Tensor) -> Tensor:
        """Features of reference and query crops, (B, T, F) each -> logits (B, T): high for one texture."""
        if self.average_references:
            reference = reference.mean(1, keepdim=True).expand(-1, query.shape[1], -1)
        elif reference.shape[1] != query.shape[1]:
            raise BadInput(
                f"{reference.shape[1]} reference crops cannot be paired with {query.shape[1]} query crops one by one; "
                f"average the references"
            )
        return self.pair_head(torch.cat([reference, query], dim=2)).squeeze(2)

    def forward(self, reference: Tensor, query: Tensor) -> Tensor:
        """Crops (B, T, 3, P, P) each -> logits (B, T)."""
        both = self.features(torch.cat([reference, query], dim=1))
        return self.pair(*both.split([reference.shape[1], query.shape[1]], dim=1))

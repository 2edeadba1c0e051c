"""The texture encoder H_E: the source image as a pyramid of features. It sees neither the noise's level nor the pose."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lightning_modules.blocks.coordinates import coordinates_of
from lightning_modules.pidm.layout import Layout
from lightning_modules.pidm.residual_block import ResidualBlock


class TextureEncoder(nn.Module):
    """x_s -> the features F_s that the noise predictor reads."""

    def __init__(
        self,
        layout: Layout,
        *,
        coordinates: bool = False,
        patch: int = 1,
        dropout: float = 0.0,
        checkpointing: bool = False,
    ) -> None:
        """
        Args:
            layout: of the noise predictor.
            coordinates: show the encoder where each place lies (CoordConv, arXiv 1807.03247): attention alone sees no order.
            patch: side of the squares of pixels that are stacked to the channels of one place.
            dropout: in every block.
            checkpointing: compute features again in the backward pass instead of keeping them.
        """
        super().__init__()
        self.coordinates = coordinates
        self.patch = patch
        self.checkpointing = checkpointing
        self.reads = set(layout.reads())
        self.stem = nn.Conv2d(3 * patch**2 + 2 * coordinates, layout.channels, 3, padding=1)
        blocks = layout.down()[: max(self.reads)]
        self.blocks = nn.ModuleList(
            ResidualBlock(
                block.in_channels,
                block.out_channels,
                groups=layout.groups,
                dropout=dropout,
                resampling="down" if block.halves else "none",
            )
            for block in blocks
        )

    def forward(self, source: Tensor) -> dict[int, Tensor]:
        """Images (B, 3, H, W) in [-1, 1] -> the features that are read, by the number of their block."""
        x = nn.functional.pixel_unshuffle(source, self.patch)
        if self.coordinates:
            x = torch.cat([x, coordinates_of(x)], dim=1)
        x = self.stem(x)
        features = {0: x} if 0 in self.reads else {}
        for number, block in enumerate(self.blocks, start=1):
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
            if number in self.reads:
                features[number] = x
        return features

"""The domain adaptors F_A→S and F_B→S: a structure map, or a photo, into the space in which they are compared."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.cocosnet.non_local import NonLocalBlock
from lightning_modules.cocosnet.spade import HIDDEN, SLOPE, Norm, ResizedCondition, SpadeBlock
from lightning_modules.cocosnet.spectral import spectral_norm

STRIDES = {1: (1, 1), 2: (2, 1), 4: (2, 2)}
"""Strides of the two convolutions that may halve the size, by total stride."""


class DomainAdaptor(nn.Module):
    """Convolutions down to 1/stride of the size, then SPADE blocks that see the input itself as their condition."""

    def __init__(
        self,
        channels: int,
        *,
        width: int = 64,
        stride: int = 4,
        kernel: int = 3,
        norm: Norm = "position",
        hidden: int = HIDDEN,
        excitation: bool = False,
        non_local: bool = False,
        deeper: bool = False,
        dilated: bool = False,
        recompute: bool = False,
    ) -> None:
        """
        Args:
            channels: of the input: structure channels, or 3.
            width: of the first layer; features have 4 · width channels.
            stride: of the features: 1, 2 or 4.
            kernel: of the halving convolutions, 3 or 4.
            norm: what SPADE normalises over.
            hidden: of its SPADE blocks, see `SpadeBlock`.
            excitation: squeeze and excitation in the first three blocks.
            non_local: a non-local block (without spectral norms) after the first block.
            deeper: three more blocks.
            dilated: dilate the last two of them by 2 and 4, and smooth what that does to the grid.
            recompute: compute SPADE blocks again in the backward pass instead of keeping their activations.
        """
        super().__init__()
        first, second = STRIDES[stride]
        full, features = 8 * width, 4 * width
        self.layers = nn.ModuleList(
            (
                normed_conv(channels, width, 3),
                normed_conv(width, 2 * width, kernel, first),
                normed_conv(2 * width, 4 * width, 3),
                normed_conv(4 * width, full, kernel, second),
                normed_conv(full, full, 3),
            )
        )

        def block(channels_in: int, channels_out: int, dilation: int = 1, gated: bool = False) -> SpadeBlock:
            return SpadeBlock(
                channels_in,
                channels_out,
                channels,
                norm=norm,
                hidden=hidden,
                dilation=dilation,
                excitation=gated,
                recompute=recompute,
            )

        self.head = block(full, full, gated=excitation)
        self.attention = NonLocalBlock(full, spectral=False) if non_local else nn.Identity()
        self.middle_0 = block(full, full, gated=excitation)
        self.middle_1 = block(full, features, gated=excitation)
        dilations = (1, 2, 4) if dilated else (1, 1, 1)
        self.deeper = nn.ModuleList(block(features, features, dilation) for dilation in dilations if deeper)
        self.smoothing = nn.Sequential()
        if deeper and dilated:
            self.smoothing = nn.Sequential(
                normed_conv(features, features, 3, dilation=2), normed_conv(features, features, 3)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, 4 · width, H / stride, W / stride), not normalised."""
        condition = ResizedCondition(x)
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index < len(self.layers) - 1:
                x = F.leaky_relu_(x, SLOPE)
        x = self.attention(self.head(x, condition.at(x.shape[-2:])))
        x = self.middle_1(self.middle_0(x, condition.at(x.shape[-2:])), condition.at(x.shape[-2:]))
        for block in self.deeper:
            x = block(x, condition.at(x.shape[-2:]))
        return self.smoothing(x)


def normed_conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Spectral-normed convolution without bias, then instance normalisation. Stride 1 keeps the size."""
    kernel = 3 if stride == 1 else kernel
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(spectral_norm(conv), nn.InstanceNorm2d(channels_out))

"""The discriminators of pix2pix and CycleGAN: they judge patches, or pixels, not whole images.

Isola et al. 2017 (arXiv 1611.07004), section 3.2.2 and appendix 6.1.2. A score is for the patch that its receptive field
sees, 70x70 with the usual 3 layers (C64-C128-C256-C512); the scores are raw, without a sigmoid.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.norms import NormKind, make_norm, wants_bias


class ConvNormLeaky(nn.Module):
    """Convolution, norm, LeakyReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, norm: NormKind, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=1 if kernel > 1 else 0, bias=bias)
        self.norm = make_norm(norm, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), 0.2)


class PatchDiscriminator(nn.Module):
    """(B, C, H, W) -> (B, 1, h, w) scores of overlapping patches.

    Receptive fields: 16 pixels with 1 layer, 34 with 2, 70 with 3, 142 with 4, 286 with 5.
    """

    def __init__(
        self,
        input_channels: int = 3,
        width: int = 64,
        layers: int = 3,
        norm: NormKind = "instance",
        bias: bool | None = None,
    ) -> None:
        """
        Args:
            input_channels: of the image, and of the condition where it is judged together with one.
            width: channels of the first layer; they double at each layer up to 8 * width.
            layers: convolutions that halve the map; two more keep its size but for one pixel each.
            norm: of all convolutions but the first and the last.
            bias: of convolutions with a norm after them; None is the rule of `wants_bias`.
        """
        super().__init__()
        if layers < 1:
            raise BadInput(
                f"A patch discriminator has at least one layer, not {layers}; for single pixels take 'pixel'"
            )
        bias = wants_bias(norm) if bias is None else bias
        self.layers = layers
        self.stages = nn.ModuleList([ConvNormLeaky(input_channels, width, 4, 2, "none", bias=True)])
        for layer in range(1, layers + 1):
            inputs, outputs = (width * min(2**k, 8) for k in (layer - 1, layer))
            self.stages.append(ConvNormLeaky(inputs, outputs, 4, 2 if layer < layers else 1, norm, bias))
        self.head = nn.Conv2d(width * min(2**layers, 8), 1, 4, padding=1)

    def check_size(self, height: int, width: int) -> None:
        """
        Raises:
            BadInput: not a single patch fits into an image of this size.
        """
        if min(self.scores(height), self.scores(width)) < 1:
            fitting = [layers for layers in range(1, self.layers) if min(height, width) // 2**layers >= 3]
            remedy = f"layers={fitting[-1]} or fewer fit" if fitting else "take larger images"
            raise BadInput(
                f"A patch discriminator of {self.layers} layers needs sides of at least {3 * 2**self.layers} pixels, not "
                f"{height}x{width}: {remedy}"
            )

    def scores(self, side: int) -> int:
        """How many scores there are along a side of this many pixels."""
        return side // 2**self.layers - 2

    def forward(self, x: Tensor) -> Tensor:
        self.check_size(*x.shape[-2:])
        for stage in self.stages:
            x = stage(x)
        return self.head(x)


class PixelDiscriminator(nn.Module):
    """(B, C, H, W) -> (B, 1, H, W) scores of single pixels (the paper's 1x1 "PixelGAN"): a judge of colours alone."""

    def __init__(
        self, input_channels: int = 3, width: int = 64, norm: NormKind = "instance", bias: bool | None = None
    ) -> None:
        """
        Args:
            input_channels: of the image, and of the condition where it is judged together with one.
            width: channels of the first layer.
            norm: of the second layer.
            bias: of the second layer and, as in the authors' code, of the last one; None is the rule of `wants_bias`.
        """
        super().__init__()
        bias = wants_bias(norm) if bias is None else bias
        self.stages = nn.ModuleList(
            [
                ConvNormLeaky(input_channels, width, 1, 1, "none", bias=True),
                ConvNormLeaky(width, 2 * width, 1, 1, norm, bias),
            ]
        )
        self.head = nn.Conv2d(2 * width, 1, 1, bias=bias)

    def check_size(self, height: int, width: int) -> None:
        """Every size fits."""

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return self.head(x)

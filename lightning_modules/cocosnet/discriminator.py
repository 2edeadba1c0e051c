"""The discriminator: patches of (structure, image) at two scales, every layer's output for feature matching."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.cocosnet.non_local import NonLocalBlock
from lightning_modules.cocosnet.spade import SLOPE
from lightning_modules.cocosnet.spectral import advance, spectral_norm


class PatchDiscriminator(nn.Module):
    """4 x 4 convolutions; the first and the last without normalisation, a non-local block before the last but one."""

    def __init__(self, channels: int, *, width: int = 64, layers: int = 4, attention: bool = True) -> None:
        """
        Args:
            channels: of the input: structure and image.
            width: of the first layer (ndf); doubles up to 8 times as many.
            layers: convolutions before the logits (n_layers_D); all but the last halve the size.
            attention: the non-local block.
        """
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(layers)]
        self.first = nn.Conv2d(channels, width, 4, stride=2, padding=1)
        self.stages = nn.ModuleList()
        for index, (before, after) in enumerate(pairwise(widths), start=1):
            stride = 1 if index == layers - 1 else 2
            conv = spectral_norm(nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=False))
            self.stages.append(nn.Sequential(conv, nn.InstanceNorm2d(after)))
        self.attention = NonLocalBlock(widths[-2]) if attention else nn.Identity()
        self.logits = nn.Conv2d(widths[-1], 1, 4, padding=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, channels, H, W) -> features of each layer, then logits (B, 1, H', W'), one for each patch."""
        outputs = [F.leaky_relu_(self.first(x), SLOPE)]
        for index, stage in enumerate(self.stages):
            last = index == len(self.stages) - 1
            outputs.append(F.leaky_relu_(stage(self.attention(outputs[-1]) if last else outputs[-1]), SLOPE))
        return [*outputs, self.logits(outputs[-1])]


class MultiscaleDiscriminator(nn.Module):
    """Patch discriminators for the image and for smaller copies of it."""

    def __init__(
        self, structure_channels: int, *, scales: int = 2, width: int = 64, layers: int = 4, attention: bool = True
    ) -> None:
        """
        Args:
            structure_channels: of the structure map.
            scales: how many discriminators (num_D); each sees half the size of the one before.
            width, layers, attention: of each, see `PatchDiscriminator`.
        """
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(structure_channels + 3, width=width, layers=layers, attention=attention)
            for _ in range(scales)
        )

    def forward(self, structure: Tensor, image: Tensor) -> list[list[Tensor]]:
        """(B, S, H, W) and (B, 3, H, W) -> for each scale the outputs of `PatchDiscriminator`, logits last."""
        if self.training:
            advance(self)
        return self._outputs(structure, image)

    def judge(self, structure: Tensor, fake: Tensor, real: Tensor) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """Outputs for translations and for photos of the same structures, with the same weights.

        Nothing in it mixes samples, so two passes equal the official single one; and where the discriminator is not
        trained, the photos' pass keeps nothing for a backward pass.
        """
        if self.training:
            advance(self)
        return self._outputs(structure, fake), self._outputs(structure, real)

    def _outputs(self, structure: Tensor, image: Tensor) -> list[list[Tensor]]:
        x = torch.cat((structure.to(image.dtype), image), dim=1)
        outputs = []
        for index, discriminator in enumerate(self.scales):
            if index:
                x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            outputs.append(discriminator(x))
        return outputs

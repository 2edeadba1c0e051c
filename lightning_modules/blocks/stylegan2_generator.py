"""StyleGAN2's generator (arXiv 1912.04958): a mapping network, and synthesis with one style per layer and colour skips.

No method is built on it yet. It is the network that per-sample modulation, noise maps and FIR up-sampling are checked in as a
whole against the published numbers, and where work on W and W+ codes (arXiv 1904.03189) starts.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.equalised import EqualLinear, ScaledLeakyReLU, unit_rms
from lightning_modules.blocks.fir_resample import Resample, upsample_padding
from lightning_modules.blocks.modulated_conv import ModulatedConv2d
from lightning_modules.blocks.noise_injection import NoiseInjection

TAPS = (1.0, 3.0, 3.0, 1.0)


class StyleGAN2Generator(nn.Module):
    """A latent z, or one style for every layer (W+) -> an image of size x size."""

    def __init__(
        self,
        size: int = 256,
        style_channels: int = 512,
        mapping_layers: int = 8,
        channel_multiplier: float = 2.0,
        mapping_lr_mul: float = 0.01,
    ) -> None:
        """
        Args:
            size: of the image: a power of two from 8 up.
            style_channels: of z and w.
            channel_multiplier: factor on the widths of layers above 32x32; 2 is the paper's config F.
            mapping_lr_mul: how much slower the mapping network learns.
        """
        super().__init__()
        if size < 8 or size & (size - 1):
            raise BadInput(f"size={size} must be a power of two of at least 8")
        widths = [
            512 if level <= 5 else int(2**14 / 2**level * channel_multiplier)
            for level in range(2, int(math.log2(size)) + 1)
        ]
        self.mapping = nn.Sequential(
            *(
                EqualLinear(style_channels, style_channels, lr_mul=mapping_lr_mul, activate=True)
                for _ in range(mapping_layers)
            )
        )
        self.constant = nn.Parameter(torch.randn(widths[0], 4, 4))
        # At 4x4 one layer, then two for each resolution: the first doubles and changes the width.
        layers = [(widths[0], widths[0], False)]
        for before, after in itertools.pairwise(widths):
            layers += [(before, after, True), (after, after, False)]
        self.layers = nn.ModuleList(SynthesisLayer(i, o, style_channels, up) for i, o, up in layers)
        self.to_rgb = nn.ModuleList(ToColour(width, style_channels) for width in widths)
        self.enlarge = Resample(TAPS, up=2, padding=upsample_padding(len(TAPS)), gain=4)
        self.styles = len(self.layers) + 1
        """Rows of a W+ code."""

    def map(self, z: Tensor) -> Tensor:
        """(B, style_channels) standard normal -> w (B, style_channels)."""
        return self.mapping(unit_rms(z).to(z.dtype))

    def forward(self, w: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """
        Args:
            w: (B, style_channels) for all layers, or (B, styles, style_channels): W+.
            noise: one map (B or 1, 1, h, w) for each layer; None draws them anew.

        Returns:
            (B, 3, size, size), about [-1, 1] but not clipped.
        """
        w = w[:, None].expand(-1, self.styles, -1) if w.ndim == 2 else w
        maps: Sequence[Tensor | None] = [None] * len(self.layers) if noise is None else noise
        x = self.layers[0](self.constant.expand(w.shape[0], -1, -1, -1), w[:, 0], maps[0])
        image = self.to_rgb[0](x, w[:, 1])
        # The colours of one resolution and the first layer of the next share a style.
        for level in range(1, len(self.to_rgb)):
            first = 2 * level - 1
            x = self.layers[first](x, w[:, first], maps[first])
            x = self.layers[first + 1](x, w[:, first + 1], maps[first + 1])
            image = self.to_rgb[level](x, w[:, first + 2]) + self.enlarge(image)
        return image


def truncate(w: Tensor, mean: Tensor, amount: float) -> Tensor:
    """w drawn towards the mean style: less variety, fewer failures."""
    return mean + amount * (w - mean)


def mix(first: Tensor, second: Tensor, start: int, styles: int) -> Tensor:
    """W+ of two styles (B, S): the first up to row `start`, the second from there."""
    rows = torch.arange(styles, device=first.device)[None, :, None]
    return torch.where(rows < start, first[:, None], second[:, None])


class SynthesisLayer(nn.Module):
    """Modulated convolution, noise, bias, activation."""

    def __init__(self, in_channels: int, out_channels: int, style_channels: int, up: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(
            in_channels, out_channels, 3, style_channels, resampling="up" if up else None, taps=TAPS
        )
        self.noise = NoiseInjection()
        self.activation = ScaledLeakyReLU(out_channels)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        return self.activation(self.noise(self.conv(x, style), noise))


class ToColour(nn.Module):
    """Features -> colours."""

    def __init__(self, in_channels: int, style_channels: int) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(in_channels, 3, 1, style_channels, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return self.conv(x, style) + self.bias.to(x.dtype)[:, None, None]


def from_rosinality(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A generator's state dict in the names of rosinality/stylegan2-pytorch -> in ours.

    Blur kernels are constants and left out; noise maps (`noises.noise_i`) are inputs here, not part of the network.
    """
    ours: dict[str, Tensor] = {}
    rules = [
        (r"^style\.(\d+)", lambda found: f"mapping.{int(found[1]) - 1}"),
        (r"^input\.input$", lambda found: "constant"),
        (r"^conv1\.", lambda found: "layers.0."),
        (r"^convs\.(\d+)", lambda found: f"layers.{int(found[1]) + 1}"),
        (r"^to_rgb1\.", lambda found: "to_rgb.0."),
        (r"^to_rgbs\.(\d+)", lambda found: f"to_rgb.{int(found[1]) + 1}"),
        (r"\.activate\.", lambda found: ".activation."),
    ]
    for name, value in state.items():
        if name.endswith(".kernel") or name.startswith("noises."):
            continue
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        if name == "constant" or (name.endswith("conv.weight") and value.ndim == 5):
            value = value[0]
        elif value.ndim == 4 and name.endswith(".bias"):
            value = value.flatten()
        ours[name] = value
    return ours

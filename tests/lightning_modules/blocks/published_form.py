"""The networks of pix2pix and CycleGAN in their published form, nested and numbered as their checkpoints are.

Written plainly from the description of the layers: what `official_names` must lead back to, in every layout.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def norm_of(kind: str, channels: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    return nn.InstanceNorm2d(channels) if kind == "instance" else nn.BatchNorm2d(channels)


class Plus(nn.Module):
    """x + conv_block(x)."""

    def __init__(self, channels: int, norm: str, dropout: bool, padding: str) -> None:
        super().__init__()
        pad = {"reflect": [nn.ReflectionPad2d(1)], "replicate": [nn.ReplicationPad2d(1)], "zero": []}[padding]

        def conv() -> nn.Module:
            return nn.Conv2d(channels, channels, 3, padding=0 if pad else 1, bias=norm == "instance")

        middle = [nn.Dropout(0.5)] if dropout else []
        self.conv_block = nn.Sequential(
            *pad, conv(), norm_of(norm, channels), nn.ReLU(), *middle, *pad, conv(), norm_of(norm, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class ResNet(nn.Module):
    def __init__(self, ngf: int, blocks: int, norm: str, dropout: bool = False, padding: str = "reflect") -> None:
        super().__init__()
        bias = norm == "instance"
        halves = [nn.Conv2d(n, 2 * n, 3, 2, 1, bias=bias) for n in (ngf, 2 * ngf)]
        doubles = [nn.ConvTranspose2d(2 * n, n, 3, 2, 1, 1, bias=bias) for n in (2 * ngf, ngf)]
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, ngf, 7, bias=bias),
            norm_of(norm, ngf),
            nn.ReLU(),
        ]
        for conv in halves:
            layers += [conv, norm_of(norm, conv.out_channels), nn.ReLU()]
        layers += [Plus(4 * ngf, norm, dropout, padding) for _ in range(blocks)]
        for conv in doubles:
            layers += [conv, norm_of(norm, conv.out_channels), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Skip(nn.Module):
    """One level around the next; all but the outermost put out what they get beside what they make of it."""

    def __init__(self, outer: int, inner: int, below: Skip | None, norm: str, dropout: bool, inputs: int = 0) -> None:
        super().__init__()
        bias = norm == "instance"
        self.outermost = inputs > 0
        down = nn.Conv2d(inputs or outer, inner, 4, 2, 1, bias=bias)
        up = nn.ConvTranspose2d(inner * (1 if below is None else 2), outer, 4, 2, 1, bias=bias or self.outermost)
        leaky, relu = nn.LeakyReLU(0.2), nn.ReLU()
        if self.outermost:
            layers = [down, below, relu, up, nn.Tanh()]
        elif below is None:
            layers = [leaky, down, relu, up, norm_of(norm, outer)]
        else:
            layers = [leaky, down, norm_of(norm, inner), below, relu, up, norm_of(norm, outer)]
            layers += [nn.Dropout(0.5)] if dropout else []
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class UNet(nn.Module):
    def __init__(self, ngf: int, depth: int, norm: str, dropout: bool = False) -> None:
        super().__init__()
        level = Skip(8 * ngf, 8 * ngf, None, norm, False)
        for _ in range(depth - 5):
            level = Skip(8 * ngf, 8 * ngf, level, norm, dropout)
        for width in (4 * ngf, 2 * ngf, ngf):
            level = Skip(width, 2 * width, level, norm, False)
        self.model = Skip(3, ngf, level, norm, False, inputs=3)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Patches(nn.Module):
    def __init__(self, ndf: int, layers: int, norm: str) -> None:
        super().__init__()
        stages: list[nn.Module] = [nn.Conv2d(3, ndf, 4, 2, 1), nn.LeakyReLU(0.2)]
        for n in range(1, layers + 1):
            inputs, outputs = ndf * min(2 ** (n - 1), 8), ndf * min(2**n, 8)
            conv = nn.Conv2d(inputs, outputs, 4, 2 if n < layers else 1, 1, bias=norm == "instance")
            stages += [conv, norm_of(norm, outputs), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*stages, nn.Conv2d(ndf * min(2**layers, 8), 1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Pixels(nn.Module):
    def __init__(self, ndf: int, norm: str) -> None:
        super().__init__()
        bias = norm == "instance"
        self.net = nn.Sequential(
            nn.Conv2d(3, ndf, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(ndf, 2 * ndf, 1, bias=bias),
            norm_of(norm, 2 * ndf),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * ndf, 1, 1, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

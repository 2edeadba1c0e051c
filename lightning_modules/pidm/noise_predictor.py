"""The noise predictor H_N: a U-Net over the noisy image and the pose, into which the source's texture is mixed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lightning_modules.pidm.layout import Block, Layout
from lightning_modules.pidm.residual_block import GroupNorm, ResidualBlock, zero
from lightning_modules.pidm.texture import Mixing, Texture, TextureConcatenation, TextureDiffusionBlock


def sinusoid(t: Tensor, channels: int) -> Tensor:
    """Times (B,) -> (B, channels) float32: cosines, then sines, of geometrically falling frequencies from 1 to 1/10000."""
    half = channels // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=t.device, dtype=torch.float32) / half)
    angles = t.float()[:, None] * frequencies
    waves = torch.cat([angles.cos(), angles.sin()], dim=1)
    return F.pad(waves, (0, channels % 2))


class TimeEmbedding(nn.Module):
    """t -> (B, embedding_channels): sinusoids through two layers, in float32 so that neighbouring times stay apart."""

    def __init__(self, channels: int, embedding_channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.first = nn.Linear(channels, embedding_channels)
        self.second = nn.Linear(embedding_channels, embedding_channels)

    def forward(self, t: Tensor) -> Tensor:
        with torch.autocast(t.device.type, enabled=False):
            waves = sinusoid(t, self.channels).to(self.first.weight.dtype)
            return self.second(F.silu(self.first(waves)))


class Stage(nn.Module):
    """A residual block; then texture mixed in; then a residual block that doubles the size: the last two where asked for."""

    mixing: Mixing | None

    def __init__(
        self, block: Block, layout: Layout, embedding_channels: int, dropout: float, heads: int, cosine: bool
    ) -> None:
        super().__init__()
        out = block.out_channels
        self.residual = ResidualBlock(
            block.in_channels,
            out,
            embedding_channels,
            groups=layout.groups,
            dropout=dropout,
            resampling="down" if block.halves else "none",
        )
        self.mixing = None
        if block.reads is not None and layout.mix == "attention":
            self.mixing = TextureDiffusionBlock(out, block.reads_channels, heads, layout.groups, cosine)
        elif block.reads is not None:
            self.mixing = TextureConcatenation(out, block.reads_channels)
        self.upsample = (
            ResidualBlock(out, out, embedding_channels, groups=layout.groups, dropout=dropout, resampling="up")
            if block.doubles
            else None
        )

    def forward(self, x: Tensor, lateral: Tensor | None, embedding: Tensor, projected: Tensor | None) -> Tensor:
        x = self.residual(x if lateral is None else torch.cat([x, lateral], dim=1), embedding)
        if self.mixing is not None:
            x = self.mixing(x, projected)
        return x if self.upsample is None else self.upsample(x, embedding)


class NoisePredictor(nn.Module):
    """(y_t, t, x_p, texture of x_s) -> prediction (3 channels) and, where it is learned, the raw variance (3 more)."""

    def __init__(
        self,
        layout: Layout,
        structure_channels: int,
        *,
        out_channels: int = 6,
        embedding_channels: int = 512,
        heads: int = 1,
        cosine_attention: bool = False,
        patch: int = 1,
        dropout: float = 0.0,
        checkpointing: bool = False,
    ) -> None:
        """
        Args:
            layout: which blocks.
            structure_channels: S.
            out_channels: 6 with a learned variance, else 3.
            embedding_channels: of the time embedding.
            heads, cosine_attention: of the texture diffusion blocks.
            patch: side of the squares of pixels that are stacked to the channels of one place.
            dropout: in every residual block.
            checkpointing: compute features again in the backward pass instead of keeping them.
        """
        super().__init__()
        self.patch = patch
        self.checkpointing = checkpointing
        self.texture_is_input = layout.mix == "input"
        given = 3 + structure_channels + 3 * self.texture_is_input
        self.time = TimeEmbedding(layout.channels, embedding_channels)
        self.stem = nn.Conv2d(given * patch**2, layout.channels, 3, padding=1)

        def stage(block: Block) -> Stage:
            return Stage(block, layout, embedding_channels, dropout, heads, cosine_attention)

        self.down = nn.ModuleList(map(stage, layout.down()))
        deepest = layout.widths[-1]
        last = Block(deepest, deepest, layout.levels - 1)
        self.middle = nn.ModuleList([stage(layout.middle()), stage(last)])
        self.up = nn.ModuleList(map(stage, layout.up()))
        self.norm = GroupNorm(layout.widths[0], layout.groups)
        self.head = zero(nn.Conv2d(layout.widths[0], out_channels * patch**2, 3, padding=1))
        self._reads = layout.reads()

    def project(self, features: dict[int, Tensor]) -> Texture:
        """The source's features, as the mixing blocks use them at every step: to be computed once per image."""
        mixings = [stage.mixing for stage in self._stages() if stage.mixing is not None]
        return [mixing.project(features[number]) for mixing, number in zip(mixings, self._reads, strict=True)]

    def forward(self, noisy: Tensor, t: Tensor, structure: Tensor, texture: Texture) -> Tensor:
        """
        Args:
            noisy: y_t, (B, 3, H, W).
            t: (B,) times, 0 to T - 1; fractions lie between.
            structure: x_p, (B, S, H, W).
            texture: from `project`; without a texture encoder, [x_s].

        Returns:
            (B, out_channels, H, W).
        """
        embedding = F.silu(self.time(t))
        given = [noisy, structure, *(texture if self.texture_is_input else [])]
        x = self.stem(F.pixel_unshuffle(torch.cat(given, dim=1), self.patch))
        laterals, projected = [x], iter(texture)
        for stage in self.down:
            x = self._through(stage, x, None, embedding, projected)
            laterals.append(x)
        for stage in self.middle:
            x = self._through(stage, x, None, embedding, projected)
        for stage in self.up:
            x = self._through(stage, x, laterals.pop(), embedding, projected)
        return F.pixel_shuffle(self.head(F.silu(self.norm(x))), self.patch)

    def _through(
        self, stage: nn.Module, x: Tensor, lateral: Tensor | None, embedding: Tensor, projected: Iterator[Tensor]
    ) -> Tensor:
        own = next(projected) if stage.mixing is not None else None
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(stage, x, lateral, embedding, own, use_reentrant=False)
        return stage(x, lateral, embedding, own)

    def _stages(self) -> list[Stage]:
        return [stage for side in (self.down, self.middle, self.up) for stage in side if isinstance(stage, Stage)]

"""How the source's texture enters the noise predictor: what H_E found in x_s, mixed into a feature map of H_N.

Each mixing block splits its work in two. `project` looks at the source alone, so its result is computed once per image and
kept for all steps of a sampler; `forward` does the rest at every step.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.losses.adversarial import at_least_float32
from lightning_modules.pidm.residual_block import GroupNorm, zero

SHARPNESS = 10.0
"""Of new blocks with cosine attention: cosines are multiplied with it before the softmax."""

Texture = list[Tensor]
"""What the noise predictor is given of the source, one tensor per mixing block, samples first: so textures are chosen,
repeated, joined and interpolated tensor by tensor."""


class Mixing(nn.Module, ABC):
    """A block that mixes a feature map of the source into one of the noisy image."""

    @abstractmethod
    def project(self, feature: Tensor) -> Tensor:
        """The part that depends on the source's features (B, F, H', W') alone."""

    @abstractmethod
    def forward(self, x: Tensor, projected: Tensor) -> Tensor:
        """Features (B, C, H, W) with the source mixed in."""


# F_o = W softmax(Q Kᵀ / √C) V + F_h, with Q = φ_q(F_h), K = φ_k(F_s), V = φ_v(F_s): section 3.2 of the paper
class TextureDiffusionBlock(Mixing):
    """Cross-attention from the noisy image's features to the source's: every place fetches the texture that it needs."""

    def __init__(
        self, channels: int, source_channels: int, heads: int = 1, groups: int = 32, cosine: bool = False
    ) -> None:
        """
        Args:
            channels: C, of the noisy image's features.
            source_channels: of the source's, which may be of any size.
            heads: independent attentions, each of C / heads channels.
            groups: of the norm.
            cosine: compare directions alone, with a learned sharpness (scaled cosine attention, arXiv 2111.09883): a new
                block then looks at few places instead of at the mean of all, and learns sooner where to look.
        """
        super().__init__()
        self.heads = heads
        self.sharpness = nn.Parameter(torch.full((heads, 1, 1), math.log(SHARPNESS))) if cosine else None
        self.norm = GroupNorm(channels, groups)
        self.to_query = nn.Linear(channels, channels)
        self.to_key_and_value = nn.Linear(source_channels, 2 * channels)
        self.out = zero(nn.Linear(channels, channels))

    def project(self, feature: Tensor) -> Tensor:
        """Keys and values of all heads: (B, 2, heads, N, C / heads)."""
        both = self.to_key_and_value(feature.flatten(2).transpose(1, 2))
        return both.unflatten(2, (2, self.heads, -1)).permute(0, 2, 3, 1, 4)

    def forward(self, x: Tensor, projected: Tensor) -> Tensor:
        query = self.to_query(self.norm(x).flatten(2).transpose(1, 2))
        query = query.unflatten(2, (self.heads, -1)).transpose(1, 2)
        key, value = projected.to(query.dtype).unbind(1)
        scale = None
        if self.sharpness is not None:
            # Lengths in float32: the sharpness multiplies what is lost in them.
            query = (F.normalize(at_least_float32(query), dim=-1) * self.sharpness.exp()).to(query.dtype)
            key, scale = F.normalize(at_least_float32(key), dim=-1).to(key.dtype), 1.0
        found = F.scaled_dot_product_attention(query, key, value, scale=scale)
        return x + self.out(found.transpose(1, 2).flatten(2)).transpose(1, 2).reshape(x.shape)


class TextureConcatenation(Mixing):
    """The paper's baseline without texture diffusion blocks: both feature maps, concatenated, through a 1x1 convolution.

    The convolution starts as the identity on the noisy image's features. It is linear, so each part has its own weights here.
    """

    def __init__(self, channels: int, source_channels: int) -> None:
        """
        Args:
            channels: of the noisy image's features.
            source_channels: of the source's, which must be of the same height and width.
        """
        super().__init__()
        self.of_features = zero(nn.Conv2d(channels, channels, 1, bias=False))
        self.of_source = zero(nn.Conv2d(source_channels, channels, 1))

    def project(self, feature: Tensor) -> Tensor:
        return self.of_source(feature)

    def forward(self, x: Tensor, projected: Tensor) -> Tensor:
        return x + self.of_features(x) + projected


def joined(textures: list[Texture]) -> Texture:
    """The textures of several batches as that of one."""
    return [torch.cat(parts) for parts in zip(*textures, strict=True)]


def expanded(texture: Texture, size: int) -> Texture:
    """The texture of one image for `size` samples, without copies."""
    return [part.expand(size, *part.shape[1:]) for part in texture]


def interpolated(start: Texture, end: Texture, amount: float) -> Texture:
    """Between two textures: as all projections are affine, the same as between the encoder's features (figure 7 b)."""
    return [torch.lerp(a, b, amount) for a, b in zip(start, end, strict=True)]

"""H_N and H_E together: one network that predicts the noise of an image from its pose and the texture of its source."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.pidm.layout import Layout, Mix
from lightning_modules.pidm.noise_predictor import NoisePredictor
from lightning_modules.pidm.texture import Texture
from lightning_modules.pidm.texture_encoder import TextureEncoder


class Network(nn.Module):
    """(y_t, t, x_p, x_s) -> what the diffusion process wants predicted, at any size.

    Images whose sides are no multiples of `stride` (176 with six levels) are continued by their border pixels, evenly on both
    sides, and the prediction is cut back.
    """

    texture_encoder: TextureEncoder | None

    def __init__(
        self,
        structure_channels: int,
        *,
        out_channels: int = 6,
        channels: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4, 4),
        blocks: int = 2,
        embedding_channels: int = 512,
        attention_strides: Sequence[int] = (8, 16, 32),
        heads: int = 1,
        cosine_attention: bool = False,
        groups: int = 32,
        structure_scale: float = 1.0,
        coordinates: bool = False,
        mix: Mix = "attention",
        patch: int = 1,
        dropout: float = 0.1,
        checkpointing: bool = False,
    ) -> None:
        """
        Args:
            structure_channels: S, channels of a structure map.
            out_channels: 6 with a learned variance, else 3.
            channels: of the features at full size.
            multipliers: channels of each level as multiples of that; a level has half the height and width of the one
                before.
            blocks: residual blocks of a level on the way down; one more on the way up.
            embedding_channels: of the time embedding.
            attention_strides: texture diffusion blocks sit at features so many times smaller than those of the first level;
                one always sits in the middle.
            heads: of a texture diffusion block.
            cosine_attention: texture diffusion blocks compare directions alone, see `TextureDiffusionBlock`.
            groups: of the group norms; fewer for networks narrower than the published one.
            structure_scale: what structure maps are multiplied with. Sparse ones are faint beside noise of unit variance.
            coordinates: show the texture encoder where each place lies, which makes its places easier to find.
            mix: how the source gets in: texture diffusion blocks (the paper's), concatenation of its encoder's features layer
                by layer (its baseline), or without encoder, concatenated to the input (its baseline†).
            patch: squares of so many pixels a side are stacked to one place: cheaper by about its square.
            dropout: in every residual block.
            checkpointing: keep less for the backward pass and compute it again there.

        Raises:
            BadInput: numbers that make no network.
        """
        super().__init__()
        layout = Layout(channels, tuple(multipliers), blocks, tuple(attention_strides), mix, groups)
        self.structure_channels, self.structure_scale = structure_channels, structure_scale
        self.stride = layout.stride * patch
        if heads < 1 or any(width % heads for width in layout.widths):
            raise BadInput(f"model.heads={heads} must divide the channels of every level ({layout.widths})")
        odd = [width for width in layout.normalised() if groups < 1 or width % min(groups, width)]
        if odd:
            raise BadInput(
                f"model.channels={channels} with model.multipliers={list(multipliers)} makes features of {odd[0]} channels, which "
                f"model.groups={groups} does not divide: set one to a divisor or multiple of the other"
            )
        if cosine_attention and mix != "attention":
            raise BadInput(f"model.cosine_attention=true needs model.mix=attention: with {mix} nothing attends")
        if coordinates and mix == "input":
            raise BadInput("model.coordinates=true needs a texture encoder, which model.mix=input has not")
        if patch < 1:
            raise BadInput(f"model.patch={patch} must be at least 1")
        self.predictor = NoisePredictor(
            layout,
            structure_channels,
            out_channels=out_channels,
            embedding_channels=embedding_channels,
            heads=heads,
            cosine_attention=cosine_attention,
            patch=patch,
            dropout=dropout,
            checkpointing=checkpointing,
        )
        self.texture_encoder = None
        if mix != "input":
            self.texture_encoder = TextureEncoder(
                layout, coordinates=coordinates, patch=patch, dropout=dropout, checkpointing=checkpointing
            )

    def texture(self, source: Tensor) -> Texture:
        """What the predictor is given of sources (B, 3, H, W): a function of the source alone, so once per image.

        Zeros are the official code's ∅: the encoder runs on them like on any image.
        """
        fitted = self._fitted(source)
        if self.texture_encoder is None:
            return [fitted]
        return self.predictor.project(self.texture_encoder(fitted))

    def forward(self, noisy: Tensor, t: Tensor, structure: Tensor, texture: Texture) -> Tensor:
        """See `NoisePredictor.forward`."""
        height, width = noisy.shape[2:]
        output = self.predictor(self._fitted(noisy), t, self._fitted(structure) * self.structure_scale, texture)
        top, left = (output.shape[2] - height) // 2, (output.shape[3] - width) // 2
        return output[..., top : top + height, left : left + width]

    def _fitted(self, image: Tensor) -> Tensor:
        """The image at the next size that can be halved often enough."""
        down, right = (-side % self.stride for side in image.shape[2:])
        if not down and not right:
            return image
        return F.pad(image, (right // 2, right - right // 2, down // 2, down - down // 2), mode="replicate")

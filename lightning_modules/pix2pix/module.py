"""pix2pix: image-to-image translation with conditional adversarial networks (Isola et al. 2017, arXiv 1611.07004).

A U-Net G turns a structure into an image, a discriminator D judges patches of (structure, image), and an L1 term keeps G near
the ground truth:

    G* = arg min_G max_D  L_cGAN(G, D) + λ L_L1(G)                                                              (eq. 4)

Trained with Adam (2e-4, β = 0.5, 0.999), λ = 100, batches of one image, weights from N(0, 0.02²). Noise enters by dropout
alone, when training and when testing. Given the source's image and structure as well, it is the plain baseline of papers on
pose transfer.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from lightning_modules.blocks.norms import at_test_time
from lightning_modules.blocks.paired_networks import (
    make_discriminator,
    make_generator,
    refuse_fusing_with_batch_norm,
)
from lightning_modules.losses.adversarial import AdversarialLoss, at_least_float32, gradient_penalty
from lightning_modules.translator import Loss, OptimizerFactory, Phase, SchedulerFactory, Step, Translator


class Pix2Pix(Translator):
    """Structure (and source) -> image, learnt from pairs; any structure, sizes that the generator can halve."""

    def __init__(
        self,
        structure_channels: int,
        height: int,
        width: int,
        *,
        condition: Literal["structure", "structure_and_source"] = "structure",
        structure_range: Literal["auto", "unit", "image"] = "auto",
        over_source: bool = False,
        generator: Literal["unet", "resnet"] = "unet",
        ngf: int = 64,
        depth: int | Literal["auto"] = "auto",
        blocks: int | Literal["auto"] = "auto",
        upsampling: Literal["transposed", "nearest", "bilinear"] = "transposed",
        dropout: bool = True,
        norm: Literal["batch", "instance", "none"] = "batch",
        bias: bool | None = None,
        discriminator: Literal["patch", "pixel"] = "patch",
        ndf: int = 64,
        patch_layers: int = 3,
        gan_mode: Literal["vanilla", "lsgan", "wgangp", "hinge", "nonsaturating"] = "vanilla",
        gan_weight: float = 1.0,
        l1_weight: float = 100.0,
        gradient_penalty_weight: float = 10.0,
        fuse_passes: bool = False,
        test_mode: Literal["train", "eval", "batch_statistics"] = "train",
        init: Literal["normal", "xavier", "kaiming", "orthogonal"] = "normal",
        init_gain: float = 0.02,
        optimizer: OptimizerFactory | None = None,
        scheduler: SchedulerFactory | None = None,
        scheduler_interval: Literal["epoch", "step"] = "epoch",
    ) -> None:
        """
        Args:
            structure_channels: S, channels of a structure.
            height: of the images.
            width: of the images.
            condition: what G and D are given: the target's structure, as in the paper, or followed by the source's image
                and the source's structure.
            structure_range: how they are given it: unit leaves [0, 1]; image makes it [-1, 1], as the paper's and published
                networks have it; auto takes a structure of one or three channels for an image.
            over_source: let G paint over the source's image through a mask of its own, see `painted`; needs a condition with
                the source. What stays where it is, such as a background, is then kept sharp instead of drawn anew.
            generator: U-Net, or CycleGAN's ResNet.
            ngf: channels of the generator's first layer.
            depth: of the U-Net; auto is the deepest that fits (8 for 256x256, 6 for 128x64).
            blocks: of the ResNet; auto is 6 up to 128 pixels, 9 above.
            upsampling: of the U-Net's decoder, see `UNetGenerator`.
            dropout: half of the features in the middle of the generator; its only noise.
            norm: of both networks.
            bias: of convolutions before a norm; null: unless it is batch norm, which brings its own.
            discriminator: of overlapping patches, or of single pixels.
            ndf: channels of the discriminator's first layer.
            patch_layers: halvings of the patch discriminator: patches of 16, 34, 70, 142, 286 pixels for 1 to 5.
            gan_mode: the adversarial loss; wgangp comes with its gradient penalty.
            gan_weight: of L_cGAN for the generator; 0 leaves the game out and trains by L1 alone.
            l1_weight: λ.
            gradient_penalty_weight: λ of wgangp.
            fuse_passes: let D judge real and generated images in one pass; equal, but refused with batch norm.
            test_mode: how norms and dropout behave when an image is made, see `at_test_time`; train is the paper's.
            init: how weights start.
            init_gain: its scale.
            optimizer, scheduler, scheduler_interval: see `Translator`.

        Raises:
            BadInput: networks that do not fit the images' size, fused passes with batch norm, painting over a source that is
                not shown.
        """
        super().__init__(optimizer, scheduler, scheduler_interval)
        if fuse_passes:
            refuse_fusing_with_batch_norm(norm)
        with_source = condition == "structure_and_source"
        if over_source and not with_source:
            raise BadInput(
                "model.over_source=true paints over the source: it needs model.condition=structure_and_source"
            )
        channels = 2 * structure_channels + 3 if with_source else structure_channels
        self.generator = make_generator(
            generator,
            channels,
            (height, width),
            width=ngf,
            depth=depth,
            blocks=blocks,
            norm=norm,
            bias=bias,
            dropout=dropout,
            init=init,
            init_gain=init_gain,
            output_channels=4 if over_source else 3,
            upsampling=upsampling,
        )
        self.discriminator = make_discriminator(
            discriminator,
            channels + 3,
            (height, width),
            width=ndf,
            layers=patch_layers,
            norm=norm,
            bias=bias,
            init=init,
            init_gain=init_gain,
        )
        self.reads = ("source", "structure") if with_source else ("structure",)
        self.with_source, self.over_source = with_source, over_source
        self.structure_is_image = structure_range == "image" or (
            structure_range == "auto" and structure_channels in (1, 3)
        )
        self.adversarial = AdversarialLoss(gan_mode)
        self.gan_weight = gan_weight
        self.l1_weight = l1_weight
        self.gradient_penalty_weight = gradient_penalty_weight if gan_mode == "wgangp" else 0.0
        self.fuse_passes = fuse_passes
        self.test_mode = test_mode

    # Making images

    def translate(self, batch: Batch, **options: Any) -> Tensor:
        """An image for each target structure: (B, 3, H, W) in [-1, 1]."""
        with at_test_time(self.generator, self.test_mode):
            return self.painted(batch, self.condition_of(batch))[0]

    def panels(self, batch: Batch) -> dict[str, Tensor]:
        """As every translator's, with the mask where G paints over the source."""
        panels = super().panels(batch)
        if self.over_source:
            with at_test_time(self.generator, self.test_mode):
                mask = self.painted(batch, self.condition_of(batch))[1]
            panels["mask"] = mask.mul(2).sub(1).expand(-1, 3, -1, -1)
        return panels

    # over_source as GANimation does it (Pumarola et al. 2018, arXiv 1807.09251, eq. 1): y = m * paint + (1 - m) * x
    def painted(self, batch: Batch, condition: Tensor) -> tuple[Tensor, Tensor]:
        """G's image (B, 3, H, W) in [-1, 1], and how much of each pixel G painted itself (B, 1, H, W) in [0, 1]."""
        drawn = self.generator(condition)
        if not self.over_source:
            return drawn, torch.ones_like(drawn[:, :1])
        paint, mask = drawn[:, :3], (drawn[:, 3:] + 1) / 2
        return torch.lerp(batch.source.to(paint.dtype), paint, mask), mask

    def condition_of(self, batch: Batch) -> Tensor:
        """What G translates and D sees beside an image: (B, C, H, W)."""
        structure = self._shown(batch.target_structure)
        if not self.with_source:
            return structure
        return torch.cat([structure, batch.source, self._shown(batch.source_structure)], dim=1)

    def _shown(self, structure: Tensor) -> Tensor:
        return structure * 2 - 1 if self.structure_is_image else structure

    def image_networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    # Training

    def phases(self) -> list[Phase]:
        """The discriminator first; then the generator against the updated one, with the same image."""
        generator = Phase("generator", (self.generator,), self.generator_losses)
        if self.gan_weight == 0:
            return [generator]
        return [Phase("discriminator", (self.discriminator,), self.discriminator_losses), generator]

    def begin_step(self, batch: Batch) -> Step:
        """The condition x and the image G(x)."""
        condition = self.condition_of(batch)
        return {"condition": condition, "fake": self.painted(batch, condition)[0]}

    # eq. 1, L_cGAN(G, D) = E[log D(x, y)] + E[log(1 - D(x, G(x)))], halved while D learns to slow it down (section 3.3)
    def discriminator_losses(self, batch: Batch, step: Step) -> dict[str, Loss]:
        """What D pays for generated and real images."""
        fake = torch.cat([step["condition"], step["fake"].detach()], dim=1)
        real = torch.cat([step["condition"], batch.target], dim=1)
        if self.fuse_passes:
            fake_scores, real_scores = self.discriminator(torch.cat([fake, real])).chunk(2)
        else:
            fake_scores, real_scores = self.discriminator(fake), self.discriminator(real)
        losses = {
            "discriminator_fake": Loss(self.adversarial.fake(fake_scores), 0.5),
            "discriminator_real": Loss(self.adversarial.real(real_scores), 0.5),
        }
        if self.gradient_penalty_weight:
            penalty = gradient_penalty(self.discriminator, real, fake)
            losses["gradient_penalty"] = Loss(penalty, self.gradient_penalty_weight)
        return losses

    # eq. 4, with eq. 3, L_L1(G) = E[|y - G(x)|]
    def generator_losses(self, batch: Batch, step: Step) -> dict[str, Loss]:
        """What G pays for images that D does not take for real, and for their distance to the ground truth."""
        losses = {"l1": Loss(F.l1_loss(at_least_float32(step["fake"]), batch.target), self.l1_weight)}
        if self.gan_weight:
            scores = self.discriminator(torch.cat([step["condition"], step["fake"]], dim=1))
            losses["gan"] = Loss(self.adversarial.generator(scores), self.gan_weight)
        return losses

"""CycleGAN: unpaired image-to-image translation by cycle consistency (Zhu et al. 2017, arXiv 1703.10593).

Two generators, G: X -> Y and F: Y -> X, and two discriminators, D_Y and D_X, learn from images of two domains that do not
correspond. What is translated there and back must be what it was:

    L(G, F, D_X, D_Y) = L_GAN(G, D_Y) + L_GAN(F, D_X) + λ L_cyc(G, F)                                            (eq. 3)

Trained with Adam (2e-4, β = 0.5, 0.999) on batches of one image, 100 epochs at the full rate and 100 of linear decay; the
adversarial loss is the least-squares one, λ = 10, the discriminators judge a pool of 50 earlier images. It changes colours
and textures; it cannot change geometry.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.bad_input import BadInput, nearest
from datamodules.batch import Batch
from lightning_modules.blocks.image_pool import ImagePool, of_all_ranks
from lightning_modules.blocks.norms import at_test_time
from lightning_modules.blocks.paired_networks import (
    make_discriminator,
    make_generator,
    refuse_fusing_with_batch_norm,
)
from lightning_modules.losses.adversarial import AdversarialLoss, at_least_float32, gradient_penalty
from lightning_modules.translator import Loss, OptimizerFactory, Phase, SchedulerFactory, Step, Translator

DIRECTIONS = ("forward", "backward")


class CycleGAN(Translator):
    """Image of one domain -> the same image in the other; structures are not looked at."""

    def __init__(
        self,
        height: int,
        width: int,
        *,
        direction: Literal["forward", "backward"] = "forward",
        generator: Literal["resnet", "unet"] = "resnet",
        ngf: int = 64,
        blocks: int | Literal["auto"] = "auto",
        depth: int | Literal["auto"] = "auto",
        dropout: bool = False,
        norm: Literal["instance", "batch", "none"] = "instance",
        bias: bool | None = None,
        discriminator: Literal["patch", "pixel"] = "patch",
        ndf: int = 64,
        patch_layers: int = 3,
        gan_mode: Literal["lsgan", "vanilla", "wgangp", "hinge", "nonsaturating"] = "lsgan",
        cycle_weight_x: float = 10.0,
        cycle_weight_y: float = 10.0,
        identity_weight: float = 0.5,
        gradient_penalty_weight: float = 10.0,
        pool_size: int = 50,
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
            height: of the images.
            width: of the images.
            direction: forward: a batch's source is of domain X and its target of Y, and `translate` is G; backward: the
                source is of Y, the target of X, and `translate` is F.
            generator: residual network, or pix2pix's U-Net.
            ngf: channels of the generators' first layer.
            blocks: of the ResNet; auto is the paper's 6 for images up to 128 pixels and 9 for larger ones.
            depth: of the U-Net; auto is the deepest that fits.
            dropout: half of the features in the middle of the generators.
            norm: of all networks.
            bias: of convolutions before a norm; null: unless it is batch norm, which brings its own.
            discriminator: of overlapping patches, or of single pixels.
            ndf: channels of the discriminators' first layer.
            patch_layers: halvings of the patch discriminators: patches of 16, 34, 70, 142, 286 pixels for 1 to 5.
            gan_mode: the adversarial loss; wgangp comes with its gradient penalty.
            cycle_weight_x: λ of the cycle X -> Y -> X; 0 leaves it out.
            cycle_weight_y: λ of the cycle Y -> X -> Y; 0 leaves it out.
            identity_weight: of L_identity, as a part of λ; 0 leaves it out.
            gradient_penalty_weight: λ of wgangp.
            pool_size: earlier images that each discriminator is shown; 0 shows it the newest only.
            fuse_passes: one pass of a generator for translation and identity, one pass of a discriminator for real and
                generated images; equal, but refused with batch norm.
            test_mode: how norms and dropout behave when an image is made, see `at_test_time`; without batch norm and
                dropout all are the same.
            init: how weights start.
            init_gain: its scale.
            optimizer, scheduler, scheduler_interval: see `Translator`.

        Raises:
            BadInput: networks that do not fit the images' size, or fused passes with batch norm.
        """
        super().__init__(optimizer, scheduler, scheduler_interval)
        if fuse_passes:
            refuse_fusing_with_batch_norm(norm)
        self.reads = ("source",)

        def a_generator() -> nn.Module:
            return make_generator(
                generator,
                3,
                (height, width),
                width=ngf,
                depth=depth,
                blocks=blocks,
                norm=norm,
                bias=bias,
                dropout=dropout,
                init=init,
                init_gain=init_gain,
            )

        def a_discriminator() -> nn.Module:
            return make_discriminator(
                discriminator,
                3,
                (height, width),
                width=ndf,
                layers=patch_layers,
                norm=norm,
                bias=bias,
                init=init,
                init_gain=init_gain,
            )

        self.generator_xy, self.generator_yx = a_generator(), a_generator()  # G and F
        self.discriminator_y, self.discriminator_x = a_discriminator(), a_discriminator()  # D_Y and D_X
        self.pool_y, self.pool_x = ImagePool(pool_size), ImagePool(pool_size)
        self.adversarial = AdversarialLoss(gan_mode)
        self.direction = direction
        self.cycle_weight_x, self.cycle_weight_y = cycle_weight_x, cycle_weight_y
        self.identity_weight = identity_weight
        self.gradient_penalty_weight = gradient_penalty_weight if gan_mode == "wgangp" else 0.0
        self.fuse_passes = fuse_passes
        self.test_mode = test_mode

    # Making images

    def translate(self, batch: Batch, **options: Any) -> Tensor:
        """The sources in the other domain: (B, 3, H, W) in [-1, 1].

        Args:
            options: `direction`, forward or backward, in place of the module's own.
        """
        there, _ = self._there_and_back(options.get("direction", self.direction))
        return self._made(there, batch.source)

    def _there_and_back(self, direction: str) -> tuple[nn.Module, nn.Module]:
        """The generator that translates sources, and the one that translates targets."""
        if direction not in DIRECTIONS:
            raise BadInput(f"direction={direction!r} is neither forward nor backward.{nearest(direction, DIRECTIONS)}")
        generators = self.generator_xy, self.generator_yx
        return generators if direction == "forward" else generators[::-1]

    def _made(self, generator: nn.Module, images: Tensor) -> Tensor:
        with at_test_time(generator, self.test_mode):
            return generator(images)

    def image_networks(self) -> dict[str, nn.Module]:
        return {"generator_xy": self.generator_xy, "generator_yx": self.generator_yx}

    def panels(self, batch: Batch) -> dict[str, Tensor]:
        """Both directions, each there and back again."""
        there, back = self._there_and_back(self.direction)
        translation, target_translation = self._made(there, batch.source), self._made(back, batch.target)
        return {
            "source": batch.source,
            "translation": translation,
            "source again": self._made(back, translation),
            "target": batch.target,
            "target translated": target_translation,
            "target again": self._made(there, target_translation),
        }

    # Training

    def phases(self) -> list[Phase]:
        """Both generators, then both discriminators on the images that were made before the generators' update."""
        return [
            Phase("generators", (self.generator_xy, self.generator_yx), self.generator_losses),
            Phase("discriminators", (self.discriminator_y, self.discriminator_x), self.discriminator_losses),
        ]

    def begin_step(self, batch: Batch) -> Step:
        """Images x and y, translations G(x) and F(y); with fused passes also G(y) and F(x), made in the same passes."""
        x, y = (batch.source, batch.target) if self.direction == "forward" else (batch.target, batch.source)
        if self.fuse_passes and self.identity_weight:
            fake_y, same_y = self.generator_xy(torch.cat([x, y])).chunk(2)
            fake_x, same_x = self.generator_yx(torch.cat([y, x])).chunk(2)
            return {"x": x, "y": y, "fake_y": fake_y, "fake_x": fake_x, "same_y": same_y, "same_x": same_x}
        return {"x": x, "y": y, "fake_y": self.generator_xy(x), "fake_x": self.generator_yx(y)}

    # eq. 3
    def generator_losses(self, batch: Batch, step: Step) -> dict[str, Loss]:
        """What G and F pay: for images that are not taken for real, for cycles and for identities."""
        losses = {
            "gan_xy": Loss(self.adversarial.generator(self.discriminator_y(step["fake_y"]))),
            "gan_yx": Loss(self.adversarial.generator(self.discriminator_x(step["fake_x"]))),
        }
        return {**losses, **self._cycle_losses(step), **self._identity_losses(step)}

    # eq. 2, L_cyc(G, F) = E[|F(G(x)) - x|] + E[|G(F(y)) - y|]
    def _cycle_losses(self, step: Step) -> dict[str, Loss]:
        losses = {}
        if self.cycle_weight_x:
            losses["cycle_x"] = Loss(_l1(self.generator_yx(step["fake_y"]), step["x"]), self.cycle_weight_x)
        if self.cycle_weight_y:
            losses["cycle_y"] = Loss(_l1(self.generator_xy(step["fake_x"]), step["y"]), self.cycle_weight_y)
        return losses

    # section 5.2, L_identity(G, F) = E[|G(y) - y|] + E[|F(x) - x|]
    def _identity_losses(self, step: Step) -> dict[str, Loss]:
        if not self.identity_weight:
            return {}
        same_y = step["same_y"] if self.fuse_passes else self.generator_xy(step["y"])
        same_x = step["same_x"] if self.fuse_passes else self.generator_yx(step["x"])
        # Each with the λ of the domain it is in, as published.
        return {
            "identity_y": Loss(_l1(same_y, step["y"]), self.identity_weight * self.cycle_weight_y),
            "identity_x": Loss(_l1(same_x, step["x"]), self.identity_weight * self.cycle_weight_x),
        }

    # eq. 1 for both discriminators, halved (appendix 7.1)
    def discriminator_losses(self, batch: Batch, step: Step) -> dict[str, Loss]:
        """What D_Y and D_X pay for real images and for generated ones, of which half come from the pools."""
        fake_y, fake_x = self.pool_y.query(step["fake_y"]), self.pool_x.query(step["fake_x"])
        return {
            **self._judging("discriminator_y", self.discriminator_y, step["y"], fake_y),
            **self._judging("discriminator_x", self.discriminator_x, step["x"], fake_x),
        }

    def _judging(self, name: str, discriminator: nn.Module, real: Tensor, fake: Tensor) -> dict[str, Loss]:
        if self.fuse_passes:
            real_scores, fake_scores = discriminator(torch.cat([real, fake])).chunk(2)
        else:
            real_scores, fake_scores = discriminator(real), discriminator(fake)
        losses = {
            f"{name}_real": Loss(self.adversarial.real(real_scores), 0.5),
            f"{name}_fake": Loss(self.adversarial.fake(fake_scores), 0.5),
        }
        if self.gradient_penalty_weight:
            penalty = gradient_penalty(discriminator, real, fake)
            losses[f"{name}_gradient_penalty"] = Loss(penalty, self.gradient_penalty_weight)
        return losses

    # Pools in checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the pools of every process: each has its own images."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["image_pools"] = of_all_ranks({"x": self.pool_x.state(), "y": self.pool_y.state()})

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take this process's pools back; with more processes than there were, some begin with the same images."""
        super().on_load_checkpoint(checkpoint)
        saved = checkpoint.get("image_pools")
        if saved:
            own = saved[self.global_rank % len(saved)]
            self.pool_x.load(own["x"])
            self.pool_y.load(own["y"])


def _l1(ours: Tensor, expected: Tensor) -> Tensor:
    return F.l1_loss(at_least_float32(ours), expected)

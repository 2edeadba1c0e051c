"""Swapping autoencoder: an image taken apart into a content code and a style code, and put together with another's style.

Park, Zhu, Wang, Lu, Shechtman, Efros, Zhang: Swapping Autoencoder for Deep Image Manipulation, NeurIPS 2020,
arXiv 2007.00653. Where paper and released code disagree the code is followed, because it made the released models.

Two self-supervised losses can be added, each on its own: code consistency, which keeps what a swap was made of readable from
the swap, and content alignment, which lets one region change and nothing else. Wang, Lin, Zhang et al.: Towards Controllable
and Photorealistic Region-wise Image Manipulation, ACM MM 2021, arXiv 2108.08674 (no code was published; what the paper
leaves open is an argument here).

    encoder        I -> C, S           content code (structure code z_s), style code (texture code z_t)
    generator      C, S -> I           I_{A→A} = G(C_A, S_A),  I_{A→B} = G(C_A, S_B)
    discriminator                      is this image real?
    patch_discriminator                do these crops come from images of one style?
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from lightning_modules.swapae import editing, objectives
from lightning_modules.swapae.autoencoder import Autoencoder, Codes
from lightning_modules.swapae.codes import content_picture, half, swap_order
from lightning_modules.swapae.discriminator import Discriminator
from lightning_modules.swapae.encoder import Encoder
from lightning_modules.swapae.generator import Generator, Noise
from lightning_modules.swapae.masks import random_masks
from lightning_modules.swapae.patch_discriminator import PatchDiscriminator
from lightning_modules.swapae.random_crop import random_crop
from lightning_modules.translator import Loss, OptimizerFactory, Phase, Place, SchedulerFactory, Step, Translator


class SwapAE(Translator):
    """(style image, content image) -> an image with the style of the one and the layout of the other."""

    images_seen: Tensor

    def __init__(
        self,
        encoder: Encoder,
        generator: Generator,
        discriminator: Discriminator,
        patch_discriminator: PatchDiscriminator,
        *,
        train_on: Literal["target", "source", "both"] = "target",
        alternate: bool = True,
        lambda_reconstruction: float = 1.0,
        lambda_gan: float = 1.0,
        lambda_patch_gan: float = 1.0,
        generator_swap_share: float = 1.0,
        lambda_r1: float = 10.0,
        lambda_patch_r1: float = 1.0,
        r1_interval: int = 16,
        crops: int = 8,
        crop_min: float = 1 / 8,
        crop_max: float = 1 / 4,
        code_consistency: bool = False,
        lambda_cc: float = 1.0,
        cc_style_factor: float = 1.0,
        cc_interval: int = 16,
        cc_scale_by_interval: bool = False,
        cc_grad_encoder: bool = True,
        content_alignment: bool = False,
        lambda_ca: float = 1.0,
        ca_interval: int = 1,
        ca_by_area: bool = False,
        fusion: Literal["modulation", "features"] = "modulation",
        noise: Literal["fixed", "random", "none"] = "fixed",
        optimizer: OptimizerFactory | None = None,
        scheduler: SchedulerFactory | None = None,
        scheduler_interval: Literal["epoch", "step"] = "epoch",
    ) -> None:
        """
        Args:
            encoder, generator, discriminator, patch_discriminator: the networks E, G, D, D_patch.
            train_on: which images of a pair are trained on. Targets: where sources are drawn at random, each image is a target
                once an epoch. With both, a pair's two images trade styles: pair two domains (data.pairing=domains) to learn
                transfer between them.
            alternate: let discriminators and generator take turns, a batch each, as the official code does. False trains
                both on every batch: a batch is encoded and decoded once for both, but E and G see their graph kept while
                the discriminators learn, and twice the updates are made of the same number of batches.
            lambda_reconstruction: weight of the L1 reconstruction of half the batch.
            lambda_gan: weight of the image discriminator's terms; its two kinds of fakes count half each.
            lambda_patch_gan: weight of the patch discriminator's terms.
            generator_swap_share: what a swap that looks false costs the generator, of lambda_gan: 1 in the released code,
                0.5 in the paper (a reconstruction that looks false costs 0.5 in both).
            lambda_r1, lambda_patch_r1: weights of the gradient penalties, the losses being lambda/2 and lambda/4 times the
                squared gradients.
            r1_interval: of discriminator updates, after which an update by the penalties follows, times the interval.
            crops: crops of each image that the patch discriminator sees.
            crop_min, crop_max: least and greatest side of a crop, as a part of the image's.
            code_consistency: add lambda_cc (L1(C_g, C_A) + cc_style_factor L1(S_g, S_B)).
            cc_style_factor: λ. Codes have unit length, so the style's mean is about 16 times smaller than the content's.
            cc_interval: K, of generator updates: the last of every K has the term.
            cc_scale_by_interval: multiply it by K, as lazy penalties usually are.
            cc_grad_encoder: whether re-encoding a swap teaches the encoder, or the encoder only judges there. It learns from
                the swap's own codes in both cases.
            content_alignment: add lambda_ca (L1(I_h M, I_g M) + L1(I_h (1-M), I_A (1-M))) with random masks M.
            ca_interval: of generator updates, likewise.
            ca_by_area: divide both halves by their areas.
            fusion: what is mixed along a mask at every layer, in this loss and in region edits: modulations, or features of
                two passes.
            noise: what `translate` does with the generator's noise: the same maps for every image, new ones, or none.
            optimizer, scheduler, scheduler_interval: see `Translator`. For the discriminators, learning rate and Adam's β
                are corrected for the updates by penalties, c = r1_interval / (r1_interval + 1): c lr, β^c.
        """
        super().__init__(optimizer, scheduler, scheduler_interval)
        self.layout_from = "picture"
        Autoencoder(encoder, generator)  # says if they do not fit
        for name, value in (("r1_interval", r1_interval), ("cc_interval", cc_interval), ("ca_interval", ca_interval)):
            if value < 1:
                raise BadInput(f"model.{name}={value} must be at least 1")
        if not 0 < crop_min <= crop_max <= 1:
            raise BadInput(f"model.crop_min={crop_min} and model.crop_max={crop_max} must rise and lie between 0 and 1")
        self.encoder, self.generator = encoder, generator
        self.discriminator, self.patch_discriminator = discriminator, patch_discriminator
        self.train_on, self.alternate = train_on, alternate
        self.lambda_reconstruction = lambda_reconstruction
        self.lambda_gan, self.generator_swap_share, self.lambda_patch_gan = (
            lambda_gan,
            generator_swap_share,
            lambda_patch_gan,
        )
        self.lambda_r1, self.lambda_patch_r1, self.r1_interval = lambda_r1, lambda_patch_r1, r1_interval
        self.crops, self.crop_scales = crops, (crop_min, crop_max)
        self.code_consistency, self.lambda_cc, self.cc_style_factor = code_consistency, lambda_cc, cc_style_factor
        self.cc_interval, self.cc_grad_encoder = cc_interval, cc_grad_encoder
        self.cc_scale = cc_interval if cc_scale_by_interval else 1
        self.content_alignment, self.lambda_ca, self.ca_interval = content_alignment, lambda_ca, ca_interval
        self.ca_by_area, self.fusion, self.noise = ca_by_area, fusion, noise
        # As the official code counts its 25 million: every image of every batch that an update was made from.
        self.register_buffer("images_seen", torch.zeros((), dtype=torch.int64))

    # Making images

    @property
    def autoencoder(self) -> Autoencoder:
        """Encoder and generator as one."""
        return Autoencoder(self.encoder, self.generator)

    def translate(self, batch: Batch, **options: Any) -> Tensor:
        """`batch.target`'s layout in `batch.source`'s style: (B, 3, H, W) in [-1, 1].

        `batch.target` is the picture that shows the structure; `data.structure=image` makes it the structure itself.

        Args:
            options: what else to do than a whole swap: interpolate, edit regions, shift along directions; see
                `editing.translate`.
        """
        return editing.translate(self.autoencoder, batch, self.noise, **{"fusion": self.fusion, **options})

    def placed_options(self, options: dict[str, Any], place: Place) -> dict[str, Any]:
        return editing.placed_options(options, place)

    def caveats(self) -> list[str]:
        """What measures of pairs say of a method that is given the target."""
        return [
            "The swapping autoencoder takes the layout from the target itself: psnr, ssim, l1 and lpips of pairs compare its "
            "result with what it was given, not with something that it had to find."
        ]

    def image_networks(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "generator": self.generator}

    def panels(self, batch: Batch) -> dict[str, Tensor]:
        """Both images and how the content code sees the one, its reconstruction, the swap, the swap in the left half only."""
        codes = self.autoencoder.encode(batch.target)
        left = torch.zeros_like(batch.target[:, :1])
        left[..., : left.shape[3] // 2] = 1
        return {
            "content": batch.target,
            "content code": content_picture(codes.content, codes.height, codes.width),
            "reconstruction": self.translate(batch, amount=0.0),
            "style": batch.source,
            "swap": self.translate(batch),
            "swap at the left": self.translate(batch, mask=left),
        }

    # Training

    def phases(self) -> list[Phase]:
        """Discriminators; after every r1_interval-th of their updates, one by their penalties; encoder and generator.

        Taking turns, the first of two rounds is the discriminators'.
        """
        turns = 2 if self.alternate else 1
        judges = (self.discriminator, self.patch_discriminator)
        phases = [Phase("discriminators", judges, self._discriminator_losses, interval=turns)]
        if self._penalised:
            last = turns * (self.r1_interval - 1)
            phases.append(
                Phase("r1", judges, self._penalties, turns * self.r1_interval, offset=last, optimizer="discriminators")
            )
        makers = (self.encoder, self.generator)
        return [*phases, Phase("generator", makers, self._generator_losses, interval=turns, offset=turns - 1)]

    @property
    def _penalised(self) -> bool:
        return self.lambda_r1 > 0 or self.lambda_patch_r1 > 0

    def make_optimizer(self, name: str, parameters: list[nn.Parameter]) -> Optimizer:
        """The discriminators' optimiser is slowed down for the updates that penalties add (StyleGAN2, appendix B)."""
        optimizer = super().make_optimizer(name, parameters)
        if name == "discriminators" and self._penalised:
            correction = self.r1_interval / (self.r1_interval + 1)
            for group in (optimizer.defaults, *optimizer.param_groups):
                group["lr"] *= correction
                if "betas" in group:
                    group["betas"] = tuple(float(beta**correction) for beta in group["betas"])
        return optimizer

    def begin_step(self, batch: Batch) -> Step:
        """The images; and, where one batch is for both, their reconstructions and swaps."""
        step = {"images": self._images(batch)}
        updates = 1 if self.alternate else 2
        processes = distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
        self.images_seen += len(step["images"]) * updates * processes
        if not self.alternate:
            self._take_apart_and_swap(step)
        return step

    def _images(self, batch: Batch) -> Tensor:
        if self.train_on != "both":
            return batch.source if self.train_on == "source" else batch.target
        if batch.source.shape != batch.target.shape:
            raise BadInput("model.train_on=both needs sources and targets of one size: set model.train_on=target")
        return torch.stack([batch.source, batch.target], dim=1).flatten(0, 1)

    def _take_apart_and_swap(self, step: Step) -> None:
        """Codes of all images, reconstructions of the first half, swaps of all: with the content of a neighbour.

        One pass of the generator makes both. Discriminators' phases freeze encoder and generator, so that no graph of them
        is kept there.
        """
        if "swap" in step:
            return
        images = step["images"]
        codes, count = self.autoencoder.encode(images), half(len(images))
        order = swap_order(len(images))
        both = codes.select([*range(count), *order])
        noise: Noise = "random"
        if self.content_alignment:
            # The hybrid image is compared with the swap: it must be made with the same noise.
            noise = self.generator.draw_noise(len(both), both.content.shape[2:], images.device)
            step |= {f"noise {position}": drawn for position, drawn in enumerate(noise)}
        style = torch.cat([codes.style[:count], codes.style])
        step["content"], step["style"] = codes.content[order], codes.style
        step["own_style"], step["original"] = codes.style[order], images[order]
        step["reconstruction"], step["swap"] = self.autoencoder.decode(both, style, noise).split([count, len(images)])

    def _crops(self, images: Tensor) -> Tensor:
        return random_crop(images, self.crops, self.patch_discriminator.patch_size, self.crop_scales)

    def _discriminator_losses(self, batch: Batch, step: Step) -> dict[str, Loss]:
        self._take_apart_and_swap(step)
        images, reconstruction, swap = step["images"], step["reconstruction"].detach(), step["swap"].detach()
        terms = objectives.discriminator_terms(self.discriminator, images, reconstruction, swap)
        terms |= objectives.patch_discriminator_terms(
            self.patch_discriminator, self._crops(images), self._crops(images), self._crops(swap)
        )
        weights = {
            "discriminator_real": self.lambda_gan,
            "discriminator_reconstruction": 0.5 * self.lambda_gan,
            "discriminator_swap": 0.5 * self.lambda_gan,
        }
        return {name: Loss(value, weights.get(name, self.lambda_patch_gan)) for name, value in terms.items()}

    def _penalties(self, batch: Batch, step: Step) -> dict[str, Loss]:
        images = step["images"]
        terms = objectives.gradient_penalties(
            self.discriminator, self.patch_discriminator, images, self._crops(images), self._crops(images)
        )
        weights = {"r1": self.lambda_r1 / 2, "patch_r1": self.lambda_patch_r1 / 4}
        return {name: Loss(value, weights[name] * self.r1_interval) for name, value in terms.items()}

    def _generator_losses(self, batch: Batch, step: Step) -> dict[str, Loss]:
        self._take_apart_and_swap(step)
        images, swap = step["images"], step["swap"]
        terms = objectives.generator_terms(self.discriminator, images, step["reconstruction"], swap)
        terms |= objectives.patch_generator_terms(self.patch_discriminator, self._crops(images), self._crops(swap))
        weights = {
            "reconstruction": self.lambda_reconstruction,
            "adversarial_reconstruction": 0.5 * self.lambda_gan,
            "adversarial_swap": self.generator_swap_share * self.lambda_gan,
            "adversarial_patch": self.lambda_patch_gan,
        }
        losses = {name: Loss(value, weights[name]) for name, value in terms.items()}
        if self.code_consistency and self._is_last_of(self.cc_interval):
            losses["code_consistency"] = Loss(self._code_consistency(step), self.lambda_cc * self.cc_scale)
        if self.content_alignment and self._is_last_of(self.ca_interval):
            losses["content_alignment"] = Loss(self._content_alignment(step), self.lambda_ca)
        return losses

    def _is_last_of(self, interval: int) -> bool:
        """Whether this update of the generator is the last of every `interval` ones."""
        rounds = self.global_step // self.accumulate_grad_batches
        return (rounds // (2 if self.alternate else 1) + 1) % interval == 0

    def _code_consistency(self, step: Step) -> Tensor:
        """L_CC: the swap is taken apart again."""
        encoder = self.autoencoder.encoder
        frozen = [] if self.cc_grad_encoder else [p for p in encoder.parameters() if p.requires_grad]
        for parameter in frozen:
            parameter.requires_grad_(False)
        codes = self.autoencoder.encode(step["swap"])
        for parameter in frozen:
            parameter.requires_grad_(True)
        return objectives.code_consistency(
            codes.content, codes.style, step["content"], step["style"], self.cc_style_factor
        )

    def _content_alignment(self, step: Step) -> Tensor:
        """L_CA: as many swaps as there are reconstructions are made again, with their style inside of random masks only."""
        count = len(step["reconstruction"])
        original = step["original"][:count]
        height, width = original.shape[2:]
        mask = random_masks(count, height, width, original.device)
        inside = editing.Region(mask, step["style"][:count])
        style = editing.region_style(step["own_style"][:count], [inside], self.fusion)
        noise = [drawn[count : 2 * count] for name, drawn in step.items() if name.startswith("noise ")]
        codes = Codes(step["content"][:count], step["style"][:count], height, width)
        hybrid = self.autoencoder.decode(codes, style, noise)
        return objectives.content_alignment(hybrid, step["swap"][:count], original, mask, self.ca_by_area)

"""CoCosNet: cross-domain correspondence, then translation.

Zhang, Zhang, Chen, Yuan, Wen: Cross-domain Correspondence Learning for Exemplar-based Image Translation, CVPR 2020,
arXiv 2004.05571. Official code: microsoft/CoCosNet (MIT); where paper and code disagree, the code is followed, because it
made the released models.

A structure map x_A (labels, edges, a pose) and an exemplar photo y_B are brought into one space, every position of x_A
finds its like in y_B, and the softmax of all similarities warps the exemplar to the structure. A SPADE generator paints
the image from the warped exemplar and the structure. Correspondence is learned without annotation: only if the warp
fetches the right things can the translation satisfy its losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from datamodules.bad_input import BadInput, nearest
from datamodules.batch import Batch
from lightning_modules.blocks.picture import structure_picture
from lightning_modules.cocosnet import losses
from lightning_modules.cocosnet.correspondence import MASK_NOISE, CorrespondenceNetwork, Match, Warp
from lightning_modules.cocosnet.discriminator import MultiscaleDiscriminator
from lightning_modules.cocosnet.generator import SpadeGenerator, check_size
from lightning_modules.cocosnet.initialisation import initialise
from lightning_modules.cocosnet.pseudo_exemplar import PseudoExemplars
from lightning_modules.cocosnet.view import colour_field, colour_key, confidence_picture
from lightning_modules.losses.adversarial import AdversarialLoss
from lightning_modules.losses.perceptual import VGG19
from lightning_modules.translator import Loss, OptimizerFactory, Phase, SchedulerFactory, Step, Translator

PUBLISHED_WEIGHTS = {
    "adversarial": 10.0,
    "discriminator_features": 10.0,
    "domain_alignment": 10.0,
    "feature_matching": 1.0,
    "perceptual": 0.01,
    "contextual": 10.0,
    "mask": 100.0,
    "cycle": 0.0,
    "self_warp": 0.0,
    "reconstruction": 0.0,
}
"""Of the ADE20k command; the other datasets' are in conf/experiment."""
OF_VGG = ("feature_matching", "perceptual", "contextual")


class CoCosNet(Translator):
    """(exemplar photo, structure map) -> a photo with the exemplar's appearance and the map's layout."""

    def __init__(
        self,
        correspondence: CorrespondenceNetwork,
        generator: SpadeGenerator,
        discriminator: MultiscaleDiscriminator,
        perceptual: VGG19,
        *,
        height: int | None = None,
        width: int | None = None,
        weights: dict[str, float] | None = None,
        gan_mode: Literal["hinge", "lsgan", "vanilla", "nonsaturating", "wgangp"] = "hinge",
        perceptual_layer: Literal["r12", "r22", "r32", "r42", "r52"] = "r52",
        contextual_r22: bool = False,
        mask: Literal["none", "direct", "cycle"] = "none",
        two_cycle: bool = False,
        unknown_structure_from_epoch: int | None = None,
        reference_probability: float = 0.7,
        pseudo_enlargement: float = 286 / 256,
        pseudo_flip: float = 0.5,
        published_batch: int = 4,
        generator_lr: float = 1e-4,
        discriminator_lr: float = 4e-4,
        generator_eps: float = 1e-3,
        discriminator_eps: float = 1e-8,
        optimizer: OptimizerFactory | None = None,
        scheduler: SchedulerFactory | None = None,
        scheduler_interval: Literal["epoch", "step"] = "epoch",
    ) -> None:
        """
        Args:
            correspondence, generator, discriminator: the networks.
            perceptual: whose features feature matching, perceptual and contextual loss compare.
            height, width: of the images, to refuse at once what the networks cannot halve.
            weights: of the losses, replacing `PUBLISHED_WEIGHTS`; a loss of weight 0 is not computed.
            gan_mode: the adversarial loss.
            perceptual_layer: the layer of the perceptual loss.
            contextual_r22: let the contextual loss compare relu2_2 too (use_22ctx).
            mask: which warped structure map the mask loss looks at; only for one-hot structures.
            two_cycle: let the cycle loss also take the ground truth to the exemplar and back.
            unknown_structure_from_epoch: from this epoch on, and when translating, the exemplar's structure map is
                replaced by noise, so that none is needed at test time (noise_for_mask, mask_epoch + 1); null: never.
            reference_probability: with which a sample keeps its exemplar although its translation is not known, see
                `PseudoExemplars`, also for `pseudo_enlargement`, `pseudo_flip` and `published_batch`.
            generator_lr, discriminator_lr: learning rates (two time scales): of correspondence and generator, and of
                the discriminator.
            generator_eps, discriminator_eps: Adam's ε of the two.
            optimizer, scheduler, scheduler_interval: see `Translator`; the optimizer's own lr and eps are not used.
        """
        super().__init__(optimizer, scheduler, scheduler_interval)
        unknown = sorted((weights or {}).keys() - PUBLISHED_WEIGHTS.keys())
        if unknown:
            raise BadInput(
                f"CoCosNet has no loss {unknown[0]!r} (model.weights).{nearest(unknown[0], PUBLISHED_WEIGHTS)}"
            )
        if height is not None and width is not None:
            check_size(height, width, generator.reduction)
        self.correspondence, self.generator = initialise(correspondence), initialise(generator)
        self.discriminator, self.perceptual = initialise(discriminator), perceptual
        self.weights = {**PUBLISHED_WEIGHTS, **(weights or {})}
        self.adversarial = AdversarialLoss(gan_mode)
        self.perceptual_layer, self.contextual_r22 = perceptual_layer, contextual_r22
        self.mask, self.two_cycle = mask, two_cycle
        self._has_labels = False
        self.unknown_structure_from_epoch = unknown_structure_from_epoch
        self.pseudo_exemplars = PseudoExemplars(reference_probability, pseudo_enlargement, pseudo_flip, published_batch)
        self.adam = {
            "generator": {"lr": generator_lr, "eps": generator_eps},
            "discriminator": {"lr": discriminator_lr, "eps": discriminator_eps},
        }

    # Making images

    def translate(self, batch: Batch, **options: Any) -> Tensor:
        """The exemplar `batch.source`, repainted to follow `batch.target_structure`: (B, 3, H, W) in [-1, 1].

        A sample whose `source_structure` is zero everywhere has none: noise takes its place.
        """
        return self.look_and_translate(batch)[2]

    def look_and_translate(self, batch: Batch) -> tuple[Match, Warp, Tensor]:
        """The match of a batch, what it fetched, and the translation."""
        structure = self._exemplar_structure(batch, known=self.unknown_structure_from_epoch is None)
        match = self.correspondence(batch.target_structure, batch.source, structure)
        warp = self.correspondence.warp(match, batch.source)
        return match, warp, self.generator(warp.image, batch.target_structure)

    def image_networks(self) -> dict[str, nn.Module]:
        return {"correspondence": self.correspondence, "generator": self.generator}

    def panels(self, batch: Batch) -> dict[str, Tensor]:
        """Structure, exemplar, where every position looks (as colours) and how sure it is, warp, translation, truth."""
        match, warp, image = self.look_and_translate(batch)
        matches, size = match.correlation.matches(), (image.shape[2], image.shape[3])
        return {
            "structure": structure_picture(batch.target_structure),
            "exemplar": batch.source,
            "exemplar colour key": colour_key(size, batch.size, image.device),
            "correspondence": colour_field(matches, size),
            "confidence": confidence_picture(matches, size),
            "warped exemplar": warp.image,
            "translation": image,
            "target": batch.target,
        }

    # Training

    def setup(self, stage: str) -> None:
        """Get VGG's weights before anything is trained, where a loss needs them."""
        if stage == "fit" and self._needs_vgg:
            self.perceptual.prepare()

    def caveats(self) -> list[str]:
        """Whether the VGG19 that it was trained with was random."""
        if not (self._needs_vgg and self.perceptual.is_random):
            return []
        return [
            "It was trained with a random VGG19 (model.perceptual.weights=random), whose losses are logged as "
            "<loss>_random_vgg: results say nothing about the method."
        ]

    def phases(self) -> list[Phase]:
        """Correspondence and generator first, then the discriminator on the same translations, as published."""
        return [
            Phase("generator", (self.correspondence, self.generator), self._generator_losses),
            Phase("discriminator", (self.discriminator,), self._discriminator_losses),
        ]

    def make_optimizer(self, name: str, parameters: list[nn.Parameter]) -> Optimizer:
        """Adam with two learning rates and two ε."""
        if self.optimizer is None:
            return super().make_optimizer(name, parameters)
        return self.optimizer(parameters, **self.adam[name])

    def begin_step(self, batch: Batch) -> Step:
        """Pseudo exemplars, correspondence, warps and translation of a step."""
        batch, factor = self.pseudo_exemplars(batch)
        known = self.unknown_structure_from_epoch is None or self.current_epoch < self.unknown_structure_from_epoch
        structure = self._exemplar_structure(batch, known)
        match = self.correspondence(batch.target_structure, batch.source, structure, truth=batch.target)
        wants_cycle = self.weights["cycle"] > 0
        warp = self.correspondence.warp(
            match,
            batch.source,
            structure=batch.target_structure,
            exemplar_structure=batch.source_structure,
            mask=self._mask_of(batch),
            cycle=wants_cycle,
            truth=batch.target if wants_cycle and self.two_cycle else None,
        )
        step = {
            "exemplar": batch.source,
            "exemplar_structure": batch.source_structure,
            "factor": factor,
            "structure_features": match.structure,
            "truth_features": match.truth,
            "warped": warp.image,
            "mask": warp.mask,
            "cycle": warp.cycle,
            "truth_cycle": warp.truth_cycle,
            "fake": self.generator(warp.image, batch.target_structure),
        }
        return {name: value for name, value in step.items() if value is not None}

    def _mask_of(self, batch: Batch) -> Literal["none", "direct", "cycle"]:
        """The mask to warp; checked once that there are labels to warp."""
        if self.mask == "none" or self.weights["mask"] == 0:
            return "none"
        if not self._has_labels:
            structure = batch.target_structure
            binary = bool(((structure == 0) | (structure == 1)).all())
            if structure.shape[1] < 2 or not binary or not bool((structure.sum(dim=1) >= 1).all()):
                raise BadInput(
                    f"model.mask={self.mask} compares warped labels, but this structure is no label map; set model.mask=none "
                    f"or data.structure=labels."
                )
            self._has_labels = True
        return self.mask

    def _generator_losses(self, batch: Batch, step: Step) -> dict[str, Loss]:
        real, factor = batch.target, step["factor"]
        judged, judged_real = self.discriminator.judge(batch.target_structure, step["fake"], real)
        terms = {
            "domain_alignment": losses.domain_alignment(step["structure_features"], step["truth_features"]),
            "adversarial": losses.over_scales(self.adversarial.generator, judged),
            "discriminator_features": losses.discriminator_feature_matching(judged, judged_real),
        }
        if self.weights["self_warp"] > 0:
            terms["self_warp"] = losses.self_warp(step["warped"], real, factor)
        if self.weights["reconstruction"] > 0:
            terms["reconstruction"] = losses.reconstruction(step["fake"], real, factor)
        if "cycle" in step:
            terms["cycle"] = losses.cycle(step["cycle"], step["exemplar"])
        if "truth_cycle" in step:
            terms["cycle"] = terms["cycle"] + losses.cycle(step["truth_cycle"], real)
        if "mask" in step:
            terms["mask"] = losses.mask_regularisation(step["mask"], batch.target_structure, step["exemplar_structure"])
        if self._needs_vgg:
            terms.update(self._perceptual_terms(step["fake"], real, step["exemplar"], factor))
        return {self._logged(name): Loss(value, self.weights[name]) for name, value in terms.items()}

    def _perceptual_terms(self, fake: Tensor, real: Tensor, exemplar: Tensor, factor: Tensor) -> Mapping[str, Tensor]:
        layers = tuple(dict.fromkeys((*losses.FEATURE_MATCHING_WEIGHTS, self.perceptual_layer)))
        of_fake, of_real = self.perceptual(fake, layers), self.perceptual(real, layers)
        contextual_layers = tuple(name for name in losses.CONTEXTUAL_LEVELS if name != "r22" or self.contextual_r22)
        of_exemplar = self.perceptual(exemplar, contextual_layers)
        centre: losses.Centre = "place" if fake.shape == exemplar.shape else "channel"
        return {
            "feature_matching": losses.feature_matching(of_fake, of_real, factor),
            "perceptual": losses.perceptual(of_fake[self.perceptual_layer], of_real[self.perceptual_layer]),
            "contextual": losses.contextual_levels(of_fake, of_exemplar, with_r22=self.contextual_r22, centre=centre),
        }

    def _discriminator_losses(self, batch: Batch, step: Step) -> dict[str, Loss]:
        fake, real = self.discriminator.judge(batch.target_structure, step["fake"].detach(), batch.target)
        weight = self.weights["adversarial"]
        return {
            "discriminator_fake": Loss(losses.over_scales(self.adversarial.fake, fake), weight),
            "discriminator_real": Loss(losses.over_scales(self.adversarial.real, real), weight),
        }

    @property
    def _needs_vgg(self) -> bool:
        return any(self.weights[name] > 0 for name in OF_VGG)

    def _logged(self, name: str) -> str:
        return f"{name}_random_vgg" if name in OF_VGG and self.perceptual.is_random else name

    @staticmethod
    def _exemplar_structure(batch: Batch, known: bool) -> Tensor | None:
        """The exemplars' structure maps; None for noise, and noise in single ones that are empty."""
        if not known:
            return None
        given = batch.source_structure
        empty = ~given.flatten(1).any(dim=1)
        if not empty.any():
            return given
        return torch.where(empty.view(-1, 1, 1, 1), MASK_NOISE * torch.randn_like(given), given)

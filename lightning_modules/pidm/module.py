"""PIDM: person image synthesis by denoising diffusion.

Bhunia, Khan, Cholakkal, Anwer, Laaksonen, Shah, Khan: Person Image Synthesis via Denoising Diffusion Model, CVPR 2023,
arXiv 2211.12500. Official code: ankanbhunia/PIDM (MIT). Where paper and code disagree the config chooses; what made the
released model is in conf/experiment/pidm_deepfashion_official.yaml.

A U-Net H_N removes noise from an image step by step, given the pose x_p to show. At several depths texture diffusion blocks
attend from its features to those of the source x_s, which a second network H_E finds once per image. Each condition is left
out in a part of the training (∅), so that when sampling, predictions with and without it can be combined (guidance).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from lightning_modules.blocks.picture import structure_picture
from lightning_modules.pidm.denoiser import Denoiser
from lightning_modules.pidm.diffusion import Diffusion
from lightning_modules.pidm.dropping import Dropping
from lightning_modules.pidm.editing import slerp
from lightning_modules.pidm.guidance import Guidance
from lightning_modules.pidm.network import Network
from lightning_modules.pidm.options import OF_FILES, Options, picture_for
from lightning_modules.pidm.samplers import Sampler, SeededNoise
from lightning_modules.pidm.texture import interpolated
from lightning_modules.translator import Loss, OptimizerFactory, Phase, Place, SchedulerFactory, Step, Translator

log = logging.getLogger(__name__)


class PIDM(Translator):
    """(source image x_s, structure x_p) -> an image of the source's texture in that structure; any dataset, any size."""

    def __init__(
        self,
        structure_channels: int,
        *,
        channels: int = 128,
        multipliers: list[int] | None = None,
        blocks: int = 2,
        embedding_channels: int = 512,
        attention_strides: list[int] | None = None,
        heads: int = 1,
        cosine_attention: bool = False,
        groups: int = 32,
        structure_scale: float = 1.0,
        coordinates: bool = False,
        mix: Literal["attention", "concatenation", "input"] = "attention",
        patch: int = 1,
        dropout: float = 0.1,
        checkpointing: bool = False,
        channels_last: bool = False,
        compile: bool = False,
        diffusion: Diffusion | None = None,
        guidance: Guidance | None = None,
        sampler: Sampler | None = None,
        drop: Dropping | None = None,
        both_directions: bool = True,
        unpaired: Literal["own", "given"] = "own",
        optimizer: OptimizerFactory | None = None,
        scheduler: SchedulerFactory | None = None,
        scheduler_interval: Literal["epoch", "step"] = "step",
    ) -> None:
        """
        Args:
            structure_channels: S, channels of a structure.
            channels, multipliers, blocks, embedding_channels, attention_strides, heads, cosine_attention, groups,
                structure_scale, coordinates, mix, patch, dropout, checkpointing: of the networks, see `Network`.
            channels_last: keep the channels of a place together in memory, which is faster on GPUs.
            compile: compile the networks before their first use.
            diffusion: the process of adding noise, and the loss.
            guidance: how predictions under different conditions are combined when an image is made.
            sampler: in which steps it is made.
            drop: how often samples lose their conditions in training.
            both_directions: train on every pair in both directions: twice as many samples as the data has pairs in a batch.
            unpaired: the source of training samples whose target shows something else: `own`, the target itself, mirrored;
                `given`, what the data gives.
            optimizer, scheduler, scheduler_interval: see `Translator`.

        Raises:
            BadInput: numbers that make no network, probabilities that are none, more steps than there are.
        """
        super().__init__(optimizer, scheduler, scheduler_interval)
        self.diffusion = diffusion or Diffusion()
        self.guidance = guidance or Guidance()
        self.sampler = sampler or Sampler()
        self.sampler.check(self.diffusion)
        self.network = Network(
            structure_channels,
            out_channels=6 if self.diffusion.learned_variance else 3,
            channels=channels,
            multipliers=multipliers or [1, 1, 2, 2, 4, 4],
            blocks=blocks,
            embedding_channels=embedding_channels,
            attention_strides=[8, 16, 32] if attention_strides is None else attention_strides,
            heads=heads,
            cosine_attention=cosine_attention,
            groups=groups,
            structure_scale=structure_scale,
            coordinates=coordinates,
            mix=mix,
            patch=patch,
            dropout=dropout,
            checkpointing=checkpointing,
        )
        if channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if compile:
            self.network.predictor.compile()
            if self.network.texture_encoder is not None:
                self.network.texture_encoder.compile()
        self.drop = drop or Dropping()
        self.both_directions, self.unpaired = both_directions, unpaired
        self._warned: set[str] = set()

    # Making images

    @torch.no_grad()
    def translate(self, batch: Batch, **options: Any) -> Tensor:
        """An image of each source in each target structure: (B, 3, H, W) in [-1, 1].

        Args:
            options: other guidance, sampler or seeds than the config's; a mask; a way to another style: see `Options`.

        Raises:
            BadInput: an option that there is not or that does not fit; structures of another form than trained on; NaN.
        """
        asked = Options.of(options)
        self._check(batch)
        guidance, sampler = asked.guided(self.guidance), asked.sampled(self.sampler)
        sampler.check(self.diffusion)
        self._warn_of(guidance)
        seeds = asked.seeds(batch.size)
        if not asked.interpolates:
            return self._sampled(batch, asked, guidance, sampler, seeds, None)
        images = [self._sampled(batch, asked, guidance, sampler, seeds, amount) for amount in asked.amounts]
        return torch.cat(images, dim=3)

    def placed_options(self, options: dict[str, Any], place: Place) -> dict[str, Any]:
        files = {name: value for name, value in options.items() if name in OF_FILES and isinstance(value, str)}
        return options | {name: place(file, OF_FILES[name]) for name, file in files.items()}

    def _sampled(
        self,
        batch: Batch,
        asked: Options,
        guidance: Guidance,
        sampler: Sampler,
        seeds: Sequence[int],
        amount: float | None,
    ) -> Tensor:
        """Images of a batch; with an amount, so far on the way to another style or noise."""
        with self._evaluating(), sampler.precision(batch.source.device):
            structure = batch.target_structure.float()
            texture = self.network.texture(batch.source)
            noise = SeededNoise(seeds, structure.device)
            start = noise.initial(*structure.shape[2:])
            if amount is not None and asked.towards is not None:
                other = self.network.texture(picture_for(asked.towards, batch, "towards"))
                texture = interpolated(texture, other, amount)
            if amount is not None and asked.towards_seed is not None:
                end = SeededNoise([asked.towards_seed] * batch.size, structure.device).initial(*structure.shape[2:])
                start = slerp(start, end, amount)
            denoiser = Denoiser(self.network, self.diffusion, guidance, structure, texture)
            return sampler.sample(denoiser, start, noise, asked.reference_for(batch, noise)).clamp(-1, 1)

    def _check(self, batch: Batch) -> None:
        """Refuse what would end in a wrong image or in a traceback."""
        self._check_structure(batch.target_structure)
        for name in ("source", "target_structure"):
            if not bool(torch.isfinite(batch[name]).all()):
                raise BadInput(
                    f"{name} of a batch with {batch.target_key[0]} has values that are no numbers (NaN or infinite)"
                )

    def _check_structure(self, structure: Tensor) -> None:
        if structure.shape[1] != self.network.structure_channels:
            raise BadInput(
                f"this PIDM was built for structures of {self.network.structure_channels} channels, but the data's have "
                f"{structure.shape[1]}: set data.structure to the one it was trained with"
            )

    def _warn_of(self, guidance: Guidance) -> None:
        """Say once where guidance needs predictions that this model was never trained to make."""
        unknown = set(guidance.weights()) - self.drop.learned()
        if unknown and guidance.mode not in self._warned:
            self._warned.add(guidance.mode)
            log.warning(
                "Guidance mode %r with these scales asks for predictions from %s, which this model was never trained to make "
                "(model.drop: pose %g, source %g, both %g): expect poor images.",
                guidance.mode,
                " and ".join(sorted(branch.described for branch in unknown)),
                *self.drop.probabilities,
            )

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Without dropout, whatever the mode."""
        training = self.network.training
        self.network.eval()
        try:
            yield
        finally:
            self.network.train(training)

    def image_networks(self) -> dict[str, nn.Module]:
        return {"network": self.network}

    @torch.no_grad()
    def panels(self, batch: Batch) -> dict[str, Tensor]:
        """Source, structure, translation, what is seen in the half noised target, target."""
        with self._evaluating():
            t = torch.full((batch.size,), self.diffusion.steps // 2, device=batch.target.device)
            noisy = self.diffusion.add_noise(batch.target, t, torch.randn_like(batch.target))
            output = self.network(noisy, t, batch.target_structure, self.network.texture(batch.source))
            seen = self.diffusion.estimate(self.diffusion.split(output)[0], noisy, t, clip=True).image
        return {
            "source": batch.source,
            "structure": structure_picture(batch.target_structure),
            "translation": self.translate(batch),
            "half noised target": noisy.clamp(-1, 1),
            "seen in it": seen,
            "target": batch.target,
        }

    # Training

    def phases(self) -> list[Phase]:
        return [Phase("diffusion", (self.network,), self._losses)]

    def begin_step(self, batch: Batch) -> Step:
        """The samples of a step, some of their conditions left out, and their noise."""
        self._check_structure(batch.target_structure)
        targets, structures, sources = batch.target, batch.target_structure, self._sources(batch)
        if self.both_directions:
            back = batch.swapped()
            self._check_structure(back.target_structure)
            targets = torch.cat([targets, back.target])
            structures = torch.cat([structures, back.target_structure])
            sources = torch.cat([sources, self._sources(back)])
        structures, sources = self.drop(structures, sources)
        return {
            "target": targets,
            "structure": structures,
            "source": sources,
            "t": self.diffusion.draw_times(len(targets), targets.device),
            "noise": torch.randn_like(targets),
        }

    def _sources(self, batch: Batch) -> Tensor:
        if self.unpaired == "given":
            return batch.source
        return torch.where(batch.paired.view(-1, 1, 1, 1), batch.source, batch.target.flip(3))

    def _losses(self, batch: Batch, step: Step) -> dict[str, Loss]:
        target, t, noise = step["target"], step["t"], step["noise"]
        noisy = self.diffusion.add_noise(target, t, noise)
        output = self.network(noisy, t, step["structure"], self.network.texture(step["source"]))
        return {
            name: Loss(value.mean()) for name, value in self.diffusion.losses(output, target, noisy, t, noise).items()
        }

"""Samplers: from noise to an image in any number of steps.

A sampler is a list of noise levels and a rule for one step between two of them. All coefficients are plain numbers worked out
in float64, so that no step waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol

import torch
from rich.progress import track
from torch import Tensor

from datamodules.bad_input import BadInput, nearest
from lightning_modules.pidm.diffusion import CLEAN, Diffusion, Estimate, Level
from lightning_modules.translator import key

NATIVE = ("ddim", "ddpm", "dpmpp_2m")
SPACINGS = ("official", "leading", "trailing", "linspace", "karras")
KARRAS_RHO = 7.0


class Denoise(Protocol):
    """What a sampler needs to know of a network, see `denoiser.Denoiser`."""

    diffusion: Diffusion

    def __call__(self, noisy: Tensor, level: Level) -> tuple[Tensor, Tensor | None]: ...


Paste = Callable[[Tensor, Level, Level], Tensor]
"""Called after every step with the image and the levels that the step went from and to; what it returns goes on."""
Step = Callable[[Tensor, Estimate, Tensor | None, Level, Level], Tensor]
"""Image, estimate, raw variance, level, next level -> the image at the next level."""


class SeededNoise:
    """Noise for each sample of a batch by a seed of its own: a seed gives the same noise in whatever batch."""

    def __init__(self, seeds: Sequence[int], device: torch.device | str) -> None:
        self.seeds = list(seeds)
        self.device = torch.device(device)
        self._generators = [torch.Generator(self.device).manual_seed(key(seed, "steps")) for seed in self.seeds]

    def initial(self, height: int, width: int) -> Tensor:
        """y_T, (B, 3, height, width): drawn on the processor, so that all devices begin with the same."""
        drawn = [torch.randn(3, height, width, generator=torch.Generator().manual_seed(key(s))) for s in self.seeds]
        return torch.stack(drawn).to(self.device)

    def fresh(self, like: Tensor) -> Tensor:
        """New noise for a step, (B, ...): drawn where it is needed, so that nothing waits."""
        drawn = [torch.randn(like.shape[1:], generator=g, device=self.device) for g in self._generators]
        return torch.stack(drawn)

    @property
    def generators(self) -> list[torch.Generator]:
        """One per sample, on the device."""
        return self._generators


@dataclass(frozen=True)
class Sampler:
    """Which sampler, in how many steps."""

    name: str = "ddim"
    """ddim | ddpm | dpmpp_2m, or the class of a scheduler of diffusers, such as UniPCMultistepScheduler."""
    steps: int = 50
    """Evaluations of the network (for diffusers' schedulers: their num_inference_steps)."""
    eta: float = 0.0
    """Noise that ddim adds: 0 is none, 1 as much as ddpm."""
    spacing: Literal["official", "leading", "trailing", "linspace", "karras"] = "official"
    """Which times: 0, k, 2k ... with k = T // steps (more than `steps` where it does not divide T); steps that divide T
    evenly from 0, down from T - 1, or from T - 1 to 0; or such that σ^(1/7) falls evenly (arXiv 2206.00364, eq. 5)."""
    clip: bool | None = None
    """Keep estimates ŷ_0 in [-1, 1]; None as published: with ddpm only."""
    bf16: bool = False
    """Run the network in bfloat16 (autocast)."""
    progress: bool = False
    """Show a bar."""

    def __post_init__(self) -> None:
        if self.name not in NATIVE and not self.name.endswith("Scheduler"):
            raise BadInput(
                f"sampler {self.name!r} is not one of {', '.join(NATIVE)}, nor a scheduler of diffusers "
                f"(...Scheduler).{nearest(self.name, NATIVE)}"
            )
        if self.spacing not in SPACINGS:
            raise BadInput(
                f"spacing={self.spacing!r} is not one of {', '.join(SPACINGS)}.{nearest(str(self.spacing), SPACINGS)}"
            )
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise BadInput(f"steps={self.steps!r} must be a whole number of at least 1")
        if isinstance(self.eta, bool) or not isinstance(self.eta, int | float) or not 0 <= self.eta <= 1:
            raise BadInput(f"eta={self.eta!r} must be a number between 0 and 1")

    def check(self, diffusion: Diffusion) -> None:
        """
        Raises:
            BadInput: more steps than the process has.
        """
        if self.steps > diffusion.steps:
            raise BadInput(f"steps={self.steps} is more than the {diffusion.steps} (T) that this model was trained for")

    @property
    def clips(self) -> bool:
        return self.name == "ddpm" if self.clip is None else self.clip

    def precision(self, device: torch.device) -> AbstractContextManager[Any]:
        """Within it, networks run in the precision that is asked for; it should last for all of a sampling, as weights are
        converted once in it."""
        return torch.autocast(device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def levels(self, diffusion: Diffusion) -> list[Level]:
        """The noise levels from the first to the clean image."""
        self.check(diffusion)
        T, n = diffusion.steps, self.steps
        if self.spacing == "karras":
            return [*_karras_levels(diffusion, n), CLEAN]
        times = {
            "official": lambda: range(0, T, T // n),
            "leading": lambda: [i * T // n for i in range(n)],
            "trailing": lambda: sorted(round(T - i * T / n) - 1 for i in range(n)),
            "linspace": lambda: sorted(round((T - 1) * (1 - i / max(n - 1, 1))) for i in range(n)),
        }[self.spacing]()
        return [*(diffusion.level(t) for t in reversed(times)), CLEAN]

    def sample(self, denoise: Denoise, start: Tensor, noise: SeededNoise, paste: Paste | None = None) -> Tensor:
        """An image for every sample, (B, 3, H, W), not clamped.

        Args:
            denoise: the network with its conditions.
            start: the noise y_T to begin with.
            noise: for the steps of samplers that add some.
            paste: called after every step.
        """
        if self.name not in NATIVE:
            from lightning_modules.pidm import diffusers_schedulers

            return diffusers_schedulers.sample(self, denoise, start, noise, paste)
        levels = self.levels(denoise.diffusion)
        step = self._step(noise)
        y = start
        for now, to in self.tracked(list(pairwise(levels))):
            prediction, raw_variance = denoise(y, now)
            estimate = denoise.diffusion.estimate_at(now, prediction, y, self.clips)
            y = step(y, estimate, raw_variance, now, to)
            if paste is not None:
                y = paste(y, now, to)
        return y

    def tracked(self, steps: list) -> list:
        """The steps, with a bar where one is wanted."""
        return track(steps, description="Sampling", disable=not self.progress)  # type: ignore[return-value]

    def _step(self, noise: SeededNoise) -> Step:
        if self.name == "ddim":

            def ddim(y: Tensor, estimate: Estimate, raw: Tensor | None, now: Level, to: Level) -> Tensor:
                fresh = noise.fresh(y) if self.eta > 0 and to != CLEAN else None
                return ddim_step(estimate, now, to, self.eta, fresh)

            return ddim
        if self.name == "ddpm":

            def ddpm(y: Tensor, estimate: Estimate, raw: Tensor | None, now: Level, to: Level) -> Tensor:
                return ddpm_step(y, estimate.image, raw, now, to, None if to == CLEAN else noise.fresh(y))

            return ddpm
        return DPMSolver2M()


# arXiv 2010.02502, eq. 12 and 16
def ddim_step(estimate: Estimate, now: Level, to: Level, eta: float = 0.0, noise: Tensor | None = None) -> Tensor:
    """One step of DDIM between any two levels; with eta > 0 noise is added."""
    spread = 0.0
    if noise is not None and eta > 0:
        spread = eta * math.sqrt((1 - now.alpha_bar / to.alpha_bar) * (1 - to.alpha_bar) / (1 - now.alpha_bar))
    y = to.signal * estimate.image + math.sqrt(max(1 - to.alpha_bar - spread**2, 0.0)) * estimate.noise
    return y if noise is None else y + spread * noise


# arXiv 2006.11239, eq. 6 and 7, between any two levels (arXiv 2102.09672, section 4)
def ddpm_step(
    y: Tensor, image: Tensor, raw_variance: Tensor | None, now: Level, to: Level, noise: Tensor | None
) -> Tensor:
    """One ancestral step: the posterior's mean, and noise of the learned variance (of the posterior's, if none is learned).

    Args:
        noise: None in the last step.
    """
    beta = 1 - now.alpha_bar / to.alpha_bar
    of_image = beta * to.signal / (1 - now.alpha_bar)
    of_y = (1 - to.alpha_bar) * math.sqrt(1 - beta) / (1 - now.alpha_bar)
    mean = of_image * image + of_y * y
    if noise is None:
        return mean
    least = math.log(beta * (1 - to.alpha_bar) / (1 - now.alpha_bar))
    if raw_variance is None:
        return mean + math.exp(0.5 * least) * noise
    log_variance = least + (raw_variance + 1) / 2 * (math.log(beta) - least)
    return mean + torch.exp(0.5 * log_variance) * noise


# arXiv 2211.01095, algorithm 2
class DPMSolver2M:
    """DPM-Solver++ of second order that remembers the last estimate; first and last step are of first order."""

    def __init__(self) -> None:
        self._before: tuple[Tensor, float] | None = None

    def __call__(self, y: Tensor, estimate: Estimate, raw: Tensor | None, now: Level, to: Level) -> Tensor:
        image, here = estimate.image, _log_snr(now)
        if to == CLEAN:
            return image
        h = _log_snr(to) - here
        direction = image
        if self._before is not None:
            last, there = self._before
            ratio = (here - there) / h
            direction = (1 + 1 / (2 * ratio)) * image - 1 / (2 * ratio) * last
        self._before = (image, here)
        return (to.noise / now.noise) * y - to.signal * math.expm1(-h) * direction


def _log_snr(level: Level) -> float:
    """λ = log(√ᾱ / √(1-ᾱ))."""
    return 0.5 * (math.log(level.alpha_bar) - math.log1p(-level.alpha_bar))


def _karras_levels(diffusion: Diffusion, steps: int) -> list[Level]:
    """σ = √((1-ᾱ)/ᾱ) from that of T - 1 to that of 0, σ^(1/7) in even steps; times between the integers are interpolated."""
    left = diffusion.constants["alphas_cumprod"]
    logs = torch.log((1 - left) / left) / 2
    first, last = (math.exp(float(logs[i]) / KARRAS_RHO) for i in (-1, 0))
    levels = []
    for i in range(steps):
        sigma = (first + i / max(steps - 1, 1) * (last - first)) ** KARRAS_RHO
        log = min(max(math.log(sigma), float(logs[0])), float(logs[-1]))
        above = min(max(int(torch.searchsorted(logs, log)), 1), len(logs) - 1) if len(logs) > 1 else 0
        low, high = float(logs[above - 1]), float(logs[above])
        t = above - 1 + (log - low) / (high - low) if len(logs) > 1 else 0.0
        levels.append(Level(t, 1 / (1 + sigma**2)))
    return levels

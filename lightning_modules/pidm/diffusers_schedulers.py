"""Schedulers of the diffusers library in place of our samplers, by the name of their class. Imported only when one is named."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor

from datamodules.bad_input import BadInput, nearest
from lightning_modules.pidm.diffusion import CLEAN, Diffusion, Level
from lightning_modules.pidm.samplers import Denoise, Paste, Sampler, SeededNoise


def scheduler(name: str, diffusion: Diffusion, karras: bool = False) -> Any:
    """A scheduler for this diffusion process that is given predictions of the noise.

    Raises:
        BadInput: diffusers is not installed, has no such scheduler, or it does not fit this process.
    """
    try:
        import diffusers
    except ImportError as error:
        raise BadInput(f"sampler {name} is a scheduler of diffusers: pip install diffusers") from error
    kind = getattr(diffusers, name, None)
    if kind is None:
        kinds = [kind for kind in dir(diffusers) if kind.endswith("Scheduler")]
        raise BadInput(f"diffusers has no {name}.{nearest(name, kinds)}")
    wanted = {
        "num_train_timesteps": diffusion.steps,
        "trained_betas": diffusion.constants["betas"].numpy(),
        "prediction_type": "epsilon",
        "clip_sample": False,
        "use_karras_sigmas": karras,
    }
    known = inspect.signature(kind.__init__).parameters
    if "trained_betas" not in known or "prediction_type" not in known:
        raise BadInput(f"{name} is no scheduler of diffusion processes that predict noise; try UniPCMultistepScheduler")
    return kind(**{word: value for word, value in wanted.items() if word in known})


def sample(sampler: Sampler, denoise: Denoise, start: Tensor, noise: SeededNoise, paste: Paste | None) -> Tensor:
    """See `Sampler.sample`."""
    diffusion = denoise.diffusion
    steps = scheduler(sampler.name, diffusion, karras=sampler.spacing == "karras")
    steps.set_timesteps(sampler.steps)
    times = steps.timesteps.tolist()  # on the processor: nothing waits for the device
    takes = inspect.signature(steps.step).parameters
    options: dict[str, Any] = {"eta": sampler.eta} if "eta" in takes else {}
    if "generator" in takes:
        options["generator"] = noise.generators
    scale = float(steps.init_noise_sigma)
    if paste is not None and scale != 1:
        raise BadInput(
            f"{sampler.name} scales images by their noise, which masks do not work with: use ddim, ddpm or dpmpp_2m"
        )
    y = start * scale
    for position, t in enumerate(sampler.tracked(times)):
        now = diffusion.level(t)
        shown = steps.scale_model_input(y, steps.timesteps[position])
        prediction, _ = denoise(shown, now)
        found = diffusion.estimate_at(now, prediction, shown, sampler.clips)
        y = steps.step(found.noise, steps.timesteps[position], y, **options).prev_sample
        if paste is not None:
            y = paste(y, now, _next(diffusion, times, position))
    return y


def _next(diffusion: Diffusion, times: list[float], position: int) -> Level:
    return diffusion.level(times[position + 1]) if position + 1 < len(times) else CLEAN

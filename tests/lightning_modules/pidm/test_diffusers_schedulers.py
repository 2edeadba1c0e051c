"""Schedulers of diffusers beside our samplers: each is the other's oracle."""

from __future__ import annotations

import sys

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.pidm import diffusers_schedulers
from lightning_modules.pidm.diffusion import Diffusion
from lightning_modules.pidm.samplers import Sampler, SeededNoise


class Gaussian:
    """A denoiser that knows the answer: images are normal numbers around 0.3 with deviation 0.2."""

    def __init__(self, prediction="epsilon"):
        self.diffusion = Diffusion(prediction=prediction)

    def __call__(self, noisy, level):
        variance = level.alpha_bar * 0.04 + 1 - level.alpha_bar
        image = 0.3 + 0.04 * level.signal / variance * (noisy - level.signal * 0.3)
        noise = (noisy - level.signal * image) / level.noise
        v = level.signal * noise - level.noise * image
        return {"epsilon": noise, "v": v, "y0": image}[self.diffusion.prediction], torch.full_like(noisy, 0.2)


def sampled(sampler, denoise=None):
    noise = SeededNoise([1, 2], "cpu")
    return sampler.sample(denoise or Gaussian(), noise.initial(8, 8), noise)


def test_without_diffusers_its_schedulers_are_said_to_need_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(BadInput, match="pip install diffusers"):
        sampled(Sampler("UniPCMultistepScheduler"))


def test_our_samplers_never_import_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    assert torch.isfinite(sampled(Sampler("dpmpp_2m", 5))).all()


@pytest.mark.parametrize("steps", [5, 20])
def test_ddim_is_theirs(steps):
    pytest.importorskip("diffusers")
    theirs = sampled(Sampler("DDIMScheduler", steps))
    assert torch.allclose(sampled(Sampler("ddim", steps, spacing="official")), theirs, atol=1e-5)


@pytest.mark.parametrize("steps", [5, 20])
def test_dpm_solver_is_theirs(steps):
    """Theirs takes times evenly from T - 1 to 0 with the 0 left out, and ends at 0 first."""
    diffusers = pytest.importorskip("diffusers")
    denoise = Gaussian()
    scheduler = diffusers_schedulers.scheduler("DPMSolverMultistepScheduler", denoise.diffusion)
    assert isinstance(scheduler, diffusers.DPMSolverMultistepScheduler)
    scheduler.set_timesteps(steps)
    levels = [denoise.diffusion.level(t) for t in scheduler.timesteps.tolist()]
    ours = Sampler("dpmpp_2m", steps)
    object.__setattr__(ours, "levels", lambda _: [*levels, denoise.diffusion.level(-1)])
    theirs = sampled(Sampler("DPMSolverMultistepScheduler", steps))
    assert torch.allclose(sampled(ours), theirs, atol=1e-4)


def test_karras_levels_are_theirs():
    pytest.importorskip("diffusers")
    process = Diffusion()
    scheduler = diffusers_schedulers.scheduler("DPMSolverMultistepScheduler", process, karras=True)
    scheduler.set_timesteps(10)
    ours = [level.noise / level.signal for level in Sampler("dpmpp_2m", 10, spacing="karras").levels(process)]
    assert torch.allclose(torch.tensor(ours), scheduler.sigmas.float(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["UniPCMultistepScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler", "DDPMScheduler"]
)
@pytest.mark.parametrize("prediction", ["epsilon", "v", "y0"])
def test_others_end_at_the_images_too(name, prediction):
    pytest.importorskip("diffusers")
    images = sampled(Sampler(name, 50), Gaussian(prediction))
    assert float(images.mean()) == pytest.approx(0.3, abs=0.05)
    assert float(images.std()) == pytest.approx(0.2, abs=0.05)


def test_names_that_diffusers_does_not_know_are_said():
    pytest.importorskip("diffusers")
    with pytest.raises(BadInput, match="Did you mean 'UniPCMultistepScheduler'"):
        sampled(Sampler("UniPCMultiStepScheduler"))
    with pytest.raises(BadInput, match="no scheduler of diffusion processes that predict noise"):
        sampled(Sampler("FlowMatchEulerDiscreteScheduler"))


def test_masks_do_not_go_with_samplers_that_scale_images():
    pytest.importorskip("diffusers")
    noise = SeededNoise([1], "cpu")
    with pytest.raises(BadInput, match="use ddim, ddpm or dpmpp_2m"):
        Sampler("EulerDiscreteScheduler", 5).sample(Gaussian(), noise.initial(8, 8), noise, paste=lambda y, *_: y)

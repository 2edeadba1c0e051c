"""Samplers: against diffusers', against a distribution that is known, and what a seed promises."""

from __future__ import annotations

import math

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.pidm.denoiser import Denoiser
from lightning_modules.pidm.diffusion import Diffusion
from lightning_modules.pidm.guidance import Guidance
from lightning_modules.pidm.samplers import Sampler, SeededNoise
from tests.lightning_modules.pidm.networks import awake, conditions, small

MEAN, DEVIATION = 0.3, 0.2


class KnownDistribution:
    """A perfect denoiser of images whose pixels are N(MEAN, DEVIATION²)."""

    def __init__(self, diffusion: Diffusion) -> None:
        self.diffusion = diffusion
        self.asked: list[float] = []

    def __call__(self, noisy, level):
        self.asked.append(level.t)
        a, variance = level.signal, level.alpha_bar * DEVIATION**2 + level.noise**2
        epsilon = level.noise * (noisy - a * MEAN) / variance
        image = (noisy - level.noise * epsilon) / a
        predictions = {"epsilon": epsilon, "v": a * epsilon - level.noise * image, "y0": image}
        raw_variance = torch.ones_like(noisy) if self.diffusion.learned_variance else None
        return predictions[self.diffusion.prediction], raw_variance


def sampled(sampler: Sampler, denoise, count: int = 4, size: int = 64):
    noise = SeededNoise(range(count), "cpu")
    return sampler.sample(denoise, noise.initial(size, size), noise)


@pytest.mark.parametrize("prediction", ["epsilon", "v", "y0"])
@pytest.mark.parametrize(
    "sampler",
    [
        Sampler("ddpm", 200, spacing="trailing", clip=False),
        Sampler("ddim", 100, spacing="trailing"),
        Sampler("ddim", 200, eta=1.0, spacing="trailing"),
        Sampler("dpmpp_2m", 200, spacing="trailing"),
        Sampler("dpmpp_2m", 20, spacing="karras"),
    ],
    ids=lambda s: f"{s.name}-{s.eta}-{s.spacing}",
)
def test_samples_have_the_distribution_that_was_learned(sampler, prediction):
    images = sampled(sampler, KnownDistribution(Diffusion(prediction=prediction)))
    assert float(images.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(images.std()) == pytest.approx(DEVIATION, rel=0.1)


@pytest.mark.parametrize("steps", [10, 50])
def test_ddim_is_that_of_diffusers(steps):
    diffusers = pytest.importorskip("diffusers")
    process = Diffusion()
    theirs = diffusers.DDIMScheduler(
        trained_betas=process.constants["betas"].numpy(), clip_sample=False, set_alpha_to_one=True
    )
    theirs.set_timesteps(steps)
    denoise, noise = KnownDistribution(process), SeededNoise([5], "cpu")
    start = noise.initial(8, 8)
    y = start
    for t in theirs.timesteps.tolist():
        y = theirs.step(denoise(y, process.level(t))[0], t, y).prev_sample
    torch.testing.assert_close(Sampler("ddim", steps).sample(denoise, start, noise), y, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["UniPCMultistepScheduler", "DDIMScheduler", "EulerDiscreteScheduler"])
def test_schedulers_of_diffusers_are_taken_by_name(name):
    pytest.importorskip("diffusers")
    images = sampled(Sampler(name, 30), KnownDistribution(Diffusion()), count=2)
    assert float(images.mean()) == pytest.approx(MEAN, abs=0.05)
    assert float(images.std()) == pytest.approx(DEVIATION, rel=0.35)


@pytest.mark.parametrize(
    ("sampler", "times"),
    [
        (Sampler("ddim", 4), [750, 500, 250, 0]),
        (Sampler("ddim", 3), [999, 666, 333, 0]),  # 1000 // 3 = 333: one more than asked for, as published
        (Sampler("ddim", 4, spacing="trailing"), [999, 749, 499, 249]),
        (Sampler("ddim", 3, spacing="leading"), [666, 333, 0]),
        (Sampler("ddim", 4, spacing="linspace"), [999, 666, 333, 0]),
    ],
)
def test_spacings(sampler, times):
    denoise = KnownDistribution(Diffusion())
    sampled(sampler, denoise, count=1, size=2)
    assert denoise.asked == times


def test_karras_spacing_falls_evenly_in_the_seventh_root_of_sigma():
    levels = Sampler("dpmpp_2m", 9, spacing="karras").levels(Diffusion())[:-1]
    roots = torch.tensor([(level.noise / level.signal) ** (1 / 7) for level in levels])
    torch.testing.assert_close(roots.diff(), roots.diff().mean().expand(8), atol=1e-4, rtol=1e-3)
    assert levels[0].t == pytest.approx(999)
    assert levels[-1].t == pytest.approx(0)


@pytest.mark.parametrize("sampler", [Sampler("ddim", 5, eta=0.7), Sampler("ddpm", 5), Sampler("dpmpp_2m", 5)])
@torch.no_grad()
def test_a_seed_gives_the_same_image_in_whatever_batch(sampler):
    network, process = awake(small()), Diffusion()
    _, _, structure, source = conditions(count=3)

    def images(rows: list[int]) -> torch.Tensor:
        noise = SeededNoise([100 + row for row in rows], "cpu")
        denoiser = Denoiser(network, process, Guidance(), structure[rows], network.texture(source[rows]))
        return sampler.sample(denoiser, noise.initial(16, 8), noise)

    together = images([0, 1, 2])
    scale = float(together.abs().max())
    for row in range(3):
        torch.testing.assert_close(images([row])[0] / scale, together[row] / scale, atol=1e-4, rtol=1e-3)
    assert not torch.allclose(together[0], together[1])


def test_learned_variance_lies_between_its_ends():
    process = Diffusion(learned_variance=False)
    plain = sampled(Sampler("ddpm", 20, spacing="trailing", clip=False), KnownDistribution(process))
    most = sampled(Sampler("ddpm", 20, spacing="trailing", clip=False), KnownDistribution(Diffusion()))
    assert float(most.std()) > float(plain.std())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": "dimm"}, "Did you mean 'ddim'"),
        ({"steps": 0}, "steps=0"),
        ({"steps": 2.5}, "steps=2.5"),
        ({"eta": 2.0}, "eta=2.0"),
        ({"eta": math.nan}, "eta=nan"),
        ({"spacing": "even"}, "spacing='even'"),
    ],
)
def test_what_is_no_sampler_is_refused_in_a_sentence(wrong, sentence):
    with pytest.raises(BadInput, match=sentence):
        Sampler(**wrong)


def test_more_steps_than_the_process_has_are_refused():
    with pytest.raises(BadInput, match="steps=50 is more than the 10"):
        Sampler("ddim", 50).levels(Diffusion(steps=10))

"""The diffusion process: how noise is added, and what predicting it costs.

Ho, Jain, Abbeel (arXiv 2006.11239) with the learned variance and hybrid loss of Nichol and Dhariwal (arXiv 2102.09672), in the
paper's symbols: y_0 the image, y_t the noisy image, ε the noise, ᾱ_t what is left of the image's power, T times from 0 (a
single step of noise) to T - 1.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from datamodules.bad_input import BadInput
from lightning_modules.losses.adversarial import at_least_float32

Prediction = Literal["epsilon", "v", "y0"]


class Level(NamedTuple):
    """A noise level on a sampler's way: plain numbers, so that no step waits for the device."""

    t: float
    """The time that the network is told; -1 for the clean image."""
    alpha_bar: float
    """ᾱ_t; 1 for the clean image."""

    @property
    def signal(self) -> float:
        """√ᾱ."""
        return math.sqrt(self.alpha_bar)

    @property
    def noise(self) -> float:
        """√(1 - ᾱ)."""
        return math.sqrt(1 - self.alpha_bar)


CLEAN = Level(-1.0, 1.0)


class Estimate(NamedTuple):
    """What a prediction says about a noisy image: the image and the noise that it is made of."""

    image: Tensor
    """ŷ_0, (B, 3, H, W)."""
    noise: Tensor
    """ε̂, (B, 3, H, W)."""


class Gaussian(NamedTuple):
    """A diagonal normal distribution."""

    mean: Tensor
    log_variance: Tensor


class Diffusion:
    """The process of T steps, its loss and how times are drawn for training.

    Constants are computed in float64 and used in float32 (in float64 with float64 images).
    """

    def __init__(
        self,
        schedule: Literal["linear", "cosine"] = "linear",
        steps: int = 1000,
        beta_start: float = 1e-4,
        beta_end: float = 2e-2,
        prediction: Prediction = "epsilon",
        learned_variance: bool = True,
        min_snr_gamma: float | None = None,
        times: Literal["uniform", "cubic"] = "uniform",
    ) -> None:
        """
        Args:
            schedule: of β: a straight line, or such that ᾱ is a squared cosine (arXiv 2102.09672, eq. 17).
            steps: T.
            beta_start, beta_end: β_0 and β_{T-1} of the straight line.
            prediction: what the network predicts: the noise ε; v = √ᾱ ε - √(1-ᾱ) y_0 (arXiv 2202.00512), or the image y_0, both
                of which short trainings need. y_0 alone need not tell noise to the last bit, so it is smooth soonest.
            learned_variance: the network also says where in its range the variance lies, and L_vb is added to the loss.
            min_snr_gamma: γ of the weights min(SNR, γ) / SNR (for v: / (SNR + 1)) of L_mse (arXiv 2303.09556); null: none.
            times: drawn evenly, or t = (1 - u³) T, more often noisy ones.
        """
        if steps < 1:
            raise BadInput(f"model.diffusion.steps={steps} must be at least 1")
        if not 0 < beta_start <= beta_end < 1:
            raise BadInput(
                f"model.diffusion.beta_start={beta_start} and beta_end={beta_end} must rise and lie between 0 and 1"
            )
        if min_snr_gamma is not None and not min_snr_gamma > 0:
            raise BadInput(f"model.diffusion.min_snr_gamma={min_snr_gamma} must be a positive number, or null")
        self.steps = steps
        self.prediction: Prediction = prediction
        self.learned_variance = learned_variance
        self.min_snr_gamma = min_snr_gamma
        self.times = times
        if schedule == "linear":
            betas = torch.linspace(beta_start, beta_end, steps, dtype=torch.float64)
        else:
            ends = (torch.arange(steps + 1, dtype=torch.float64) / steps + 0.008) / 1.008
            left = torch.cos(ends * math.pi / 2).square()
            betas = (1 - left[1:] / left[:-1]).clamp(max=0.999)
        self.constants = _constants(betas)
        """Name -> (T,) float64."""
        self._tables: dict[tuple[str, torch.device, torch.dtype], Tensor] = {}

    # Constants

    def at(self, name: str, t: Tensor, like: Tensor) -> Tensor:
        """A constant at times t (B,), as (B, 1, 1, 1) in the precision of `like`, at least float32."""
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        place = (name, like.device, dtype)
        if place not in self._tables:
            self._tables[place] = self.constants[name].to(like.device, dtype)
        return self._tables[place][t].view(-1, 1, 1, 1)

    def level(self, t: float) -> Level:
        """The level at a time, which may be a fraction: log SNR is interpolated between its neighbours; -1 is clean."""
        if t < 0:
            return CLEAN
        below, part = divmod(min(float(t), self.steps - 1.0), 1.0)
        logits = torch.logit(self.constants["alphas_cumprod"][int(below) : int(below) + 2])
        if part == 0 or len(logits) == 1:
            return Level(float(t), float(self.constants["alphas_cumprod"][int(below)]))
        return Level(float(t), float(torch.sigmoid(torch.lerp(logits[0], logits[1], part))))

    # Adding noise

    # q(y_t | y_0) = N(√ᾱ_t y_0, (1 - ᾱ_t) I)
    def add_noise(self, y0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """y_t = √ᾱ_t y_0 + √(1 - ᾱ_t) ε."""
        return self.at("signal", t, y0) * y0 + self.at("noise", t, y0) * noise

    def posterior(self, y0: Tensor, yt: Tensor, t: Tensor) -> Gaussian:
        """q(y_{t-1} | y_t, y_0); the variance at t = 0, which is none, is replaced by that at t = 1."""
        mean = self.at("posterior_y0", t, y0) * y0 + self.at("posterior_yt", t, y0) * yt
        return Gaussian(mean, self.at("posterior_log_variance", t, y0))

    # Reading predictions

    def split(self, output: Tensor) -> tuple[Tensor, Tensor | None]:
        """A network's output as prediction and raw variance, at least in float32."""
        output = at_least_float32(output)
        if not self.learned_variance:
            return output, None
        prediction, raw_variance = output.chunk(2, dim=1)
        return prediction, raw_variance

    def estimate(self, prediction: Tensor, yt: Tensor, t: Tensor, clip: bool = False) -> Estimate:
        """The image and the noise that a prediction makes of y_t, see `estimate_at`."""
        return estimate(self.prediction, prediction, yt, self.at("signal", t, yt), self.at("noise", t, yt), clip)

    def estimate_at(self, level: Level, prediction: Tensor, yt: Tensor, clip: bool = False) -> Estimate:
        """The image and the noise that a prediction makes of y_t, all samples at one level.

        Args:
            clip: keep the image in [-1, 1], and let the noise be what is left of y_t then.
        """
        return estimate(self.prediction, prediction, yt, level.signal, level.noise, clip)

    # log Σ = u log β_t + (1 - u) log β̃_t with u = (v + 1) / 2 (arXiv 2102.09672, eq. 15)
    def reverse(self, y0: Tensor, raw_variance: Tensor, yt: Tensor, t: Tensor) -> Gaussian:
        """p(y_{t-1} | y_t): the posterior's mean of an estimated y_0, the variance that the network chose in its range."""
        mean, least = self.posterior(y0, yt, t)
        part = (raw_variance + 1) / 2
        return Gaussian(mean, part * self.at("log_beta", t, yt) + (1 - part) * least)

    # Training

    def draw_times(self, count: int, device: torch.device) -> Tensor:
        """Times to train on, (count,) int64."""
        if self.times == "uniform":
            return torch.randint(self.steps, (count,), device=device)
        drawn = (1 - torch.rand(count, device=device) ** 3) * self.steps
        return drawn.long().clamp(max=self.steps - 1)

    # L_hybrid = L_mse + L_vb (arXiv 2102.09672, eq. 16; the paper's section 3.1)
    def losses(self, output: Tensor, y0: Tensor, yt: Tensor, t: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """The terms of the loss for every sample: `mse` and, with a learned variance, `vb` in bits per dimension; each (B,).

        L_vb teaches the variance alone: the mean in it is held fixed.
        """
        prediction, raw_variance = self.split(output)
        mse = (self._wanted(y0, t, noise) - prediction).square().mean(dim=(1, 2, 3))
        if self.min_snr_gamma is not None:
            mse = mse * self._snr_weight(t, y0)
        if raw_variance is None:
            return {"mse": mse}
        held = self.estimate(prediction.detach(), yt, t).image
        return {"mse": mse, "vb": self._variational_bound(y0, yt, t, self.reverse(held, raw_variance, yt, t))}

    def _wanted(self, y0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """What a perfect prediction is."""
        if self.prediction == "epsilon":
            return noise
        if self.prediction == "y0":
            return y0
        return self.at("signal", t, y0) * noise - self.at("noise", t, y0) * y0

    def _snr_weight(self, t: Tensor, like: Tensor) -> Tensor:
        """min(SNR, γ) of the error of y_0, in terms of the error of what is predicted (arXiv 2303.09556, section 3.4)."""
        snr = self.at("snr", t, like).flatten()
        error_of_image = {"epsilon": snr, "v": snr + 1, "y0": torch.ones_like(snr)}[self.prediction]
        return snr.clamp(max=self.min_snr_gamma) / error_of_image

    def _variational_bound(self, y0: Tensor, yt: Tensor, t: Tensor, p: Gaussian) -> Tensor:
        """KL(q(y_{t-1} | y_t, y_0) || p), and at t = 0 the negative log-likelihood of the image; bits per dimension."""
        kl = kl_divergence(self.posterior(y0, yt, t), p).mean(dim=(1, 2, 3))
        likelihood = discretised_log_likelihood(y0, p).mean(dim=(1, 2, 3))
        return torch.where(t == 0, -likelihood, kl) / math.log(2)


def _constants(betas: Tensor) -> dict[str, Tensor]:
    left = torch.cumprod(1 - betas, dim=0)
    left_before = torch.cat([left.new_ones(1), left[:-1]])
    variance = betas * (1 - left_before) / (1 - left)
    clipped = torch.cat([variance[1:2], variance[1:]]) if len(betas) > 1 else betas
    return {
        "betas": betas,
        "log_beta": betas.log(),
        "alphas_cumprod": left,
        "signal": left.sqrt(),
        "noise": (1 - left).sqrt(),
        "snr": left / (1 - left),
        "posterior_y0": betas * left_before.sqrt() / (1 - left),
        "posterior_yt": (1 - left_before) * (1 - betas).sqrt() / (1 - left),
        "posterior_log_variance": clipped.log(),
    }


def estimate(
    kind: Prediction, prediction: Tensor, yt: Tensor, signal: Tensor | float, noise: Tensor | float, clip: bool = False
) -> Estimate:
    """y_t = signal y_0 + noise ε, solved for y_0 and ε given a prediction of ε, v or y_0."""
    if kind == "epsilon":
        image, found = (yt - noise * prediction) / signal, prediction
    elif kind == "y0":
        image, found = prediction, (yt - signal * prediction) / noise
    else:
        image, found = signal * yt - noise * prediction, noise * yt + signal * prediction
    if clip:
        image = image.clamp(-1, 1)
        found = (yt - signal * image) / noise
    return Estimate(image, found)


def kl_divergence(q: Gaussian, p: Gaussian) -> Tensor:
    """KL(q || p) of diagonal normal distributions, for every dimension, in nats."""
    difference = q.log_variance - p.log_variance
    distance = (q.mean - p.mean).square() * torch.exp(-p.log_variance)
    return 0.5 * (-1 - difference + difference.exp() + distance)


def discretised_log_likelihood(y0: Tensor, p: Gaussian) -> Tensor:
    """log P of 8-bit images in [-1, 1] under a normal distribution, each value standing for its bin; the outer bins are open."""
    centred, inverse_deviation = y0 - p.mean, torch.exp(-0.5 * p.log_variance)
    upper = _normal_cdf(inverse_deviation * (centred + 1 / 255))
    lower = _normal_cdf(inverse_deviation * (centred - 1 / 255))
    inside = torch.where(y0 > 0.999, 1 - lower, upper - lower)
    return torch.where(y0 < -0.999, upper, inside).clamp(min=1e-12).log()


def _normal_cdf(x: Tensor) -> Tensor:
    """The normal distribution function as the official code approximates it: by GELU's tanh formula."""
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

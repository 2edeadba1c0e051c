"""The diffusion process where the published code has no option: v-prediction, weights of the loss, drawing of times."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.pidm.diffusion import CLEAN, Diffusion


def perfect(process: Diffusion, y0, t, noise):
    """What a network without error predicts."""
    v = process.at("signal", t, y0) * noise - process.at("noise", t, y0) * y0
    return {"epsilon": noise, "v": v, "y0": y0}[process.prediction]


def test_the_cosine_schedule_is_that_of_diffusers():
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
    torch.testing.assert_close(Diffusion("cosine").constants["alphas_cumprod"].float(), theirs)


@pytest.mark.parametrize("prediction", ["epsilon", "v", "y0"])
@pytest.mark.parametrize("clip", [False, True])
def test_a_perfect_prediction_gives_image_and_noise_back(prediction, clip):
    process = Diffusion(prediction=prediction)
    y0, noise = torch.rand(3, 3, 4, 4).double() * 2 - 1, torch.randn(3, 3, 4, 4).double()
    t = torch.tensor([0, 500, 999])
    yt = process.add_noise(y0, t, noise)
    found = process.estimate(perfect(process, y0, t, noise), yt, t, clip)
    torch.testing.assert_close(found.image, y0)
    torch.testing.assert_close(found.noise, noise)


@pytest.mark.parametrize("prediction", ["epsilon", "v", "y0"])
def test_a_perfect_prediction_costs_nothing_but_the_bound(prediction):
    process = Diffusion(prediction=prediction, learned_variance=False)
    y0, noise, t = torch.rand(2, 3, 4, 4), torch.randn(2, 3, 4, 4), torch.tensor([3, 800])
    losses = process.losses(perfect(process, y0, t, noise), y0, process.add_noise(y0, t, noise), t, noise)
    assert list(losses) == ["mse"]
    assert float(losses["mse"].max()) < 1e-10


@pytest.mark.parametrize(
    ("t", "bound"), [(0, 2.26), (1, 0.66), (2, 0.36), (10, 0.11), (100, 0.016), (500, 0.008)]
)  # measured on the published code with a network that predicts zero
def test_the_bound_of_a_new_network_is_the_published_one(t, bound):
    torch.manual_seed(0)
    process = Diffusion()
    y0, noise = torch.randn(32, 3, 16, 16).tanh(), torch.randn(32, 3, 16, 16)
    times = torch.full((32,), t)
    losses = process.losses(torch.zeros(32, 6, 16, 16), y0, process.add_noise(y0, times, noise), times, noise)
    assert float(losses["vb"].mean()) == pytest.approx(bound, rel=0.1)
    assert float(losses["mse"].mean()) == pytest.approx(1, rel=0.05)


def test_the_bound_teaches_the_variance_alone():
    process = Diffusion()
    output = torch.randn(2, 6, 4, 4, requires_grad=True)
    y0, noise, t = torch.rand(2, 3, 4, 4), torch.randn(2, 3, 4, 4), torch.tensor([0, 300])
    process.losses(output, y0, process.add_noise(y0, t, noise), t, noise)["vb"].sum().backward()
    assert not output.grad[:, :3].any()
    assert output.grad[:, 3:].any()


@pytest.mark.parametrize("prediction", ["epsilon", "v", "y0"])
def test_min_snr_weights_end_at_gamma(prediction):
    t = torch.tensor([0, 999])
    y0, noise, output = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    plain, weighted = (
        Diffusion(prediction=prediction, learned_variance=False, min_snr_gamma=gamma) for gamma in (None, 5.0)
    )
    yt = plain.add_noise(y0, t, noise)
    ratio = weighted.losses(output, y0, yt, t, noise)["mse"] / plain.losses(output, y0, yt, t, noise)["mse"]
    snr = plain.constants["snr"][t].float()
    expected = torch.minimum(snr, torch.tensor(5.0)) / {"epsilon": snr, "v": snr + 1, "y0": 1}[prediction]
    torch.testing.assert_close(ratio, expected)


def test_cubic_times_prefer_noise():
    torch.manual_seed(0)
    uniform, cubic = (Diffusion(times=times).draw_times(20000, torch.device("cpu")) for times in ("uniform", "cubic"))
    assert 0 <= int(cubic.min()) <= int(cubic.max()) == 999
    assert float(uniform.float().mean()) == pytest.approx(500, abs=10)
    assert float(cubic.float().mean()) == pytest.approx(750, abs=10)  # E[1 - u³] = 3/4


def test_levels_between_times_lie_between():
    process = Diffusion()
    below, between, above = (process.level(t).alpha_bar for t in (10, 10.5, 11))
    assert above < between < below
    assert process.level(-1) == CLEAN


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"beta_start": 0.0}, {"beta_end": 1.0}, {"beta_start": 0.5, "beta_end": 0.1}, {"min_snr_gamma": -1}],
)
def test_processes_that_make_no_sense_are_refused(wrong):
    with pytest.raises(BadInput, match=r"model\.diffusion"):
        Diffusion(**wrong)

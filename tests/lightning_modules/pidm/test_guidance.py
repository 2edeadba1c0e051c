"""Guidance: formulas, what is not computed, where it acts, and what is refused."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.pidm.denoiser import Denoiser
from lightning_modules.pidm.diffusion import Diffusion
from lightning_modules.pidm.guidance import BOTH, NOTHING, POSE, SOURCE, Guidance
from tests.lightning_modules.pidm.networks import awake, conditions, small


def test_nested_guidance_goes_from_nothing_to_the_pose_to_both():
    e = {branch: torch.randn(1, 6, 2, 2) for branch in (NOTHING, POSE, BOTH)}
    expected = e[NOTHING] + 1.5 * (e[POSE] - e[NOTHING]) + 3.0 * (e[BOTH] - e[POSE])
    torch.testing.assert_close(Guidance("nested", 1.5, 3.0).combine(e), expected)


@pytest.mark.parametrize(
    ("mode", "pose", "style", "computed"),
    [
        ("none", 2, 2, [BOTH]),
        ("source", 2, 2, [BOTH, POSE]),
        ("source", 2, 1, [BOTH]),
        ("source", 2, 0, [POSE]),
        ("nested", 1, 1, [BOTH]),
        ("nested", 2, 2, [NOTHING, BOTH]),
        ("nested", 1, 2, [POSE, BOTH]),
        ("nested", 2, 1, [NOTHING, POSE, BOTH]),
        ("disentangled", 2, 2, [NOTHING, POSE, SOURCE]),
        ("disentangled", 0, 1, [SOURCE]),
        ("disentangled", 0, 0, [NOTHING]),
    ],
)
def test_predictions_of_weight_zero_are_not_computed(mode, pose, style, computed):
    network = awake(small())
    seen = []
    network.predictor.register_forward_hook(lambda module, given, out: seen.append(len(out)))
    noisy, _, structure, source = conditions()
    guidance = Guidance(mode, pose, style, batched=True)
    assert list(guidance.weights()) == computed
    Denoiser(network, Diffusion(), guidance, structure, network.texture(source))(noisy, Diffusion().level(10))
    assert seen == [2 * len(computed)]  # one call for all


@pytest.mark.parametrize("mode", ["source", "disentangled", "nested"])
@torch.no_grad()
def test_one_after_another_equals_all_at_once(mode):
    network, process = awake(small()), Diffusion()
    noisy, _, structure, source = conditions()
    found = []
    for batched in (True, False):
        guidance = Guidance(mode, 1.5, 3.0, batched=batched)
        found.append(Denoiser(network, process, guidance, structure, network.texture(source))(noisy, process.level(10)))
    torch.testing.assert_close(found[0], found[1], atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_sources_are_looked_at_once_for_all_steps():
    network, process = awake(small()), Diffusion()
    noisy, _, structure, source = conditions()
    seen = []
    network.texture_encoder.register_forward_hook(lambda module, given, out: seen.append(len(given[0])))
    denoiser = Denoiser(network, process, Guidance("disentangled"), structure, network.texture(source))
    for t in (900, 500, 3):
        denoiser(noisy, process.level(t))
    assert seen == [2, 1]  # the batch, and one empty source for all


def test_outside_of_its_interval_it_does_not_act():
    guidance = Guidance("source", style=3.0, interval=[0.2, 0.8])
    assert list(guidance.weights(0.1)) == list(guidance.weights(0.9)) == [BOTH]
    assert list(guidance.weights(0.5)) == [BOTH, POSE]


@torch.no_grad()
def test_an_extrapolated_variance_is_brought_back_to_its_range():
    network, process = awake(small(), seed=3), Diffusion()
    noisy, _, structure, source = conditions()
    guidance = Guidance("disentangled", 50.0, 50.0)
    _, raw_variance = Denoiser(network, process, guidance, structure, network.texture(source))(noisy, process.level(10))
    assert float(raw_variance.abs().max()) <= 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"mode": "nestled"}, "Did you mean 'nested'"),
        ({"pose": "two"}, "pose='two' must be a number"),
        ({"style": float("nan")}, "style=nan must be a number"),
        ({"style": True}, "style=True must be a number"),
        ({"interval": [0.8, 0.2]}, "interval"),
        ({"interval": [0.0, 0.5, 1.0]}, "interval"),
    ],
)
def test_what_is_no_guidance_is_refused_in_a_sentence(wrong, sentence):
    with pytest.raises(BadInput, match=sentence):
        Guidance(**wrong)

"""Guided predictions: which are made, in how many calls, and what is computed once only."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lightning_modules.pidm.denoiser import Denoiser
from lightning_modules.pidm.diffusion import Diffusion
from lightning_modules.pidm.guidance import BOTH, NOTHING, POSE, SOURCE, Guidance
from tests.lightning_modules.pidm.making import batch, pidm

PROCESS = Diffusion()
LEVEL = PROCESS.level(500)


@pytest.fixture
def network():
    return pidm().network.eval()


def denoiser(network, guidance, count=2):
    given = batch(count)
    return Denoiser(network, PROCESS, guidance, given.target_structure, network.texture(given.source))


def predicted_by_hand(network, branch, noisy):
    given = batch(len(noisy))
    structure = given.target_structure * branch.pose
    texture = network.texture(given.source * branch.source)
    t = torch.full((len(noisy),), LEVEL.t)
    return network(noisy, t, structure, texture)


@torch.no_grad()
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize(
    ("mode", "weights"),
    [
        ("none", {BOTH: 1.0}),
        ("source", {BOTH: 3.0, POSE: -2.0}),
        ("disentangled", {NOTHING: -3.5, POSE: 1.5, SOURCE: 3.0}),
        ("nested", {NOTHING: -0.5, POSE: -1.5, BOTH: 3.0}),
    ],
)
def test_every_mode_is_the_weighted_sum_of_its_predictions(network, mode, weights, batched):
    noisy = torch.randn(2, 3, 32, 16)
    expected = sum(weight * predicted_by_hand(network, branch, noisy) for branch, weight in weights.items())
    guided = denoiser(network, Guidance(mode, pose=1.5, style=3.0, batched=batched))
    prediction, raw_variance = guided(noisy, LEVEL)
    assert torch.allclose(prediction, expected[:, :3], atol=1e-4)
    assert raw_variance.abs().max() <= 1 or mode == "none"


@torch.no_grad()
@pytest.mark.parametrize(("batched", "calls"), [(True, [6]), (False, [2, 2, 2])])
def test_predictions_of_a_step_are_made_in_one_call_or_one_by_one(network, batched, calls, monkeypatch):
    sizes = []
    real = network.predictor.forward
    monkeypatch.setattr(
        network.predictor, "forward", lambda noisy, *rest: sizes.append(len(noisy)) or real(noisy, *rest)
    )
    denoiser(network, Guidance("nested", pose=1.5, style=3.0, batched=batched))(torch.randn(2, 3, 32, 16), LEVEL)
    assert sizes == calls


def test_by_default_a_processor_batches_the_predictions_of_single_images_alone(network):
    for count, batched in ((1, True), (2, False)):
        assert denoiser(network, Guidance("nested"), count).batched is batched


@torch.no_grad()
@pytest.mark.parametrize(
    ("guidance", "samples"),
    [
        (Guidance("source", style=1.0), 2),
        (Guidance("source", style=0.0), 2),
        (Guidance("nested", pose=1.0, style=1.0), 2),
        (Guidance("nested", pose=1.0, style=2.0), 4),
        (Guidance("disentangled", pose=0.0, style=2.0), 4),
        (Guidance("disentangled", pose=0.0, style=0.0), 2),
        (Guidance("nested", interval=(0.0, 0.4)), 2),
        (Guidance("nested", interval=(0.4, 0.6), pose=2.0, style=3.0), 6),
    ],
)
def test_predictions_that_count_nothing_are_not_made(network, guidance, samples, monkeypatch):
    sizes = []
    real = network.predictor.forward
    monkeypatch.setattr(
        network.predictor, "forward", lambda noisy, *rest: sizes.append(len(noisy)) or real(noisy, *rest)
    )
    denoiser(network, replace(guidance, batched=True))(torch.randn(2, 3, 32, 16), LEVEL)
    assert sizes == [samples]


@torch.no_grad()
def test_sources_are_encoded_and_projected_once_and_the_empty_one_once_for_all(network):
    encoded, projected = [], []
    network.texture_encoder.register_forward_hook(lambda _, inputs, __: encoded.append(len(inputs[0])))
    for stage in network.predictor._stages():
        if stage.mixing is not None:
            stage.mixing.to_key_and_value.register_forward_hook(lambda _, inputs, __: projected.append(len(inputs[0])))
    blocks = sum(stage.mixing is not None for stage in network.predictor._stages())
    guided = denoiser(network, Guidance("disentangled"), count=3)
    for t in (900, 500, 100):
        guided(torch.randn(3, 3, 32, 16), PROCESS.level(t))
    assert encoded == [3, 1]
    assert projected == [3] * blocks + [1] * blocks

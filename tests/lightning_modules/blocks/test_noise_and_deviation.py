"""Noise that is given is used, and a batch tells how much it varies."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.blocks.minibatch_deviation import MinibatchDeviation, minibatch_deviation
from lightning_modules.blocks.noise_injection import NoiseInjection


def test_fresh_noise_differs_and_given_noise_does_not():
    layer, x = NoiseInjection(), torch.zeros(2, 3, 4, 5)
    assert torch.equal(layer(x), x), "the scale begins at zero"
    with torch.no_grad():
        layer.weight.fill_(0.5)
    assert not torch.equal(layer(x), layer(x))
    noise = torch.randn(1, 1, 4, 5)
    torch.testing.assert_close(layer(x, noise), 0.5 * noise.expand(2, 3, -1, -1))


def test_samples_of_a_group_share_their_deviation():
    x = torch.zeros(8, 2, 3, 3, dtype=torch.float64)
    x[[0, 2, 4, 6]] += torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1, 1, 1)  # the group of b mod 2 == 0
    channel = minibatch_deviation(x)
    expected = torch.tensor([1.0, 2.0, 3.0, 4.0]).double().var(unbiased=False).sqrt()
    torch.testing.assert_close(channel[::2], expected.expand(4, 1, 3, 3))
    torch.testing.assert_close(channel[1::2], torch.full((4, 1, 3, 3), 1e-4, dtype=torch.float64))
    assert MinibatchDeviation()(x).shape == (8, 3, 3, 3)


def test_its_second_derivative_is_right():
    x = torch.randn(4, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(minibatch_deviation, x)


def test_a_batch_that_cannot_be_grouped_is_refused():
    with pytest.raises(BadInput, match="multiple of 4"):
        minibatch_deviation(torch.zeros(6, 1, 2, 2))

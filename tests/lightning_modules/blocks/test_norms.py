"""The three ways in which norms and dropout behave when an image is made."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_modules.blocks.init import initialise
from lightning_modules.blocks.norms import at_test_time
from lightning_modules.blocks.unet_generator import UNetGenerator


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    network = UNetGenerator(3, 3, 6, 4, "batch").train()
    for _ in range(3):
        network(torch.randn(4, 3, 64, 64))  # running statistics that are not the initial ones
    return network


X = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("mode", ["train", "eval", "batch_statistics"])
def test_nothing_of_the_network_is_changed_by_making_an_image(network, mode):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.downs[0].eval()  # somebody's choice for a part
    with at_test_time(network, mode):
        network(X)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.downs[0].training
    assert network.ups[0].training


def test_it_is_put_back_after_a_fault(network):
    def failing() -> None:
        with at_test_time(network, "batch_statistics"):
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert network.training
    assert all("forward" not in vars(module) for module in network.modules())


def test_eval_uses_the_running_statistics(network):
    with at_test_time(network, "eval"):
        made = network(X)
    assert torch.equal(made, network.eval()(X))


def test_the_papers_mode_is_training_mode_on_one_image_with_dropout(network):
    with at_test_time(network, "train"):
        torch.manual_seed(7)
        made = network(X[:1])
    torch.manual_seed(7)
    torch.testing.assert_close(made, network.train()(X[:1]), rtol=1e-4, atol=1e-6)
    with at_test_time(network, "train"):
        torch.manual_seed(8)
        assert not torch.allclose(made, network(X[:1]))


def test_batch_statistics_draws_nothing_and_an_image_does_not_depend_on_its_batch(network):
    with at_test_time(network, "batch_statistics"):
        together, again = network(X), network(X)
        alone = torch.cat([network(x[None]) for x in X])
    assert torch.equal(together, again)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
    with at_test_time(network, "eval"):
        assert not torch.allclose(together, network(X), atol=1e-3)


def test_half_precision_is_kept(network):
    with torch.autocast("cpu", torch.bfloat16), at_test_time(network, "batch_statistics"):
        assert network(X).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("kind", "deviation"),
    [("normal", 0.02), ("xavier", 0.02 * (2 / (48 + 1024)) ** 0.5), ("kaiming", (2 / 48) ** 0.5), ("orthogonal", None)],
)
def test_weights_start_as_told(kind, deviation):
    network = nn.Sequential(nn.Conv2d(3, 64, 4), nn.BatchNorm2d(64))
    initialise(network, kind)
    weight = network[0].weight
    assert not network[0].bias.any()
    if kind == "orthogonal":
        columns = weight.flatten(1)
        torch.testing.assert_close(columns.T @ columns, 0.02**2 * torch.eye(48), rtol=0, atol=1e-7)
    else:
        assert weight.std().item() == pytest.approx(deviation, rel=0.1)
    assert network[1].weight.mean().item() == pytest.approx(1, abs=0.02)
    assert network[1].weight.std().item() == pytest.approx(0.02, rel=0.4)

"""CycleGAN's residual generator: the paper's numbers, sizes in multiples of 4, and a sentence for others."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.blocks.resnet_generator import ResNetGenerator


@pytest.mark.parametrize(
    ("blocks", "norm", "count"),
    [(9, "instance", 11_378_179), (9, "batch", 11_383_427), (6, "instance", 7_837_699)],
)
def test_it_has_as_many_parameters_as_the_published_one(blocks, norm, count):
    with torch.device("meta"):
        network = ResNetGenerator(blocks=blocks, norm=norm)
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (128, 64), (44, 36)])
def test_one_image_keeps_its_size(height, width, norm):
    y = ResNetGenerator(2, 3, 1, 4, norm)(torch.randn(1, 2, height, width))
    assert y.shape == (1, 3, height, width)
    assert y.abs().max() <= 1


@pytest.mark.parametrize("padding", ["reflect", "replicate", "zeros"])
def test_every_parameter_is_trained(padding):
    network = ResNetGenerator(3, 3, 2, 4, "none", padding=padding)
    network(torch.randn(1, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_a_block_adds_to_what_it_gets_and_does_not_activate_the_sum():
    block = ResNetGenerator(3, 3, 1, 4).blocks[0]
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(1, 16, 4, 4)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(("height", "width", "fitting"), [(67, 36, "68x36"), (66, 34, "64x32"), (4, 64, "8x64")])
def test_another_size_is_refused_with_one_that_fits(height, width, fitting):
    with pytest.raises(BadInput, match=f"not {height}x{width}: resize to {fitting}"):
        ResNetGenerator(blocks=1, width=4)(torch.zeros(1, 3, height, width))

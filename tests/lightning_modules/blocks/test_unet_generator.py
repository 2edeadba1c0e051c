"""pix2pix's U-Net: the paper's numbers, any size that can be halved, and a sentence for one that cannot."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.unet_generator import UNetGenerator, deepest_for


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("depth", "norm", "count"),
    [(8, "batch", 54_413_955), (8, "instance", 54_409_603), (7, "batch", 41_828_995)],
)
def test_it_has_as_many_parameters_as_the_published_one(depth, norm, count):
    with torch.device("meta"):
        assert parameters(UNetGenerator(3, 3, depth, 64, norm)) == count


@pytest.mark.parametrize(
    ("height", "width", "depth"), [(256, 256, 8), (128, 64, 6), (256, 176, 4), (512, 512, 9), (50, 50, 1)]
)
def test_the_deepest_that_fits_a_size(height, width, depth):
    assert deepest_for(height, width) == depth


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize(("height", "width", "depth"), [(64, 64, 6), (128, 64, 6), (48, 32, 4), (8, 4, 2)])
def test_one_image_of_any_size_that_it_can_halve_is_translated_in_training_mode(height, width, depth, norm):
    """Also where the innermost map is a single pixel, which no norm may see."""
    x = torch.randn(1, 5, height, width)
    y = UNetGenerator(5, 3, depth, 4, norm).train()(x)
    assert y.shape == (1, 3, height, width)
    assert y.abs().max() <= 1


def test_every_parameter_is_trained():
    network = UNetGenerator(3, 3, 5, 4, "batch")
    network(torch.randn(2, 3, 64, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize(("depth", "levels"), [(8, [4, 5, 6]), (7, [4, 5]), (6, [4]), (5, [])])
def test_dropout_is_where_it_was_published(depth, levels):
    network = UNetGenerator(3, 3, depth, 4)
    assert [level for level in range(depth) if network.ups[level].dropout.p == 0.5] == levels
    assert sum(up.dropout.p for up in UNetGenerator(3, 3, depth, 4, dropout=False).ups) == 0


def test_it_changes_neither_its_input_nor_what_others_see():
    """Activations in place would change the skips that a hook or a loss looks at."""
    seen = {}
    network = UNetGenerator(3, 3, 3, 4, "none").eval()
    for level, down in enumerate(network.downs):
        down.register_forward_hook(
            lambda _, inputs, output, level=level: seen.update({level: (output, output.clone())})
        )
    x = torch.randn(1, 3, 16, 16)
    before = x.clone()
    network(x)
    assert torch.equal(x, before)
    assert all(torch.equal(now, then) for now, then in seen.values())


def test_a_size_that_cannot_be_halved_is_refused_with_what_would_fit():
    with pytest.raises(
        BadInput, match="multiples of 256, not 128x64: depth=6 is the deepest that fits, or resize to 256x256"
    ):
        UNetGenerator(3, depth=8, width=4).check_size(128, 64)
    with pytest.raises(BadInput, match="depth=2"):
        UNetGenerator(3, depth=5, width=4)(torch.zeros(1, 3, 36, 36))
    with pytest.raises(BadInput, match="at least twice"):
        UNetGenerator(3, depth=1)


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_interpolation_leaves_no_checkerboard_where_transposed_convolutions_do(upsampling):
    def roughness(kind: str) -> float:
        torch.manual_seed(0)
        network = UNetGenerator(3, 3, depth=2, width=8, norm="none", dropout=False, upsampling=kind).eval()
        nn.init.zeros_(network.ups[0].conv[-1].bias if kind != "transposed" else network.ups[0].conv.bias)
        image = network(torch.ones(1, 3, 64, 64))[..., 24:-24, 24:-24]
        return (image.std(dim=(2, 3)) / image.abs().mean(dim=(2, 3))).mean().item()

    assert roughness(upsampling) < 1e-3
    assert roughness("transposed") > 0.1

"""Maps lie in memory as a processor likes them, throughout a network."""

from __future__ import annotations

import torch

from lightning_modules.blocks.memory_layout import channels_together
from lightning_modules.swapae.generator import HeadBlock, UpBlock
from lightning_modules.swapae.residual_block import ConvLayer
from tests.lightning_modules.swapae.networks import autoencoder, translator


def test_a_processor_has_the_channels_of_a_place_together_and_other_devices_what_they_are_given():
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(channels_together(x), x)
    assert channels_together(x).stride() == (60, 1, 15, 3)
    assert channels_together(torch.empty(2, 3, 4, 5, device="meta")).is_contiguous()


def test_no_layer_of_the_swapping_autoencoder_gives_the_layout_up():
    made, judges = autoencoder(), translator()
    networks = (made.encoder, made.generator, judges.discriminator, judges.patch_discriminator)
    found = {}

    def look(name):
        return lambda layer, given, y: found.update({name: y.is_contiguous(memory_format=torch.channels_last)})

    for network in networks:
        for name, layer in network.named_modules():
            if isinstance(layer, ConvLayer | HeadBlock | UpBlock):
                layer.register_forward_hook(look(f"{type(network).__name__} {name}"))
    image = torch.randn(2, 3, 16, 16)
    made.decode(made.encode(image))
    judges.discriminator(image)
    judges.patch_discriminator.features(torch.randn(2, 2, 3, 8, 8))
    assert len(found) > 20
    assert all(found.values()), [name for name, kept in found.items() if not kept]

"""How a batch is finished on the device it is on."""

import torch

from datamodules.translation import _signed


def test_pictures_on_a_processor_are_normalised_to_the_bit_as_elsewhere():
    pixels = torch.arange(256, dtype=torch.uint8).view(2, 1, 8, 16)
    found = _signed(pixels)
    assert found.dtype == torch.float32
    assert found.min() == -1
    assert found.max() == 1
    assert found.equal(pixels.float().div(127.5).sub(1))

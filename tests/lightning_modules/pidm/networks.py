"""A network small enough for tests, whose branches all do something."""

from __future__ import annotations

import torch

from lightning_modules.pidm.network import Network


def small(**changes) -> Network:
    """A PIDM of three levels with attention at the lower two."""
    settings = {
        "structure_channels": 5,
        "channels": 8,
        "multipliers": (1, 2, 2),
        "blocks": 1,
        "embedding_channels": 16,
        "attention_strides": (2, 4),
        "dropout": 0.0,
    }
    torch.manual_seed(0)
    return Network(**{**settings, **changes})


def awake(network: Network, seed: int = 0) -> Network:
    """The same network after its zero-initialised layers left zero."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network


def conditions(count: int = 2, height: int = 16, width: int = 8, channels: int = 5, seed: int = 0):
    """(noisy, t, structure, source) of a batch."""
    generator = torch.Generator().manual_seed(seed)
    noisy = torch.randn(count, 3, height, width, generator=generator)
    structure = torch.rand(count, channels, height, width, generator=generator)
    source = torch.rand(count, 3, height, width, generator=generator) * 2 - 1
    return noisy, torch.arange(count) * 100 + 7, structure, source

"""Small PIDMs and batches for the tests of this folder."""

from __future__ import annotations

from typing import Any

import torch

from datamodules.batch import Batch
from lightning_modules.pidm.module import PIDM

HEIGHT, WIDTH, STRUCTURE = 32, 16, 5
SMALL: dict[str, Any] = {
    "channels": 8,
    "multipliers": [1, 2, 2],
    "blocks": 1,
    "embedding_channels": 16,
    "attention_strides": [2],
    "dropout": 0.0,
}


def pidm(seed: int = 0, trained: bool = True, **settings: Any) -> PIDM:
    """A small PIDM; `trained` gives random values to the layers that start at zero, so that every input has an effect."""
    torch.manual_seed(seed)
    module = PIDM(STRUCTURE, **{**SMALL, **settings})
    if trained:
        for parameter in module.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    return module


def batch(count: int = 2, seed: int = 0, paired: bool = True) -> Batch:
    """Random pairs."""
    draw = torch.Generator().manual_seed(seed)

    def uniform(channels: int) -> torch.Tensor:
        return torch.rand(count, channels, HEIGHT, WIDTH, generator=draw)

    return Batch(
        source=uniform(3) * 2 - 1,
        source_structure=uniform(STRUCTURE),
        target=uniform(3) * 2 - 1,
        target_structure=uniform(STRUCTURE),
        paired=torch.full((count,), paired),
        source_key=[f"source{i}.png" for i in range(count)],
        target_key=[f"target{i}.png" for i in range(count)],
    )

"""A swapping autoencoder as small as can be, for tests."""

from __future__ import annotations

import functools

import torch

from datamodules.batch import Batch
from lightning_modules.swapae.autoencoder import Autoencoder
from lightning_modules.swapae.discriminator import Discriminator
from lightning_modules.swapae.encoder import Encoder
from lightning_modules.swapae.generator import Generator
from lightning_modules.swapae.module import SwapAE
from lightning_modules.swapae.patch_discriminator import PatchDiscriminator

CODES = {"content_channels": 4, "style_channels": 16}
OPTIMIZER = functools.partial(torch.optim.Adam, lr=0.002, betas=(0.0, 0.99))


def encoder(**settings) -> Encoder:
    return Encoder(**{**CODES, "content_downsamplings": 2, "style_downsamplings": 1, "capacity": 0.125, **settings})


def generator(**settings) -> Generator:
    return Generator(**{**CODES, "upsamplings": 2, "capacity": 1 / 32, **settings})


def autoencoder() -> Autoencoder:
    """With noise that matters."""
    torch.manual_seed(0)
    made = Autoencoder(encoder(), generator())
    with torch.no_grad():
        for name, parameter in made.generator.named_parameters():
            if name.endswith("noise.weight"):
                parameter.fill_(0.3)
    return made


def translator(height: int = 16, width: int = 16, **settings) -> SwapAE:
    torch.manual_seed(0)
    return SwapAE(
        encoder(),
        generator(),
        Discriminator(height, width, capacity=1 / 64, widest=8),
        PatchDiscriminator(8, capacity=1 / 16, max_channels=8, pair_width=8),
        **{"crops": 2, "optimizer": OPTIMIZER, **settings},
    )


def batch_of(size: int, height: int = 16, width: int = 16, seed: int = 0) -> Batch:
    """Noisy pictures; the target is not the source."""
    numbers = torch.Generator().manual_seed(seed)
    source, target = (torch.rand(size, 3, height, width, generator=numbers) * 2 - 1 for _ in (0, 1))
    keys = [str(i) for i in range(size)]
    return Batch(source, source, target, (target + 1) / 2, torch.zeros(size, dtype=torch.bool), keys, keys)

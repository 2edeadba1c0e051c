"""Whole steps of pix2pix, through the real module and trainer."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from datamodules.batch import Batch
from lightning_modules.pix2pix import official
from lightning_modules.pix2pix.module import Pix2Pix
from tests.parity.golden import Compared, Golden, compares
from tests.parity.steps import losses_of_steps, step_options, steps_in

PRECISION = 1e-6


@compares("Pix2PixModel in models/pix2pix_model.py of junyanz/")
def steps(golden: Golden) -> Iterator[Compared]:
    batches = [
        batch_of(golden.input(f"real_A.{step}", torch.float64), golden.input(f"real_B.{step}", torch.float64))
        for step in range(steps_in(golden))
    ]
    _, channels, height, width = batches[0].target_structure.shape
    module = Pix2Pix(channels, height, width, **official.arguments(**step_options(golden)))
    official.load_into(module, {name: golden.state(f"{name}.") for name in ("G", "D")})
    l1_weight = golden.config["lambda_L1"]
    for step, ours in enumerate(losses_of_steps(module.double(), batches)):
        named = {
            "G_GAN": ours["gan"],
            "G_L1": l1_weight * ours["l1"],
            "D_real": ours["discriminator_real"],
            "D_fake": ours["discriminator_fake"],
            "D": 0.5 * (ours["discriminator_real"] + ours["discriminator_fake"]),
            "G": ours["gan"] + l1_weight * ours["l1"],
        }
        for name, value in golden.spec["values_float64"][step].items():
            yield Compared(f"{name} of step {step}", named[name], value, PRECISION)
    module.eval()
    with torch.no_grad():
        condition = module.condition_of(batches[0])
        after = {
            "fake_B_eval_after": module.generator(condition),
            "D_eval_after": module.discriminator(torch.cat([condition, batches[0].target], dim=1)),
        }
    for name, expected in golden.outputs.items():  # stored as float32
        yield Compared(name, after[name], expected, PRECISION)


def batch_of(structure: Tensor, image: Tensor) -> Batch:
    """A pair whose structure is a picture in [-1, 1]."""
    ones = torch.ones(len(image), dtype=torch.bool)
    keys = ["golden"] * len(image)
    unit = (structure + 1) / 2
    return Batch(image, unit, image, unit, ones, keys, keys)

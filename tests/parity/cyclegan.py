"""CycleGAN's whole steps through the real module and trainer, and its losses, pool, schedules and preprocessing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

from datamodules.batch import Batch
from datamodules.preprocess import cropped, resized
from lightning_modules.blocks import official_names, official_options
from lightning_modules.blocks.image_pool import ImagePool
from lightning_modules.cyclegan import official
from lightning_modules.cyclegan.module import CycleGAN
from lightning_modules.losses.adversarial import AdversarialLoss, gradient_penalty
from tests.parity.golden import Compared, Golden, compares
from tests.parity.steps import losses_of_steps, step_options, steps_in

PRECISION = 1e-6


@compares("CycleGANModel in models/cycle_gan_model.py of junyanz/")
def steps(golden: Golden) -> Iterator[Compared]:
    inputs = [
        (golden.input(f"real_A.{step}", torch.float64), golden.input(f"real_B.{step}", torch.float64))
        for step in range(steps_in(golden))
    ]
    first = inputs[0][0]
    module = CycleGAN(*first.shape[-2:], **official.arguments(**step_options(golden)))
    official.load_into(module, {name: golden.state(f"{name}.") for name in official.NETWORKS})
    module.pool_x.choose = module.pool_y.choose = python_choices(golden.spec["seed"])
    weights = {name: golden.config[f"lambda_{name}"] for name in ("A", "B", "identity")}
    for step, ours in enumerate(losses_of_steps(module.double(), [unpaired(*pair) for pair in inputs])):
        named = {
            "D_A": 0.5 * (ours["discriminator_y_real"] + ours["discriminator_y_fake"]),
            "G_A": ours["gan_xy"],
            "cycle_A": weights["A"] * ours.get("cycle_x", 0.0),
            "idt_A": weights["identity"] * weights["B"] * ours.get("identity_y", 0.0),
            "D_B": 0.5 * (ours["discriminator_x_real"] + ours["discriminator_x_fake"]),
            "G_B": ours["gan_yx"],
            "cycle_B": weights["B"] * ours.get("cycle_y", 0.0),
            "idt_B": weights["identity"] * weights["A"] * ours.get("identity_x", 0.0),
        }
        named["G"] = sum(value for name, value in named.items() if not name.startswith("D_"))
        for name, value in golden.spec["values_float64"][step].items():
            yield Compared(f"{name} of step {step}", named[name], value, PRECISION)
    module.eval()
    real_a, real_b = inputs[0]
    with torch.no_grad():
        after = {
            "fake_B_after": module.generator_xy(real_a),
            "fake_A_after": module.generator_yx(real_b),
            "D_A_after": module.discriminator_y(real_b),
            "D_B_after": module.discriminator_x(real_a),
        }
    for name, expected in golden.outputs.items():  # stored as float32
        yield Compared(name, after[name], expected, PRECISION)


def unpaired(source: torch.Tensor, target: torch.Tensor) -> Batch:
    keys = ["golden"] * len(source)
    return Batch(source, source, target, target, torch.zeros(len(source), dtype=torch.bool), keys, keys)


def python_choices(seed: int) -> Any:
    """The official draws: Python's generator, an index only where a swap is drawn."""
    generator = random.Random(seed)
    return lambda size: generator.randint(0, size - 1) if generator.uniform(0, 1) > 0.5 else None


@compares("ImagePool in util/image_pool.py of junyanz/")
def image_pool(golden: Golden) -> Iterator[Compared]:
    values = golden.spec["values"]
    pool = ImagePool(golden.config["pool_size"], python_choices(golden.spec["seed"]))
    shape = golden.spec["inputs"]["images"]["shape"][1:]
    number = 0
    for batch, size in enumerate(values["batches"]):
        images = torch.stack([torch.full(shape, float(number + i)) for i in range(size)])
        number += size
        returned = pool.query(images)
        assert returned.shape == images.shape
        yield Compared(f"returned by batch {batch}", returned[:, 0, 0, 0], torch.tensor(values["returned"][batch]), 0)
        stored = torch.stack(pool.images)[:, 0, 0, 0]
        yield Compared(f"stored after batch {batch}", stored, torch.tensor(values["stored_after_each_batch"][batch]), 0)


@compares("get_scheduler in models/networks.py of junyanz/")
def learning_rate(golden: Golden) -> Iterator[Compared]:
    for options, rates in golden.spec["values"].items():
        words = dict(pair.split("=") for pair in options.split(","))
        numbers = {name: value if name == "lr_policy" else int(value) for name, value in words.items()}
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=golden.config["lr"])
        schedule = official_options.schedule(optimizer, numbers)
        ours = {}
        for epoch in range(numbers["epoch_count"], max(map(int, rates)) + 1):
            ours[epoch] = schedule.get_last_lr()[0]
            optimizer.step()
            schedule.step()
        expected = torch.tensor(list(rates.values()), dtype=torch.float64)
        yield Compared(options, torch.tensor([ours[int(e)] for e in rates], dtype=torch.float64), expected, 1e-12)


@compares("GANLoss, cal_gradient_penalty, NLayerDiscriminator in models/networks.py of junyanz/")
def losses(golden: Golden) -> Iterator[Compared]:
    discriminator = official_names.patch_discriminator(**golden.config["D"])
    official_names.load_state(discriminator, golden.state("D."))
    discriminator.double()
    prediction, real, fake = (golden.input(name, torch.float64) for name in ("prediction", "real", "fake"))
    alpha = golden.input("alpha", torch.float64).sigmoid().flatten()
    mixes = {"real": torch.ones(len(real)).double(), "fake": torch.zeros(len(real)).double(), "mixed": alpha}
    for name, expected in golden.spec["values"].items():
        what, _, of = name.partition(".")
        if what == "gradient_penalty":
            penalty = gradient_penalty(discriminator, real, fake, mix=mixes[of], norm=golden.config["constant"])
            ours = golden.config["lambda_gp"] * penalty
        elif what == "l1":
            ours = F.l1_loss(fake, real)
        elif of:
            ours = getattr(AdversarialLoss(what), of)(prediction)
        else:
            player, mode = name.split("_")
            loss = AdversarialLoss(mode)
            judging = (loss.real(discriminator(real)) + loss.fake(discriminator(fake))) / 2
            ours = judging if player == "D" else loss.generator(discriminator(fake))
        yield Compared(name, ours, expected, PRECISION)


@compares("get_transform in data/base_dataset.py of junyanz/")
def preprocessing(golden: Golden) -> Iterator[Compared]:
    for name, case in golden.spec["values"].items():
        drawn = (golden.input(name, torch.float64) + 1) * 127.5
        image = Image.fromarray(drawn.round().clamp(0, 255).to(torch.uint8).numpy())
        options = case["options"]
        image = resized(image, options["preprocess"], options["load_size"], options["crop_size"])
        if "crop" in options["preprocess"]:
            image = cropped(image, tuple(case["crop_pos"]), options["crop_size"])
        if case["flip"]:
            image = ImageOps.mirror(image)
        ours = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1
        yield Compared(name, ours, golden.outputs[name], 1e-6)

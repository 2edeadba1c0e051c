"""CycleGAN's steps equal a training loop written out plainly, in the settings that no golden has."""

from __future__ import annotations

import copy
import itertools
import random

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.losses.adversarial import AdversarialLoss
from tests.commanding import train
from tests.lightning_modules.cyclegan.test_cyclegan import batch_of, built
from tests.parity.cyclegan import python_choices
from tests.parity.steps import losses_of_steps

SETTINGS = {
    "a pool that is full, unequal cycles": {"pool_size": 2, "cycle_weight_x": 5.0, "cycle_weight_y": 20.0},
    "no identity": {"identity_weight": 0.0, "gan_mode": "vanilla"},
    "without norm, pixels": {"norm": "none", "bias": False, "discriminator": "pixel", "pool_size": 0},
    "batch norm, wgangp without its penalty": {"norm": "batch", "gan_mode": "wgangp", "gradient_penalty_weight": 0.0},
}


class PlainPool:
    def __init__(self, size: int, generator: random.Random) -> None:
        self.size, self.generator, self.images = size, generator, []

    def query(self, images: Tensor) -> Tensor:
        returned = []
        for image in images:
            if self.size == 0:
                returned.append(image)
            elif len(self.images) < self.size:
                self.images.append(image)
                returned.append(image)
            elif self.generator.uniform(0, 1) > 0.5:
                place = self.generator.randint(0, self.size - 1)
                returned.append(self.images[place])
                self.images[place] = image
            else:
                returned.append(image)
        return torch.stack(returned)


def adam(*networks: nn.Module) -> torch.optim.Adam:
    parameters = itertools.chain.from_iterable(network.parameters() for network in networks)
    return torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999))


def plain_steps(module, batches) -> None:
    """Update copies of a module's networks, as published; the module then holds them."""
    G, F = module.generator_xy, module.generator_yx
    D_Y, D_X = module.discriminator_y, module.discriminator_x
    loss, l1 = AdversarialLoss(module.adversarial.mode), nn.L1Loss()
    generator = random.Random(0)
    pool_y, pool_x = (PlainPool(module.pool_x.size, generator) for _ in range(2))
    generators, discriminators = adam(G, F), adam(D_Y, D_X)
    for batch in batches:
        x, y = batch.source, batch.target
        fake_y, fake_x = G(x), F(y)
        total = loss.generator(D_Y(fake_y)) + loss.generator(D_X(fake_x))
        total = total + module.cycle_weight_x * l1(F(fake_y), x) + module.cycle_weight_y * l1(G(fake_x), y)
        if module.identity_weight:
            of_y, of_x = module.cycle_weight_y * l1(G(y), y), module.cycle_weight_x * l1(F(x), x)
            total = total + module.identity_weight * (of_y + of_x)
        generators.zero_grad()
        total.backward()
        generators.step()
        discriminators.zero_grad()
        for D, real, fake, pool in ((D_Y, y, fake_y, pool_y), (D_X, x, fake_x, pool_x)):
            (0.5 * (loss.real(D(real)) + loss.fake(D(pool.query(fake.detach()))))).backward()
        discriminators.step()


@pytest.mark.parametrize("settings", SETTINGS)
def test_steps_equal_the_plain_loop(settings):
    module = built(**SETTINGS[settings]).double().train()
    module.pool_x.choose = module.pool_y.choose = python_choices(0)
    batches = [batch_of(2, seed).map_tensors(lambda t: t.double()) for seed in range(4)]
    plain = copy.deepcopy(module)
    plain_steps(plain, batches)
    losses_of_steps(module, batches)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(module.state_dict()[name], value, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.slow
def test_every_process_keeps_its_own_pool_and_goes_on_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    words = [
        "experiment=smoke",
        "model=cyclegan",
        "data=market1501",
        "trainer=ddp_cpu",
        "model.pool_size=3",
        "test=false",
    ]
    words += ["callbacks.measures=null", "callbacks.grids=null"]
    alone = train(tmp_path / "alone", *words, "trainer.max_steps=6")
    cut = train(tmp_path / "cut", *words, "trainer.max_steps=4")
    train(cut.path, f"resume={cut.path}", "trainer.max_steps=6")
    ours, theirs = (torch.load(run.last, weights_only=True) for run in (alone, cut))
    assert not torch.equal(ours["image_pools"][0]["x"], ours["image_pools"][1]["x"])
    for rank in range(2):
        assert all(torch.equal(ours["image_pools"][rank][d], theirs["image_pools"][rank][d]) for d in "xy")
    assert all(torch.equal(value, theirs["state_dict"][name]) for name, value in ours["state_dict"].items())

"""CycleGAN: directions, cycles, pools and their resuming. Its steps' numbers are goldens."""

from __future__ import annotations

import functools

import pytest
import pytorch_lightning as pl
import torch

from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from lightning_modules.cyclegan import official
from lightning_modules.cyclegan.module import CycleGAN
from tests.parity.steps import losses_of_steps

ADAM = functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))


def batch_of(size: int = 1, seed: int = 0) -> Batch:
    x, y = torch.rand(2, size, 3, 24, 24, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    empty = torch.zeros(size, 0, 24, 24)
    return Batch(x, empty, y, empty, torch.zeros(size, dtype=torch.bool), ["x"] * size, ["y"] * size)


def built(**settings) -> CycleGAN:
    torch.manual_seed(0)
    settings = {"ngf": 2, "ndf": 2, "blocks": 1, "optimizer": ADAM, **settings}
    return CycleGAN(24, 24, **settings)


def test_by_default_it_is_the_published_one():
    with torch.device("meta"):
        module, small = CycleGAN(256, 256), CycleGAN(128, 64)
    assert sum(p.numel() for p in module.generator_xy.parameters()) == 11_378_179
    assert sum(p.numel() for p in module.discriminator_x.parameters()) == 2_764_737
    assert len(small.generator_yx.blocks) == 6  # the paper's, up to 128 pixels
    assert (module.cycle_weight_x, module.cycle_weight_y, module.identity_weight) == (10, 10, 0.5)
    assert (module.adversarial.mode, module.pool_x.size) == ("lsgan", 50)


def test_directions():
    module, batch = built(), batch_of()
    assert torch.equal(module.translate(batch), module.generator_xy(batch.source))
    assert torch.equal(module.translate(batch, direction="backward"), module.generator_yx(batch.source))
    backward = built(direction="backward")
    assert torch.equal(backward.translate(batch), backward.generator_yx(batch.source))
    assert torch.equal(backward.begin_step(batch)["x"], batch.target)
    with pytest.raises(BadInput, match="Did you mean 'backward'"):
        module.translate(batch, direction="backwards")


def test_panels_go_there_and_back():
    module, batch = built(), batch_of()
    panels = module.panels(batch)
    assert list(panels)[:3] == ["source", "translation", "source again"]
    assert torch.equal(panels["source again"], module.generator_yx(module.generator_xy(batch.source)))
    assert torch.equal(panels["target again"], module.generator_xy(module.generator_yx(batch.target)))


@pytest.mark.parametrize("gan_mode", ["lsgan", "vanilla", "wgangp", "hinge"])
@pytest.mark.parametrize("discriminator", ["patch", "pixel"])
def test_a_step_of_every_combination_trains_every_parameter(gan_mode, discriminator):
    module = built(gan_mode=gan_mode, discriminator=discriminator, norm="none")
    before = {name: value.clone() for name, value in module.named_parameters()}
    (losses,) = losses_of_steps(module, [batch_of()])
    assert all(value.isfinite() for value in losses.values())
    same = [name for name, value in module.named_parameters() if torch.equal(value, before[name])]
    # Scores inside the hinge's margin, and all of wgangp, are linear: the last bias moves real and generated ones alike.
    assert len(same) == (2 if gan_mode in ("wgangp", "hinge") else 0)


@pytest.mark.parametrize(
    ("settings", "absent"),
    [
        ({"identity_weight": 0.0}, {"identity_x", "identity_y"}),
        ({"cycle_weight_x": 0.0}, {"cycle_x"}),
        ({"cycle_weight_y": 0.0}, {"cycle_y"}),
    ],
)
def test_a_weight_of_zero_leaves_a_loss_out(settings, absent):
    everything = {"gan_xy", "gan_yx", "cycle_x", "cycle_y", "identity_x", "identity_y"}
    everything |= {f"discriminator_{domain}_{kind}" for domain in "xy" for kind in ("real", "fake")}
    (losses,) = losses_of_steps(built(**settings), [batch_of()])
    assert losses.keys() == everything - absent


@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize("identity_weight", [0.5, 0.0])
def test_fused_passes_train_the_same(norm, identity_weight):
    runs = []
    for fuse_passes in (False, True):
        module = built(norm=norm, identity_weight=identity_weight, fuse_passes=fuse_passes, pool_size=0).double()
        batches = [batch_of(2, seed).map_tensors(lambda t: t.double()) for seed in range(2)]
        runs.append([torch.stack([step[k] for k in sorted(step)]) for step in losses_of_steps(module, batches)])
    torch.testing.assert_close(runs[0], runs[1], rtol=1e-10, atol=1e-10)


def test_fused_passes_are_refused_with_batch_norm():
    with pytest.raises(BadInput, match="batch norm would mix"):
        built(norm="batch", fuse_passes=True)


def test_discriminators_see_earlier_images():
    module = built(pool_size=2)
    losses_of_steps(module, [batch_of(seed=seed) for seed in range(3)])
    assert len(module.pool_x.images) == len(module.pool_y.images) == 2


class SaveAt(pl.Callback):
    """A checkpoint after the given step, while the run goes on."""

    def __init__(self, step: int, path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def trained(module: CycleGAN, folder, ckpt_path=None, callbacks=()) -> CycleGAN:
    """Twelve steps, or what is left of them."""
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=3,
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )
    batches = [batch_of(seed=seed) for seed in range(4)]
    loader = torch.utils.data.DataLoader(batches, batch_size=None, collate_fn=lambda batch: batch)
    trainer.fit(module, loader, ckpt_path=ckpt_path, weights_only=True)
    return module


def test_a_resumed_run_goes_on_with_its_pools(tmp_path):
    """Full pools of which images swap at random: without them, discriminators would see others."""
    cut = tmp_path / "cut.ckpt"
    alone = trained(built(pool_size=3), tmp_path, callbacks=[SaveAt(8, cut)])
    resumed = trained(built(pool_size=3), tmp_path, cut)
    for name, value in alone.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    for pool in ("pool_x", "pool_y"):
        assert torch.equal(getattr(alone, pool).state(), getattr(resumed, pool).state())
    forgetful = built(pool_size=3)
    forgetful.on_load_checkpoint = lambda checkpoint: None
    trained(forgetful, tmp_path, cut)
    assert not torch.equal(alone.discriminator_x.head.weight, forgetful.discriminator_x.head.weight)


@pytest.mark.parametrize(("rank", "expected"), [(0, 0), (1, 1), (2, 0)])
def test_every_process_takes_its_own_pools_back_and_more_processes_share(rank, expected, monkeypatch):
    saved = [{"x": torch.full((2, 3, 24, 24), float(r)), "y": None} for r in range(2)]
    module = built()
    monkeypatch.setattr(CycleGAN, "global_rank", rank)
    module.on_load_checkpoint({"image_pools": saved})
    assert module.pool_x.images[0].unique().tolist() == [expected]
    assert module.pool_y.images == []


def test_a_checkpoint_without_pools_begins_with_empty_ones():
    module = built()
    module.on_load_checkpoint({})
    assert module.pool_x.images == []


def test_published_weights_tell_what_the_module_is():
    from tests.lightning_modules.blocks.published_form import Patches, ResNet

    states = {
        "G_A": ResNet(4, 2, "instance").state_dict(),
        "G_B": ResNet(4, 2, "instance").state_dict(),
        "D_A": Patches(2, 2, "instance").state_dict(),
    }
    module = CycleGAN(32, 32, **official.arguments_told_by(states))
    official.load_into(module, states)
    assert torch.equal(module.generator_xy.stem.conv.weight, states["G_A"]["model.1.weight"])
    assert torch.equal(module.generator_yx.stem.conv.weight, states["G_B"]["model.1.weight"])
    assert torch.equal(module.discriminator_y.head.weight, states["D_A"]["model.8.weight"])
    with pytest.raises(BadInput, match="no network 'G', only G_A, G_B, D_A, D_B"):
        official.load_into(module, {"G": states["G_A"]})

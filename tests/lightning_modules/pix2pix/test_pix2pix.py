"""pix2pix: what its networks are shown, what its steps train, how it makes images. Its steps' numbers are goldens."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch

from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from lightning_modules.pix2pix import official
from lightning_modules.pix2pix.module import Pix2Pix
from tests.parity.steps import losses_of_steps

ADAM = functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))


def batch_of(structure_channels: int = 3, size: int = 2, height: int = 64, width: int = 32, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def drawn(channels: int) -> torch.Tensor:
        return torch.rand(size, channels, height, width, generator=generator)

    return Batch(
        drawn(3) * 2 - 1,
        drawn(structure_channels),
        drawn(3) * 2 - 1,
        drawn(structure_channels),
        torch.ones(size, dtype=torch.bool),
        ["s"] * size,
        ["t"] * size,
    )


def built(structure_channels: int = 3, height: int = 64, width: int = 32, **settings) -> Pix2Pix:
    torch.manual_seed(0)
    return Pix2Pix(structure_channels, height, width, ngf=4, ndf=4, optimizer=ADAM, **settings)


def test_by_default_it_is_the_published_one():
    with torch.device("meta"):
        module = Pix2Pix(3, 256, 256)
    assert sum(p.numel() for p in module.generator.parameters()) == 54_413_955
    assert sum(p.numel() for p in module.discriminator.parameters()) == 2_768_705
    assert (module.l1_weight, module.gan_weight, module.adversarial.mode, module.test_mode) == (
        100,
        1,
        "vanilla",
        "train",
    )


@pytest.mark.parametrize("structure_channels", [1, 3, 18, 151])
@pytest.mark.parametrize("condition", ["structure", "structure_and_source"])
def test_the_condition_is_the_structure_or_the_structure_and_the_source(structure_channels, condition):
    batch = batch_of(structure_channels)
    module = built(structure_channels, condition=condition)
    shown = module.condition_of(batch)
    structure = batch.target_structure * 2 - 1 if structure_channels in (1, 3) else batch.target_structure
    assert torch.equal(shown[:, :structure_channels], structure)
    if condition == "structure":
        assert module.reads == ("structure",)
        assert shown.shape[1] == structure_channels
    else:
        assert module.reads == ("source", "structure")
        assert torch.equal(shown[:, structure_channels : structure_channels + 3], batch.source)
        assert shown.shape[1] == 2 * structure_channels + 3
    assert module.translate(batch).shape == (2, 3, 64, 32)


@pytest.mark.parametrize(("structure_range", "least"), [("unit", 0), ("image", -1)])
def test_the_range_of_structures_can_be_told(structure_range, least):
    for channels in (3, 18):
        shown = built(channels, structure_range=structure_range).condition_of(batch_of(channels))
        assert shown.min().round() == least


@pytest.mark.parametrize("generator", ["unet", "resnet"])
@pytest.mark.parametrize("discriminator", ["patch", "pixel"])
@pytest.mark.parametrize("gan_mode", ["vanilla", "lsgan", "wgangp", "hinge"])
def test_a_step_of_every_combination_trains_every_parameter(generator, discriminator, gan_mode):
    module = built(generator=generator, discriminator=discriminator, gan_mode=gan_mode, blocks=1, norm="none")
    before = {name: value.clone() for name, value in module.named_parameters()}
    (losses,) = losses_of_steps(module, [batch_of()])
    assert all(value.isfinite() for value in losses.values())
    assert ("gradient_penalty" in losses) == (gan_mode == "wgangp")
    same = [name for name, value in module.named_parameters() if torch.equal(value, before[name])]
    # Scores inside the hinge's margin, and all of wgangp, are linear: the last bias moves real and generated ones alike.
    assert same == (["discriminator.head.bias"] if gan_mode in ("wgangp", "hinge") else [])


def test_without_the_game_it_is_trained_by_l1_alone():
    module = built(gan_weight=0.0)
    before = {name: value.clone() for name, value in module.discriminator.named_parameters()}
    (losses,) = losses_of_steps(module, [batch_of()])
    assert list(losses) == ["l1"]
    assert all(torch.equal(value, before[name]) for name, value in module.discriminator.named_parameters())


def test_it_learns_a_pair_by_heart():
    module = built(dropout=False)
    module.optimizer = functools.partial(torch.optim.Adam, lr=2e-3, betas=(0.5, 0.999))
    batch = batch_of(size=1)
    batch = replace(batch, target=torch.tensor([0.8, -0.8, 0.5]).view(1, 3, 1, 1) * batch.target_structure.round())
    losses = losses_of_steps(module, [batch] * 60)
    assert losses[-1]["l1"] < 0.75 * losses[0]["l1"]


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_fused_passes_train_the_same(norm):
    batches = [batch_of(seed=seed) for seed in range(2)]
    runs = []
    for fuse_passes in (False, True):
        module = built(norm=norm, dropout=False, fuse_passes=fuse_passes).double()
        losses = losses_of_steps(module, [batch.map_tensors(lambda t: t.double()) for batch in batches])
        runs.append(torch.stack([torch.stack([step[name] for name in sorted(step)]) for step in losses]))
    torch.testing.assert_close(runs[0], runs[1], rtol=1e-10, atol=1e-10)


def test_fused_passes_are_refused_with_batch_norm():
    with pytest.raises(BadInput, match=r"fuse_passes=true .* set norm=instance or fuse_passes=false"):
        built(norm="batch", fuse_passes=True)


def test_sizes_that_do_not_fit_are_refused_before_anything_is_trained():
    with pytest.raises(BadInput, match="depth=6 is the deepest that fits"):
        built(height=128, width=64, depth=8)
    with pytest.raises(BadInput, match="multiples of 4, not 63x31: resize to 64x32"):
        built(height=63, width=31)
    with pytest.raises(BadInput, match="at least 24 pixels, not 16x16: layers=2 or fewer fit"):
        built(height=16, width=16)


def test_a_translation_does_not_depend_on_its_batch_and_changes_nothing():
    module = built(dropout=False).train()
    batch = batch_of()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    together = module.translate(batch)
    alone = torch.cat([module.translate(batch.select([i])) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert list(module.panels(batch)) == ["source", "structure", "translation", "target"]


def test_official_options_become_arguments():
    words = official.arguments(netG="resnet_6blocks", netD="n_layers", n_layers_D=2, norm="instance", lambda_L1=10)
    expected = {
        "generator": "resnet",
        "blocks": 6,
        "patch_layers": 2,
        "norm": "instance",
        "l1_weight": 10.0,
        "dropout": True,
    }
    assert words.items() >= expected.items()
    with pytest.raises(BadInput, match="netG='vit'"):
        official.arguments(netG="vit")
    with pytest.raises(BadInput, match="lambda_feat have no counterpart"):
        official.arguments(lambda_feat=10)


def test_published_weights_tell_what_the_module_is(tmp_path):
    from tests.lightning_modules.blocks.published_form import UNet

    torch.save(UNet(4, 6, "batch", dropout=True).state_dict(), tmp_path / "latest_net_G.pth")
    files = {"G": tmp_path / "latest_net_G.pth"}
    words = official.arguments_told_by(files)
    assert words == {
        "generator": "unet",
        "ngf": 4,
        "depth": 6,
        "dropout": True,
        "norm": "batch",
        "bias": False,
        "structure_channels": 3,
    }
    module = Pix2Pix(height=64, width=64, **words)
    official.load_into(module, files)
    with pytest.raises(BadInput, match="no network 'G_A', only G and D"):
        official.load_into(module, {"G_A": files["G"]})


def test_painting_over_the_source_keeps_what_the_mask_leaves():
    batch = batch_of()
    module = built(condition="structure_and_source", over_source=True, test_mode="eval")
    image, mask = module.painted(batch, module.condition_of(batch))
    assert (image.shape, mask.shape) == (batch.source.shape, (2, 1, 64, 32))
    assert mask.min() >= 0
    assert mask.max() <= 1
    last = module.generator.ups[0].conv
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.5, 0.5, 0.5, -20.0]))
        assert torch.allclose(module.translate(batch), batch.source)
        last.bias[3] = 20.0
        assert torch.allclose(module.translate(batch), torch.full_like(batch.source, 0.5).tanh())
    assert "mask" in module.panels(batch)


def test_there_is_no_painting_over_a_source_that_is_not_shown():
    with pytest.raises(BadInput, match="structure_and_source"):
        built(over_source=True)


def test_painting_over_the_source_trains_every_parameter():
    module = built(condition="structure_and_source", over_source=True, norm="none")
    before = {name: value.clone() for name, value in module.named_parameters()}
    losses_of_steps(module, [batch_of()])
    assert not [name for name, value in module.named_parameters() if torch.equal(value, before[name])]

"""Published checkpoints load to the last entry, in every layout, and make the same image."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.official_names import load, load_state, patch_discriminator, resnet_generator, told_by
from lightning_modules.blocks.official_options import told_words
from tests.lightning_modules.blocks.published_form import Patches, Pixels, ResNet, UNet

NORMS = ["instance", "batch", "none"]
LAYOUTS = {
    **{f"resnet, {n} norm": functools.partial(ResNet, 4, 2, n) for n in NORMS},
    **{f"resnet, {n} norm, dropout": functools.partial(ResNet, 4, 1, n, dropout=True) for n in NORMS},
    "resnet, 9 blocks": functools.partial(ResNet, 2, 9, "instance"),
    "resnet, zeros": functools.partial(ResNet, 4, 2, "instance", padding="zero"),
    "resnet, zeros, dropout": functools.partial(ResNet, 4, 2, "batch", dropout=True, padding="zero"),
    **{f"unet, {n} norm": functools.partial(UNet, 2, 6, n) for n in NORMS},
    "unet, 5 levels": functools.partial(UNet, 2, 5, "batch"),
    "unet, 7 levels, dropout": functools.partial(UNet, 2, 7, "batch", dropout=True),
    **{f"patches, {n} norm": functools.partial(Patches, 4, 3, n) for n in NORMS},
    **{f"patches, {k} layers": functools.partial(Patches, 4, k, "instance") for k in (1, 2, 4)},
    **{f"pixels, {n} norm": functools.partial(Pixels, 4, n) for n in NORMS},
}
X = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1


def published(layout: str) -> nn.Module:
    """With weights, scales and statistics that are not the initial ones."""
    torch.manual_seed(0)
    network = LAYOUTS[layout]()
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) * 0.4 + (0.5 if value.ndim == 1 else -0.2))
    return network


def assert_same(ours: nn.Module, theirs: nn.Module) -> None:
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(X), theirs.eval()(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_checkpoint_makes_the_same_network(layout):
    theirs = published(layout)
    ours = load(theirs.state_dict())
    assert_same(ours, theirs)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    drops = [sum(m.p > 0 for m in n.modules() if isinstance(m, nn.Dropout)) for n in (ours, theirs)]
    assert drops[0] == drops[1] or (layout.startswith("unet") and drops[1] == 0)  # a U-Net's names do not tell


def test_what_names_do_not_tell_is_given():
    theirs = ResNet(4, 2, "instance", padding="replicate")
    assert_same(load(theirs.state_dict(), padding_type="replicate"), theirs)
    plain = load(UNet(2, 6, "batch").state_dict(), use_dropout=False)
    assert not any(m.p for m in plain.modules() if isinstance(m, nn.Dropout))


def test_statistics_of_instance_norms_in_old_files_are_dropped():
    """As in the published horse2zebra."""
    theirs = published("resnet, instance norm")
    state = theirs.state_dict()
    for index in ("model.2", "model.5", "model.8", "model.10.conv_block.2", "model.11.conv_block.6", "model.13"):
        channels = 8
        state |= {f"{index}.running_mean": torch.ones(channels), f"{index}.running_var": torch.ones(channels)}
        state[f"{index}.num_batches_tracked"] = torch.tensor(1)
    assert_same(load(state), theirs)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_what_wrappers_put_before_names_is_taken_off(prefix):
    theirs = published("patches, batch norm")
    assert_same(load({prefix + name: value for name, value in theirs.state_dict().items()}), theirs)


def test_batch_norms_from_before_their_counter_load():
    theirs = published("unet, batch norm")
    state = {name: value for name, value in theirs.state_dict().items() if "num_batches" not in name}
    assert_same(load(state), theirs)


def test_every_entry_is_accounted_for():
    state = published("resnet, instance norm").state_dict()
    del state["model.7.bias"]
    state["model.99.weight"] = torch.zeros(1)
    state["model.4.weight"] = torch.zeros(8, 4, 5, 5)
    with pytest.raises(BadInput) as caught:
        load_state(resnet_generator(ngf=4, n_blocks=2), state, "horse2zebra.pth")
    assert "horse2zebra.pth does not fit this ResNetGenerator" in str(caught.value)
    assert "missing model.7.bias" in str(caught.value)
    assert "left over model.99.weight" in str(caught.value)
    assert "model.4.weight is [8, 4, 5, 5] and should be [8, 4, 3, 3]" in str(caught.value)


def test_nothing_is_loaded_where_something_does_not_fit():
    network = patch_discriminator(ndf=4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(BadInput, match=r"missing model\.11\.bias"):
        load_state(network, {k: v for k, v in Patches(4, 3, "instance").state_dict().items() if k != "model.11.bias"})
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_dropout_in_the_wrong_place_is_seen():
    """The most common mistake with these files: a network without dropout, a checkpoint with it."""
    state = ResNet(4, 1, "instance", dropout=True).state_dict()
    with pytest.raises(
        BadInput, match=r"missing model\.10\.conv_block\.5\.weight.*left over model\.10\.conv_block\.6\.weight"
    ):
        load_state(resnet_generator(ngf=4, n_blocks=1), state)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({}, "of no network of pix2pix and CycleGAN"),
        ({"conv1.weight": torch.zeros(1, 1, 1, 1)}, "its first entries are conv1.weight"),
        ({"model.model.0.weight": torch.zeros(4, 3, 4, 4)}, r"incomplete: missing model\.model\.3\.weight"),
    ],
)
def test_something_else_is_refused(state, sentence):
    with pytest.raises(BadInput, match=sentence):
        load(state)


def test_files_are_read_without_executing_anything(tmp_path):
    theirs = published("pixels, instance norm")
    torch.save(theirs.state_dict(), tmp_path / "latest_net_D.pth")
    assert_same(load(tmp_path / "latest_net_D.pth"), theirs)
    torch.save({"optimizer": {"lr": 1.0}}, tmp_path / "other.pth")
    torch.save(theirs, tmp_path / "pickled.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "latest_net_D.pth").read_bytes()[:100])
    for name, sentence in {
        "absent.pth": "no such file",
        "other.pth": "not a bare state dict",
        "pickled.pth": "cannot be read",
        "cut.pth": "cannot be read",
    }.items():
        with pytest.raises(BadInput, match=f"{name}.*{sentence}"):
            load(tmp_path / name)


def test_the_keys_of_the_published_cyclegan_generators():
    with torch.device("meta"):
        state = ResNet(64, 9, "instance").state_dict()
    assert len(state) == 48
    assert told_by(state).words == {
        "input_nc": 3,
        "output_nc": 3,
        "ngf": 64,
        "n_blocks": 9,
        "norm": "instance",
        "use_dropout": False,
        "padding_type": "reflect",
    }
    assert told_words([(state, "G")]) == {
        "generator": "resnet",
        "ngf": 64,
        "blocks": 9,
        "dropout": False,
        "norm": "instance",
        "bias": True,
    }


def test_the_keys_of_the_published_pix2pix_generators():
    with torch.device("meta"):
        state = UNet(64, 8, "batch", dropout=True).state_dict()
    assert len(state) == 82
    words = told_words([(state, "G")])
    assert words == {"generator": "unet", "ngf": 64, "depth": 8, "dropout": True, "norm": "batch", "bias": False}

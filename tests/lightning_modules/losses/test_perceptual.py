"""VGG19: which weights, which preprocessing, and that it stays out of everything else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from datamodules.bad_input import BadInput
from lightning_modules.losses import perceptual
from lightning_modules.losses.perceptual import VGG19


@pytest.fixture(scope="module")
def vgg() -> VGG19:
    network = VGG19("random")
    network.prepare()
    return network


def as_caffe(network: VGG19) -> dict[str, torch.Tensor]:
    return {
        f"conv{name}.{what}": layer.get_parameter(what).clone()
        for name, layer in zip(perceptual.NAMES, network.convolutions, strict=True)
        for what in ("weight", "bias")
    }


def as_torchvision(network: VGG19) -> dict[str, torch.Tensor]:
    return {
        f"features.{index}.{what}": layer.get_parameter(what).clone()
        for index, layer in zip(perceptual.TORCHVISION_INDEX, network.convolutions, strict=True)
        for what in ("weight", "bias")
    }


def test_a_layers_size_and_channels(vgg):
    features = vgg(torch.zeros(1, 3, 32, 32), ("r12", "r32", "r54"))
    assert {name: tuple(x.shape[1:]) for name, x in features.items()} == {
        "r12": (64, 32, 32),
        "r32": (256, 8, 8),
        "r54": (512, 2, 2),
    }
    with pytest.raises(KeyError, match="r99"):
        vgg(torch.zeros(1, 3, 32, 32), ("r99",))


def test_features_equal_torchvisions_own_network(vgg):
    from torchvision.models import vgg19

    reference = vgg19(weights=None)
    reference.load_state_dict(as_torchvision(vgg), strict=False)
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    mean, deviation = (torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = reference.features[:21](((image + 1) / 2 - mean) / deviation)
    loaded = VGG19("random")
    loaded.load(as_torchvision(vgg))
    torch.testing.assert_close(loaded(image, ("r41",))["r41"], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("naming", [as_caffe, as_torchvision])
def test_the_preprocessing_follows_from_the_names_in_the_file(naming, vgg, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(naming(vgg), path)
    network = VGG19(str(path))
    network.prepare()
    white = network.preprocess(torch.ones(1, 3, 1, 1)).flatten().tolist()
    if naming is as_caffe:
        assert white == pytest.approx([(1 - x) * 255 for x in (0.40760392, 0.45795686, 0.48501961)], rel=1e-5)
    else:
        assert white == pytest.approx(
            [(1 - m) / d for m, d in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))], rel=1e-5
        )


def test_random_weights_are_the_same_every_time_and_keep_the_scale_of_features(vgg):
    again = VGG19("random")
    again.prepare()
    assert torch.equal(again.convolutions[3].weight, vgg.convolutions[3].weight)
    features = vgg(torch.rand(1, 3, 64, 64) * 2 - 1)
    deepest = features["r52"].std() / features["r12"].std()
    assert 0.1 < deepest < 10


def test_a_narrow_one_is_quick_and_random_only():
    narrow = VGG19("random", width=8)
    narrow.prepare()
    assert narrow(torch.zeros(1, 3, 16, 16), ("r52",))["r52"].shape == (1, 64, 1, 1)
    with pytest.raises(BadInput, match="random only"):
        VGG19("torchvision", width=8)


def test_it_is_frozen_in_eval_mode_and_in_no_state_dict(vgg):
    holder = nn.ModuleDict({"perceptual": vgg, "own": nn.Linear(1, 1)}).train()
    assert not vgg.training
    assert not any(p.requires_grad for p in vgg.parameters())
    assert set(holder.state_dict()) == {"own.weight", "own.bias"}
    holder.load_state_dict(holder.state_dict())


def test_gradients_reach_the_image(vgg):
    image = torch.zeros(1, 3, 16, 16, requires_grad=True)
    vgg(image, ("r22",))["r22"].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_what_is_no_vgg_is_refused(tmp_path, vgg):
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    torch.save({**as_caffe(vgg), "conv1_1.bias": torch.zeros(3)}, tmp_path / "wrong.pth")
    for name, says in (
        ("absent.pth", "There are no VGG19 weights at"),
        ("text.pth", "cannot be read"),
        ("other.pth", "holds no VGG19"),
        ("wrong.pth", r"conv1_1.bias is \[3\]"),
    ):
        with pytest.raises(BadInput, match=says):
            VGG19(str(tmp_path / name)).prepare()


def test_weights_that_cannot_be_downloaded_are_one_sentence(monkeypatch):
    from torchvision.models import VGG19_Weights

    def refuse(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(VGG19_Weights, "get_state_dict", refuse)
    with pytest.raises(BadInput, match=r"could not be downloaded from https.*model.perceptual.weights=<path>.*random"):
        VGG19("torchvision").prepare()

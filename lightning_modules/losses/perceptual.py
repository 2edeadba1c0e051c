"""VGG19 features for perceptual, contextual and feature-matching losses.

Two trainings of this network are in use, and their preprocessing differs: torchvision's (RGB, ImageNet's mean and
deviation) and the Caffe lineage that CoCosNet's `vgg19_conv.pth` belongs to (BGR, mean removed, times 255). Which one a
file holds is told by the names of its entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.bad_input import BadInput

CONVOLUTIONS = {1: (64, 2), 2: (128, 2), 3: (256, 4), 4: (512, 4), 5: (512, 4)}
"""Block -> (channels, how many convolutions)."""
NAMES = [f"{block}_{index}" for block, (_, count) in CONVOLUTIONS.items() for index in range(1, count + 1)]
TORCHVISION_INDEX = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
"""Position of each convolution in torchvision's `features`."""
Lineage = Literal["caffe", "torchvision"]
TORCHVISION_MEAN, TORCHVISION_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (0.40760392, 0.45795686, 0.48501961)
"""Of blue, green and red."""


class VGG19(nn.Module):
    """Frozen VGG19 up to the last layer asked for (Simonyan & Zisserman 2015, arXiv 1409.1556).

    It belongs to a loss, not to a method: always in eval mode, no gradients for its weights, nothing of it in checkpoints.
    """

    def __init__(self, weights: str = "torchvision", *, corrected_range: bool = True, width: int = 64) -> None:
        """
        Args:
            weights: 'torchvision' (downloaded once, then from torch's cache); or the path of a state dict, CoCosNet's
                `vgg19_conv.pth` or torchvision's `vgg19-*.pth`; or 'random', which is good for trying things out only.
                They are read by `prepare`.
            corrected_range: map images from [-1, 1] to [0, 1] before the rest of the preprocessing. False takes them as
                if they were in [0, 1], as the official code does without its `vgg_normal_correct`.
            width: channels of the first layer; all trained weights have 64, random ones may have less, to be quick.
        """
        super().__init__()
        self.weights = weights
        self.corrected_range = corrected_range
        self.width = width
        if width != 64 and weights != "random":
            raise BadInput(
                f"VGG19's trained weights have 64 channels in the first layer; model.perceptual.width={width} is for "
                f"model.perceptual.weights=random only."
            )
        self.lineage: Lineage = "torchvision"
        self.convolutions = nn.ModuleList()
        self.eval()
        self.register_state_dict_post_hook(_leave_out)
        self.register_load_state_dict_pre_hook(_put_back)

    def prepare(self) -> None:
        """Get the weights, unless they are there already; before that it weighs nothing.

        Whoever trains calls it first, so that a translator can be applied where the weights cannot be had.

        Raises:
            BadInput: the weights cannot be had, or the file is something else.
        """
        if len(self.convolutions):
            return
        if self.weights == "random":
            self._build()
            self._draw()
        else:
            self.load(_download() if self.weights == "torchvision" else _read(self.weights), self.weights)

    def _build(self) -> None:
        before = 3
        for full, count in CONVOLUTIONS.values():
            channels = full * self.width // 64
            for _ in range(count):
                layer = nn.utils.skip_init(nn.Conv2d, before, channels, 3, padding=1)
                self.convolutions.append(layer.requires_grad_(False).eval())
                before = channels

    @property
    def is_random(self) -> bool:
        """Whether the weights are random: what is trained or measured with them must say so."""
        return self.weights == "random"

    def load(self, state: Mapping[str, Tensor], source: str = "the given state dict") -> None:
        """Take weights named as in either lineage, and its preprocessing with them."""
        lineages: dict[Lineage, list[str]] = {
            "caffe": [f"conv{name}" for name in NAMES],
            "torchvision": [f"features.{index}" for index in TORCHVISION_INDEX],
        }
        fitting = [known for known, names in lineages.items() if all(f"{name}.weight" in state for name in names)]
        if not fitting:
            raise BadInput(
                f"{source} holds no VGG19: neither the entries of vgg19_conv.pth (conv1_1.weight ...) nor those of "
                f"torchvision (features.0.weight ...); set model.perceptual.weights to such a file."
            )
        self.lineage = fitting[0]
        if not len(self.convolutions):
            self._build()
        with torch.no_grad():
            for name, layer in zip(lineages[self.lineage], self.convolutions, strict=True):
                for what in ("weight", "bias"):
                    value, own = state[f"{name}.{what}"], layer.get_parameter(what)
                    if value.shape != own.shape:
                        raise BadInput(
                            f"{source}: {name}.{what} is {list(value.shape)}, but VGG19 has {list(own.shape)}."
                        )
                    own.copy_(value)

    def train(self, mode: bool = True) -> VGG19:
        """Stays in eval mode."""
        return super().train(False)

    def preprocess(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> what the weights were trained on."""
        if self.corrected_range:
            image = (image + 1) / 2
        if self.lineage == "caffe":
            return (image.flip(1) - image.new_tensor(CAFFE_MEAN).view(3, 1, 1)) * 255
        mean, deviation = (image.new_tensor(x).view(3, 1, 1) for x in (TORCHVISION_MEAN, TORCHVISION_STD))
        return (image - mean) / deviation

    def forward(
        self, image: Tensor, layers: tuple[str, ...] = ("r12", "r22", "r32", "r42", "r52")
    ) -> dict[str, Tensor]:
        """(B, 3, H, W) in [-1, 1] -> {'r12': output of relu1_2, ...}; nothing is computed beyond the last layer."""
        if not len(self.convolutions):
            raise RuntimeError("VGG19 is not prepared")
        wanted, features = set(layers), {}
        x = self.preprocess(image)
        for name, layer in zip(NAMES, self.convolutions, strict=True):
            block, index = name.split("_")
            if index == "1" and block != "1":
                x = F.max_pool2d(x, 2)
            x = F.relu_(layer(x))
            if (key := f"r{block}{index}") in wanted:
                features[key] = x
                wanted.remove(key)
                if not wanted:
                    return features
        raise KeyError(f"VGG19 has no layers {sorted(wanted)}")

    def _draw(self) -> None:
        """He initialisation from a fixed seed: every run with random weights has the same ones."""
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for layer in self.convolutions:
                weight = layer.get_parameter("weight")
                deviation = (2 / weight[0].numel()) ** 0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * deviation)
                layer.get_parameter("bias").zero_()


def _leave_out(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    for name in [key for key in state if key.startswith(prefix)]:
        del state[name]


def _put_back(module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    for name, value in module.named_parameters():
        state[prefix + name] = value.detach()


def _download() -> Mapping[str, Tensor]:
    from torchvision.models import VGG19_Weights

    weights = VGG19_Weights.IMAGENET1K_V1
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise BadInput(
            f"VGG19's weights could not be downloaded from {weights.url} ({error}); fetch {Path(weights.url).name} on a "
            f"connected machine and set model.perceptual.weights=<path>, or model.perceptual.weights=random to try "
            f"things out with random ones."
        ) from error


def _read(path: str) -> Mapping[str, Tensor]:
    if not Path(path).is_file():
        raise BadInput(
            f"There are no VGG19 weights at {path}; set model.perceptual.weights to vgg19_conv.pth (linked in the README of "
            f"microsoft/CoCosNet) or to torchvision's vgg19-dcbb9e9d.pth (https://download.pytorch.org/models), "
            f"to torchvision to download them, or to random to try things out."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BadInput(f"{path} cannot be read as a state dict of VGG19: {str(error).splitlines()[0]}") from error
    return state

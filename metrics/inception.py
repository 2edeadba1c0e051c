"""The features that Frechet distances compare: Inception v3 with either of two published sets of weights.

A value of FID depends on the weights and on how images are brought to 299 x 299. Each convention has the name of the
code that made it; never compare values of two conventions.

| convention     | weights                        | resize to 299 x 299          | range                        |
|----------------|--------------------------------|------------------------------|------------------------------|
| pytorch_fid    | TensorFlow's of 2015, "FID"    | bilinear, not antialiased    | 2x - 1                       |
| torch_fidelity | the same                       | bilinear as TensorFlow 1 did | (x - 128) / 128              |
| clean          | the same                       | bicubic, antialiased         | (x - 128) / 128              |
| pose           | torchvision's of ImageNet      | bilinear, not antialiased    | x (sigma / .5) + (mu - .5) / .5 |

`pose` is the weights and the resize of GFLA, DPTN, PIDM, PCDMs and CFLD. Its affine map is meant for inputs that were
normalised before, and is applied to [0, 1] images: wrong, and the published convention. What these papers print also
depends on the sets: they compare with all training images (`fid_reference: train` of callbacks/measures.py) and not with
the targets, and all but CFLD drop the last incomplete batch of both sides (of 64 images, PCDMs of 128), which is not done
here.
"""

from __future__ import annotations

import pathlib
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import inception as tv

from datamodules.bad_input import BadInput
from metrics import weights

Convention = Literal["pytorch_fid", "torch_fidelity", "clean", "pose"]
SIDE = 299


def _average(x: Tensor) -> Tensor:
    """3 x 3 average that leaves the padding out of the count, as in TensorFlow."""
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1, count_include_pad=False)


class _BlockA(tv.InceptionA):
    def _forward(self, x: Tensor) -> list[Tensor]:
        narrow = self.branch5x5_2(self.branch5x5_1(x))
        deep = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch1x1(x), narrow, deep, self.branch_pool(_average(x))]


class _BlockC(tv.InceptionC):
    def _forward(self, x: Tensor) -> list[Tensor]:
        narrow = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        deep = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        deep = self.branch7x7dbl_5(self.branch7x7dbl_4(deep))
        return [self.branch1x1(x), narrow, deep, self.branch_pool(_average(x))]


class _BlockE(tv.InceptionE):
    def _pool(self, x: Tensor) -> Tensor:
        return _average(x)

    def _forward(self, x: Tensor) -> list[Tensor]:
        narrow = self.branch3x3_1(x)
        narrow = torch.cat([self.branch3x3_2a(narrow), self.branch3x3_2b(narrow)], 1)
        deep = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        deep = torch.cat([self.branch3x3dbl_3a(deep), self.branch3x3dbl_3b(deep)], 1)
        return [self.branch1x1(x), narrow, deep, self.branch_pool(self._pool(x))]


class _LastBlock(_BlockE):
    """The one block whose pool branch takes the maximum."""

    def _pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, kernel_size=3, stride=1, padding=1)


def _network(convention: Convention) -> tv.Inception3:
    """The architecture that a convention's weights belong to, without values."""
    if convention == "pose":
        return tv.Inception3(num_classes=1000, aux_logits=False, transform_input=False, init_weights=False)
    blocks: list[Any] = [tv.BasicConv2d, _BlockA, tv.InceptionB, _BlockC, tv.InceptionD, _BlockE, tv.InceptionAux]
    net = tv.Inception3(1008, aux_logits=False, transform_input=False, inception_blocks=blocks, init_weights=False)
    net.Mixed_7c = _LastBlock(2048)
    return net


class InceptionFeatures(nn.Module):
    """Images -> the 2048 features before the classifier, under a named convention."""

    dimensions = 2048

    def __init__(self, convention: Convention, state: dict[str, Tensor]) -> None:
        """
        Args:
            convention: see the table above.
            state: the weights, under torchvision's names; those of the auxiliary classifier are not needed.
        """
        super().__init__()
        self.convention = convention
        network = _network(convention)
        network.load_state_dict({name: value for name, value in state.items() if not name.startswith("AuxLogits.")})
        network.dropout, network.fc = nn.Identity(), nn.Identity()
        self.network = network.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 -> (B, 2048) float32."""
        return self.network(prepare(images, self.convention))


def prepare(images: Tensor, convention: Convention) -> Tensor:
    """(B, 3, H, W) uint8 -> what a convention shows to the network: (B, 3, 299, 299) float32."""
    x = images.float()
    if convention == "clean":
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bicubic", antialias=True)
        return (x - 128) / 128
    if convention == "torch_fidelity":
        return (_resize_as_tensorflow1(x) - 128) / 128
    x = F.interpolate(x / 255, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    if convention == "pytorch_fid":
        return 2 * x - 1
    mean = x.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = x.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return x * (deviation / 0.5) + (mean - 0.5) / 0.5


def _resize_as_tensorflow1(x: Tensor) -> Tensor:
    """Bilinear with source coordinate = position * input / output, without the half-pixel shift of later versions."""
    for dim in (2, 3):
        size = x.shape[dim]
        position = torch.arange(SIDE, device=x.device, dtype=x.dtype) * (size / SIDE)
        low = position.floor().long().clamp(max=size - 1)
        high = (low + 1).clamp(max=size - 1)
        share = (position - low).view([-1 if d == dim else 1 for d in range(4)])
        x = x.index_select(dim, low) * (1 - share) + x.index_select(dim, high) * share
    return x


def weights_of(convention: Convention) -> weights.Weights:
    """The published file that a convention needs."""
    return weights.INCEPTION_IMAGENET if convention == "pose" else weights.INCEPTION_FID


def load_inception(convention: Convention, path: pathlib.Path) -> InceptionFeatures:
    """The extractor of a convention with the weights in a file.

    Raises:
        BadInput: the file holds other weights.
    """
    try:
        return InceptionFeatures(convention, weights.load(path))
    except RuntimeError as error:
        needed = weights_of(convention)
        raise BadInput(
            f"{path} does not hold the weights of fid_convention={convention}; it needs {needed.file}."
        ) from error

"""LPIPS (Zhang et al. 2018), v0.1 with AlexNet: the perceptual distance of pose-transfer tables.

The small linear layers come with torchmetrics; the AlexNet of torchvision is read from a local file.
"""

from __future__ import annotations

import pathlib

import torch
from torch import Tensor, nn
from torchmetrics.functional.image.lpips import _LPIPS

from datamodules.bad_input import BadInput
from metrics import weights

_SLICES = {0: "slice1", 3: "slice2", 6: "slice3", 8: "slice4", 10: "slice5"}
"""Which slice of torchmetrics' AlexNet holds which convolution of torchvision's `features`."""


class LPIPS(nn.Module):
    """Perceptual distance of pairs of images."""

    def __init__(self, alexnet: dict[str, Tensor]) -> None:
        """
        Args:
            alexnet: torchvision's AlexNet state dict; of it, `features.*` is used.
        """
        super().__init__()
        # Built without a trunk's weights so that nothing is downloaded; every one of them is filled in below.
        with torch.random.fork_rng(devices=[]):
            network = _LPIPS(pretrained=True, net="alex", pnet_rand=True, use_dropout=True)
        trunk = {
            f"{part}.{layer}.{kind}": alexnet[f"features.{layer}.{kind}"]
            for layer, part in _SLICES.items()
            for kind in ("weight", "bias")
        }
        network.net.load_state_dict(trunk)
        self.network = network.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, generated: Tensor, target: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1], twice -> (B,)."""
        return self.network(generated.float(), target.float()).view(-1)


def load_lpips(path: pathlib.Path) -> LPIPS:
    """LPIPS with the AlexNet in a file.

    Raises:
        BadInput: the file holds other weights.
    """
    try:
        return LPIPS(weights.load(path))
    except (KeyError, RuntimeError) as error:
        raise BadInput(f"{path} does not hold torchvision's AlexNet; LPIPS needs {weights.ALEXNET.file}.") from error

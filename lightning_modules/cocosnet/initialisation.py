"""Initial weights as the published runs have them."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_modules.cocosnet.spade import Modulation, SpadeBlock

GAIN = 0.02
Network = TypeVar("Network", bound=nn.Module)


def initialise(network: Network) -> Network:
    """Xavier-normal weights of gain 0.02, no biases; spectral-normed weights keep PyTorch's uniform initialisation.

    The official initialisation means all weights, but on a GPU it does not reach the spectral-normed ones, and the
    released models were trained so. Their scale cancels in the forward pass; it sets the size of Adam's relative steps.
    Convolutions that stand for several of the official network are drawn part by part.
    """
    parts: dict[nn.Module, int] = {}
    for layer in network.modules():
        if isinstance(layer, SpadeBlock):
            parts[layer.shared] = layer.shared.out_channels // layer.hidden
        elif isinstance(layer, Modulation):
            parts[layer.scale_shift] = 2
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if not parametrize.is_parametrized(layer):
                _draw(layer.weight, parts.get(layer, 1))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def _draw(weight: Tensor, parts: int) -> None:
    for part in weight.data.chunk(parts):
        nn.init.xavier_normal_(part, gain=GAIN)

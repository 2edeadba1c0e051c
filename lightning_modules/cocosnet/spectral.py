"""Spectral normalisation whose power iteration is a step of its own.

PyTorch's parametrisation iterates whenever the weight is read in training mode. With activations recomputed in the
backward pass, with a network applied twice in a step, or under autocast, that makes the weight differ between reads. Here
reading never changes anything: the network advances the iteration once per forward (`advance`), in float32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize


class SpectralNorm(nn.Module):
    """W -> W / σ(W), σ estimated as uᵀ W v (Miyato et al. 2018, arXiv 1802.05957)."""

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, eps: float = 1e-12) -> None:
        super().__init__()
        self.eps = eps
        matrix = weight.detach().flatten(1)
        self.register_buffer("u", F.normalize(torch.randn(matrix.shape[0]), dim=0, eps=eps))
        self.register_buffer("v", F.normalize(torch.randn(matrix.shape[1]), dim=0, eps=eps))
        for _ in range(15):  # so that σ of the initial weight is right before the first step
            self.advance(matrix)

    @torch.no_grad()
    def advance(self, weight: Tensor) -> None:
        """One power iteration on `weight`, the raw one."""
        with _without_autocast(weight):
            matrix = weight.flatten(1).float()
            self.v.copy_(F.normalize(matrix.t() @ self.u, dim=0, eps=self.eps))
            self.u.copy_(F.normalize(matrix @ self.v, dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        # Clones: a later iteration must not change what this forward's graph has saved.
        with _without_autocast(weight):
            u, v = self.u.clone(), self.v.clone()
            return weight / torch.dot(u, weight.flatten(1) @ v)


def _without_autocast(weight: Tensor) -> AbstractContextManager[object]:
    """Float32 where autocast would halve it; the meta device, where sizes are told without values, has no autocast."""
    kind = weight.device.type
    return nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False)


def spectral_norm(layer: nn.Module) -> nn.Module:
    """The same layer with its weight divided by its spectral norm."""
    weight = layer.get_parameter("weight")
    parametrize.register_parametrization(layer, "weight", SpectralNorm(weight))
    return layer


def normed_layers(network: nn.Module) -> list[tuple[nn.Module, SpectralNorm, Tensor]]:
    """All layers of `network` that have a spectral norm, each with it and its raw weight."""
    found = []
    for layer in network.modules():
        if parametrize.is_parametrized(layer, "weight"):
            weight: Any = layer.parametrizations["weight"]  # type: ignore[index]
            if isinstance(weight[0], SpectralNorm):
                found.append((layer, weight[0], weight.original))
    return found


def advance(network: nn.Module) -> None:
    """One power iteration of every spectral norm in `network`; call it once per forward pass in training mode."""
    for _, norm, weight in normed_layers(network):
        norm.advance(weight)


def fold(network: nn.Module) -> nn.Module:
    """Divide once and for all: the same network with plain weights, for inference."""
    for layer, _, _ in normed_layers(network):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return network

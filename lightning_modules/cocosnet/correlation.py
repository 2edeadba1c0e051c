"""The correlation of a structure with an exemplar: who looks where, and what is fetched from there.

It stands for the matrix M(u, v) of the paper's eq. (2), of as many rows as the structure has positions and as many
columns as the exemplar has, which nobody holds: warps are attention over it (eq. 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lightning_modules.cocosnet.attention import (
    BLOCK_BYTES,
    DotProduct,
    Similarity,
    blockwise_attention,
    exact_float32,
)
from lightning_modules.cocosnet.similarity import PatchCosine, unfolded_cosine_parts, window_parts

Centre = Literal["window", "positions"]


@dataclass(frozen=True)
class Matches:
    """Where every position of the structure looks in the exemplar."""

    best: Tensor
    """(B, h, w) int64: the exemplar's position (row-major) of greatest similarity."""
    expected: Tensor
    """(B, 2, h, w): mean (x, y) of the positions looked at, in [-1, 1] as `grid_sample` counts (corners at ±(1 − 1/size))."""
    confidence: Tensor
    """(B, 1, h, w): the greatest weight of the softmax; 1 looks at one position, 1/positions everywhere."""


class Correlation:
    """Cosines between the windows of two feature maps, divided by the temperature in every softmax. All in float32."""

    def __init__(
        self, theta: Tensor, phi: Tensor, *, window: int = 3, centre: Centre = "window", temperature: float = 0.01
    ) -> None:
        """
        Args:
            theta: (B, C, h, w) features of the structure.
            phi: (B, C, h', w') features of the exemplar.
            window: side of the compared neighbourhoods, odd.
            centre: subtract from each window its own mean (PONO_C), or from each entry its mean over positions.
            temperature: τ; the paper writes α = 1/τ = 100.
        """
        self.structure_size = (theta.shape[2], theta.shape[3])
        self.exemplar_size = (phi.shape[2], phi.shape[3])
        self.theta, self.phi = theta, phi
        self.window, self.centre, self.temperature = window, centre, temperature
        with torch.autocast(theta.device.type, enabled=False):
            self._parts = self._parts_of(theta.float()), self._parts_of(phi.float())

    def warp(self, values: Tensor) -> Tensor:
        """r(u) = Σ_v softmax_v(M(u, v)/τ) values(v): (B, K, h', w') of the exemplar -> (B, K, h, w) of the structure."""
        return self._fetch(values, *self._parts, self.structure_size, self.exemplar_size)

    def back(self, values: Tensor) -> Tensor:
        """The other way, softmax over the structure's positions: (B, K, h, w) -> (B, K, h', w')."""
        structure, exemplar = self._parts
        return self._fetch(values, exemplar, structure, self.exemplar_size, self.structure_size)

    def matrix(self) -> Tensor:
        """(B, h w, h' w') cosines, written out for inspection; memory is quadratic in the number of positions."""
        with exact_float32(self.theta.device.type):
            theta, phi = (unfolded_cosine_parts(x.float(), self.window, self.centre) for x in (self.theta, self.phi))
            return theta @ phi.transpose(1, 2)

    def rows(self, positions: list[int]) -> Tensor:
        """(B, len(positions), h', w') softmax weights of some positions (row-major) of the structure: where they look."""
        with exact_float32(self.theta.device.type):
            theta, phi = (unfolded_cosine_parts(x.float(), self.window, self.centre) for x in (self.theta, self.phi))
            weights = (theta[:, positions] @ phi.transpose(1, 2) / self.temperature).softmax(dim=2)
        return weights.unflatten(2, self.exemplar_size)

    @torch.no_grad()
    def matches(self) -> Matches:
        """Best and mean match and confidence of every position, without the matrix."""
        similarity, tensors = self._similarity(*self._parts, self.structure_size, self.exemplar_size)
        budget = BLOCK_BYTES.get(self.theta.device.type, BLOCK_BYTES["cuda"])
        grid = position_grid(self.exemplar_size, self.theta.device).flatten(1).t()
        best, confidence, expected = [], [], []
        with exact_float32(self.theta.device.type):
            for _, logits in similarity.sweep(tensors, budget):
                weights = logits.softmax(dim=2)
                greatest, where = weights.max(dim=2)
                best.append(where)
                confidence.append(greatest)
                expected.append(weights @ grid)
        size = self.structure_size
        return Matches(
            best=torch.cat(best, dim=1).unflatten(1, size),
            expected=torch.cat(expected, dim=1).transpose(1, 2).unflatten(2, size),
            confidence=torch.cat(confidence, dim=1).unflatten(1, size).unsqueeze(1),
        )

    def _parts_of(self, features: Tensor) -> tuple[Tensor, ...]:
        if self.centre == "window":
            return window_parts(features, self.window)
        return (unfolded_cosine_parts(features, self.window, self.centre),)

    def _fetch(
        self,
        values: Tensor,
        mine: tuple[Tensor, ...],
        theirs: tuple[Tensor, ...],
        size: tuple[int, int],
        their_size: tuple[int, int],
    ) -> Tensor:
        value = values.float().flatten(2).transpose(1, 2)
        similarity, tensors = self._similarity(mine, theirs, size, their_size)
        result = blockwise_attention(similarity, value, *tensors)
        return result.transpose(1, 2).unflatten(2, size)

    def _similarity(
        self, mine: tuple[Tensor, ...], theirs: tuple[Tensor, ...], size: tuple[int, int], their_size: tuple[int, int]
    ) -> tuple[Similarity, tuple[Tensor, ...]]:
        if self.centre == "window":
            return PatchCosine(size, their_size, self.window, 1 / self.temperature), (*mine, *theirs)
        return DotProduct(mine[0].shape[1], theirs[0].shape[1], 1 / self.temperature), (*mine, *theirs)


def position_grid(size: tuple[int, int], device: torch.device | str = "cpu") -> Tensor:
    """(2, h, w): x and y of the centre of every position, in [-1, 1] from border to border."""
    y, x = ((torch.arange(n, device=device, dtype=torch.float32) * 2 + 1) / n - 1 for n in size)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))

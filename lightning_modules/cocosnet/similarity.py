"""Cosine similarity of k x k neighbourhoods of two feature maps, without unfolding them.

The paper compares x̂(u) = the centred features around u with ŷ(v) (eq. 2). With a window of 3 x 3 the official code
unfolds 256 channels into 2304 and multiplies those. But the product of two windows is the sum, over the offsets w in the
window, of the products of single positions: Σ_w t(u+w) · t'(v+w). So one product with 256 channels and a sum along the
diagonals of its (image row, image row) structure give the same numbers with a ninth of the arithmetic, and the diagonal
sum separates into one over columns and one over rows.

Centring each window by the mean of its entries (PONO_C) fits in as well, without cancellation: split a feature into its
channel mean μ and the rest t (which sums to 0 over channels); then x̂·ŷ = Σ_w t(u+w)·t'(v+w) + C Σ_w μ̂_u(w) μ̂'_v(w),
where μ̂_u(w) = μ(u+w) − the window's mean of μ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_modules.cocosnet.attention import Gradients, Rows, Similarity

GUARD = 2.2e-16
"""Added to norms before dividing, as published."""


@dataclass(frozen=True)
class PatchCosine(Similarity):
    """scale · cosine of centred windows of two maps; tensors: those of `window_parts` of the query, then of the key.

    Queries and keys are positions of maps of `query_size` and `key_size` (height, width), row by row.
    """

    query_size: tuple[int, int]
    key_size: tuple[int, int]
    window: int = 3
    scale: float = 1.0

    @property
    def queries(self) -> int:  # type: ignore[override]
        return self.query_size[0] * self.query_size[1]

    @property
    def keys(self) -> int:  # type: ignore[override]
        return self.key_size[0] * self.key_size[1]

    def transposed(self) -> PatchCosine:
        """Keys become queries; their tensors change places too."""
        return PatchCosine(self.key_size, self.query_size, self.window, self.scale)

    def sweep(self, tensors: tuple[Tensor, ...], block_bytes: int) -> Iterator[tuple[Rows, Tensor]]:
        query, query_means, query_inverse, key, key_means, key_inverse = tensors
        (height, width), radius = self.query_size, self.window // 2
        step = max(1, min(height, block_bytes // (4 * width * self.keys * query.shape[0])))
        transposed, means_transposed = key.transpose(1, 2), key_means.transpose(1, 2)
        column_weight = (key_inverse * self.scale).unsqueeze(1)
        known, first = (
            query.new_empty(query.shape[0], 0, width, *self.key_size),
            0,
        )  # products summed over columns, of image rows first, first + 1, ...
        for top in range(0, height, step):
            bottom = min(top + step, height)
            begin = first + known.shape[1]
            end = min(bottom + radius, height)
            if end > begin:
                products = torch.bmm(query[:, begin * width : end * width], transposed)
                summed = _diagonal_sum(self._grid(products, end - begin), (2, 4), radius)
                known = torch.cat((known, summed), dim=1) if known.shape[1] else summed
                del products, summed
            logits = self._sum_over_rows(known, first, top, bottom)
            known, first = self._forget(known, first, bottom - radius)
            rows = slice(top * width, bottom * width)
            logits.baddbmm_(query_means[:, rows], means_transposed)
            yield rows, logits.mul_(query_inverse[:, rows].unsqueeze(2)).mul_(column_weight)

    def gradients(self, tensors: tuple[Tensor, ...]) -> Gradients:
        return _PatchCosineGradients(self, tensors)

    def _grid(self, block: Tensor, rows: int) -> Tensor:
        """(B, rows · width, M) as (B, rows, width, key rows, key columns)."""
        return block.view(block.shape[0], rows, self.query_size[1], *self.key_size)

    def _sum_over_rows(self, known: Tensor, first: int, top: int, bottom: int) -> Tensor:
        """Σ over vertical offsets for the image rows top ... bottom − 1: logits (B, rows, M) before centring and norms."""
        total = known[:, top - first : bottom - first].clone()
        last = first + known.shape[1]
        for offset in _offsets(self.window // 2):
            begin, end = max(top, first - offset), min(bottom, last - offset)
            if begin < end:
                mine, theirs = _overlap(self.key_size[0], offset)
                shifted = known[:, begin + offset - first : end + offset - first]
                total[:, begin - top : end - top, :, mine] += shifted[:, :, :, theirs]
        return total.flatten(3).flatten(1, 2)

    @staticmethod
    def _forget(known: Tensor, first: int, row: int) -> tuple[Tensor, int]:
        """Drop the image rows before `row`, which no later block needs."""
        row = max(first, row)
        return known[:, row - first :].clone(), row


class _PatchCosineGradients(Gradients):
    """The sweep backwards: a block's gradient reaches `radius` image rows beyond it, so rows wait until they are whole."""

    def __init__(self, similarity: PatchCosine, tensors: tuple[Tensor, ...]) -> None:
        self.similarity, self.tensors = similarity, tensors
        query, query_means, query_inverse, key, key_means, key_inverse = tensors
        self.d_query, self.d_key = torch.empty_like(query), torch.zeros_like(key)
        self.d_query_means, self.d_key_means = torch.empty_like(query_means), torch.zeros_like(key_means)
        self.d_query_inverse, self.d_key_inverse = torch.empty_like(query_inverse), torch.zeros_like(key_inverse)
        self.pending: Tensor | None = None
        self.first = 0  # the image row of pending[:, 0]

    def add(self, rows: Rows, logits: Tensor, d_logits: Tensor) -> None:
        _, query_means, query_inverse, _, key_means, key_inverse = self.tensors
        logits.mul_(d_logits)
        self.d_query_inverse[:, rows] = logits.sum(dim=2) / query_inverse[:, rows]
        self.d_key_inverse += logits.sum(dim=1) / key_inverse
        d_logits.mul_(query_inverse[:, rows].unsqueeze(2)).mul_((key_inverse * self.similarity.scale).unsqueeze(1))
        self.d_query_means[:, rows] = torch.bmm(d_logits, key_means)
        self.d_key_means.baddbmm_(d_logits.transpose(1, 2), query_means[:, rows])
        self._spread(rows, d_logits)

    def _spread(self, rows: Rows, d_summed: Tensor) -> None:
        """Send the gradient of a block back through both diagonal sums and the product."""
        shape = self.similarity
        (height, width), radius = shape.query_size, shape.window // 2
        top, bottom = rows.start // width, rows.stop // width
        block = shape._grid(d_summed, bottom - top)
        end = min(bottom + radius, height)
        held = 0 if self.pending is None else self.pending.shape[1]
        waiting = block.new_zeros(block.shape[0], end - self.first, *block.shape[2:])
        if self.pending is not None:
            waiting[:, :held] = self.pending
        waiting[:, top - self.first : bottom - self.first] += block
        for offset in _offsets(radius):
            begin, stop = max(top, -offset), min(bottom, height - offset)
            if begin < stop:
                mine, theirs = _overlap(shape.key_size[0], offset)
                target = waiting[:, begin + offset - self.first : stop + offset - self.first]
                target[:, :, :, theirs] += block[:, begin - top : stop - top, :, mine]
        ready = end if bottom == height else max(self.first, bottom - radius)
        if ready > self.first:
            self._finish(waiting[:, : ready - self.first])
        self.pending, self.first = waiting[:, ready - self.first :].clone(), ready

    def _finish(self, d_summed: Tensor) -> None:
        query, _, _, key, _, _ = self.tensors
        width = self.similarity.query_size[1]
        d_products = _diagonal_sum(d_summed, (2, 4), self.similarity.window // 2).flatten(3).flatten(1, 2)
        rows = slice(self.first * width, self.first * width + d_products.shape[1])
        self.d_query[:, rows] = torch.bmm(d_products, key)
        self.d_key.baddbmm_(d_products.transpose(1, 2), query[:, rows])

    def result(self) -> tuple[Tensor, ...]:
        return (
            self.d_query,
            self.d_query_means,
            self.d_query_inverse,
            self.d_key,
            self.d_key_means,
            self.d_key_inverse,
        )


def window_parts(features: Tensor, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """What `PatchCosine` needs to know of a map (B, C, H, W) whose k x k windows are centred by their own mean.

    Returns:
        (B, HW, C) features without their channel mean, (B, HW, k²) √C times the window's centred channel means,
        (B, HW) one over the norm of the centred window. Windows reach zeros beyond the border.
    """
    channels = features.shape[1]
    mean = features.mean(dim=1, keepdim=True)
    rest = features - mean
    around = F.unfold(mean, window, padding=window // 2).transpose(1, 2)
    around = (around - around.mean(dim=2, keepdim=True)) * channels**0.5
    energy = F.avg_pool2d(rest.square().sum(dim=1, keepdim=True), window, 1, window // 2) * window**2
    squared = energy.flatten(1) + around.square().sum(dim=2)
    inverse = 1 / (squared.clamp_min(1e-30).sqrt() + GUARD)
    return rest.flatten(2).transpose(1, 2).contiguous(), around, inverse


def unfolded_cosine_parts(features: Tensor, window: int, centre: str) -> Tensor:
    """The same windows written out: (B, HW, C k²), centred ('window': each by its mean; 'positions': each entry by its mean
    over positions) and of length 1."""
    columns = F.unfold(features, window, padding=window // 2) if window > 1 else features.flatten(2)
    columns = columns - columns.mean(dim=1 if centre == "window" else 2, keepdim=True)
    return (columns / (columns.norm(dim=1, keepdim=True) + GUARD)).transpose(1, 2)


def _offsets(radius: int) -> list[int]:
    return [offset for offset in range(-radius, radius + 1) if offset]


def _overlap(size: int, offset: int) -> tuple[slice, slice]:
    """Positions p and p + offset that are both inside 0 ... size − 1."""
    return slice(max(0, -offset), size - max(0, offset)), slice(max(0, offset), size - max(0, -offset))


def _diagonal_sum(grid: Tensor, axes: tuple[int, int], radius: int) -> Tensor:
    """Σ_o grid[..., p + o, ..., q + o, ...] over |o| ≤ radius along two axes, nothing beyond the borders. Self-adjoint."""
    total = grid.clone()
    for offset in _offsets(radius):
        mine, theirs = [slice(None)] * grid.dim(), [slice(None)] * grid.dim()
        for axis in axes:
            mine[axis], theirs[axis] = _overlap(grid.shape[axis], offset)
        total[tuple(mine)] += grid[tuple(theirs)]
    return total

"""Attention that never holds its matrix: softmax(similarity) · value, by blocks of queries that the backward recomputes.

CoCosNet's warp (eq. 3 of the paper) is attention with as many queries and keys as feature positions, a query of 2304
numbers and a value of a few; its generator's non-local block has a matrix four times as large. Neither is read by
anything but the next product, so a block of rows is made, used and dropped, and made again in the backward pass: memory
grows with the number of positions, gradients are those of the explicit form.

`attend` is for plain dot products. Other similarities implement `Similarity` and go through `blockwise_attention`
(`similarity.py` has the one of 3 x 3 neighbourhoods).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

Rows = slice
"""A range of queries."""

BLOCK_BYTES = {"cpu": 8 << 20, "cuda": 128 << 20}
"""Size of one block of float32 logits: about the last-level cache on a CPU; on a GPU, large enough to fill it."""


class Similarity(ABC):
    """Logits of N queries against M keys, made for a few queries at a time from tensors that gradients flow into.

    The tensors are not kept here but passed in, because autograd has to see them: `tensors[i]` has shape (B, ...).
    """

    queries: int
    keys: int

    @abstractmethod
    def sweep(self, tensors: tuple[Tensor, ...], block_bytes: int) -> Iterator[tuple[Rows, Tensor]]:
        """All blocks in order, each as (its queries, its logits (B, rows, M) in float32, owned by the caller)."""

    @abstractmethod
    def gradients(self, tensors: tuple[Tensor, ...]) -> Gradients:
        """What collects the gradients of `tensors` while the backward pass sweeps over the same blocks."""


class Gradients(ABC):
    """Gradients of a similarity's tensors, summed up block by block in the order of `Similarity.sweep`."""

    @abstractmethod
    def add(self, rows: Rows, logits: Tensor, d_logits: Tensor) -> None:
        """Take the gradient of one block's logits; `logits` and `d_logits` may be overwritten."""

    @abstractmethod
    def result(self) -> tuple[Tensor, ...]:
        """One gradient per tensor, after the last block."""


def blockwise_attention(
    similarity: Similarity, value: Tensor, *tensors: Tensor, block_bytes: int | None = None
) -> Tensor:
    """softmax over the keys of `similarity`, times `value`.

    Args:
        similarity: how logits are made from `tensors`.
        value: (B, M, V).
        tensors: what `similarity` is made of; they and `value` get exact gradients, once (no second derivatives).
        block_bytes: size of a block of logits; None takes `BLOCK_BYTES` of the device.

    Returns:
        (B, N, V) in float32: products and softmax are in float32 (not TF32) whatever autocast says.
    """
    budget = block_bytes or BLOCK_BYTES.get(value.device.type, BLOCK_BYTES["cuda"])
    return _BlockwiseAttention.apply(similarity, budget, value.float(), *(tensor.float() for tensor in tensors))


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float = 1.0, block_bytes: int | None = None) -> Tensor:
    """softmax(scale · query keyᵀ) value, without its matrix.

    Args:
        query: (B, N, D).
        key: (B, M, D).
        value: (B, M, V).
        scale: factor of the dot products; for cosines, 1 / temperature.
        block_bytes: see `blockwise_attention`.

    Returns:
        (B, N, V); in float32 by blocks of queries, or in the inputs' type where a fused kernel applies.
    """
    if fused_kernel_applies(query, key, value):
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION]):
            return F.scaled_dot_product_attention(
                query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1), scale=scale
            ).squeeze(1)
    return blockwise_attention(
        DotProduct(query.shape[1], key.shape[1], scale), value, query, key, block_bytes=block_bytes
    )


def fused_kernel_applies(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether one of PyTorch's fused attention kernels takes these tensors: on a GPU, with narrow heads.

    A CPU's kernel wants equal widths of query and value, which none of CoCosNet's attentions has.
    """
    if not query.is_cuda or not query.dtype == key.dtype == value.dtype:
        return False
    aligned = all(tensor.shape[-1] % 8 == 0 for tensor in (query, value))
    if not aligned or max(query.shape[-1], value.shape[-1]) > 256:
        return False
    heads = [tensor.unsqueeze(1) for tensor in (query, key, value)]
    parameters = torch.backends.cuda.SDPAParams(*heads, None, 0.0, False, False)  # type: ignore[call-arg, arg-type]
    return torch.backends.cuda.can_use_efficient_attention(parameters)


@dataclass(frozen=True)
class DotProduct(Similarity):
    """scale · query keyᵀ; tensors: query (B, N, D), key (B, M, D)."""

    queries: int
    keys: int
    scale: float = 1.0

    def sweep(self, tensors: tuple[Tensor, ...], block_bytes: int) -> Iterator[tuple[Rows, Tensor]]:
        query, key = tensors
        step = max(1, min(self.queries, block_bytes // (4 * self.keys * query.shape[0])))
        transposed = key.transpose(1, 2)
        for start in range(0, self.queries, step):
            rows = slice(start, min(start + step, self.queries))
            yield rows, torch.bmm(query[:, rows] * self.scale, transposed)

    def gradients(self, tensors: tuple[Tensor, ...]) -> Gradients:
        return _DotProductGradients(self, *tensors)


class _DotProductGradients(Gradients):
    def __init__(self, similarity: DotProduct, query: Tensor, key: Tensor) -> None:
        self.scale = similarity.scale
        self.query, self.key = query, key
        self.d_query, self.d_key = torch.empty_like(query), torch.zeros_like(key)

    def add(self, rows: Rows, logits: Tensor, d_logits: Tensor) -> None:
        self.d_query[:, rows] = torch.bmm(d_logits, self.key).mul_(self.scale)
        self.d_key.baddbmm_(d_logits.transpose(1, 2), self.query[:, rows], alpha=self.scale)

    def result(self) -> tuple[Tensor, ...]:
        return self.d_query, self.d_key


class _BlockwiseAttention(torch.autograd.Function):
    """softmax(S) V with S made by blocks: dV = Pᵀ dO, dS = P ∘ (dO Vᵀ − rowsum(dO ∘ O))."""

    @staticmethod
    def forward(ctx: Any, similarity: Similarity, budget: int, value: Tensor, *tensors: Tensor) -> Tensor:
        output = value.new_empty(value.shape[0], similarity.queries, value.shape[2])
        with exact_float32(value.device.type):
            for batch in _sample_blocks(similarity, value.shape[0], budget):
                for rows, logits in similarity.sweep(tuple(tensor[batch] for tensor in tensors), budget):
                    output[batch, rows] = torch.bmm(logits.softmax(dim=-1), value[batch])
        ctx.similarity, ctx.budget = similarity, budget
        ctx.save_for_backward(output, value, *tensors)
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_output: Tensor) -> tuple[Any, ...]:
        output, value, *tensors = ctx.saved_tensors
        d_value = torch.zeros_like(value)
        collected = []
        with exact_float32(value.device.type):
            shift = (d_output * output).sum(dim=-1, keepdim=True)
            for batch in _sample_blocks(ctx.similarity, value.shape[0], ctx.budget):
                mine = tuple(tensor[batch] for tensor in tensors)
                gradients = ctx.similarity.gradients(mine)
                for rows, logits in ctx.similarity.sweep(mine, ctx.budget):
                    weights, d_rows = logits.softmax(dim=-1), d_output[batch, rows]
                    d_value[batch].baddbmm_(weights.transpose(1, 2), d_rows)
                    d_logits = torch.bmm(d_rows, value[batch].transpose(1, 2))
                    d_logits.sub_(shift[batch, rows]).mul_(weights)
                    del weights
                    gradients.add(rows, logits, d_logits)
                collected.append(gradients.result())
        return None, None, d_value, *(torch.cat(parts) for parts in zip(*collected, strict=True))


def _sample_blocks(similarity: Similarity, samples: int, budget: int) -> list[slice]:
    """Samples whose whole matrices fit one block go together; larger ones one by one."""
    together = max(1, budget // (4 * similarity.queries * similarity.keys))
    return [slice(start, min(start + together, samples)) for start in range(0, samples, together)]


@contextmanager
def exact_float32(device_type: str) -> Iterator[None]:
    """Products in full float32: no autocast, no TF32. An error of 0.004 in a cosine is one of 0.4 in a logit."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device_type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)

"""Attention by blocks equals attention with the matrix written out, in values and in gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lightning_modules.cocosnet.attention import attend, exact_float32, fused_kernel_applies
from lightning_modules.cocosnet.correlation import Correlation


def explicit(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    return (scale * query @ key.transpose(1, 2)).softmax(dim=2) @ value


@pytest.mark.parametrize("block_bytes", [1, 7 * 4 * 3 * 2, 1 << 20], ids=["single rows", "a few rows", "all at once"])
def test_dot_product_attention_equals_the_explicit_form(block_bytes):
    torch.manual_seed(0)
    query, key, value = (
        torch.randn(2, n, c, dtype=torch.float32, requires_grad=True) for n, c in ((9, 4), (7, 4), (7, 3))
    )
    ours, reference = attend(query, key, value, 1.7, block_bytes), explicit(query, key, value, 1.7)
    torch.testing.assert_close(ours, reference, atol=1e-6, rtol=1e-5)
    upstream = torch.randn_like(ours)
    inputs = (query, key, value)
    for mine, theirs in zip(
        torch.autograd.grad(ours, inputs, upstream), torch.autograd.grad(reference, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("centre", ["window", "positions"])
@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize("rows", [1, 2, 100])
@pytest.mark.parametrize("sizes", [((6, 5), (6, 5)), ((6, 5), (4, 7))], ids=["same size", "other size"])
def test_correlation_of_windows_equals_the_explicit_form(window, centre, rows, sizes, monkeypatch):
    """Windows are never unfolded, nor the matrix held; at the borders, across blocks and between sizes nothing is lost."""
    structure, exemplar = sizes
    block = rows * structure[1] * exemplar[0] * exemplar[1] * 4
    monkeypatch.setattr("lightning_modules.cocosnet.attention.BLOCK_BYTES", {"cpu": block, "cuda": block})
    torch.manual_seed(1)
    theta = (torch.randn(2, 8, *structure) + 0.5).requires_grad_()
    phi = (torch.randn(2, 8, *exemplar) - 0.3).requires_grad_()
    values = torch.randn(2, 3, *exemplar, requires_grad=True)
    correlation = Correlation(theta, phi, window=window, centre=centre, temperature=0.05)
    ours = correlation.warp(values)
    weights = (correlation.matrix() / 0.05).softmax(dim=2)
    reference = (weights @ values.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, structure)
    torch.testing.assert_close(ours, reference, atol=2e-5, rtol=1e-4)
    upstream = torch.randn_like(ours)
    inputs = (theta, phi, values)
    for mine, theirs in zip(
        torch.autograd.grad(ours, inputs, upstream), torch.autograd.grad(reference, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)


def test_the_way_back_is_softmax_over_the_other_side():
    torch.manual_seed(2)
    correlation = Correlation(torch.randn(1, 8, 4, 4), torch.randn(1, 8, 3, 5), temperature=0.1)
    values = torch.randn(1, 2, 4, 4)
    weights = (correlation.matrix() / 0.1).softmax(dim=1)
    reference = (weights.transpose(1, 2) @ values.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, (3, 5))
    torch.testing.assert_close(correlation.back(values), reference, atol=1e-5, rtol=1e-4)


def test_matches_and_rows_are_those_of_the_matrix():
    torch.manual_seed(3)
    correlation = Correlation(torch.randn(2, 8, 4, 4), torch.randn(2, 8, 4, 4), temperature=0.1)
    weights = (correlation.matrix() / 0.1).softmax(dim=2)
    matches = correlation.matches()
    torch.testing.assert_close(matches.confidence.flatten(1), weights.amax(dim=2))
    assert torch.equal(matches.best.flatten(1), weights.argmax(dim=2))
    torch.testing.assert_close(correlation.rows([0, 9]).flatten(2), weights[:, [0, 9]])
    assert matches.expected.abs().max() <= 0.75, "the mean of positions lies between their outermost centres"


def test_a_map_of_itself_looks_at_itself():
    features = torch.randn(1, 16, 5, 5, generator=torch.Generator().manual_seed(4))
    matches = Correlation(features, features).matches()
    assert torch.equal(matches.best.flatten(), torch.arange(25))
    assert matches.confidence.min() > 0.99


def test_memory_of_the_backward_pass_does_not_grow_with_the_matrix():
    """What is saved for the backward pass is linear in the number of positions: here 1/40 of one matrix."""
    theta, phi = torch.randn(1, 4, 40, 40, requires_grad=True), torch.randn(1, 4, 40, 40, requires_grad=True)
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        Correlation(theta, phi).warp(torch.randn(1, 3, 40, 40))
    assert sum(saved.values()) < 1600 * 1600 * 4 / 10


def test_dead_features_give_finite_gradients():
    theta = torch.zeros(1, 4, 3, 3, requires_grad=True)
    phi = torch.randn(1, 4, 3, 3, requires_grad=True)
    Correlation(theta, phi).warp(torch.randn(1, 1, 3, 3)).sum().backward()
    assert theta.grad is not None
    assert theta.grad.isfinite().all()


def test_autocast_does_not_reach_the_correlation():
    torch.manual_seed(5)
    theta, phi, values = torch.randn(1, 32, 4, 4), torch.randn(1, 32, 4, 4), torch.randn(1, 3, 4, 4)
    exact = Correlation(theta, phi).warp(values)
    with torch.autocast("cpu", torch.bfloat16):
        inside = Correlation(theta, phi).warp(values)
    torch.testing.assert_close(inside, exact)


def test_exact_float32_restores_the_precision_of_products():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with exact_float32("cpu"):
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


def test_on_a_cpu_blocks_are_used():
    x = torch.randn(1, 8, 32)
    assert not fused_kernel_applies(x, x, x)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_fused_kernel_gives_the_same():
    torch.manual_seed(6)
    query, key, value = (torch.randn(2, n, c, device="cuda") for n, c in ((64, 32), (16, 32), (16, 128)))
    assert fused_kernel_applies(query, key, value)
    torch.testing.assert_close(attend(query, key, value), explicit(query, key, value, 1.0), atol=1e-4, rtol=1e-3)

"""Frechet distance of two sets of features: the formula, and the statistics that it needs, exact over processes."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    """|m_a - m_b|^2 + Tr S_a + Tr S_b - 2 Tr (S_a S_b)^(1/2): Heusel et al. 2017, equation 6.

    The last trace is the sum of the roots of the eigenvalues of R^T S_b R, with S_a = R R^T: a symmetric problem,
    hence real, stable where the matrices are singular, and faster than a matrix square root.

    Args:
        mean_a, mean_b: (D,) float64; cov_a, cov_b: (D, D) float64.

    Returns:
        A scalar, never negative beyond rounding.
    """
    eigenvalues, vectors = torch.linalg.eigh(cov_a)
    root = vectors * eigenvalues.clamp(min=0).sqrt()
    inner = root.T @ cov_b @ root
    overlap = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp(min=0).sqrt().sum()
    return (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * overlap


class FeatureStatistics(Metric):
    """Mean and covariance of features that arrive in batches on several processes.

    Its states are sums in float64, so that unequal batches, unequal counts and a process without any are all exact.
    (torchmetrics' own FID ties both sides, its extractor and its rounding into one class; here one real side serves
    several generated ones.)
    """

    full_state_update = False
    total: Tensor
    outer: Tensor
    count: Tensor

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(dimensions, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("outer", torch.zeros(dimensions, dimensions, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, features: Tensor) -> None:
        """Add (B, D) features."""
        features = features.to(self.total)
        self.total = self.total + features.sum(dim=0)
        self.outer = self.outer + features.T @ features
        self.count = self.count + features.shape[0]

    def compute(self) -> tuple[Tensor, Tensor] | None:
        """(mean (D,), covariance (D, D), divided by N - 1); None for fewer than two features, over all processes."""
        if self.count < 2:
            return None
        mean = self.total / self.count
        return mean, (self.outer - self.count * torch.outer(mean, mean)) / (self.count - 1)

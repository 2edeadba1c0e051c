"""The Frechet distance is that of the reference implementations, from statistics gathered in any portions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from metrics.frechet import FeatureStatistics, frechet_distance


def statistics(features: Tensor, portions: list[int]) -> tuple[Tensor, Tensor]:
    gathered = FeatureStatistics(features.shape[1])
    for portion in features.split(portions):
        gathered.update(portion)
    found = gathered.compute()
    assert found is not None
    return found


def test_value_is_the_reference(golden: Any) -> None:
    real = statistics(golden.draw("metrics.fid.real", 200, 16), [200])
    fake = statistics(0.8 * golden.draw("metrics.fid.fake", 150, 16) + 0.3, [1, 99, 50])
    assert frechet_distance(*real, *fake).item() == pytest.approx(golden.values["fid.scipy_sqrtm"], rel=1e-6)
    assert frechet_distance(*fake, *real).item() == pytest.approx(golden.values["fid.scipy_sqrtm"], rel=1e-6)
    assert frechet_distance(*real, *real).item() == pytest.approx(0, abs=1e-10)


def test_statistics_are_the_mean_and_the_sample_covariance(golden: Any) -> None:
    features = golden.draw("metrics.fid.real", 200, 16)
    mean, covariance = statistics(features, [7, 193])
    torch.testing.assert_close(mean, features.double().mean(dim=0))
    torch.testing.assert_close(covariance, features.double().T.cov())


def test_fewer_features_than_dimensions_have_a_value() -> None:
    generator = torch.Generator().manual_seed(0)
    few, others = (torch.randn(5, 64, generator=generator) for _ in range(2))
    distance = frechet_distance(*statistics(few, [5]), *statistics(others, [5]))
    # With centred features X, Y the overlap is the nuclear norm of X Y^T / (n - 1): no covariance is needed.
    x, y = ((f - f.mean(dim=0)).double() for f in (few, others))
    overlap = torch.linalg.svdvals(x @ y.T).sum() / 4
    gap = (few.double().mean(dim=0) - others.double().mean(dim=0)).square().sum()
    expected = gap + x.square().sum() / 4 + y.square().sum() / 4 - 2 * overlap
    torch.testing.assert_close(distance, expected, rtol=1e-6, atol=0)


def test_one_feature_has_no_statistics() -> None:
    gathered = FeatureStatistics(4)
    gathered.update(torch.ones(1, 4))
    assert gathered.compute() is None

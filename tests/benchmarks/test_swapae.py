"""What `benchmarks.swapae` compares makes the same."""

from __future__ import annotations

import pytest

from benchmarks.swapae import Scale, comparisons, largest_difference

SCALE = Scale(size=32, capacity=1 / 32, batch=3, regions=2, device="cpu")


@pytest.mark.parametrize("compared", comparisons(SCALE), ids=lambda compared: compared.name)
def test_both_forms_make_the_same(compared):
    plain, ours = compared.plain(), compared.ours()
    if compared.equal:
        assert largest_difference(plain, ours) < 1e-5
    if compared.exact is not None:
        assert largest_difference(compared.exact.plain(), compared.exact.ours()) < 1e-12
    assert [made.shape for made in plain] == [made.shape for made in ours]

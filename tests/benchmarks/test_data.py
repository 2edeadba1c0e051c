"""The rows of `benchmarks.data`, from a small replica."""

from __future__ import annotations

import pytest

from benchmarks import data


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(data.REPLICAS, "market1501", {"identities": 8, "images_per_identity": 4, "truth": False})


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_row_holds_what_was_measured(tmp_path):
    found = data._measure("market1501", str(tmp_path), 1.0, ["data.batch_size=4"])
    assert found["packed_rate"] > found["reference_rate"], "or the cache is not worth its disk"
    assert found["alone_rate"] > found["packed_rate"]
    assert found["store_mb"] > 0
    assert found["worker_batches"] >= 3000
    assert 0 < found["worker_mb_first"] < 300
    assert abs(found["worker_mb_last"] - found["worker_mb_middle"]) < 3, "or memory grows as long as training lasts"
    assert found["order"] < 0.5
    data._show([{"name": "market1501", **found}])

"""Every method on every dataset: two steps, a validation, a test; then its checkpoint alone evaluates and translates."""

from __future__ import annotations

import csv
import json
import math

import pytest
from PIL import Image

from tests.commanding import DATASETS, METHODS, train

SMOKE = ["experiment=smoke", "callbacks.grids.items=2"]


@pytest.fixture(scope="session", autouse=True)
def replicas(tmp_path_factory):
    """Replicas are written once for the whole session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_ROOT", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_on_a_dataset_and_leaves_a_whole_run_folder(method, dataset, tmp_path):
    run = train(tmp_path / "run", f"model={method}", f"data={dataset}", *SMOKE)
    assert run.config_file.is_file()
    assert run.last.is_file()
    measured = json.loads(run.metrics_file.read_text())
    assert any(name.startswith("test/") for name in measured)
    assert all(math.isfinite(value) for value in measured.values())
    samples = sorted(run.samples.glob("*.png"))
    assert samples
    assert Image.open(samples[-1]).size[0] > 100
    with (run.path / "metrics.csv").open() as file:
        logged = next(csv.reader(file))
    assert any(name.startswith("train/") for name in logged)
    assert any(name.startswith("speed/") for name in logged)

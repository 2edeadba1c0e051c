"""Every golden of a network of ours, compared with what ours computes from the same weights and inputs.

    python -m pytest tests/test_parity.py --golden-dir FOLDER

takes the goldens of another folder. Networks agree to 1e-4 of their largest output in float32, training steps to 1e-6 in
float64.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import tests.parity
from tests.parity.golden import Golden, comparison_of

for family in pkgutil.iter_modules(tests.parity.__path__):
    importlib.import_module(f"tests.parity.{family.name}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    folder = Path(metafunc.config.getoption("--golden-dir"))
    goldens = [golden for file in sorted(folder.glob("*.json")) if comparison_of(golden := Golden(file))]
    if not goldens:
        raise pytest.UsageError(f"{folder} holds no golden of a network of ours")
    metafunc.parametrize("golden", goldens, ids=[golden.name for golden in goldens])


def test_parity(golden: Golden) -> None:
    comparison = comparison_of(golden)
    assert comparison is not None
    compared = list(comparison(golden))
    assert compared, "nothing was compared"
    for one in compared:
        print(f"{golden.name}: {one.name}: {one.error:.1e} of {one.tolerance:.0e}")
    too_far = [f"{one.name} by {one.error:.1e}" for one in compared if not one.error <= one.tolerance]  # NaN is too far
    assert not too_far

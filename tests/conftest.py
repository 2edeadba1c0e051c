"""What all tests share: where the numbers of official implementations lie."""

from __future__ import annotations

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-dir", default=str(GOLDEN), help="the folder of goldens to compare with (tests/golden)")


def pytest_configure(config: pytest.Config) -> None:
    folder = Path(config.getoption("--golden-dir"))
    if not folder.is_dir():
        raise pytest.UsageError(f"--golden-dir {folder}: there is no such folder")


@pytest.fixture(scope="session")
def golden_dir(pytestconfig: pytest.Config) -> Path:
    """The folder of goldens: `tests/golden`, or another by `--golden-dir`."""
    return Path(pytestconfig.getoption("--golden-dir"))

"""One small replica of Market-1501, written once for all tests here; tests only read it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from datamodules import replica
from datamodules.replica.truth import Truth, read

SETTINGS = {"identities": 4, "images_per_identity": 4, "seed": 5}


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return replica.write("market1501", tmp_path_factory.mktemp("replica") / "market", **SETTINGS)


def picture(market: Path, key: str) -> np.ndarray:
    """An image in RGB."""
    return cv2.cvtColor(cv2.imread(str(market / key)), cv2.COLOR_BGR2RGB)


def truth(market: Path, key: str) -> Truth:
    """What is known of an image."""
    return read((market / "truth" / key).with_suffix(".npz"))

"""Small datasets for the tests of the data: a replica of Market-1501 that is written once, and pictures of one's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import replica
from datamodules.batch import Batch
from datamodules.celebahq import CelebAHQ
from datamodules.folders import Folders
from datamodules.market1501 import Market1501
from datamodules.translation import TranslationDataModule

torch.set_num_threads(1)

SAMPLES = Path(__file__).parents[2] / ".." / "shared" / "samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"the sample photographs are not here ({SAMPLES})")


@pytest.fixture(scope="session")
def market_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole replica of Market-1501; tests only read it."""
    root = tmp_path_factory.mktemp("market") / "Market-1501-v15.09.15"
    replica.write("market1501", root, identities=8, images_per_identity=5, seed=0)
    return root


@pytest.fixture
def market_copy(market_root: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil; only its own files are copied, not the truth."""
    copy = tmp_path / "market"
    shutil.copytree(market_root, copy, ignore=shutil.ignore_patterns("truth"))
    return copy


@pytest.fixture
def market(market_root: Path) -> Callable[..., Market1501]:
    """Market-1501 with small settings, of which a test changes some."""

    def build(**changes: Any) -> Market1501:
        settings: dict[str, Any] = {
            "root": str(market_root),
            "height": 128,
            "width": 64,
            "structure": "pose_heatmaps",
            "pairing": "same_identity",
            "batch_size": 4,
            "num_workers": 0,
            "val_fraction": 0.2,
        }
        return Market1501(**{**settings, **changes})

    return build


@pytest.fixture(scope="session")
def celebahq_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole replica of CelebAMask-HQ; tests only read it."""
    root = tmp_path_factory.mktemp("celeba") / "CelebAMask-HQ"
    replica.write("celebahq", root, identities=8, images_per_identity=3, size=64, seed=0)
    return root


@pytest.fixture
def celebahq_copy(celebahq_root: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil; only its own files are copied, not the truth."""
    copy = tmp_path / "celebahq"
    shutil.copytree(celebahq_root, copy, ignore=shutil.ignore_patterns("truth", "*-stacks"))
    return copy


@pytest.fixture
def celebahq(celebahq_root: Path) -> Callable[..., CelebAHQ]:
    """CelebA-HQ with small settings, of which a test changes some."""

    def build(**changes: Any) -> CelebAHQ:
        settings: dict[str, Any] = {
            "root": str(celebahq_root),
            "height": 48,
            "width": 48,
            "structure": "labels",
            "pairing": "reference",
            "batch_size": 2,
            "num_workers": 0,
        }
        return CelebAHQ(**{**settings, **changes})

    return build


@pytest.fixture
def folders(tmp_path: Path) -> Callable[..., Folders]:
    """Folders with small settings, under the test's own folder."""

    def build(**changes: Any) -> Folders:
        settings: dict[str, Any] = {
            "root": str(tmp_path),
            "layout": "two_folders",
            "folder_x": "x",
            "height": 16,
            "width": 24,
            "structure": "image",
            "pairing": "domains",
            "batch_size": 2,
            "num_workers": 0,
            "val_fraction": 0.25,
        }
        return Folders(**{**settings, **changes})

    return build


def paint(path: Path, number: int = 0, size: tuple[int, int] = (20, 30), mode: str = "RGB", **options: Any) -> Path:
    """A smooth picture that differs for every number, of `size` (height, width), written in the format of its extension."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    shades = [(127 + 100 * np.sin((x + c * y) / (3 + number % 7) + number + c)).astype(np.uint8) for c in range(3)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.dstack(shades)).convert(mode).save(path, **options)
    return path


def first_batch(data: TranslationDataModule, split: str = "train") -> Batch:
    """The first finished batch of a split, as a training loop gets it."""
    data.setup(None)
    loader = {"train": data.train_dataloader, "val": data.val_dataloader, "test": data.test_dataloader}[split]()
    return data.on_after_batch_transfer(next(iter(loader)), 0)


def keeps_contract(batch: Batch, channels: int, height: int, width: int) -> None:
    """Everything that `Batch` promises to a method."""
    size = len(batch.source_key)
    assert size == len(batch.target_key) > 0
    for picture in (batch.source, batch.target):
        assert picture.shape == (size, 3, height, width)
        assert picture.dtype == torch.float32
        assert picture.min() >= -1
        assert picture.max() <= 1
        assert picture.std() > 0.05
    for maps in (batch.source_structure, batch.target_structure):
        assert maps.shape == (size, channels, height, width)
        assert maps.dtype == torch.float32
        assert maps.min() >= 0
        assert maps.max() <= 1
    assert batch.paired.shape == (size,)
    assert batch.paired.dtype == torch.bool
    assert all(isinstance(key, str) and not os.path.isabs(key) for key in batch.source_key + batch.target_key)  # noqa: PTH117

"""Weights are looked for on this machine only, and are what their names say."""

from __future__ import annotations

import hashlib
import pathlib

import pytest
import torch

from datamodules.bad_input import BadInput
from metrics import weights


@pytest.fixture
def hub(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def test_absent_weights_are_none(hub: pathlib.Path) -> None:
    assert weights.find(weights.ALEXNET, None, "lpips_weights") is None


def test_weights_in_torchs_folder_are_found(hub: pathlib.Path) -> None:
    contents = b"anything"
    published = weights.Weights(f"net-{hashlib.sha256(contents).hexdigest()[:8]}.pth", "https://example.org/net.pth")
    (hub / published.file).write_bytes(contents)
    assert weights.find(published, None, "lpips_weights") == hub / published.file


def test_damaged_weights_are_refused(hub: pathlib.Path) -> None:
    (hub / weights.ALEXNET.file).write_bytes(b"half a file")
    with pytest.raises(BadInput, match="is damaged"):
        weights.find(weights.ALEXNET, None, "lpips_weights")


def test_a_named_file_must_exist(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        BadInput, match=r"lpips_weights=.*nowhere.pth: there is no such file; .*alexnet-owt-7be5be79.pth"
    ):
        weights.find(weights.ALEXNET, str(tmp_path / "nowhere.pth"), "lpips_weights")

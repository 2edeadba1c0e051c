"""`evaluate.py ... images=true` and `callbacks.measures.fid_reference=train` on a checkpoint and a replica."""

from __future__ import annotations

import csv
import pathlib

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from engine import evaluation
from engine.build import build_data
from engine.run_folder import RunFolder
from metrics import suite, weights
from metrics.frechet import FeatureStatistics, frechet_distance
from metrics.image_quality import quantise
from tests.commanding import QUIET, composed, train

WORDS = ["++data.limit_pairs.test=4", "callbacks.grids=null", "callbacks.measures.measures=[psnr,l1,fid]"]


class Mean(torch.nn.Module):
    """Stands for Inception: the mean colour of an image."""

    dimensions = 3

    def forward(self, images: Tensor) -> Tensor:
        return images.float().mean(dim=(2, 3)) / 255


def fid(generated: Tensor, real: Tensor) -> float:
    """Of two sets of (N, 3, H, W) uint8."""
    moments = []
    for images in (real, generated):
        statistics = FeatureStatistics(Mean.dimensions)
        statistics.update(Mean()(images))
        moments.append(statistics.compute())
    return frechet_distance(*moments[0], *moments[1]).item()


def test_the_images_are_those_that_were_measured_against_all_of_training(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    words = ["model=pix2pix", "data=market1501", "experiment=smoke", "callbacks.grids=null", "callbacks.measures=null"]
    run = train(tmp_path / "run", *words, "test=false")
    monkeypatch.setattr(weights, "find", lambda *_: pathlib.Path("inception.pth"))
    monkeypatch.setattr(suite, "load_inception", lambda *_: Mean())
    folder = RunFolder(tmp_path / "evaluated")
    asked = [*QUIET, *WORDS, "images=true", "callbacks.measures.fid_reference=train"]
    evaluation.main(composed(f"ckpt={run.last}", *asked, command="evaluate"), folder.path)

    assert f"4 images in {folder.images}" in capsys.readouterr().out
    files = sorted(folder.images.iterdir())
    images = torch.stack([torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) for file in files])
    data = build_data(folder.read_config())
    data.setup("test")
    with (folder.path / "test_images.csv").open() as text:
        rows = {_name(row): row for row in csv.DictReader(text)}
    assert [file.name for file in files] == sorted(rows)
    root = pathlib.Path(folder.read_config()["data"]["root"])
    for image, file in zip(images, files, strict=True):
        target = np.array(Image.open(root / rows[file.name]["target_key"]))  # stored at the size of a batch
        difference = np.abs(image.permute(1, 2, 0).numpy().astype(float) - target).mean() / 255
        assert float(rows[file.name]["l1"]) == pytest.approx(difference)
    training = quantise(torch.cat(list(data.pictures("train"))))
    assert folder.read_metrics()["test/fid"] == pytest.approx(fid(images, training), rel=1e-4)


def test_no_images_are_written_unless_asked_for() -> None:
    assert composed("ckpt=last.ckpt", command="evaluate")["images"] is False


def _name(row: dict[str, str]) -> str:
    """`bounding_box_test/0002_c1s1_000451_03.jpg` and another -> the name of the translation."""
    source, target = (row[side].removesuffix(".jpg").replace("/", "_") for side in ("source_key", "target_key"))
    return f"{source}_2_{target}_vis.png"

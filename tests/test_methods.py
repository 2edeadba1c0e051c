"""Every method on every dataset: two steps, a validation, a test; then its checkpoint alone evaluates and translates."""

from __future__ import annotations

import csv
import json
import math
import pathlib

import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from engine import evaluation, translation
from engine.applying import rebuild
from engine.build import build_translator
from engine.run_folder import RunFolder
from tests.commanding import DATASETS, METHODS, QUICK, QUIET, composed, fast_for, finished, train

SMOKE = ["experiment=smoke", "callbacks.grids.items=2"]


@pytest.fixture(scope="session", autouse=True)
def replicas(tmp_path_factory):
    """Replicas are written once for the whole session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_ROOT", str(tmp_path_factory.mktemp("data")))
        yield


def combinations():
    """All of them; the fast ones are every method on one dataset and one method on every dataset."""
    for method in METHODS:
        for dataset in DATASETS:
            fast = method == "pix2pix" or dataset == "market1501"
            yield pytest.param(method, dataset, marks=[] if fast else pytest.mark.slow, id=f"{method}-{dataset}")


@pytest.mark.parametrize(("method", "dataset"), list(combinations()))
def test_a_method_trains_on_a_dataset_and_leaves_a_whole_run_folder(method, dataset, tmp_path):
    run = train(tmp_path / "run", f"model={method}", f"data={dataset}", *SMOKE)
    assert run.config_file.is_file()
    assert run.last.is_file()
    measured = json.loads(run.metrics_file.read_text())
    caveats = measured.pop("caveats", "")
    assert ("random VGG19" in caveats) == (method == "cocosnet")  # the small size has no trained one
    assert any(name.startswith("test/") for name in measured)
    assert all(math.isfinite(value) for value in measured.values())
    samples = sorted(run.samples.glob("*.png"))
    assert samples
    assert Image.open(samples[-1]).size[0] > 100
    with (run.path / "metrics.csv").open() as file:
        logged = next(csv.reader(file))
    assert any(name.startswith("train/") for name in logged)
    assert any(name.startswith("speed/") for name in logged)


def full_sizes():
    """All of them; of CoCosNet, which takes long to build, the fast ones are where its image has an uncommon size."""
    for method in METHODS:
        for dataset in DATASETS:
            slow = method == "cocosnet" and dataset != "deepfashion"
            yield pytest.param(method, dataset, marks=pytest.mark.slow if slow else [], id=f"{method}-{dataset}")


@pytest.mark.parametrize(("method", "dataset"), list(full_sizes()))
def test_a_method_is_built_for_a_dataset_at_its_full_size(method, dataset):
    own = ["data.folder_x=images"] if dataset == "folders" else []
    with torch.device("meta"):  # sizes without memory
        networks = build_translator(composed(f"model={method}", f"data={dataset}", *own)).image_networks()
    assert sum(parameter.numel() for network in networks.values() for parameter in network.parameters()) > 1e6


def test_the_validation_split_is_measured_where_it_is_asked_for(tmp_path):
    run = train(tmp_path / "run", "model=pix2pix", "data=market1501", *SMOKE, "test=false")
    evaluated = RunFolder(tmp_path / "evaluated")
    words = [f"ckpt={run.last}", "split=val", "callbacks.grids.items=2", "++data.limit_pairs.val=4"]
    evaluation.main(composed(*words, command="evaluate"), evaluated.path)
    assert {name.split("/")[0] for name in evaluated.read_metrics()} == {"val"}
    assert [file.name for file in evaluated.samples.glob("*.png")] == ["val.png"]


@pytest.mark.parametrize("method", METHODS)
def test_a_checkpoint_alone_evaluates_and_translates(method, tmp_path):
    run = train(tmp_path / "run", f"model={method}", "data=market1501", *SMOKE, "test=false")
    moved = tmp_path / "moved.ckpt"  # nothing of the run's folder is needed
    moved.write_bytes(run.last.read_bytes())

    evaluated = RunFolder(tmp_path / "evaluated")
    evaluation.main(composed(f"ckpt={moved}", *QUIET, "++data.limit_pairs.test=4", command="evaluate"), evaluated.path)
    assert any(name.startswith("test/") for name in evaluated.read_metrics())
    with (evaluated.path / "test_images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert rows[0]["source_key"].endswith(".jpg")

    root = pathlib.Path(run.read_config()["data"]["root"])
    *_, other, photo = sorted((root / "bounding_box_test").glob("[0-9]*.jpg"))
    pose = tmp_path / "pose.json"
    joints = [
        [32 + dx, 20 + 5 * i, 1]
        for i, dx in zip(range(18), (0, 0, -9, -12, -12, 9, 12, 12, -5, -5, -5, 5, 5, 5, -1, 1, -3, 3), strict=True)
    ]
    pose.write_text(json.dumps({"people": [{"pose_keypoints_2d": [value for joint in joints for value in joint]}]}))
    out = tmp_path / "translated"

    def translated(layout):
        words = [f"ckpt={moved}", f"source={photo}", f"structure={layout}", f"out={out}", "device=cpu"]
        translation.main(composed(*words, command="translate"), tmp_path)

    layout: pathlib.Path = pose
    if rebuild(str(moved), None, None, seed=0, averaged=True)[0].layout_from == "picture":
        with pytest.raises(BadInput, match=r"pose\.json is no picture"):
            translated(pose)
        layout = other
    translated(layout)
    (image,) = out.glob("*.png")
    assert Image.open(image).size == (64, 128)
    with pytest.raises(BadInput, match="exists already"):
        translated(layout)


@pytest.mark.parametrize("method", fast_for(*QUICK))
def test_bf16_and_gradient_clipping_and_accumulation_go_together(method, tmp_path):
    run = train(tmp_path / "run", f"model={method}", "data=market1501", *SMOKE, "test=false", "trainer.precision=bf16-mixed",
                "trainer.gradient_clip_val=1.0", "trainer.accumulate_grad_batches=2", "callbacks.grids=null")  # fmt: skip
    assert run.last.is_file()


@pytest.mark.slow
def test_a_sweep_trains_every_method_in_two_processes_each_with_a_folder_per_job(tmp_path):
    done = finished("train.py", "-m", "experiment=smoke", f"model={','.join(METHODS)}", "trainer=ddp_cpu", "trainer.devices=2",
                    f"hydra.sweep.dir={tmp_path}/sweep", "callbacks.grids=null", OMP_NUM_THREADS="1")  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = sorted(path for path in (tmp_path / "sweep").iterdir() if path.is_dir())
    assert [job.name for job in jobs] == [f"{number}_{method}_market1501" for number, method in enumerate(METHODS)]
    for job in jobs:
        assert RunFolder(job).read_metrics()
        assert RunFolder(job).last.is_file()
    report = (tmp_path / "sweep" / "report.md").read_text()
    assert report.count("\n") == len(METHODS) + 2
    assert "test/ssim" in report

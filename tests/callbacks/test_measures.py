"""Measures are means over every image of the split, whatever the batches and processes, and need nothing downloaded."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from callbacks.measures import Measures
from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from metrics import image_quality, swd
from metrics.image_quality import quantise
from metrics.suite import Suite

Make = Callable[..., Any]
ALL = ["psnr", "ssim", "ssim_pose", "ssim_pidm", "l1", "swd", "psnr_silhouette", "silhouette_iou", "joint_colours"]


@pytest.fixture
def copier(painter: Make) -> Any:
    """A method that returns the target, a fifth darker, so that every measure is known."""
    module = painter()
    module.translate = lambda batch, **options: batch.target * 0.8
    return module


def validate(module: Any, trainer: Make, data: Any, measures: Measures, **settings: Any) -> dict[str, float]:
    run = trainer(measures, **settings)
    run.validate(module, datamodule=data, verbose=False)
    return {name: float(value) for name, value in run.callback_metrics.items()}


def whole(data: Any) -> Batch:
    """The validation split as one batch."""
    return data._batch(1000, sum(data.sizes))


def test_values_are_means_over_images(copier: Any, people: Make, trainer: Make) -> None:
    data = people(sizes=(3, 1))
    found = validate(copier, trainer, data, Measures(ALL))
    batch = whole(data)
    generated, target = quantise(batch.target * 0.8), quantise(batch.target)
    assert found["val/psnr"] == pytest.approx(image_quality.psnr(generated, target).mean().item())
    assert found["val/ssim"] == pytest.approx(image_quality.ssim(generated, target).mean().item())
    assert found["val/l1"] == pytest.approx(image_quality.l1(generated, target).mean().item())
    levels = swd.sliced_wasserstein(generated, target)
    assert found["val/swd"] == pytest.approx(sum(levels) / len(levels), rel=1e-5)
    copied = quantise(batch.source)
    assert found["val/copy_source/psnr"] == pytest.approx(image_quality.psnr(copied, target).mean().item())
    assert {name.removeprefix("val/") for name in found if "copy_source" not in name} == set(ALL)
    assert {name.removeprefix("val/copy_source/") for name in found if "copy_source" in name} == set(ALL)


def test_silhouettes_tell_a_followed_pose_from_an_ignored_one(painter: Make, people: Make, trainer: Make) -> None:
    module = painter()
    module.translate = lambda batch, **options: batch.target
    found = validate(module, trainer, people(), Measures(["silhouette_iou", "psnr_silhouette"]))
    assert found["val/silhouette_iou"] == 1
    assert found["val/psnr_silhouette"] == image_quality.PSNR_OF_EQUAL_IMAGES
    assert found["val/copy_source/silhouette_iou"] < 0.6


def test_unpaired_items_are_compared_as_sets_only(copier: Any, people: Make, trainer: Make) -> None:
    found = validate(copier, trainer, people(paired=False, truth=False), Measures(ALL))
    assert set(found) == {"val/swd", "val/copy_source/swd"}


def test_some_paired_items_are_measured_among_others(copier: Any, people: Make, trainer: Make) -> None:
    class Mixed(people):  # type: ignore[misc,valid-type]
        def held_out(self) -> list[Batch]:
            batches = super().held_out()
            batches[0].paired[1] = False
            return batches

    measures = Measures(["psnr"])
    validate(copier, trainer, Mixed(), measures)
    assert ["psnr" in row for row in measures.rows["val"]] == [True, False, True, True, True]


def test_a_row_per_image_says_which_files(
    copier: Any, people: Make, trainer: Make, read_csv: Make, tmp_path: pathlib.Path
) -> None:
    measures = Measures(["psnr", "swd"])
    found = validate(copier, trainer, people(), measures)
    rows = read_csv(tmp_path / "val_images.csv")
    assert [row["target_key"] for row in rows] == [f"people/{number}_b.jpg" for number in range(1000, 1005)]
    assert list(rows[0]) == ["source_key", "target_key", "psnr"]
    assert sum(float(row["psnr"]) for row in rows) / 5 == pytest.approx(found["val/psnr"])
    assert [float(row["psnr"]) for row in rows] == [row["psnr"] for row in measures.rows["val"]]


def test_every_validation_is_measured_anew_and_the_baseline_once(
    painter: Make, people: Make, trainer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    per_image = Suite.per_image

    def counted(self: Suite, images: torch.Tensor, batch: Batch) -> Any:
        measured.append(len(images))
        return per_image(self, images, batch)

    monkeypatch.setattr(Suite, "per_image", counted)
    run = trainer(Measures(["psnr", "swd"]), max_epochs=3)
    run.fit(painter(), datamodule=people())
    assert sum(measured) == 5 * 3 + 5
    assert {"val/psnr", "val/copy_source/psnr", "val/swd", "val/copy_source/swd"} <= set(run.callback_metrics)


def test_training_and_its_random_numbers_do_not_notice(painter: Make, people: Make, trainer: Make) -> None:
    measured, alone = painter(), painter()
    trainer(Measures(ALL), max_epochs=2).fit(measured, datamodule=people())
    trainer(max_epochs=2).fit(alone, datamodule=people())
    assert all(torch.equal(value, alone.state_dict()[name]) for name, value in measured.state_dict().items())


def test_missing_weights_are_said_once_and_left_out(
    copier: Any, people: Make, trainer: Make, caplog: pytest.LogCaptureFixture, hub: pathlib.Path
) -> None:
    with caplog.at_level(logging.WARNING):
        found = validate(copier, trainer, people(), Measures(["psnr", "lpips", "fid"]))
    lines = [record.getMessage() for record in caplog.records if record.name == "metrics.suite"]
    assert len(lines) == 2
    assert lines[0].startswith(
        f"lpips is not measured: {hub}/checkpoints/alexnet-owt-7be5be79.pth is missing; fetch https://"
    )
    assert "callbacks.measures.lpips_weights" in lines[0]
    assert "pt_inception-2015-12-05-6726825d.pth" in lines[1]
    assert set(found) == {"val/psnr", "val/copy_source/psnr"}


def test_images_too_small_for_a_measure_leave_it_out(
    copier: Any, people: Make, trainer: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = validate(copier, trainer, people(), Measures(["psnr", "ssim_gfla"]))
    assert "ssim_gfla is not measured: images of 32 x 16 are smaller than the 51 pixels it needs." in caplog.text
    assert "val/ssim_gfla" not in found


class Mean(torch.nn.Module):
    """Stands for Inception: the mean colour of an image."""

    dimensions = 3

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean(dim=(2, 3)) / 255


def with_networks(measures: Measures) -> Measures:
    """Measures whose networks are there, as if their weights were on this machine."""
    suite = Suite([])
    suite.names = ["psnr", "fid", "swd"]
    suite.inception = Mean()  # type: ignore[assignment]
    measures._suite = suite
    return measures


def test_fid_of_sets(copier: Any, people: Make, trainer: Make) -> None:
    found = validate(copier, trainer, people(sizes=(3, 3)), with_networks(Measures(["fid"])))
    batch = whole(people(sizes=(3, 3)))
    features = [Mean()(quantise(images)).double() for images in (batch.target * 0.8, batch.target)]
    means = [f.mean(dim=0) for f in features]
    x, y = (f - f.mean(dim=0) for f in features)
    expected = (means[0] - means[1]).square().sum() + (x.square().sum() + y.square().sum()) / 5
    expected = expected - 2 * torch.linalg.svdvals(x @ y.T).sum() / 5
    assert found["val/fid"] == pytest.approx(expected.item(), rel=1e-5)
    assert found["val/copy_source/fid"] > 0


def distance(generated: torch.Tensor, real: torch.Tensor) -> float:
    """The Frechet distance of two sets of images in [-1, 1], by another way than the measures' own."""
    a, b = (Mean()(quantise(images)).double() for images in (generated, real))
    x, y = ((f - f.mean(dim=0)) / (len(f) - 1) ** 0.5 for f in (a, b))
    overlap = torch.linalg.svdvals(x @ y.T).sum()
    return ((a.mean(dim=0) - b.mean(dim=0)).square().sum() + x.square().sum() + y.square().sum() - 2 * overlap).item()


def training_people(people: Make) -> Any:
    """The class of people whose training split has seven images; it counts how often each is asked for."""

    class WithPictures(people):  # type: ignore[misc,valid-type]
        asked = 0

        def all_pictures(self) -> torch.Tensor:
            return self._batch(0, 7).source

        def pictures(self, split: str, rank: int, world_size: int) -> Iterator[torch.Tensor]:
            assert split == "train"
            self.asked += 1
            yield from self.all_pictures()[rank::world_size].split(2)

    return WithPictures


def test_fid_against_all_training_images(copier: Any, people: Make, trainer: Make) -> None:
    data = training_people(people)()
    batch, training = whole(data), data.all_pictures()
    found = validate(copier, trainer, data, with_networks(Measures(["fid"], fid_reference="train")))
    assert found["val/fid"] == pytest.approx(distance(batch.target * 0.8, training), rel=1e-5)
    assert found["val/copy_source/fid"] == pytest.approx(distance(batch.source, training), rel=1e-5)
    with_targets = validate(copier, trainer, people(), with_networks(Measures(["fid"])))
    assert found["val/fid"] != pytest.approx(with_targets["val/fid"], rel=0.01)
    assert found["val/swd"] == with_targets["val/swd"], "swd goes on comparing with the targets"


def test_training_images_are_read_once_per_run(painter: Make, people: Make, trainer: Make) -> None:
    data = training_people(people)()
    run = trainer(with_networks(Measures(["fid"], fid_reference="train")), max_epochs=3, num_sanity_val_steps=-1)
    module = painter()
    run.fit(module, datamodule=data)
    assert "val/fid" in run.callback_metrics
    run.test(module, datamodule=data, verbose=False)
    assert {"test/fid", "test/copy_source/fid"} <= set(run.callback_metrics)
    assert data.asked == 1


def test_training_images_are_not_read_where_fid_is_impossible(copier: Any, people: Make, trainer: Make) -> None:
    data = training_people(people)()
    found = validate(copier, trainer, data, Measures(["psnr"], fid_reference="train"))
    assert data.asked == 0
    assert "val/psnr" in found


def test_two_processes_share_the_training_images(
    copier: Any, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    one, two = (
        validate(
            copier,
            trainer,
            training_people(people)(sizes=(3, 2)),
            with_networks(Measures([], fid_reference="train")),
            folder=tmp_path / folder,
            **settings,
        )
        for folder, settings in (("one", {}), ("two", {"strategy": "ddp_fork", "devices": 2}))
    )
    for name in ("val/fid", "val/copy_source/fid"):
        assert two[name] == pytest.approx(one[name], rel=1e-6)


def test_an_unknown_reference_of_fid_is_refused() -> None:
    with pytest.raises(BadInput, match=r"fid_reference='trian' is not one of targets, train\. Did you mean 'train'"):
        Measures(["fid"], fid_reference="trian")  # type: ignore[arg-type]


def test_networks_of_measures_enter_no_checkpoint(
    copier: Any, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    run = trainer(with_networks(Measures(["fid"])))
    run.validate(copier, datamodule=people(), verbose=False)
    run.save_checkpoint(tmp_path / "a.ckpt")
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert {name.split(".")[0] for name in saved["state_dict"]} == {"generator", "discriminator"}
    assert saved["callbacks"] == {}


@pytest.mark.parametrize("sizes", [(3, 2, 1), (1, 4)])
def test_two_processes_measure_what_one_measures(
    copier: Any, people: Make, trainer: Make, tmp_path: pathlib.Path, read_csv: Make, sizes: tuple[int, ...]
) -> None:
    # Unequal shares: 3 + 1 and 2 images, 1 and 4 images.
    alone = validate(copier, trainer, people(sizes=sizes), with_networks(Measures([])), folder=tmp_path / "one")
    together = validate(
        copier,
        trainer,
        people(sizes=sizes),
        with_networks(Measures([])),
        folder=tmp_path / "two",
        strategy="ddp_fork",
        devices=2,
    )
    # Which patches of which image swd draws depends on the order of the images, hence on their shares.
    assert together == pytest.approx(alone, rel=0.2)
    for name in ("val/psnr", "val/fid", "val/copy_source/psnr", "val/copy_source/fid"):
        assert together[name] == pytest.approx(alone[name], rel=1e-6, abs=1e-12)
    rows = [
        sorted(read_csv(tmp_path / part / "val_images.csv"), key=lambda row: row["target_key"])
        for part in ("one", "two")
    ]
    assert rows[0] == rows[1]


def test_a_measure_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadInput, match=r"There is no measure 'sim'.*Did you mean 'ssim'"):
        Suite(["sim"])


def test_a_method_whose_validation_step_returns_nothing_is_asked(copier: Any, people: Make, trainer: Make) -> None:
    expected = validate(copier, trainer, people(), Measures(["psnr"]))
    copier.validation_step = lambda batch, batch_index=0: None
    assert validate(copier, trainer, people(), Measures(["psnr"])) == expected


def test_reduced_precision_does_not_reach_the_measures(copier: Any, people: Make, trainer: Make) -> None:
    exact = validate(copier, trainer, people(), Measures(["psnr", "ssim"]))
    assert validate(copier, trainer, people(), Measures(["psnr", "ssim"]), precision="bf16-mixed") == exact


@pytest.fixture
def hub(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A machine without any weights."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub"

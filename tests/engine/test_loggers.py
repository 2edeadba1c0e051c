"""Numbers reach the run's folder, whatever is online, and a resumed run's records are those of one run."""

from __future__ import annotations

import csv
import json
import logging
import pathlib
import struct
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import wandb

from datamodules.bad_input import BadInput
from engine.loggers import RunCSV, RunTensorBoard, RunWandb

PICTURE = np.zeros((4, 4, 3), dtype=np.uint8)


def rows(folder: pathlib.Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as text:
        return list(csv.DictReader(text))


class TestRunCSV:
    def test_rows_lie_in_the_runs_folder_and_nothing_else_does(self, tmp_path: pathlib.Path) -> None:
        logger = RunCSV(str(tmp_path))
        logger.log_hyperparams({"a": 1})
        logger.log_metrics({"train/l1": 0.5}, step=0)
        logger.log_metrics({"val/ssim": 0.25, "train/l1": 0.4}, step=1)
        logger.finalize("success")
        assert [file.name for file in tmp_path.iterdir()] == ["metrics.csv"]
        assert rows(tmp_path) == [
            {"step": "0", "train/l1": "0.5", "val/ssim": ""},
            {"step": "1", "train/l1": "0.4", "val/ssim": "0.25"},
        ]

    def test_a_second_logger_goes_on_where_the_first_ended(self, tmp_path: pathlib.Path) -> None:
        for step in (0, 1):
            logger = RunCSV(str(tmp_path))
            logger.log_metrics({"a": step}, step=step)
            logger.finalize("success")
        assert [row["a"] for row in rows(tmp_path)] == ["0", "1"]

    def test_a_new_column_in_a_continued_file(self, tmp_path: pathlib.Path) -> None:
        for step, name in ((0, "a"), (1, "b")):
            logger = RunCSV(str(tmp_path))
            logger.log_metrics({name: step}, step=step)
            logger.finalize("success")
        assert rows(tmp_path) == [{"a": "0", "b": "", "step": "0"}, {"a": "", "b": "1", "step": "1"}]

    def test_rewinding_drops_what_came_after(self, tmp_path: pathlib.Path) -> None:
        logger = RunCSV(str(tmp_path))
        for step in range(5):
            logger.log_metrics({"a": step}, step=step)
        logger.finalize("success")
        resumed = RunCSV(str(tmp_path))
        resumed.rewind(3)
        resumed.log_metrics({"a": 33}, step=3)
        resumed.finalize("success")
        assert [(row["step"], row["a"]) for row in rows(tmp_path)] == [("0", "0"), ("1", "1"), ("2", "2"), ("3", "33")]

    def test_half_a_line_of_a_killed_run_is_dropped(self, tmp_path: pathlib.Path) -> None:
        (tmp_path / "metrics.csv").write_text("a,step\n1,0\n2,")
        logger = RunCSV(str(tmp_path))
        logger.rewind(1)
        logger.log_metrics({"a": 5}, step=1)
        logger.finalize("success")
        assert rows(tmp_path) == [{"a": "1", "step": "0"}, {"a": "5", "step": "1"}]

    def test_what_was_logged_is_on_disk_every_so_often(self, tmp_path: pathlib.Path) -> None:
        logger = RunCSV(str(tmp_path), flush_every_n_steps=2)
        logger.log_metrics({"a": 0}, step=0)
        assert not (tmp_path / "metrics.csv").exists()
        logger.log_metrics({"a": 1}, step=1)
        assert len(rows(tmp_path)) == 2


def finish(logger: RunWandb) -> None:
    """End a run as the end of the program does: W&B's background process has then written everything."""
    logger.experiment.finish()
    wandb.teardown()


def records(folder: pathlib.Path) -> Iterator[Any]:
    """The records of the one offline W&B run in a folder: LevelDB's log format, each record a protobuf message."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    data, position, parts = file.read_bytes(), 7, b""
    while position < len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def history(folder: pathlib.Path) -> list[dict[str, Any]]:
    found = []
    for record in records(folder):
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            found.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return found


@pytest.fixture
def without_key(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nobody has logged in to W&B."""
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    wandb.teardown()  # forgets credentials of other tests


@pytest.fixture
def without_network(without_key: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a key whose server does not answer."""
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")


class TestRunWandb:
    def test_the_environment_decides_in_mode_auto(
        self, tmp_path: pathlib.Path, without_network: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WANDB_MODE", "offline")
        assert RunWandb(str(tmp_path)).is_offline

    def test_without_a_key_it_is_offline_and_can_be_read_back(self, tmp_path: pathlib.Path, without_key: None) -> None:
        logger = RunWandb(str(tmp_path), name="a word", group="sweep", tags=["tag"])
        logger.log_hyperparams({"model": {"width": 8}})
        logger.log_metrics({"train/l1": 0.5}, step=0)
        logger.log_metrics({"val/ssim": 0.25}, step=1)
        logger.log_picture("samples/val", PICTURE, step=1)
        finish(logger)
        run = next(record.run for record in records(tmp_path) if record.WhichOneof("record_type") == "run")
        assert (run.display_name, run.run_group, list(run.tags)) == ("a word", "sweep", ["tag"])
        rows = history(tmp_path)
        assert rows[0]["train/l1"] == 0.5
        assert rows[0]["trainer/global_step"] == 0
        assert rows[1]["val/ssim"] == 0.25
        (picture,) = tmp_path.glob("wandb/offline-run-*/files/media/images/samples/val_*.png")
        assert picture.stat().st_size > 0

    def test_pictures_can_be_refused(self, tmp_path: pathlib.Path, without_key: None) -> None:
        logger = RunWandb(str(tmp_path), upload_images=False)
        logger.log_picture("samples/val", PICTURE, step=1)
        finish(logger)
        assert not list(tmp_path.glob("wandb/**/*.png"))

    def test_pictures_go_online_only_when_asked(self, tmp_path: pathlib.Path, without_network: None) -> None:
        sent: list[str] = []
        for upload_images in (None, False, True):
            logger = RunWandb(str(tmp_path), upload_images=upload_images)
            assert not logger.is_offline
            logger.log_image = lambda name, images, step, told=upload_images: sent.append(f"{told}")  # type: ignore[method-assign]
            logger.log_picture("samples/val", PICTURE, step=1)
        assert sent == ["True"]

    def test_without_a_network_it_goes_on_offline(
        self, tmp_path: pathlib.Path, without_network: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        begin = time.monotonic()
        with caplog.at_level(logging.WARNING, logger="engine.loggers"):
            logger = RunWandb(str(tmp_path), init_timeout=1.0)
            logger.log_metrics({"train/l1": 0.5}, step=0)
            finish(logger)
        assert time.monotonic() - begin < 15
        assert logger.is_offline
        assert "W&B cannot be reached" in caplog.text
        assert history(tmp_path)[0]["train/l1"] == 0.5

    def test_online_without_a_key_is_refused(self, tmp_path: pathlib.Path, without_key: None) -> None:
        with pytest.raises(BadInput, match="needs an API key: run `wandb login`"):
            RunWandb(str(tmp_path), mode="online")

    def test_a_resumed_run_keeps_its_id(self, tmp_path: pathlib.Path, without_key: None) -> None:
        ids = []
        for _ in range(2):
            logger = RunWandb(str(tmp_path))
            ids.append(logger.experiment.id)
            finish(logger)
        assert ids[0] == ids[1]

    def test_a_resumed_run_keeps_its_id_when_the_network_is_gone(
        self, tmp_path: pathlib.Path, without_network: None
    ) -> None:
        (tmp_path / "wandb").mkdir()
        (tmp_path / "wandb" / "id").write_text("abcd1234")
        logger = RunWandb(str(tmp_path), init_timeout=1.0)
        assert logger.experiment.id == "abcd1234"
        assert logger.is_offline
        finish(logger)


class TestRunTensorBoard:
    @staticmethod
    def scalars(folder: pathlib.Path, name: str) -> list[tuple[int, float]]:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder / "tensorboard"))
        events.Reload()
        return [(event.step, event.value) for event in events.Scalars(name)]

    def test_numbers_pictures_and_the_config(self, tmp_path: pathlib.Path) -> None:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        logger = RunTensorBoard(str(tmp_path))
        logger.log_hyperparams({"model": {"width": 8}})
        logger.log_metrics({"train/l1": 0.5}, step=3)
        logger.log_picture("samples/val", PICTURE, step=3)
        logger.finalize("success")
        events = EventAccumulator(str(tmp_path / "tensorboard"))
        events.Reload()
        assert self.scalars(tmp_path, "train/l1") == [(3, 0.5)]
        assert events.Images("samples/val")[0].step == 3
        assert b'"width": 8' in events.Tensors("config/text_summary")[0].tensor_proto.string_val[0]
        assert {file.name[:6] for file in (tmp_path / "tensorboard").iterdir()} == {"events"}

    def test_a_resumed_run_hides_what_came_after(self, tmp_path: pathlib.Path) -> None:
        logger = RunTensorBoard(str(tmp_path))
        for step in range(4):
            logger.log_metrics({"a": step}, step=step)
        logger.finalize("success")
        time.sleep(1.1)  # TensorBoard orders its files by seconds
        resumed = RunTensorBoard(str(tmp_path))
        resumed.log_hyperparams({})
        resumed.rewind(2)
        resumed.log_metrics({"a": 22}, step=2)
        resumed.finalize("success")
        assert self.scalars(tmp_path, "a") == [(0, 0.0), (1, 1.0), (2, 22.0)]

    def test_without_the_package_one_sentence(self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import lightning_fabric.loggers.tensorboard as fabric

        monkeypatch.setattr(fabric, "_TENSORBOARD_AVAILABLE", False)
        monkeypatch.setattr(fabric, "_TENSORBOARDX_AVAILABLE", False)
        with pytest.raises(BadInput, match="pip install tensorboard"):
            RunTensorBoard(str(tmp_path))

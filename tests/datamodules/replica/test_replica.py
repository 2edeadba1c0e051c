"""Writing replicas: never half, never over something else, and with options that follow the dataset's settings."""

from __future__ import annotations

import json

import pytest

from datamodules import replica
from datamodules.bad_input import BadInput
from datamodules.replica import __main__ as command
from datamodules.replica import market1501

SMALL = {"identities": 1, "images_per_identity": 2, "height": 32, "width": 16, "truth": False}


def test_says_how_it_was_made(tmp_path):
    where = replica.write("market1501", tmp_path / "a" / "market", workers=1, **SMALL)
    card = json.loads((where / "replica.json").read_text())
    assert card["name"] == "market1501"
    assert card["settings"] == {**SMALL, "seed": 0}


def test_is_not_written_twice(tmp_path, monkeypatch):
    where = replica.write("market1501", tmp_path / "market", **SMALL)
    monkeypatch.setattr(market1501, "_take", lambda *_: pytest.fail("drew again"))
    assert replica.write("market1501", where, **SMALL) == where


def test_other_settings_are_refused_and_change_nothing(tmp_path):
    where = replica.write("market1501", tmp_path / "market", **SMALL)
    before = sorted(where.rglob("*"))
    with pytest.raises(BadInput, match="made with other settings"):
        replica.write("market1501", where, **{**SMALL, "seed": 1})
    assert sorted(where.rglob("*")) == before


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInput, match="not empty and holds no replica"):
        replica.write("market1501", tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_left_alone(tmp_path):
    (tmp_path / "market").write_text("a file")
    with pytest.raises(BadInput, match="is a file"):
        replica.write("market1501", tmp_path / "market", **SMALL)


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "market").mkdir()
    assert (replica.write("market1501", tmp_path / "market", **SMALL) / "readme.txt").exists()


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_crash_in_the_middle_leaves_nothing(tmp_path, monkeypatch, failure):
    taken = []

    def take(*arguments):
        taken.append(real(*arguments))
        if len(taken) == 3:
            raise failure("the disk is full")
        return taken[-1]

    real = market1501._take
    monkeypatch.setattr(market1501, "_take", take)
    with pytest.raises(failure):
        replica.write("market1501", tmp_path / "market", **SMALL)
    assert len(taken) == 3
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_and_settings_are_told_with_the_nearest(tmp_path):
    with pytest.raises(BadInput, match=r"Did you mean 'market1501'\?"):
        replica.write("market1510", tmp_path / "m")
    with pytest.raises(BadInput, match=r"no setting 'identites'. Did you mean 'identities'\?"):
        replica.write("market1501", tmp_path / "m", identites=3)


def test_command_writes_a_replica_with_the_settings_of_the_dataset(tmp_path, capsys):
    options = [
        "--identities",
        "1",
        "--images-per-identity",
        "2",
        "--seed",
        "3",
        "--height",
        "32",
        "--width",
        "16",
        "--no-truth",
    ]
    command.main(["market1501", str(tmp_path / "m"), *options])
    card = json.loads((tmp_path / "m" / "replica.json").read_text())
    assert card["settings"] == {**SMALL, "seed": 3}
    assert "is ready" in capsys.readouterr().out


def test_command_lists_the_datasets_and_explains_their_settings(capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    listed = capsys.readouterr().out
    assert "market1501" in listed
    assert "tubes" not in listed
    with pytest.raises(SystemExit):
        command.main(["market1501", "--help"])
    assert "everything drawn is a function of it" in " ".join(capsys.readouterr().out.split())

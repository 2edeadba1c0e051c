"""`python -m datamodules.show`: sheets of every dataset, in the variants that a user asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.bad_input import BadInput
from datamodules.show import main
from tests.datamodules.conftest import SAMPLES, needs_samples, paint


def sheet(capsys: pytest.CaptureFixture[str], out: Path, *words: str) -> tuple[np.ndarray, str]:
    """The sheet that a command line makes, and what it says."""
    main([*words, "--out", str(out)])
    return np.asarray(Image.open(out)), capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], "128 x 64, structure=pose_heatmaps of 18 channels, pairing=same_identity"),
        (["structure=pose_map", "pairing=domains"], "128 x 64, structure=pose_map of 20 channels, pairing=domains"),
        (["structure=edges", "pairing=reference", "height=64", "width=32"], "64 x 32, structure=edges of 1 channels"),
    ],
)
def test_a_sheet_shows_the_variant_that_is_asked_for(market_root, tmp_path, capsys, overrides, said):
    picture, text = sheet(capsys, tmp_path / "a.png", "market1501", str(market_root), *overrides, "--rows", "2")
    assert f"2 pairs of the test split, {said}" in text
    # Five columns; the target of the first row is a picture and the structure over it another one.
    column = (picture.shape[1] - 4) // 5
    columns = [picture[22:150, 4 + column * c : column * (c + 1)].astype(float) for c in range(5)]
    assert all(look.std() > 5 for look in columns)
    assert np.abs(columns[2] - columns[3]).mean() > 3


def test_options_may_stand_anywhere(market_root, tmp_path, capsys):
    words = ["market1501", "--rows", "1", str(market_root), "--split", "train", "structure=edges"]
    assert "1 pairs of the train split" in sheet(capsys, tmp_path / "a.png", *words)[1]


def test_training_can_be_shown_as_it_is_augmented(market_root, tmp_path, capsys):
    words = ["market1501", str(market_root), "--split", "train", "load_height=160", "load_width=80", "flip=1"]
    plain, _ = sheet(capsys, tmp_path / "a.png", *words)
    augmented, _ = sheet(capsys, tmp_path / "b.png", *words, "--augmented")
    assert plain.shape == augmented.shape
    assert not np.array_equal(plain, augmented)


def test_parts_of_faces_and_folders_of_ones_own(celebahq_root, tmp_path, capsys):
    words = ["celebahq", str(celebahq_root), "structure=part_edges", "pairing=self", "height=48", "width=48"]
    words += ["load_height=48", "load_width=48"]
    assert "structure=part_edges of 15 channels" in sheet(capsys, tmp_path / "a.png", *words)[1]
    for number in range(4):
        paint(tmp_path / "фото" / f"{number}.JPG", number, format="JPEG")
    words = ["folders", str(tmp_path), "folder_x=фото", "folder_y=фото", "pattern_x=[0-2]*.jpg", "val_fraction=0.5"]
    assert "structure=image of 3 channels" in sheet(capsys, tmp_path / "b.png", *words)[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["structre=edges"], r"data\.structre: the config has no key 'structre'\. Did you mean 'structure'"),
        (["structure=egdes"], "Did you mean 'edges'"),
        (["height=tall"], r"height='tall' should be a valid integer"),
        (["edges"], "'edges' is no setting: write it as key=value"),
        (["--rows", "0"], "--rows must be 1 or more"),
        (["--augmented"], "--augmented needs --split train"),
        (["--out", "sheet.jpg"], r"the sheet is a \.png file"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_sentence(market_root, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=sentence):
        main(["market1501", str(market_root), *words])
    assert not list(tmp_path.iterdir())


def test_an_unknown_dataset_is_told_its_nearest_name(tmp_path):
    with pytest.raises(BadInput, match=r"there is no such data.*Did you mean 'ade20k'"):
        main(["ade20", str(tmp_path)])
    with pytest.raises(BadInput, match=r"does not exist: set data\.root"):
        main(["ade20k", str(tmp_path / "nowhere")])


@needs_samples
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("ade20k", []),
        ("celebahq", ["numbering=cocosnet"]),
        ("deepfashion", ["pairing=reference", "borders=keep", "width=256"]),
    ],
)
def test_real_samples(name, overrides, tmp_path, capsys):
    words = [name, str(SAMPLES / name), f"lists={SAMPLES / 'lists'}", *overrides, "--rows", "4"]
    assert "4 pairs of the test split" in sheet(capsys, tmp_path / "a.png", *words)[1]

"""Every translation becomes a file, under a name that scripts can take apart and that no other image has."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from callbacks.saved_images import SavedImages, image_name
from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from metrics.image_quality import quantise

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("source", "target", "name"),
    [
        ("test/0002_c1s1.jpg", "test/0002_c3s2.jpg", "test_0002_c1s1_2_test_0002_c3s2_vis"),
        ("a/one two:3.png", "b\\four.v1.png", "a_one_two_3_2_b_four.v1_vis"),
        ("id_7/02_2_side.jpg", "id_7/02_2.jpg", "id_7_02-2_side_2_id_7_02-2_vis"),
    ],
)
def test_names_are_keys_that_a_file_system_and_the_scripts_take(source: str, target: str, name: str) -> None:
    assert image_name(source, target) == name
    first, second = name.removesuffix("_vis").split("_2_")
    assert first
    assert second


def test_long_keys_leave_a_name_that_a_file_can_have() -> None:
    assert len(image_name("é" * 300, "a" * 300).encode()) < 230


def test_what_is_measured_is_written_and_repeats_are_all_kept(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    class Repeated(people):  # type: ignore[misc,valid-type]
        def held_out(self) -> list[Batch]:
            batches = super().held_out()
            keys = ["people/A.jpg", "people/A.jpg", "people/a.png"]
            return [replace(batches[0], source_key=keys, target_key=["b.jpg"] * 3), batches[1]]

    data, module = Repeated(sizes=(3, 2)), painter()
    made: list[torch.Tensor] = []
    module.test_step = lambda batch, batch_index=0: made.append(batch.target * 0.8) or made[-1]
    trainer(SavedImages()).test(module, datamodule=data, verbose=False)
    names = [
        "people_A_2_b_vis",
        "people_A_2_b_vis_2",
        "people_a_2_b_vis_3",
        "people_1003_a_2_people_1003_b_vis",
        "people_1004_a_2_people_1004_b_vis",
    ]
    files = [tmp_path / "images" / f"{name}.png" for name in names]
    assert sorted((tmp_path / "images").iterdir()) == sorted(files)
    written = np.stack([np.asarray(Image.open(file)) for file in files])
    assert np.array_equal(written, quantise(torch.cat(made)).permute(0, 2, 3, 1).numpy())


def test_images_of_two_evaluations_are_not_mixed(
    painter: Make, people: Make, trainer: Make, tmp_path: pathlib.Path
) -> None:
    trainer(SavedImages()).test(painter(), datamodule=people(), verbose=False)
    with pytest.raises(BadInput, match="holds images of an earlier evaluation"):
        trainer(SavedImages()).test(painter(), datamodule=people(), verbose=False)


def test_a_method_that_hands_on_nothing_is_refused(painter: Make, people: Make, trainer: Make) -> None:
    module = painter()
    module.test_step = lambda batch, batch_index=0: None
    with pytest.raises(BadInput, match="needs a test_step that returns the translations"):
        trainer(SavedImages()).test(module, datamodule=people(), verbose=False)

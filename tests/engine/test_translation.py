"""Which files go together, and the picture of all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.io import read_image
from torchvision.utils import save_image

from datamodules.bad_input import BadInput
from engine.translation import all_pairs, paired, save_combinations, without_keypoints_of_pictures


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


def test_all_pairs_are_every_source_with_every_structure() -> None:
    sources, structures = paths("a.jpg", "b.jpg"), paths("1.json", "2.json", "3.json")
    pairs = all_pairs(sources, structures)
    assert len(set(pairs)) == len(pairs) == 6
    assert pairs[:3] == [(sources[0], structure) for structure in structures]
    with pytest.raises(BadInput, match="2 sources and 3 structures do not pair up"):
        paired(sources, structures)
    with pytest.raises(BadInput, match="give both source"):
        all_pairs(sources, [])


def test_a_folder_of_pictures_with_their_keypoints_holds_each_pose_once() -> None:
    files = paths("a.jpg", "a.json", "b.png", "b_keypoints.json", "c.JPG", "c_candidate.txt", "alone.json")
    assert without_keypoints_of_pictures(files) == paths("a.jpg", "b.png", "c.JPG", "alone.json")


class Colours:
    """Data whose files are plain colours, named by their grey level; structures are grey."""

    def batch_from_files(self, sources: list[Path | None], structures: list[Path]) -> Any:
        class Batch:
            source = torch.stack([torch.full((3, 8, 4), float(path.stem) if path else 0.0) for path in sources])
            target_structure = torch.full((len(structures), 1, 8, 4), 0.5)

        return Batch


def test_the_grid_shows_each_translation_where_its_source_and_structure_meet(tmp_path: Path) -> None:
    targets = [tmp_path / f"{number}.png" for number in range(6)]
    for number, target in enumerate(targets):
        save_image(torch.full((3, 16, 8), number / 5), target)
    save_combinations(paths("-1.png", "1.png"), paths("a", "b", "c"), targets, Colours(), tmp_path / "grid.png")
    grid = read_image(str(tmp_path / "grid.png")).float() / 255
    centres = grid[0, 2 + 4 :: 10, 2 + 2 :: 6]
    wanted = torch.tensor([[1, 0.5, 0.5, 0.5], [0, 0, 0.2, 0.4], [1, 0.6, 0.8, 1]])
    torch.testing.assert_close(centres, wanted, atol=0.01, rtol=0)

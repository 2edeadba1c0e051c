"""Market-1501 (Zheng et al., ICCV 2015): people seen by six cameras, 128 x 64.

Images as the authors published them, poses and pairs as the community did (PATN, Zhu et al., CVPR 2019):

    Market-1501-v15.09.15/
      bounding_box_train/  PPPP_cCsS_FFFFFF_BB.jpg       12,936 images of 751 people
      bounding_box_test/                                 19,732 images of 750 others, junk (-1) and distractors (0000)
      query/                                             not used here
      market-annotation-{train,test}.csv                 name:keypoints_y:keypoints_x
      market-pairs-{train,test}.csv                      from,to

`root` may be that folder, its parent, or the form in which the folders are called `train` and `test`; the csv files lie in
any of these places.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.pairing import Pairs, same_identity
from datamodules.reading import list_images
from datamodules.structures.keypoint_csv import read_keypoints
from datamodules.structures.pose import TORSO
from datamodules.structures.structure import POSES
from datamodules.table import Table, column
from datamodules.text_file import read_text
from datamodules.translation import Split, TranslationDataModule

log = logging.getLogger(__name__)

NAME = re.compile(r"(-?\d+)_c(\d+)")
"""The beginning of a file name: person, camera."""

FOLDERS = {"train": ("bounding_box_train", "train"), "test": ("bounding_box_test", "test")}
TEST_PAIRS = 12_000
"""How many test pairs the published list has."""


class Market1501(TranslationDataModule):
    """Pose transfer on Market-1501; each camera is a domain.

    The identities of `val` are held out of the training people, always the same ones. `test` are the published pairs of
    test people where their list is there, otherwise as many drawn by the same rule.
    """

    replica_name = "market1501"
    stored_size = (128, 64)

    def __init__(
        self,
        *,
        same_camera: bool = False,  # only pairs within one camera, so that the background says little
        domains_by: Literal["camera", "structure"] = "camera",  # pairing=domains: structure: from it to the photo
        cameras_x: list[int] | None = None,  # pairing=domains: the cameras of domain X; null: [1]
        cameras_y: list[int] | None = None,  # pairing=domains: the cameras of domain Y; null: [2]
        **shared: Any,
    ) -> None:
        """See the comments of the arguments; the others are those of every dataset.

        Raises:
            BadInput: settings that cannot be together.
        """
        if shared.get("structure") == "labels":
            raise BadInput("Market-1501 has no label maps: set data.structure to pose_heatmaps, edges or image")
        super().__init__(**{**shared, "structure_to_photo": domains_by == "structure"})
        self.same_camera = same_camera
        self.cameras_x, self.cameras_y = cameras_x or [1], cameras_y or [2]

    def index(self, split: Split) -> Table:
        """The people of a split: no junk, no distractors, and only images with a row in the annotation where there is one."""
        folder = self.image_folder("test" if split == "test" else "train")
        names, others = list_images(folder, recursive=False)
        if others:
            log.info("%s: ignored %d files that are no images (%s)", folder, len(others), others[0])
        identity, camera, people = _parsed(names, folder)
        chosen = people & (identity > 0)
        if split != "test":
            chosen &= np.isin(identity, self._held_out(identity[chosen])) == (split == "val")
        rows = np.flatnonzero(chosen)
        names = [names[row] for row in rows]
        return Table(
            root=str(self.root),
            keys=column([f"{folder.relative_to(self.root).as_posix()}/{name}" for name in names]),
            identity=identity[rows],
            domain=camera[rows],
            keypoints=self._keypoints(split, names),
        )

    def usable_rows(self, table: Table) -> np.ndarray:
        """Poses with both shoulders and both hips, as in the published pairs."""
        if table.keypoints is None:
            return super().usable_rows(table)
        return np.all(table.keypoints[:, TORSO, 2] > 0, axis=1)

    def listed_pairs(self, split: Split, table: Table) -> Pairs | None:
        """The published pairs, or those of the rule that made them."""
        if self.pairing != "same_identity":
            return None
        path = self.list_file(f"market-pairs-{'test' if split == 'test' else 'train'}.csv")
        group = table.domain if self.same_camera else None
        if path is None:
            pairs = same_identity(table.identity, self.usable_rows(table), group)
            if split == "test" and len(pairs) > TEST_PAIRS:
                # The rule of the published list: pandas' DataFrame.sample(n=12000, replace=False, random_state=0).
                pairs = pairs[np.random.RandomState(0).permutation(len(pairs))[:TEST_PAIRS]]
            log.info("%s: no list of pairs in %s, made by the rule of the published one", split, self.root)
        else:
            pairs = self._read_pairs(path, split, table)
            if group is not None:
                pairs = pairs[group[pairs[:, 0]] == group[pairs[:, 1]]]
        return Pairs(pairs[:, 0], pairs[:, 1], same_thing=True, framing="mirrored_together")

    def domain_rows(self, split: Split, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """The images of the two groups of cameras."""
        x, y = (np.flatnonzero(np.isin(table.domain, cameras)) for cameras in (self.cameras_x, self.cameras_y))
        return x, y

    def image_folder(self, split: str) -> Path:
        """Where the images of train or test lie."""
        if not self.root.exists():
            raise BadInput(
                f"{self.root} does not exist: set data.root to the folder Market-1501-v15.09.15 with bounding_box_train and "
                "bounding_box_test (ask for the data on the project page of Liang Zheng, liangzheng.org), or write a replica "
                f"of it with `python -m datamodules.replica market1501 {self.root}`"
            )
        if not self.root.is_dir():
            raise BadInput(f"{self.root} is a file: unpack it, and set data.root to the folder that comes out")
        for place in _places(self.root):
            for name in FOLDERS[split]:
                if (place / name).is_dir():
                    return place / name
        raise BadInput(
            f"{self.root} holds neither {' nor '.join(FOLDERS[split])}: data.root must be the folder that Market-1501's zip "
            "unpacks to, or its parent"
        )

    def list_file(self, name: str) -> Path | None:
        """One of the community's files: beside the image folders, in the root, or beside the root."""
        places = (self.image_folder("train").parent, self.root, self.root.parent)
        return next((place / name for place in places if (place / name).is_file()), None)

    def _held_out(self, identity: np.ndarray) -> np.ndarray:
        """The people of the validation split: the same ones whatever the seed of a run."""
        people = np.unique(identity)
        count = max(1, round(self.val_fraction * len(people))) if self.val_fraction > 0 else 0
        return np.random.default_rng(0).permutation(people)[:count]

    def _keypoints(self, split: Split, names: list[str]) -> np.ndarray | None:
        """(N, 18, 3) for images in the order of `names`; all missing for an image without a row."""
        name = f"market-annotation-{'test' if split == 'test' else 'train'}.csv"
        path = self.list_file(name)
        if path is None:
            if self.structure.annotation not in POSES:
                return None
            raise BadInput(
                f"{name} is not in {self.root}, and data.structure={self.structure_name} needs it: put the csv files of the "
                "repository tengteng95/Pose-Transfer beside the images, or set data.structure=edges"
            )
        known, keypoints = read_keypoints(path)
        # Some copies have their extensions in capitals, and no list has.
        place = {name.lower(): row for row, name in enumerate(known)}
        rows = np.array([place.get(name.lower(), -1) for name in names], np.int64)
        if (rows < 0).any():
            log.warning("%s: %d of %d images of the %s split have no row", path, (rows < 0).sum(), len(names), split)
        found = keypoints[rows] if len(keypoints) else np.zeros((len(names), 18, 3), np.float32)
        return np.where((rows >= 0)[:, None, None], found, 0)

    def _read_pairs(self, path: Path, split: Split, table: Table) -> np.ndarray:
        """(N, 2) rows (source, target) of the listed pairs whose images are in the table."""
        place = {table.key(row).rsplit("/", 1)[-1].lower(): row for row in range(len(table))}
        lines = read_text(path).splitlines()
        pairs = np.full((len(lines), 2), -1, np.int32)
        for number, line in enumerate(lines[1:], start=1):
            sides = line.split(",")
            if len(sides) != 2:
                if not line.strip():
                    continue
                raise BadInput(f"{path}, line {number + 1}: two file names expected (from,to), found {line[:80]!r}")
            pairs[number] = [place.get(side.strip().lower(), -1) for side in sides]
        known = np.all(pairs >= 0, axis=1)
        if split == "test" and not known[1:].all():
            log.warning("%s: %d pairs name images that are not there or cannot be read", path, (~known[1:]).sum())
        return pairs[known]


def _places(root: Path) -> Iterator[Path]:
    """The root, and folders in it that are named after the dataset: some zips have one folder more than others."""
    yield root
    for inside in sorted(root.iterdir()):
        if "market" in inside.name.lower() and inside.is_dir():
            yield from _places(inside)


def _parsed(names: list[str], folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Person and camera of each file name, and whether the name could be understood."""
    found = [NAME.match(name) for name in names]
    known = np.array([match is not None for match in found], bool)
    if len(names) and not known.any():
        raise BadInput(f"{folder}: no file is named like 0002_c1s1_000451_03.jpg, so this is not Market-1501")
    numbers = np.array([(int(m[1]), int(m[2])) if m else (-1, 0) for m in found], np.int32).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1], known

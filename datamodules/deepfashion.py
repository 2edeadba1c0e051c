"""DeepFashion In-shop Clothes Retrieval (Liu et al., CVPR 2016): people in fashion photographs, several views of each.

Images as the authors publish them or as papers renamed them, lists and poses of two families; all spellings of a name are one.

    img_highres/WOMEN/Dresses/id_00000244/02_1_front.jpg    1101 x 750; img/: 256 x 256 with white borders, or those renamed
    train/ test/ (or train_highres/ test_highres/)          flattened names fashionWOMENDressesid0000024402_1front.jpg
    pose transfer    train.lst test.lst, fasion(-resize)-pairs-*.csv, fasion(-resize)-annotation-*.csv   PATN, GFLA, PISE
                     train_pairs.txt test_pairs.txt, pose/**/*.txt                                       NTED, PIDM
    CoCosNet         train.txt val.txt, deepfashion_ref.txt deepfashion_ref_test.txt, deepfashion_self_pair.txt,
                     pose/**/*_candidate.txt and *_subset.txt
    benchmark        Eval/list_eval_partition.txt

`root` may be that folder, its parent, or `Img`; lists lie there, beside it, or in `lists`. Preparations of the papers:

    PATN, ADGAN    borders=cut on img/, 256 x 176        NTED        img_highres, 256 x 176 and 512 x 352
    GFLA, PIDM     img_highres squashed to 256 x 256     CoCosNet    borders=keep on img/, 256 x 256, load 286
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from datamodules.bad_input import BadInput, nearest
from datamodules.deepfashion_files import Catalogue, Copy, Folder, in_order, official_partition
from datamodules.deepfashion_poses import (
    BORDER,
    ENDINGS,
    HEIGHT,
    WIDTH,
    Source,
    bordered,
    find_csv,
    has_borders,
    read_csv,
    read_files,
    unbordered,
)
from datamodules.exemplar_lists import ExemplarList, ExemplarPairs
from datamodules.pairing import Pairs, same_identity
from datamodules.structures.pose import JOINTS, TORSO
from datamodules.structures.structure import POSES, Annotation
from datamodules.table import Table, column
from datamodules.target_lists import grouped, read_lines
from datamodules.transforms import Framing
from datamodules.translation import Split, TranslationDataModule

log = logging.getLogger(__name__)

Partition = Literal["lst", "folders", "pairs", "cocosnet", "official", "fraction"]
Domains = Literal["view", "gender", "category", "structure"]

USUAL_DOMAINS: dict[str, tuple[list[str], list[str]]] = {
    "view": (["front"], ["back"]),
    "gender": (["MEN"], ["WOMEN"]),
    "category": ([], []),
    "structure": ([], []),
}
"""X and Y where the config does not say."""


@dataclass(frozen=True)
class FashionTable(Table):
    """Photographs, whose poses refer to a frame of their own whatever size is stored."""

    frame: tuple[int, int] = (HEIGHT, WIDTH)
    """Height and width of the frame that `keypoints` refer to."""
    cut: bool = False
    """Whether white borders are cut off."""

    def settings(self, rows: np.ndarray) -> dict[str, Any]:
        """See `Table.settings`."""
        return {"frame": list(self.frame), "cut": self.cut}

    def trimmed(self, stored: np.ndarray) -> np.ndarray:
        """What lies between the borders."""
        height, width = stored.shape[:2]
        if not self.cut or height != width:
            return stored
        border = round(width * BORDER / HEIGHT)
        return stored[:, border : width - border]

    def enough(self, kind: Annotation, framing: Framing) -> tuple[int, int] | None:
        """See `Table.enough`. Poses have a frame of their own; borders come on top of what is wanted."""
        with_borders = math.ceil(framing.load_width * (WIDTH + 2 * BORDER) / WIDTH)
        return framing.load_height, with_borders if self.cut else framing.load_width

    def loaded_annotation(
        self, row: int, kind: Annotation, framing: Framing, pixels: np.ndarray, classes: int
    ) -> Tensor | None:
        """What a structure of this row is drawn from; see `Table.loaded_annotation`."""
        if kind in POSES:
            return framing.loaded_annotation(self.read_annotation(row, kind), kind, self.frame)
        return super().loaded_annotation(row, kind, framing, pixels, classes)


class DeepFashion(TranslationDataModule):
    """Pose transfer, or synthesis from an exemplar. A person is an item in one variant: images of it show the same clothes.

    `val` is held out of the training people, always the same ones; with CoCosNet's lists it is their `val.txt`, and so is
    `test`.
    """

    replica_name = "deepfashion"

    def __init__(
        self,
        *,
        structure: Literal["pose_heatmaps", "pose_map", "edges", "image"],  # what a method is to follow
        images: Literal["img_highres", "img", "flat"] | None = None,  # which folder; null: the first that is there
        borders: Literal["cut", "keep", "none"] = "cut",  # white borders of square pictures; none: they have no borders
        poses: Literal["csv", "text", "openpose"] | None = None,  # which files of poses; null: the first that are there
        partition: Literal["lst", "folders", "pairs", "cocosnet", "official", "fraction"]
        | None = None,  # what splits are made of; null: the first that can
        pairs: Literal["csv", "text", "self_pair", "rule"]
        | None = None,  # same_identity; null: the first that is there
        lists: str | None = None,  # a further folder with lists and csv files, such as CoCosNet's data/
        min_joints: int = 1,  # images with fewer joints are in no pair
        hard_fraction: float = 2 / 7,  # reference, training: how often the worst listed exemplar is taken
        domains_by: Literal[
            "view", "gender", "category", "structure"
        ] = "view",  # pairing=domains: what tells them apart
        domain_x: list[str] | None = None,  # of domain X, such as [front] or [Dresses]; null: [front] or [MEN]
        domain_y: list[str] | None = None,  # of domain Y; null: [back] or [WOMEN]
        mirror_exchanges: bool = True,  # left and right joints change places in a mirrored picture; false: as published
        **shared: Any,
    ) -> None:
        """See the comments of the arguments; the others are those of every dataset.

        Raises:
            BadInput: settings that cannot be together.
        """
        if structure == "labels":
            raise BadInput(
                "DeepFashion has no label maps: set data.structure to pose_map, pose_heatmaps, edges or image"
            )
        by_structure = {"structure_to_photo": domains_by == "structure"}
        super().__init__(**{**shared, **by_structure, "structure": structure})
        if not 0 <= hard_fraction <= 1:
            raise BadInput(f"data.hard_fraction must be between 0 and 1, not {hard_fraction}")
        if not 0 <= min_joints <= len(JOINTS):
            raise BadInput(f"data.min_joints must be between 0 and {len(JOINTS)}, not {min_joints}")
        self.framing = replace(self.framing, exchanges=mirror_exchanges)
        self.copy = Copy(self.root, None if lists is None else Path(lists).expanduser())
        self.images: Folder | None = images
        self.borders, self.poses, self.partition, self.pair_source = borders, poses, partition, pairs
        self.min_joints, self.hard_fraction = min_joints, hard_fraction
        self.domains_by = domains_by
        usual_x, usual_y = USUAL_DOMAINS[domains_by]
        self.domain_x, self.domain_y = domain_x or usual_x, domain_y or usual_y
        if self.pairing == "domains" and domains_by != "structure" and not (self.domain_x and self.domain_y):
            raise BadInput(f"data.domains_by={domains_by} needs data.domain_x and data.domain_y, such as [Dresses]")

    # What the base asks for.

    @cached_property
    def catalogue(self) -> Catalogue:
        """All images on disk."""
        return self.copy.catalogue(self.images)

    def index(self, split: Split) -> FashionTable:
        """The images of a split in the order of its list, and after them the other images that are their exemplars."""
        all_images = self.catalogue
        own = self._split(split)
        exemplars = self._exemplars(split)
        wanted = np.zeros(0, np.int64) if exemplars is None else exemplars[np.isin(exemplars[:, 0], own), 1:].ravel()
        numbers = np.concatenate([own, np.setdiff1d(wanted[wanted >= 0], own)])
        keeps_borders = all_images.square and self.borders == "keep"
        points = self._keypoints(numbers, split)
        return FashionTable(
            root=str(self.root),
            keys=column([all_images.files[number] for number in numbers.tolist()]),
            identity=all_images.columns.person[numbers],
            domain=all_images.columns.domain("view" if self.domains_by == "structure" else self.domains_by)[numbers],
            keypoints=bordered(points) if keeps_borders and points is not None else points,
            own=np.arange(len(numbers)) < len(own),
            frame=(HEIGHT, WIDTH + 2 * BORDER) if keeps_borders else (HEIGHT, WIDTH),
            cut=all_images.square and self.borders == "cut",
        )

    @property
    def proportions(self) -> tuple[int, int]:
        """Those of a photograph without its borders, or with them where they are kept."""
        return (HEIGHT, WIDTH + 2 * BORDER) if self.borders == "keep" else (HEIGHT, WIDTH)

    def usable_rows(self, table: Table) -> np.ndarray:
        """The images of the split itself with `min_joints` joints."""
        assert isinstance(table, FashionTable)
        assert table.own is not None
        return table.own & self._posed(table)

    def listed_pairs(self, split: Split, table: Table) -> Pairs | None:
        """Pairs of one person, or exemplars, by the lists of either family."""
        if self.pairing == "reference":
            return self._listed_exemplars(split, table)
        if self.pairing != "same_identity":
            return None
        side = "test" if split == "test" else "train"
        for source in (self.pair_source,) if self.pair_source else ("csv", "text", "self_pair"):
            path = next((found for name in _pair_lists(side, source) if (found := self.copy.find(name))), None)
            if path is not None:
                return self._read_pairs(path, split, table)
            if self.pair_source not in (None, "rule"):
                raise BadInput(f"data.pairs={source} needs {_pair_lists(side, source)[0]}, which is not in {self.root}")
        log.info("%s: no list of pairs in %s: all of a person with both shoulders and both hips", split, self.root)
        usable = self.usable_rows(table)
        if table.keypoints is not None:
            usable &= np.all(table.keypoints[:, TORSO, 2] > 0, axis=1)
        pairs = same_identity(table.identity, usable)
        return Pairs(pairs[:, 0], pairs[:, 1], same_thing=True, framing="mirrored_together")

    def domain_rows(self, split: Split, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """The images of the two groups of views, genders or categories."""
        known = self.catalogue.columns.names[self.domains_by]
        sides = []
        for name, values in (("domain_x", self.domain_x), ("domain_y", self.domain_y)):
            for value in values:
                if value not in known:
                    raise BadInput(
                        f"there is no {self.domains_by} {value!r} (data.{name}) in {self.root}, only {', '.join(known)}."
                        f"{nearest(value, known)}"
                    )
            sides.append(np.flatnonzero(np.isin(table.domain, [known.index(value) for value in values])))
        return sides[0], sides[1]

    def placed_alone(self, keypoints: np.ndarray) -> tuple[np.ndarray, tuple[int, int]] | None:
        """Published poses refer to pictures of 256 x 176, with or without white borders; others to unknown ones."""
        visible = keypoints[keypoints[:, 2] > 0]
        if visible[:, 1].max(initial=0) >= HEIGHT or visible[:, 0].max(initial=0) >= WIDTH + 2 * BORDER:
            return None
        inside = unbordered(keypoints) if has_borders(keypoints) else keypoints
        return (bordered(inside), (HEIGHT, WIDTH + 2 * BORDER)) if self.borders == "keep" else (inside, (HEIGHT, WIDTH))

    # Splits.

    def _split(self, split: Split) -> np.ndarray:
        """The images of a split, in the order of its list."""
        kind = self.partition or self._first_partition()
        if kind == "cocosnet":
            return self._cocosnet_split(split)
        if kind == "fraction":
            listed = np.arange(len(self.catalogue.files))
        else:
            listed = self._side(kind, "test" if split == "test" else "train")
        if split == "test" and kind != "fraction":
            return listed
        held_out = np.isin(self.catalogue.columns.person[listed], self._held_out(listed))
        return listed[held_out == (split != "train")]

    def _first_partition(self) -> Partition:
        """The first that this copy can be split by."""
        if self.copy.find("train.lst") and self.copy.find("test.lst"):
            return "lst"
        if self.catalogue.flat:
            return "folders"
        for kind, name in (
            ("pairs", "test_pairs.txt"),
            ("cocosnet", "val.txt"),
            ("official", "list_eval_partition.txt"),
        ):
            if self.copy.find(name):
                return kind  # type: ignore[return-value]
        log.info("%s has no list of training and test images: a part of its people is held out", self.root)
        return "fraction"

    def _side(self, kind: Partition, side: str) -> np.ndarray:
        """The images of train or test by lists that name both."""
        if kind == "folders":
            files = self.catalogue.files
            inside = [Path(self.root, file).relative_to(self.catalogue.folder).parts[0] for file in files]
            return np.flatnonzero([name.startswith(side) for name in inside])
        name = {"lst": f"{side}.lst", "pairs": f"{side}_pairs.txt", "official": "list_eval_partition.txt"}[kind]
        path = self.copy.find(name)
        if path is None:
            raise BadInput(f"data.partition={kind} needs {name}, which is not in {self.root}")
        return self._present(official_partition(path)[side] if kind == "official" else in_order(path), path)

    def _cocosnet_split(self, split: Split) -> np.ndarray:
        """`train.txt` and `val.txt`; all that is in no list, where the first is missing."""
        train, val = self.copy.find("train.txt"), self.copy.find("val.txt")
        if val is None:
            raise BadInput(f"data.partition=cocosnet needs val.txt, which is not in {self.root}")
        if split != "train":
            return self._present(in_order(val), val)
        if train is None:
            return np.setdiff1d(np.arange(len(self.catalogue.files)), self.catalogue.numbers(in_order(val)))
        return self._present(in_order(train), train)

    def _held_out(self, numbers: np.ndarray) -> np.ndarray:
        """The people of the validation split: the same ones whatever the seed of a run."""
        people = np.unique(self.catalogue.columns.person[numbers])
        count = max(1, round(self.val_fraction * len(people))) if self.val_fraction > 0 else 0
        return np.random.default_rng(0).permutation(people)[:count]

    def _present(self, names: list[str], path: Path) -> np.ndarray:
        """The numbers of listed images. Those that are not there are dropped and counted.

        Raises:
            BadInput: more than `max_bad_fraction` of them.
        """
        numbers = self.catalogue.numbers(names)
        self._check_missing(numbers < 0, names, path, "images")
        return numbers[numbers >= 0]

    def _check_missing(self, missing: np.ndarray, names: list[str], path: Path, what: str) -> None:
        if not missing.any():
            return
        text = (
            f"{missing.sum()} of {len(names)} {what} in {path} are not in {self.catalogue.folder} "
            f"(the first: {names[int(missing.argmax())]})"
        )
        if missing.sum() > self.max_bad_fraction * len(names):
            raise BadInput(f"{text}, more than data.max_bad_fraction={self.max_bad_fraction:g} allows")
        log.warning("left out: %s", text)

    # Poses.

    def _posed(self, table: Table) -> np.ndarray:
        """Which rows have `min_joints` joints; all, where there are no poses."""
        if table.keypoints is None:
            return np.ones(len(table), bool)
        return (table.keypoints[..., 2] > 0).sum(1) >= self.min_joints

    def _keypoints(self, numbers: np.ndarray, split: Split) -> np.ndarray | None:
        """(N, 18, 3) poses in the frame of 256 x 176; None where nothing needs them, or needs them much."""
        needed = self.structure.annotation in POSES
        if not needed and self.pairing != "same_identity":
            return None
        csv = find_csv(self.copy.find) if self.poses in (None, "csv") else []
        if csv:
            known = read_csv(csv)
            nobody = np.zeros((len(JOINTS), 3), np.float32)
            rows = [known.get(self.catalogue.keys[number]) for number in numbers.tolist()]
            absent = sum(row is None for row in rows)
            points = np.stack([nobody if row is None else row for row in rows]) if rows else nobody[None][:0]
            if absent:
                log.warning("%s: %d of %d images of the %s split have no row", csv[0], absent, len(rows), split)
        else:
            source, folder = self._pose_folder(needed, numbers)
            if folder is None:
                return None
            points = read_files(self._stems(folder, numbers), source)
        few = int(((points[..., 2] > 0).sum(1) < self.min_joints).sum())
        if few:
            log.warning("%s: %d of %d images have fewer than %d joints", split, few, len(points), self.min_joints)
        return points

    def _pose_folder(self, needed: bool, numbers: np.ndarray) -> tuple[Source, Path | None]:
        """The folder of pose files of the first kind that is there."""
        kinds: tuple[Source, ...] = ("text", "openpose") if self.poses is None else (self.poses,)
        for place in self.copy.places():
            for kind in kinds:
                if kind != "csv" and (place / "pose").is_dir() and len(numbers):
                    stems = self._stems(place / "pose", numbers[:: max(1, len(numbers) // 64)])
                    if any(stem.with_name(stem.name + ENDINGS[kind]).is_file() for stem in stems):
                        return kind, place / "pose"
        if needed and len(numbers):
            raise BadInput(
                f"data.structure={self.structure_name} needs poses, and {self.root} has none"
                f"{f' of data.poses={self.poses}' if self.poses else ''}: put fasion-resize-annotation-train.csv and -test.csv "
                "(tengteng95/Pose-Transfer) or a folder pose/ (NTED, PIDM, CoCosNet) there, or set data.structure=edges"
            )
        return "text", None

    def _stems(self, folder: Path, numbers: np.ndarray) -> list[Path]:
        """What the pose files of images are called, without their endings."""
        inside = self.catalogue.folder
        files = (Path(self.root, self.catalogue.files[number]).relative_to(inside) for number in numbers.tolist())
        return [(folder / file).with_suffix("") for file in files]

    # Pairs.

    def _read_pairs(self, path: Path, split: Split, table: Table) -> Pairs:
        """The listed pairs whose images are in the table and have a pose."""
        lines = read_lines(path, 2)
        source_first = path.suffix == ".csv"
        if source_first:
            header = [name.lower() for name in lines[0]] if lines else []
            lines = lines[1:] if set(header) == {"from", "to"} else lines
            lines = [[line[0], line[1]] if header == ["to", "from"] else [line[1], line[0]] for line in lines]
        names = [(number, line[0], source) for number, line in enumerate(lines) for source in line[1:]]
        numbers = np.stack(
            [self.catalogue.numbers(name[1] for name in names), self.catalogue.numbers(name[2] for name in names)], 1
        ).reshape(-1, 2)
        missing = np.logical_or(numbers[:, 0] < 0, numbers[:, 1] < 0)
        shown = [
            target if number[0] < 0 else source for (_, target, source), number in zip(names, numbers, strict=True)
        ]
        self._check_missing(missing, shown, path, "pairs")
        rows = self._rows_of(table)[numbers]
        known = ~missing & (rows >= 0).all(1)
        known[known] = self.usable_rows(table)[rows[known]].all(1)
        line = np.array([name[0] for name in names], np.int64)
        return grouped(line[known], rows[known, 0], rows[known, 1])

    def _rows_of(self, table: Table) -> np.ndarray:
        """For each image of the catalogue its row in the table, or -1; one more, -1, for an image that is not there."""
        rows = np.full(len(self.catalogue.files) + 1, -1, np.int64)
        rows[self.catalogue.numbers(table.key(row) for row in range(len(table)))] = np.arange(len(table))
        return rows

    def _exemplars(self, split: Split) -> np.ndarray | None:
        """(N, 3) images: target, its best exemplar, its worst listed one (-1: not there); None without a list."""
        path = self.copy.find("deepfashion_ref.txt" if split == "train" else "deepfashion_ref_test.txt")
        if self.pairing != "reference" or path is None:
            return None
        listed = ExemplarList.read(path)
        columns = [self.catalogue.numbers(names) for names in (listed.targets, listed.first, listed.last)]
        self._check_missing((columns[1] < 0) & (columns[0] >= 0), listed.first, path, "exemplars")
        return np.stack(columns, axis=1)

    def _listed_exemplars(self, split: Split, table: Table) -> Pairs | None:
        """The exemplars of CoCosNet's lists; None where they know none of the split's images."""
        exemplars = self._exemplars(split)
        if exemplars is None:
            return None
        assert isinstance(table, FashionTable)
        assert table.own is not None
        rows = self._rows_of(table)[exemplars]
        posed = self._posed(table)
        known = (rows >= 0).all(1)
        known[known] = table.own[rows[known, 0]] & posed[rows[known]].all(1)
        if not known.any():
            return None
        without = int(table.own.sum()) - int(known.sum())
        if without:
            log.warning("%s: left out %d images without a listed exemplar or without a pose", split, without)
        target, first, last = rows[known].astype(np.int32).T
        hard = self.hard_fraction if split == "train" else 0.0
        return ExemplarPairs(first, target, hard_sources=last, hard_fraction=hard)


def _pair_lists(side: str, source: str) -> list[str]:
    """What the lists of pairs of one kind may be called."""
    csv = [f"{word}{kind}-pairs-{side}.csv" for kind in ("-resize", "") for word in ("fasion", "fashion")]
    return {"csv": csv, "text": [f"{side}_pairs.txt"], "self_pair": ["deepfashion_self_pair.txt"], "rule": []}[source]

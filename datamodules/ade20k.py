"""ADE20k, as image synthesis uses it: ADEChallengeData2016 (Zhou et al., CVPR 2017), scenes with label maps of 150 classes.

    ADEChallengeData2016/
      images/{training,validation}/ADE_{train,val}_NNNNNNNN.jpg         20,210 and 2,000 images
      annotations/{training,validation}/ADE_{train,val}_NNNNNNNN.png    0 unlabelled, 1 ... 150
      sceneCategories.txt                                               ADE_train_00000001 airport_terminal
      ade20k_ref.txt, ade20k_ref_test.txt                               CoCosNet's exemplars (see `exemplar_lists`)

The label maps may also lie beside the images, as SPADE and CoCosNet keep them. `root` may be that folder, its parent, or
`images`; text files may also lie in `lists`. The published validation images are `test`; `val` is held out of training.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from datamodules.ade_classes import CLASSES, INDOOR, OUTDOOR
from datamodules.ade_files import FOLDERS, NO_CATEGORY, PUBLISHED, AdeFiles, find_files, read_categories, read_stems
from datamodules.bad_input import BadInput, nearest
from datamodules.batch import Batch
from datamodules.exemplar_lists import ExemplarList, ExemplarPairs
from datamodules.label_shares import label_shares
from datamodules.pairing import Pairs
from datamodules.raw_batch import RawBatch
from datamodules.structures.structure import Annotation
from datamodules.table import Table, column, relative
from datamodules.translation import Split, TranslationDataModule

log = logging.getLogger(__name__)

Numbering = Literal["cocosnet", "spade"]
CHANNELS = CLASSES + 1

OUTDOOR_SHARE, INDOOR_SHARE = 0.02, 0.005
"""The rule for outdoor scenes: at least so much of the picture is sky, earth, water ..., and less than so much is ceiling,
bed, sink ... (`ade_classes`)."""


def renumbered(numbering: Numbering) -> np.ndarray:
    """(256,) uint8: the channel of every value of a stored label map.

    CoCosNet takes the values as they are: channel 0 is unlabelled. SPADE shifts them: channel 0 is wall and 150 is
    unlabelled. Checkpoints of the two cannot be exchanged.
    """
    values = np.arange(256, dtype=np.uint8)
    if numbering == "spade":
        known = slice(1, CHANNELS)
        values[known] -= 1
        values[0] = CLASSES
    return values


@dataclass(frozen=True)
class SceneTable(Table):
    """Photographs of scenes and their label maps."""

    numbering: Numbering = "cocosnet"

    def settings(self, rows: np.ndarray) -> dict[str, Any]:
        """See `Table.settings`."""
        return {"numbering": self.numbering}

    def read_annotation(self, row: int, kind: Annotation) -> np.ndarray | None:
        """The label map in channels of the chosen numbering. Raises `Unreadable`."""
        found = super().read_annotation(row, kind) if kind == "labels" else None
        # A map with values of more than 8 bits is left as it is: it will be refused with its largest value.
        return renumbered(self.numbering)[found] if found is not None and found.dtype == np.uint8 else found


@dataclass(frozen=True)
class CategoryPairs(Pairs):
    """Every image as a target, and as its source another image of its scene category, drawn each time."""

    starts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    """(N,) int32: where the images of a target's category begin in `sources`, the pool."""
    stops: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    """(N,) int32: where they end."""

    @classmethod
    def of(cls, rows: np.ndarray, categories: np.ndarray) -> Self:
        """All of these rows, but for the only one of its category, in their order."""
        pool = rows[np.argsort(categories, kind="stable")].astype(np.int32)
        _, place, counts = np.unique(categories, return_inverse=True, return_counts=True)
        stops = np.cumsum(counts)
        several = counts[place] > 1
        start, stop = (side[place][several].astype(np.int32) for side in (stops - counts, stops))
        return cls(pool, rows[several].astype(np.int32), "sources", starts=start, stops=stop)

    def pick(self, index: int, rng: np.random.Generator) -> tuple[int, int]:
        """The rows (source, target) of the pair at an index."""
        start, last, target = int(self.starts[index]), int(self.stops[index]) - 1, int(self.targets[index])
        # One of the others: the last one stands in for the target, as in `Pairs.pick`.
        source = int(self.sources[rng.integers(start, last)])
        return (source if source != target else int(self.sources[last])), target

    def limited(self, count: int | None) -> Self:
        """At most `count` pairs, spread evenly over the list."""
        if count is None or count >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, count).round().astype(np.int64)
        return replace(self, targets=self.targets[chosen], starts=self.starts[chosen], stops=self.stops[chosen])


class ADE20k(TranslationDataModule):
    """Scenes in the style of exemplars.

    Pairing: `reference` takes CoCosNet's lists where they are, otherwise the training image whose label map is most alike
    (exemplars of `val` and `test` are training images); `same_identity` another image of the same scene category, which is
    not the same thing; `domains` leads from the categories `scenes_x` to `scenes_y`, or from the structure, drawn as a
    picture, to the photo.
    """

    replica_name = "ade20k"

    def __init__(
        self,
        *,
        structure: Literal["labels", "edges", "image"] = "labels",
        numbering: Numbering = "cocosnet",  # channel 0 unlabelled (cocosnet), or wall, and 150 unlabelled (spade)
        subset: Literal["all", "outdoor"] = "all",  # outdoor: by a rule on the label maps, or by subset_list
        subset_list: str | None = None,  # subset=outdoor: a text file that names its images; null: by the rule
        lists: str | None = None,  # a further folder with text files, such as CoCosNet's data/ with ade20k_ref.txt
        hard_fraction: float = 2 / 7,  # reference, training: how often the worst listed exemplar is taken; 0.2 of 0.7
        domains_by: Literal[
            "scene", "structure"
        ] = "scene",  # pairing=domains: structure: from the structure to the photo
        scenes_x: list[str] | None = None,  # pairing=domains: the scene categories of domain X; null: [bedroom]
        scenes_y: list[str] | None = None,  # pairing=domains: the scene categories of domain Y; null: [living_room]
        **shared: Any,
    ) -> None:
        """See the comments of the arguments; the others are those of every dataset.

        Raises:
            BadInput: settings that cannot be together.
        """
        if structure not in ("labels", "edges", "image"):
            raise BadInput(f"ADE20k has label maps and no {structure}: set data.structure to labels, edges or image")
        if shared.get("classes", 0) not in (0, CHANNELS):
            raise BadInput(f"ADE20k has {CLASSES} classes and unlabelled pixels: set data.classes={CHANNELS}")
        by_structure = {"structure_to_photo": domains_by == "structure"}
        super().__init__(**{**shared, **by_structure, "structure": structure, "classes": CHANNELS})
        if not 0 <= hard_fraction <= 1:
            raise BadInput(f"data.hard_fraction must be between 0 and 1, not {hard_fraction}")
        if subset_list is not None and subset == "all":
            raise BadInput("data.subset_list names the images of data.subset=outdoor: set that too")
        self.numbering: Numbering = numbering
        self.subset, self.hard_fraction = subset, hard_fraction
        self.subset_list = None if subset_list is None else Path(subset_list).expanduser()
        self.lists = None if lists is None else Path(lists).expanduser()
        self.scenes_x, self.scenes_y = scenes_x or ["bedroom"], scenes_y or ["living_room"]
        self._shares: dict[str, np.ndarray] = {}
        self._stems: dict[Split, list[str]] = {}
        self._best: dict[Split, dict[str, tuple[str, str]]] = {}

    # What the base asks for.

    def index(self, split: Split) -> SceneTable:
        """The images of a split, and after them the training images that are their exemplars."""
        files = find_files(self.root)
        own = self._split(files, split)
        wanted = (name for pair in self._exemplars(files, split).values() for name in pair) if own else ()
        others = sorted(set(wanted).intersection(files.stems("train")).difference(own))
        part = "test" if split == "test" else "train"
        rows = [(part, stem) for stem in own] + [("train", stem) for stem in others]
        names = {side: files.stems(side) for side in {part, "train"}}
        return SceneTable(
            root=str(self.root),
            keys=column([relative(files.images / FOLDERS[p] / names[p][stem], self.root) for p, stem in rows]),
            identity=np.arange(len(rows), dtype=np.int32),
            domain=self._categories([stem for _, stem in rows]),
            structures=column([relative(files.label_map(p, stem), self.root) for p, stem in rows])
            if self.structure.annotation == "labels"
            else None,
            own=np.arange(len(rows)) < len(own),
            numbering=self.numbering,
        )

    def usable_rows(self, table: Table) -> np.ndarray:
        """The images of the split itself."""
        assert isinstance(table, SceneTable)
        assert table.own is not None
        return table.own

    def listed_pairs(self, split: Split, table: Table) -> Pairs | None:
        """Exemplars; or images of one scene category."""
        rows = np.flatnonzero(self.usable_rows(table))
        if self.pairing == "same_identity":
            self._needs_categories()
            known = rows[table.domain[rows] >= 0]
            if len(known) < len(rows):
                log.info("%s: %d of %d images have no scene category", split, len(rows) - len(known), len(rows))
            return CategoryPairs.of(known, table.domain[known])
        if self.pairing != "reference":
            return None
        place = {_stem(table.key(row)): row for row in range(len(table))}
        found = self._exemplars(find_files(self.root), split)
        sides = [
            (row, *(place.get(name, -1) for name in found.get(_stem(table.key(row)), ("", ""))))
            for row in rows.tolist()
        ]
        numbers = np.array(sides, np.int32).reshape(-1, 3)
        whole = numbers[np.all(numbers >= 0, axis=1)]
        if len(whole) < len(numbers):
            text = "%s: left out %d of %d images without an exemplar that is there"
            log.warning(text, split, len(numbers) - len(whole), len(numbers))
        target, first, last = whole.T
        hard = self.hard_fraction if split == "train" else 0.0
        return ExemplarPairs(first, target, hard_sources=last, hard_fraction=hard)

    def domain_rows(self, split: Split, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """The images of the two groups of scene categories."""
        known = self._needs_categories()
        for side, scenes in (("x", self.scenes_x), ("y", self.scenes_y)):
            for scene in scenes:
                if scene not in known:
                    raise BadInput(
                        f"there is no scene category {scene!r} in sceneCategories.txt (data.scenes_{side})."
                        f"{nearest(scene, known)}"
                    )
        x, y = ([known.index(scene) for scene in scenes] for scenes in (self.scenes_x, self.scenes_y))
        return np.flatnonzero(np.isin(table.domain, x)), np.flatnonzero(np.isin(table.domain, y))

    def batch_from_files(self, sources: Sequence[Path | None], structures: Sequence[Path | None]) -> Batch:
        """See the base. Label maps hold ADE20k's values as on disk, 0 to 150, whatever the numbering of the channels."""
        if self.structure.annotation != "labels" or self.numbering == "cocosnet":
            return super().batch_from_files(sources, structures)
        from datamodules.user_files import raw_batch

        raw = raw_batch(sources, structures, "labels", self._whole(), CHANNELS, self.placed_alone)
        return self._finished_files(self._renumbered(raw))

    # How it is done.

    def _renumbered(self, raw: RawBatch) -> RawBatch:
        values = torch.from_numpy(renumbered(self.numbering))

        def changed(labels: Tensor | None) -> Tensor | None:
            return None if labels is None else values[labels.long()]

        return replace(
            raw,
            source_annotation=changed(raw.source_annotation),
            target_annotation=changed(raw.target_annotation),
        )

    def _split(self, files: AdeFiles, split: Split) -> list[str]:
        """The images of a split, in the order of their names."""
        if split not in self._stems:
            if split == "test":
                self._stems["test"] = self._chosen(files, "test")
            else:
                self._stems["train"], self._stems["val"] = self._held_out(self._chosen(files, "train"))
        return self._stems[split]

    def _held_out(self, stems: list[str]) -> tuple[list[str], list[str]]:
        """Images to train on, and those held out for validation: the same ones whatever the seed of a run."""
        count = (
            min(max(1, round(self.val_fraction * len(stems))), len(stems) - 1) if self.val_fraction > 0 and stems else 0
        )
        held_out = set(np.random.default_rng(0).permutation(len(stems))[:count].tolist())
        parts: tuple[list[str], list[str]] = [], []
        for place, stem in enumerate(stems):
            parts[place in held_out].append(stem)
        return parts

    def _chosen(self, files: AdeFiles, part: str) -> list[str]:
        """The images of a part that are in the subset."""
        found = list(files.stems(part))
        if len(found) != PUBLISHED[part]:
            log.info(
                "%s: %d images, the whole dataset has %d", files.images / FOLDERS[part], len(found), PUBLISHED[part]
            )
        return self._subset(files, part, found)

    def _subset(self, files: AdeFiles, part: str, stems: list[str]) -> list[str]:
        """The images of the subset, of which the log says how many there are: no two papers have the same."""
        if self.subset == "all" or not stems:
            return stems
        if self.subset_list is not None:
            listed = read_stems(self.subset_list)
            chosen, how = [stem for stem in stems if stem in listed], f"named by {self.subset_list}"
        else:
            shares = self._label_shares(files, part, "data.subset=outdoor (or data.subset_list)")
            outdoor = shares[:, OUTDOOR].sum(1) >= OUTDOOR_SHARE
            indoor = shares[:, INDOOR].sum(1) >= INDOOR_SHARE
            chosen = [stem for stem, taken in zip(stems, outdoor & ~indoor, strict=True) if taken]
            how = "outdoor by the rule of this project, which is the split of no paper"
        log.info("%s: %d of %d images are %s", FOLDERS[part], len(chosen), len(stems), how)
        return chosen

    def _label_shares(self, files: AdeFiles, part: str, purpose: str) -> np.ndarray:
        """(N, 151) float32: how much of each image of a part every raw class covers."""
        if part not in self._shares:
            paths = [files.label_map(part, stem) for stem in files.stems(part)]
            if paths and not any(path.is_file() for path in paths[:100]):
                raise BadInput(f"{purpose} needs the label maps, and {paths[0]} is not there")
            self._shares[part] = label_shares(paths, CHANNELS, files.home)
        return self._shares[part]

    def _exemplars(self, files: AdeFiles, split: Split) -> dict[str, tuple[str, str]]:
        """Image -> its best exemplar and its worst listed one; empty unless pairing=reference.

        Training images that are held out for validation are no exemplars: training is not to see them.
        """
        if self.pairing != "reference":
            return {}
        if split not in self._best:
            self._best[split] = self._found(files, split)
        return self._best[split]

    def _found(self, files: AdeFiles, split: Split) -> dict[str, tuple[str, str]]:
        """The exemplars of a split, by the list where it names any, otherwise by retrieval."""
        pool = self._split(files, "train")
        if split == "test":
            pool = sorted([*pool, *self._split(files, "val")])
        path = files.text("ade20k_ref_test.txt" if split == "test" else "ade20k_ref.txt", self.lists)
        own = self._split(files, split)
        if path is not None:
            found = _listed(path, set(own), set(pool if split == "train" else files.stems("train")))
            if found or not own:
                return found
            log.info("%s names no image of the %s split and an exemplar that is there", path, split)
        return self._retrieved(files, split, own, pool)

    def _retrieved(self, files: AdeFiles, split: Split, own: list[str], pool: list[str]) -> dict[str, tuple[str, str]]:
        """Image -> the training image whose classes cover the most similar shares of it."""
        log.info("%s: no list of exemplars, taking the training image whose label map is most alike", split)
        part = "test" if split == "test" else "train"
        sides = [(part, stem) for stem in own] + [("train", stem) for stem in pool]
        number = {side: place for place, side in enumerate(dict.fromkeys(sides))}
        names = {side: files.stems(side) for side in {part, "train"}}
        table = Table(
            root=str(self.root),
            keys=column([relative(files.images / FOLDERS[p] / names[p][stem], self.root) for p, stem in sides]),
            identity=np.array([number[side] for side in sides], np.int32),
            domain=np.zeros(len(sides), np.int32),
            structures=column([relative(files.label_map(p, stem), self.root) for p, stem in sides]),
        )
        queries, others = np.arange(len(own)), np.arange(len(own), len(sides))
        best = self.exemplars_of(split, table, queries, others, lambda: self._most_alike(files, sides, len(own)))
        found = [(stem, sides[row][1]) for stem, row in zip(own, best.tolist(), strict=True) if row >= 0]
        return {stem: (exemplar, exemplar) for stem, exemplar in found}

    def _most_alike(self, files: AdeFiles, sides: list[tuple[str, str]], own: int) -> np.ndarray:
        """For each of the first `own` images the row of another image after them whose label map is most alike; -1 for
        none."""
        purpose = "data.pairing=reference (without ade20k_ref.txt and ade20k_ref_test.txt)"
        shares = {part: self._label_shares(files, part, purpose) for part in dict(sides)}
        rows = {part: {stem: row for row, stem in enumerate(files.stems(part))} for part in shares}
        features = torch.from_numpy(np.stack([shares[part][rows[part][stem]] for part, stem in sides]))
        place = {side: number for number, side in enumerate(sides[own:])}
        found = np.full(own, -1, np.int32)
        for start in range(0, own, 1024):
            distance = torch.cdist(features[start : min(start + 1024, own)], features[own:])
            for row, side in enumerate(sides[start : min(start + 1024, own)]):
                if side in place:
                    distance[row, place[side]] = torch.inf
            if distance.shape[1]:
                least, best = distance.min(1)
                found[start : start + len(best)] = np.where(torch.isfinite(least), own + best.numpy(), -1)
        return found

    def _category_names(self) -> tuple[dict[str, str], list[str]]:
        """Image -> scene category, and all categories in the order of their codes."""
        path = find_files(self.root).text("sceneCategories.txt", self.lists)
        found = {} if path is None else read_categories(path)
        return found, sorted(set(found.values()) - {NO_CATEGORY})

    def _categories(self, stems: list[str]) -> np.ndarray:
        """The code of each image's scene category; -1 where it has none."""
        found, names = self._category_names()
        code = {name: number for number, name in enumerate(names)}
        return np.array([code.get(found.get(stem, ""), -1) for stem in stems], np.int32)

    def _needs_categories(self) -> list[str]:
        names = self._category_names()[1]
        if not names:
            raise BadInput(
                f"data.pairing={self.pairing} needs sceneCategories.txt, which is not in {self.root}: put that file of "
                "ADEChallengeData2016.zip there, or set data.pairing to reference, random or self"
            )
        return names


def _stem(key: str) -> str:
    return key.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _listed(path: Path, targets: set[str], pool: set[str]) -> dict[str, tuple[str, str]]:
    """Image -> the first and the last of its listed exemplars that are in the pool; images without any are left out."""
    found = {}
    for names in ExemplarList.read(path).names:
        target, *exemplars = (_stem(name) for name in names)
        there = [name for name in exemplars if name in pool and name != target]
        if target in targets and there:
            found[target] = there[0], there[-1]
    return found

"""CelebA-HQ with the masks, attributes and head poses of CelebAMask-HQ (Karras et al., ICLR 2018; Lee et al., CVPR 2020).

    CelebAMask-HQ/
      CelebA-HQ-img/<id>.jpg                              30,000 faces, 1024 x 1024, names not padded
      CelebAMask-HQ-mask-anno/<id // 2000>/NNNNN_<part>.png   18 parts, 512 x 512; other forms: see `face_masks`
      CelebA-HQ-to-CelebA-mapping.txt                     which image of CelebA each one is: the standard split
      CelebAMask-HQ-attribute-anno.txt                    40 attributes, -1 or 1
      CelebAMask-HQ-pose-anno.txt                         yaw, pitch and roll in degrees
      train.txt, val.txt                                  CoCosNet's lists of ids: the same split
      celebahq_ref.txt, celebahq_ref_test.txt             CoCosNet's exemplars (see `exemplar_lists`)
      list_eval_partition.txt, identity_CelebA.txt        CelebA's own partition and identities

All but the images are needed only by what uses them. `root` may be that folder or its parent; text files may also lie
beside it, or in `lists`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from datamodules.bad_input import BadInput, nearest
from datamodules.batch import Batch
from datamodules.celeba_files import ANGLES, ATTRIBUTES, Values, partition, read_mapping, read_numbers, read_values
from datamodules.exemplar_lists import ExemplarList, ExemplarPairs
from datamodules.face_masks import FaceMasks, Form, find_masks
from datamodules.pairing import Pairs
from datamodules.raw_batch import RawBatch
from datamodules.reading import list_images
from datamodules.structures.face_parts import CLASSES, FaceLabels, Numbering, exchanged, labels_of, stack_of
from datamodules.structures.part_edges import framed_parts, loaded_parts, placed_parts
from datamodules.structures.structure import Annotation
from datamodules.table import Table, column
from datamodules.transforms import Framing
from datamodules.translation import Split, TranslationDataModule

log = logging.getLogger(__name__)

IMAGES = "CelebA-HQ-img"

FAULTY = (
    # The second of two pictures of which one is the other again.
    *(235, 3330, 5163, 6771, 7385, 7562, 12445, 12886, 13826, 15507, 19200, 20135, 24647),
    *(2110, 70),  # misaligned; cut almost in half
    # Masks that are empty, wrong, or of something that is not there.
    *(404, 481, 1499, 2260, 2281, 2905, 3137, 4790, 4995, 5130, 5591, 5608, 9150, 9895, 10184, 13008, 15587, 17586),
)
"""Images that users reported to the authors of CelebAMask-HQ as faulty."""

POOL = 2000
"""From how many training images the exemplars of validation and test are retrieved, where no list names them."""


@dataclass(frozen=True)
class FaceTable(Table):
    """Faces, whose label maps and contours come from the masks of their parts."""

    images: np.ndarray | None = None
    """(N,) int: the number that the image's file is named after."""
    masks: FaceMasks | None = None
    numbering: Numbering = "official"
    exchanges: bool = True
    """Whether left and right parts change places in a mirrored picture."""

    def stack(self, row: int) -> np.ndarray:
        """The parts of a face, see `face_parts`. Raises `Unreadable`."""
        assert self.masks is not None
        assert self.images is not None
        return self.masks.stack(int(self.images[row]))

    def made_of(self, row: int, kind: Annotation) -> list[str]:
        """The full paths of all files that `loaded` reads for a row: with those of the masks."""
        if kind not in ("labels", "parts") or self.masks is None:
            return [self.path(row)]
        assert self.images is not None
        return [self.path(row), *(str(path) for path in self.masks.files(int(self.images[row])))]

    def settings(self, rows: np.ndarray) -> dict[str, Any]:
        """See `Table.settings`."""
        return {"masks": None if self.masks is None else self.masks.form}

    def loaded_annotation(
        self, row: int, kind: Annotation, framing: Framing, pixels: np.ndarray, classes: int
    ) -> Tensor | None:
        """The parts, resized; with the picture's own edges where contours want them. See `Table.loaded_annotation`."""
        if kind not in ("labels", "parts") or self.masks is None:
            return None
        stack = self.stack(row)
        if kind == "labels":
            return framing.loading.labels(stack)
        return loaded_parts(stack, (framing.load_height, framing.load_width), pixels)

    def placed_annotation(self, loaded: Tensor | None, kind: Annotation, framing: Framing) -> Tensor | None:
        """What a structure of this face is drawn from; see `Table.placed_annotation`."""
        if loaded is None:
            return None
        if kind == "parts":
            return placed_parts(loaded, framing, self.exchanges)
        stack = framing.placed(loaded).numpy()
        if framing.mirrored and self.exchanges:
            stack = exchanged(stack)
        return torch.from_numpy(labels_of(stack, self.numbering))

    def read_annotation(self, row: int, kind: Annotation) -> np.ndarray | None:
        """The label map of the whole picture, without glasses that are seen through."""
        if kind not in ("labels", "parts") or self.masks is None:
            return None
        return labels_of(self.stack(row), self.numbering) % CLASSES


class CelebAHQ(TranslationDataModule):
    """Faces from label maps, from contours, or from one attribute to its opposite.

    `train`, `val` and `test` are the standard 24,183, 2,993 and 2,824 images where the mapping file or CoCosNet's lists are
    there. CoCosNet's tables were measured on `val`.
    """

    replica_name = "celebahq"
    stored_size: ClassVar[tuple[int, int] | None] = (1024, 1024)

    def __init__(
        self,
        *,
        structure: Literal["labels", "part_edges", "edges", "image"],  # what a method is to follow
        numbering: Literal["official", "cocosnet"] = "official",  # of the label maps' 19 classes
        masks: Literal["parts", "cocosnet", "official"]
        | None = None,  # their form on disk; null: the first that is there
        mask_cache: str | None = None,  # where merged masks are kept; null: beside them, else in the user's cache
        mirror_exchanges: bool = True,  # left and right parts change places in a mirrored picture; false: as published
        partition: Literal["celeba", "lists", "fraction"]
        | None = None,  # what splits are made of; null: the first that can
        lists: str | None = None,  # a further folder with text files, such as CoCosNet's data/
        hard_fraction: float = 2 / 7,  # pairing=reference, training: how often the worst listed exemplar is taken
        domains_by: Literal["attribute", "structure"] = "attribute",  # pairing=domains: structure: from it to the photo
        attribute: str = "Smiling",  # pairing=domains: X are the images without it, Y those with it
        keep_faulty: bool = True,  # whether images that are known to be faulty stay in the splits, as published
        **shared: Any,
    ) -> None:
        """See the comments of the arguments; the others are those of every dataset.

        Raises:
            BadInput: settings that cannot be together.
        """
        if shared.get("classes", 0) not in (0, CLASSES):
            raise BadInput(f"CelebA-HQ has {CLASSES} classes: set data.classes={CLASSES}")
        by_structure = {"structure_to_photo": domains_by == "structure"}
        super().__init__(**{**shared, **by_structure, "structure": structure, "classes": CLASSES})
        if structure == "labels":
            self.structure = FaceLabels()
        if attribute not in (*ATTRIBUTES, *ANGLES):
            raise BadInput(
                f"there is no attribute {attribute!r} (data.attribute): the 40 of CelebA, Yaw, Pitch and Roll are known."
                f"{nearest(attribute, [*ATTRIBUTES, *ANGLES])}"
            )
        if not 0 <= hard_fraction <= 1:
            raise BadInput(f"data.hard_fraction must be between 0 and 1, not {hard_fraction}")
        self.numbering: Numbering = numbering
        self.form: Form | None = masks
        self.mask_cache = None if mask_cache is None else Path(mask_cache).expanduser()
        self.exchanges, self.partition, self.hard_fraction = mirror_exchanges, partition, hard_fraction
        self.lists = None if lists is None else Path(lists).expanduser()
        self.attribute, self.keep_faulty = attribute, keep_faulty

    # What the base asks for.

    def index(self, split: Split) -> FaceTable:
        """The images of a split, and after them the other images that are their exemplars."""
        folder, files = self.image_files()
        splits = self.split_images(np.array(sorted(files), np.int64))
        own = splits[split]
        if not self.keep_faulty:
            own = own[~np.isin(own, FAULTY)]
        present = np.isin(own, list(files))
        if not present.all():
            missing = own[~present]
            text = f"{len(missing)} of {len(own)} images of the {split} split are not in {folder} (the first: {missing[0]})"
            if len(missing) > self.max_bad_fraction * len(own):
                raise BadInput(f"{text}, more than data.max_bad_fraction={self.max_bad_fraction:g} allows")
            log.warning("left out: %s", text)
        own = own[present]
        others = np.setdiff1d(self._wanted_exemplars(split, own, splits["train"]), own)
        images = np.concatenate([own, others[np.isin(others, list(files))]]).astype(np.int64)
        masks = self._masks()
        return FaceTable(
            root=str(self.root),
            keys=column([f"{folder.relative_to(self.root).as_posix()}/{files[image]}" for image in images.tolist()]),
            identity=self.identities(images),
            domain=self._domains(images),
            structures=None if masks is None else column([self._relative(masks, image) for image in images.tolist()]),
            images=images,
            own=np.arange(len(images)) < len(own),
            masks=masks,
            numbering=self.numbering,
            exchanges=self.exchanges,
        )

    def usable_rows(self, table: Table) -> np.ndarray:
        """The images of the split itself."""
        assert isinstance(table, FaceTable)
        assert table.own is not None
        return table.own

    def listed_pairs(self, split: Split, table: Table) -> Pairs | None:
        """Exemplars by CoCosNet's list; where it knows none of the split's images, the faces whose parts are alike."""
        if self.pairing == "same_identity" and self.text_file("identity_CelebA.txt") is None:
            raise BadInput(
                f"CelebAMask-HQ does not say who is who: put identity_CelebA.txt (from the CelebA team, on request) into "
                f"{self.root}, or set data.pairing=self"
            )
        if self.pairing != "reference":
            return None
        assert isinstance(table, FaceTable)
        assert table.images is not None
        assert table.own is not None
        exemplars = self._exemplars(split)
        rows = np.full((0, 3), -1) if exemplars is None else _rows_of(table.images, exemplars)
        own = (rows[:, 0] >= 0) & table.own[rows[:, 0]]
        if own.any():
            known = own & (rows >= 0).all(1)
            without = int(table.own.sum()) - int(known.sum())
            if without:
                log.warning("%s: left out %d images whose exemplars are not listed or not there", split, without)
            target, first, last = rows[known].astype(np.int32).T
            hard = self.hard_fraction if split == "train" else 0.0
            return ExemplarPairs(first, target, hard_sources=last, hard_fraction=hard)
        return self._retrieved(split, table)

    def domain_rows(self, split: Split, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """The images without and with the attribute; for an angle of the head, below and above 0."""
        return np.flatnonzero(table.domain < 0), np.flatnonzero(table.domain > 0)

    def batch_from_files(self, sources: Sequence[Path | None], structures: Sequence[Path | None]) -> Batch:
        """See the base. Contours are drawn from label maps of the numbering `data.numbering`; a photo's edges are not added."""
        if self.structure.annotation != "parts":
            return super().batch_from_files(sources, structures)
        from datamodules.user_files import raw_batch

        raw = raw_batch(sources, structures, "labels", self._whole(), CLASSES, self.placed_alone, self.proportions)
        return self._finished_files(self._with_parts(raw))

    # What the dataset knows.

    def attributes(self, images: np.ndarray) -> np.ndarray:
        """(N, 40) int8 of images by their numbers: 1 where the image has the attribute, -1 where not, 0 where unknown.

        Raises:
            BadInput: the file is not there.
        """
        found = self._values("CelebAMask-HQ-attribute-anno.txt", "attributes", len(ATTRIBUTES))
        order = [found.names.index(name) for name in ATTRIBUTES] if set(ATTRIBUTES) == set(found.names) else slice(None)
        return found.of(images, 0)[:, order].astype(np.int8)

    def head_poses(self, images: np.ndarray) -> np.ndarray:
        """(N, 3) float32: yaw, pitch and roll in degrees; NaN where unknown.

        Raises:
            BadInput: the file is not there.
        """
        return self._values("CelebAMask-HQ-pose-anno.txt", "head poses", len(ANGLES)).of(images, np.nan)

    # Where it lies.

    def place(self) -> Path:
        """The folder that holds the folder of images."""
        if not self.root.exists():
            raise BadInput(
                f"{self.root} does not exist: set data.root to the folder CelebAMask-HQ with {IMAGES} (ask for it on "
                "github.com/switchablenorms/CelebAMask-HQ), or write a replica of it with "
                f"`python -m datamodules.replica celebahq {self.root}`"
            )
        for place in (self.root, self.root / "CelebAMask-HQ"):
            if (place / IMAGES).is_dir():
                return place
        raise BadInput(f"{self.root} holds no folder {IMAGES}: data.root must be CelebAMask-HQ or its parent")

    def image_files(self) -> tuple[Path, dict[int, str]]:
        """The folder of the images, and number -> file name."""
        folder = self.place() / IMAGES
        names, others = list_images(folder, recursive=False)
        files: dict[int, str] = {}
        for name in names:
            stem = name.split(".")[0]
            if stem.isdigit():
                files.setdefault(int(stem), name)
        if not files:
            raise BadInput(f"{folder} holds no image that is named like 29922.jpg")
        ignored = len(names) + len(others) - len(files)
        if ignored:
            log.info("%s: ignored %d files that are not named like 29922.jpg", folder, ignored)
        return folder, files

    def text_file(self, name: str) -> Path | None:
        """A text file: in `lists`, in the dataset, or beside it."""
        place = self.place()
        places = (
            [place, self.root, place.parent] if self.lists is None else [self.lists, place, self.root, place.parent]
        )
        return next((folder / name for folder in places if (folder / name).is_file()), None)

    def _values(self, name: str, what: str, columns: int) -> Values:
        path = self.text_file(name)
        if path is None:
            raise BadInput(f"{name} is not in {self.root}, and the {what} are known from it alone")
        return read_values(path, columns)

    def _masks(self) -> FaceMasks | None:
        """The masks, where anything needs them."""
        needed = self.structure.annotation in ("labels", "parts")
        if not needed and self.pairing != "reference":
            return None
        masks = find_masks(self.place(), self.form, self.mask_cache)
        if masks is None and needed:
            raise BadInput(
                f"data.structure={self.structure_name} needs the masks of CelebAMask-HQ, and {self.root} has none: put the "
                "folder CelebAMask-HQ-mask-anno there, or set data.structure to edges or image"
            )
        return masks

    def _relative(self, masks: FaceMasks, image: int) -> str:
        return (masks.root.relative_to(self.root) / masks.file(image)).as_posix()

    def split_images(self, images: np.ndarray) -> dict[Split, np.ndarray]:
        """The images of each split, in the order of its list."""
        mapping, train, val = (
            self.text_file(name) for name in ("CelebA-HQ-to-CelebA-mapping.txt", "train.txt", "val.txt")
        )
        kind = self.partition or ("celeba" if mapping else "lists" if val else "fraction")
        if kind == "celeba":
            if mapping is None:
                raise BadInput(
                    f"data.partition=celeba needs CelebA-HQ-to-CelebA-mapping.txt, which is not in {self.root}"
                )
            original = read_mapping(mapping)
            known = np.array([image for image in images.tolist() if image in original], np.int64)
            numbers = np.array([original[image] for image in known.tolist()], np.int64)
            parts = partition(numbers, self.text_file("list_eval_partition.txt"))
            return {split: known[parts == place] for place, split in enumerate(("train", "val", "test"))}  # type: ignore[misc]
        if kind == "lists":
            if val is None:
                raise BadInput(f"data.partition=lists needs val.txt, which is not in {self.root}")
            held_out = read_numbers(val)
            if train is None:
                return {"train": np.setdiff1d(images, held_out), "val": held_out, "test": held_out}
            training = read_numbers(train)
            rest = np.setdiff1d(images, np.concatenate([training, held_out]))
            # A copy with nothing but what the lists name has no images of its own for testing.
            return {"train": training, "val": held_out, "test": rest if len(rest) else held_out}
        if self.val_fraction == 0:
            return {"train": images, "val": images[:0], "test": images[:0]}
        shuffled = np.random.default_rng(0).permutation(images)
        count = max(1, round(self.val_fraction * len(images)))
        held_out = np.sort(shuffled[:count])
        log.info("%s has neither the mapping file nor val.txt: %d of its images are held out", self.root, count)
        return {"train": np.sort(shuffled[count:]), "val": held_out, "test": held_out}

    def identities(self, images: np.ndarray) -> np.ndarray:
        """Who it is, by CelebA's file; without it every image is somebody else."""
        names, mapping = self.text_file("identity_CelebA.txt"), self.text_file("CelebA-HQ-to-CelebA-mapping.txt")
        if names is None or mapping is None:
            return images.astype(np.int32)
        original = read_mapping(mapping)
        numbers = np.array([original.get(image, -1) for image in images.tolist()], np.int64)
        known = read_values(names, 1).of(numbers, -1)[:, 0].astype(np.int64)
        # Somebody that the file does not name is nobody else: a number of its own.
        return np.where(known >= 0, known, -1 - images).astype(np.int32)

    def _domains(self, images: np.ndarray) -> np.ndarray:
        """-1 or 1 for images without or with the attribute, 0 where that is not known or not asked."""
        if self.pairing != "domains" or self.structure_to_photo:
            return np.zeros(len(images), np.int32)
        if self.attribute in ANGLES:
            return np.sign(np.nan_to_num(self.head_poses(images)[:, ANGLES.index(self.attribute)])).astype(np.int32)
        return self.attributes(images)[:, ATTRIBUTES.index(self.attribute)].astype(np.int32)

    def _exemplars(self, split: Split) -> np.ndarray | None:
        """(N, 3) images: target, its best exemplar, its worst listed one; None without a list."""
        path = self.text_file("celebahq_ref.txt" if split == "train" else "celebahq_ref_test.txt")
        if self.pairing != "reference" or path is None:
            return None
        listed = ExemplarList.read(path)
        try:
            return np.array(
                [
                    [int(name.rsplit("/", 1)[-1].split(".")[0]) for name in side]
                    for side in (listed.targets, listed.first, listed.last)
                ]
            ).T.reshape(-1, 3)
        except ValueError as error:
            raise BadInput(f"{path} names files that are not called like 29922.jpg ({error})") from error

    def _wanted_exemplars(self, split: Split, own: np.ndarray, training: np.ndarray) -> np.ndarray:
        """The images that a split needs as exemplars: those of its list, or some of training to retrieve from."""
        if self.pairing != "reference":
            return own[:0]
        listed = self._exemplars(split)
        if listed is not None and np.isin(listed[:, 0], own).any():
            return listed[:, 1:][np.isin(listed[:, 0], own)].ravel()
        if split == "train" or len(training) == 0:
            return own[:0]
        return training[np.linspace(0, len(training) - 1, min(POOL, len(training))).astype(int)]

    def _retrieved(self, split: Split, table: FaceTable) -> Pairs:
        """For each image of the split the face whose parts cover the most similar areas: of somebody else in training, of a
        training image elsewhere."""
        from datamodules.retrieval import exemplars

        what = "parts" if table.masks else "look"
        log.info("%s: no list of exemplars, taking for each face the one with the most similar %s", split, what)
        own = table.own
        assert own is not None
        if not own.all():
            # One and the same person for retrieval: then another one is an image that is not of the split.
            table = replace(table, identity=np.where(own, table.identity.min() - 1, table.identity))
        rows = np.arange(len(table))
        also = "" if table.masks is None else f"{table.masks.form} {sorted(table.masks.stamps.items())}"
        kind: Annotation = "labels" if table.masks else "picture"
        found = self.exemplars_of(split, table, rows, rows, lambda: exemplars(table, kind, CLASSES), also)
        chosen = own & (found >= 0)
        return Pairs(found[chosen], np.flatnonzero(chosen).astype(np.int32))

    def _with_parts(self, raw: RawBatch) -> RawBatch:
        """The batch with label maps replaced by what contours are drawn from."""

        def stacks(labels: Tensor | None) -> Tensor | None:
            if labels is None:
                return None
            maps = [framed_parts(stack_of(one.numpy(), self.numbering), self._whole(), None) for one in labels]
            return torch.stack(maps)

        return replace(
            raw,
            source_annotation=stacks(raw.source_annotation),
            target_annotation=stacks(raw.target_annotation),
        )


def _rows_of(images: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The rows of images by their numbers, -1 for one that is not there."""
    order = np.argsort(images)
    place = np.searchsorted(images, wanted, sorter=order).clip(max=len(images) - 1)
    return np.where(images[order[place]] == wanted, order[place], -1)

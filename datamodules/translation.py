"""The DataModule that every dataset shares: splits, pairing, loaders, and how a batch is finished on the device."""

from __future__ import annotations

import logging
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from datamodules import structures
from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from datamodules.keyed_loader import KeyedBatchSampler, KeyedLoader
from datamodules.official_framing import OfficialFraming
from datamodules.packed import PackedStore, Packing, packed
from datamodules.pair_dataset import PairDataset
from datamodules.pairing import Pairs, same_identity
from datamodules.pictures import Pictures, batches
from datamodules.preprocess import CROPS
from datamodules.raw_batch import RawBatch
from datamodules.readability import readable_rows
from datamodules.structures.drawing import drawn
from datamodules.table import Table
from datamodules.transforms import Framing

if TYPE_CHECKING:
    from datamodules.retrieve import Finder

log = logging.getLogger(__name__)

Split = Literal["train", "val", "test"]
STAGES: dict[str | None, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    None: ("train", "val", "test"),
}

_REMEDY: dict[str, str] = {"val": "; raise data.val_fraction"}
"""What to do about a split that is too small."""


class TranslationDataModule(pl.LightningDataModule, ABC):
    """Pairs of (an appearance, a structure) from a dataset.

    A dataset says which images there are (`index`) and, where it has lists of its own, which belong together
    (`listed_pairs`). All else is here: the pairing modes, one framing for a picture and its annotation, order and position
    (`keyed_loader`), unreadable files, and drawing the structure maps on the device.

    Without a Trainer: `prepare_data()`, `setup("fit")`, then `on_after_batch_transfer(raw, 0)` makes a `Batch` of what
    `train_dataloader()` yields. World size and rank are the Trainer's where there is one.
    """

    replica_name: ClassVar[str | None] = None
    """The replica that can be written in this dataset's place (`datamodules/replica/<name>.py`)."""

    stored_size: ClassVar[tuple[int, int] | None] = None
    """Height and width of the dataset's pictures, where they are all alike."""

    def __init__(
        self,
        *,
        root: str,  # the dataset's folder
        height: int,  # of every picture and map of a batch
        width: int,
        structure: Literal["pose_heatmaps", "pose_map", "labels", "edges", "image"],  # what a method is to follow
        structure_channels: int | None = None,  # S of its maps; null: what the structure says
        pairing: Literal["same_identity", "reference", "self", "random", "domains"],  # how source and target meet
        sigma: float = 6.0,  # of pose heatmaps, in pixels of the output
        classes: int = 0,  # of label maps
        edge_low: float = 0.1,  # edges: Canny's thresholds of the gradient
        edge_high: float = 0.2,
        load_height: int | None = None,  # training: resized to this, then cropped to height x width; null: no cropping
        load_width: int | None = None,
        preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]
        | None = None,  # a framing of CycleGAN's code (see official_framing); null: squashed to the load size, then cropped
        flip: float = 0.0,  # training: the probability of mirroring
        batch_size: int = 8,  # pairs per process and step
        eval_batch_size: int | None = None,  # null: batch_size
        num_workers: int | None = None,  # null: one less than there are cores, at most 8
        structure_to_photo: bool = False,  # pairing=domains: X is the structure drawn as a picture, Y the photo
        seed: int = 0,  # of order and augmentation in training
        val_fraction: float = 0.05,  # the part of the training identities that is held out for validation
        max_bad_fraction: float = 0.01,  # more unreadable files than this stop the run before training
        limit_pairs: dict[str, int | None] | None = None,  # at most so many pairs of a split, spread over its list
        decode: Literal["exact", "fast"] = "exact",  # fast: large JPEGs to a part of their size that is enough
        cache: Literal["packed"] | None = None,  # packed: decode and resize once, into files that workers map
        cache_dir: str | None = None,  # where these lie; null: in root, or in the user's cache where that is read-only
        truth: bool = False,  # validation and test batches carry what only a replica knows
        shards: str | None = None,  # tars that root is made a view of where it does not exist, see shard_view
        replica: dict[str, Any] | None = None,  # settings of the replica that is written where root does not exist
    ) -> None:
        """See the comments of the arguments.

        Raises:
            BadInput: settings that cannot be together.
        """
        super().__init__()
        self.root = Path(root).expanduser()
        self.pairing, self.classes = pairing, classes
        self.structure = structures.build(
            structure, classes=classes, sigma=sigma, edge_low=edge_low, edge_high=edge_high
        )
        self.structure_name, self.structure_channels = structure, structures.channels(structure, classes)
        if structure_channels not in (None, self.structure_channels):
            raise BadInput(
                f"data.structure_channels={structure_channels}, but data.structure={structure} has {self.structure_channels}"
            )
        if structure_to_photo and pairing == "domains" and structure == "image":
            raise BadInput(
                "data.domains_by=structure leads from a drawn structure to the photo, and data.structure=image is the photo: "
                "set data.structure to edges, or to what else the dataset has"
            )
        self.structure_to_photo = structure_to_photo and pairing == "domains"
        self.shards = shards
        self.framing = Framing(height, width, load_height or height, load_width or width)
        self.preprocess = preprocess
        if preprocess is not None:
            self.framing = OfficialFraming(**vars(self.framing), preprocess=preprocess)
            if cache is not None:
                raise BadInput(f"data.cache={cache} keeps what data.preprocess=null loads: set one of them to null")
            if preprocess not in CROPS and (batch_size, eval_batch_size or batch_size) != (1, 1):
                raise BadInput(
                    f"data.preprocess={preprocess} leaves every picture its own size, and a batch holds pictures of one size: "
                    "set data.batch_size=1 data.eval_batch_size=1"
                )
        if height < 1 or width < 1 or self.framing.load_height < height or self.framing.load_width < width:
            raise BadInput(
                f"pictures cannot be cropped to {height} x {width} (data.height x data.width) out of "
                f"{self.framing.load_height} x {self.framing.load_width} (data.load_height x data.load_width)"
            )
        if batch_size < 1 or (eval_batch_size is not None and eval_batch_size < 1):
            raise BadInput("data.batch_size and data.eval_batch_size must be 1 or more")
        if not 0 <= val_fraction < 1:
            raise BadInput(f"data.val_fraction must be at least 0 and less than 1, not {val_fraction}")
        if seed < 0:
            raise BadInput(f"data.seed must be 0 or more, not {seed}")
        self.flip, self.batch_size, self.eval_batch_size = flip, batch_size, eval_batch_size or batch_size
        self.num_workers, self.seed, self.truth, self.replica = num_workers, seed, truth, replica
        self.val_fraction, self.max_bad_fraction = val_fraction, max_bad_fraction
        self.limit_pairs = {"train": None, "val": None, "test": None, **(limit_pairs or {})}
        if len(self.limit_pairs) > 3:
            raise BadInput(f"data.limit_pairs knows train, val and test, not {', '.join(list(self.limit_pairs)[3:])}")
        if cache not in (None, "packed"):
            raise BadInput(f"data.cache must be packed or null, not {cache!r}")
        if decode not in ("exact", "fast"):
            raise BadInput(f"data.decode must be exact or fast, not {decode!r}")
        if decode == "fast" and preprocess is not None:
            raise BadInput(
                f"data.decode=fast reads pictures smaller than they are stored, and data.preprocess={preprocess} goes by the "
                "stored size: set data.decode=exact or data.preprocess=null"
            )
        self.decode: Literal["exact", "fast"] = decode
        self.cache, self.cache_dir = cache, None if cache_dir is None else Path(cache_dir).expanduser()
        self.datasets: dict[Split, PairDataset | None] = {}
        """The splits that are set up; None for one without images."""
        self.finder: Finder | None = None
        """Finds exemplars anew and keeps them (`datamodules.retrieve`); None: those that are kept are used."""
        self.test_split: Split = "test"
        """The split that testing uses: evaluate.py may be asked for another one."""

    # What a dataset says.

    @abstractmethod
    def index(self, split: Split) -> Table:
        """The images of a split, in a fixed order; empty where the dataset has no such split.

        Raises:
            BadInput: the dataset is not there, or its annotation is wrong.
        """

    def listed_pairs(self, split: Split, table: Table) -> Pairs | None:
        """The pairs that the dataset's own lists give for the current pairing mode, or None where it has no list."""
        return None

    def usable_rows(self, table: Table) -> np.ndarray:
        """(N,) bool: which rows may be in a pair. All, unless a dataset says otherwise."""
        return np.ones(len(table), bool)

    def real_rows(self, split: Split, table: Table) -> np.ndarray:
        """(N,) bool: the images that translations are to look like, whether they are in a pair or not. All of the split, no
        exemplars from elsewhere; with `pairing=domains` those of domain Y."""
        own = np.ones(len(table), bool) if table.own is None else table.own
        if self.pairing != "domains" or self.structure_to_photo:
            return own
        _, y = self.domain_rows(split, table)
        return own & np.isin(np.arange(len(table)), y)

    def domain_rows(self, split: Split, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """The rows of domain X and of domain Y for `pairing=domains`."""
        raise BadInput(f"{type(self).__name__} has no domains: set data.pairing to another mode")

    def placed_alone(self, keypoints: np.ndarray) -> tuple[np.ndarray, tuple[int, int]] | None:
        """Keypoints (18, 3) of which nothing says what picture they belong to, as of one of this dataset's; and its height
        and width. None where the dataset's pictures have no common size."""
        return None if self.stored_size is None else (keypoints, self.stored_size)

    # Lightning's hooks.

    def prepare_data(self) -> None:
        """Where the dataset's folder does not exist, make it a view of the shards, or write the replica, asked for."""
        if self.shards is not None:
            from datamodules.shard_view import make_view

            make_view(self.root, self.shards)
        if self.replica is not None and not self.root.exists():
            settings = {"name": self.replica_name, **self.replica}
            if settings["name"] is None:
                raise BadInput(
                    f"{type(self).__name__} has no replica of its own: set data.replica.name, such as market1501"
                )
            from datamodules import replica

            log.info("%s does not exist: writing a replica of %s there", self.root, settings["name"])
            replica.write(directory=self.root, **settings)

    def setup(self, stage: str | None = None) -> None:
        """Index, check and pair the splits of a stage: fit, validate, test, or None for all.

        Raises:
            BadInput: nothing to train or test on, or more unreadable files than `max_bad_fraction`.
        """
        for split in (self.test_split,) if stage == "test" else STAGES[stage]:
            if split not in self.datasets:
                self.datasets[split] = self.set_up_split(split)
        if "train" in STAGES[stage]:
            self._check_training_batches()

    def train_dataloader(self) -> KeyedLoader:
        """Full batches in a new order each epoch; see `keyed_loader`."""
        return self._loader("train", self.batch_size)

    def val_dataloader(self) -> KeyedLoader | list[Any]:
        """Every validation pair once; no loader where there are none."""
        return self._loader("val", self.eval_batch_size) if self._dataset("val", needed=False) else []

    def test_dataloader(self) -> KeyedLoader:
        """Every test pair once, in the order of the dataset's list."""
        return self._loader(self.test_split, self.eval_batch_size)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Copy without waiting: the memory is page-locked where that matters."""
        return batch.to(device, non_blocking=True) if isinstance(batch, RawBatch | Batch) else batch

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Finish a batch on the device it is on."""
        return self.finished(batch) if isinstance(batch, RawBatch) else batch

    # For everyone else.

    def finished(self, raw: RawBatch) -> Batch:
        """Normalise the pictures and draw the structure maps."""
        batch = self._finished(raw)
        if self.structure_to_photo:
            return replace(batch, source=drawn(batch.source_structure, self.structure.annotation))
        return batch

    def _finished_files(self, raw: RawBatch) -> Batch:
        """As `finished`, of a user's own files: with `structure_to_photo` a source that has a structure (labels, a pose) is
        drawn, and a picture that has none, which may be a drawing or a photo to be led back, is taken as it is."""
        batch = self._finished(raw)
        kind = self.structure.annotation
        if not self.structure_to_photo or kind == "picture":
            return batch
        shown = drawn(batch.source_structure, kind)
        known = shown.flatten(1).amax(1)[:, None, None, None] > -1
        return replace(batch, source=torch.where(known, shown, batch.source))

    def _finished(self, raw: RawBatch) -> Batch:
        return Batch(
            source=_signed(raw.source),
            source_structure=self.structure.maps(raw.source_annotation, raw.source),
            target=_signed(raw.target),
            target_structure=self.structure.maps(raw.target_annotation, raw.target),
            paired=raw.paired,
            source_key=raw.source_key,
            target_key=raw.target_key,
            truth={
                name: _signed(value) if name.endswith("background") else value.float()
                for name, value in raw.truth.items()
            },
        )

    def examples(self, split: Split, count: int) -> Batch:
        """`count` pairs spread evenly over a split, whole and unmirrored, always the same ones; on the CPU.

        Fewer where the split has fewer. The split must be set up.
        """
        dataset = self._dataset(split)
        fixed = PairDataset(**{**vars(dataset), "train": False, "framing": self._whole(), "store": None})
        indices = np.linspace(0, len(fixed) - 1, min(count, len(fixed))).round().astype(int)
        raw = RawBatch.collated(_of_one_size([fixed[0, int(index)] for index in indices]))
        if isinstance(raw, BadInput):
            raise raw
        return self.finished(raw)

    def pictures(self, split: Split, rank: int = 0, world_size: int = 1) -> Iterator[Tensor]:
        """The images of a split themselves, without pairs or structures: each once, whole and unmirrored.

        The split need not be set up. Its images are those of `real_rows` that can be read; the limits of `limit_pairs` do
        not concern them. One that turns out to be damaged when it is decoded is logged and passed over.

        Args:
            rank, world_size: of a process that takes its share of the images.

        Yields:
            (B, 3, height, width) in [-1, 1] on the CPU, as batches have them; at most `eval_batch_size` at a time.

        Raises:
            BadInput: the split has no images, or more unreadable ones than `max_bad_fraction`.
        """
        parts = self.picture_sets(split)
        if not any(len(part) for part in parts):
            raise BadInput(f"the {split} split has no images")
        for part in parts:
            for pixels in batches(part.share(rank, world_size), self.eval_batch_size, self._workers()):
                yield _signed(pixels)

    def picture_sets(self, split: Split) -> list[Pictures]:
        """What `pictures` reads: one set, or one for each dataset of several."""
        dataset = self.datasets.get(split)
        table = self._readable(split) if dataset is None else dataset.table
        whole, store = self._whole(), None if dataset is None else dataset.store
        if dataset is not None and dataset.framing.loading != whole.loading:
            store = None  # of another size
        rows = np.flatnonzero(self.real_rows(split, table)) if len(table) else np.zeros(0, np.int64)
        return [Pictures(table, rows, self.structure.annotation, whole, self.decode, store)]

    def batch_from_files(self, sources: Sequence[Path | None], structures: Sequence[Path | None]) -> Batch:
        """A batch of a user's own files, nothing of the dataset is needed. On the CPU.

        Pictures are continued by their border pixels to the dataset's `proportions`, then resized to the batch's size.

        Args:
            sources: images, the appearances; None: the picture that shows the structure.
            structures: what to follow. Poses: a file of keypoints (`structures.keypoint_files`), or an image that has one
                beside it. Labels: a map of class indices. Edges and images: an image. None: the source's own.

        The structure of a source that has none (no keypoints beside it, no label map) is empty. `target` is the picture
        that shows the structure, grey where there is none: nobody knows the true one.

        Raises:
            BadInput: a file that cannot be read, or not as the structure of this dataset.
        """
        from datamodules.user_files import raw_batch

        annotation = self.structure.annotation
        raw = raw_batch(
            sources, structures, annotation, self._whole(), self.classes, self.placed_alone, self.proportions
        )
        return self._finished_files(raw)

    def show_layouts_by_pictures(self) -> None:
        """From now on the files that `batch_from_files` follows are pictures, whatever structure the data has in training: for
        methods that take the layout from the picture itself."""
        self.structure = structures.build("image")
        self.structure_name, self.structure_channels = "image", structures.channels("image", 0)

    def exemplars_of(
        self,
        split: Split,
        table: Table,
        queries: np.ndarray,
        pool: np.ndarray,
        by_annotation: Callable[[], np.ndarray],
        also: str = "",
    ) -> np.ndarray:
        """(Q,) int32: for each query the row of its exemplar in the pool, -1 for none, where no list of the dataset says so.

        Those that `datamodules.retrieve` found and kept, where it did so for these very files; otherwise `by_annotation`.

        Args:
            queries, pool: rows of the table; nothing is an exemplar of a row of its own identity.
            also: what else the annotations depend on.
        """
        from datamodules import retrieval_index

        if self.finder is not None:
            return self.finder.find(split, self.root, table, queries, pool, by_annotation, also)
        index = retrieval_index.read(self.root, retrieval_index.state(table, queries, pool, also), len(queries))
        if index is None:
            return by_annotation()
        log.info("%s: exemplars by %s, from %s", split, index.made.get("features"), index.path)
        return index.exemplars

    @property
    def proportions(self) -> tuple[int, int] | None:
        """Height and width to whose ratio a user's pictures are padded; None: they are stretched, as in training."""
        return self.stored_size if self.preprocess is None else None

    def as_given(self, image: Tensor, path: Path) -> Tensor:
        """A translated image (3, H, W) of `batch_from_files` at the size and ratio of the picture of a user's file: that of its
        structure, or of its source where it has none. Images of another size than the batch's (strips) stay as they are."""
        from datamodules.user_files import as_given, size_shown

        if self.preprocess is not None or image.shape[1:] != (self.framing.height, self.framing.width):
            return image
        size = size_shown(path, self.structure.annotation, self._whole(), self.classes, self.placed_alone)
        return as_given(image, size, self.proportions).clamp(-1, 1)

    def placed(self, path: str | Path, kind: Literal["picture", "mask"]) -> Tensor:
        """One file of a user's, framed as `batch_from_files` frames pictures: a picture (3, H, W) in [-1, 1], or a mask
        (1, H, W) in [0, 1], white inside, that was painted over such a picture.

        Raises:
            BadInput: it cannot be read.
        """
        from datamodules.user_files import placed_mask, placed_picture

        if kind == "mask":
            return placed_mask(Path(path), self._whole(), self.proportions)
        return _signed(placed_picture(Path(path), self._whole(), self.proportions))

    # How it is done.

    def _whole(self) -> Framing:
        whole = Framing.whole(self.framing.height, self.framing.width)
        return whole if self.preprocess is None else OfficialFraming(**vars(whole), preprocess=self.preprocess)

    def _dataset(self, split: Split, needed: bool = True) -> Any:
        if split not in self.datasets:
            raise BadInput(f"the {split} split is not set up: call setup() of the data first")
        dataset = self.datasets[split]
        if dataset is None and needed:
            raise BadInput(f"{self.root} has no images for the {split} split")
        return dataset

    def set_up_split(self, split: Split) -> PairDataset | None:
        """Index, check and pair one split; None for a validation split without images."""
        table = self._readable(split)
        if len(table) == 0:
            return None
        pairs = self._paired(split, table).limited(self.limit_pairs[split])
        if len(pairs) == 0:
            raise BadInput(
                f"the {split} split of {self.root} has {len(table)} images but no pair for data.pairing={self.pairing}"
                f"{_REMEDY.get(split, '')}"
            )
        log.info("%s: %d pairs of %d images in %s", split, len(pairs), len(table), self.root)
        train = split == "train"
        framing = self.framing if train else self._whole()
        return PairDataset(
            table=table,
            pairs=pairs,
            annotation=self.structure.annotation,
            framing=framing,
            train=train,
            flip=self.flip,
            seed=self.seed,
            classes=self.classes,
            truth=self.truth and not train,
            decode=self.decode,
            store=self._store(split, table, pairs, framing),
        )

    def _readable(self, split: Split) -> Table:
        """The images of a split whose files can be read; none only for a validation split."""
        table = self.index(split)
        found = len(table)
        table = readable_rows(table, split, self.structure.annotation, self._least_size(), self.max_bad_fraction)
        if len(table) == 0 and split != "val":
            raise BadInput(f"{self.root} has no images for the {split} split" + (" that can be read" if found else ""))
        return table

    def _least_size(self) -> tuple[int, int] | None:
        """Height and width below which pictures are enlarged; None: none are."""
        if self.preprocess in ("crop", "none"):
            return None
        return self.framing.load_height, self.framing.load_width

    def _store(self, split: Split, table: Table, pairs: Pairs, framing: Framing) -> PackedStore | None:
        """The images of a split as they are decoded and resized, where they are to be kept."""
        if self.cache is None:
            return None
        packing = Packing(table, pairs.rows(), self.structure.annotation, framing, self.classes, self.decode)
        name = f"{type(self).__name__.lower()}-{split}"
        return packed(packing, self.root, name, self.cache_dir, self._workers())

    def _paired(self, split: Split, table: Table) -> Pairs:
        """The pairs of a split in the current mode; the dataset's own lists come first."""
        listed = self.listed_pairs(split, table)
        if listed is not None:
            return listed
        usable = self.usable_rows(table)
        rows = np.flatnonzero(usable).astype(np.int32)
        if self.pairing == "same_identity":
            pairs = same_identity(table.identity, usable)
            return Pairs(pairs[:, 0], pairs[:, 1], same_thing=True, framing="mirrored_together")
        if self.pairing == "self":
            return Pairs(rows, rows, same_thing=True)
        if self.pairing == "random":
            if len(rows) < 2:
                raise BadInput(
                    f"data.pairing=random needs two images, the {split} split of {self.root} has {len(rows)}"
                    f"{_REMEDY.get(split, '')}"
                )
            return Pairs(rows, rows, drawn="sources")
        if self.pairing == "reference":
            from datamodules.retrieval import exemplars

            few = table.select(rows)
            everything = np.arange(len(few))
            found = self.exemplars_of(
                split, few, everything, everything, lambda: exemplars(few, self.structure.annotation, self.classes)
            )
            return Pairs(rows[found[found >= 0]], rows[found >= 0])
        if self.structure_to_photo:
            # In training the photo is any other; elsewhere it is the one that the structure was drawn from.
            return Pairs(rows, rows, drawn="targets") if split == "train" else Pairs(rows, rows, same_thing=True)
        x, y = self.domain_rows(split, table)
        x, y = x[usable[x]].astype(np.int32), y[usable[y]].astype(np.int32)
        if len(x) == 0 or len(y) == 0:
            empty = "X" if len(x) == 0 else "Y"
            raise BadInput(
                f"domain {empty} has no images in the {split} split of {self.root} "
                f"({len(x)} in X, {len(y)} in Y): data.pairing=domains needs both{_REMEDY.get(split, '')}"
            )
        longer = np.arange(max(len(x), len(y)))
        x = x[longer % len(x)]
        # In training a new partner each time; elsewhere always the same.
        return Pairs(x, y, drawn="targets") if split == "train" else Pairs(x, y[longer % len(y)])

    def _processes(self) -> tuple[int, int, int]:
        """World size, rank of this process, and how many processes share this machine."""
        if self.trainer is None:
            return 1, 0, 1
        return self.trainer.world_size, self.trainer.global_rank, max(1, self.trainer.num_devices)

    def _check_training_batches(self) -> None:
        world_size, _, _ = self._processes()
        pairs = len(self._dataset("train"))
        if pairs < self.batch_size * world_size:
            raise BadInput(
                f"the train split has {pairs} pairs, fewer than one batch of {self.batch_size} on each of {world_size} "
                f"processes: lower data.batch_size"
            )

    def _workers(self) -> int:
        if self.num_workers is not None:
            return self.num_workers
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, min(cores // self._processes()[2] - 1, 8))

    def _loader(self, split: Split, batch_size: int) -> KeyedLoader:
        world_size, rank, _ = self._processes()
        dataset, workers = self._dataset(split), self._workers()
        sampler = KeyedBatchSampler(
            len(dataset), batch_size, train=split == "train", seed=self.seed, rank=rank, world_size=world_size
        )
        # No more workers than batches, and workers that live on where another pass follows: starting one takes longer
        # than many batches.
        workers = min(workers, math.ceil(len(dataset) / batch_size))
        return KeyedLoader(
            dataset,
            sampler,
            num_workers=workers,
            collate_fn=RawBatch.collated,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0 and split != "test",
        )


def _of_one_size(items: list[Any]) -> list[Any]:
    """The items whose pictures are as large as those of the first: others cannot be shown in one batch."""
    whole = [item for item in items if not isinstance(item, BadInput)]
    if len(whole) < len(items):
        return items  # which says why
    return [item for item in items if all(item[side].shape == items[0][side].shape for side in ("source", "target"))]


def _signed(pixels: Tensor) -> Tensor:
    """uint8 -> float in [-1, 1]."""
    # In place on the copy: memory for each step would take longer than the arithmetic.
    if pixels.device.type == "cpu":
        # NumPy divides while it copies. Picture by picture: what was just written is still at hand.
        signed = np.empty(pixels.shape, np.float32)
        for picture, found in zip(pixels.numpy(), signed, strict=True):
            np.divide(picture, np.float32(127.5), out=found)
            found -= 1
        return torch.from_numpy(signed)
    return pixels.to(torch.float32, copy=True).div_(127.5).sub_(1)

"""The union of several datasets, for methods that learn from images of more than one kind.

    python train.py model=swapae data=mixture data@data.parts.a=celebahq data@data.parts.b=ade20k

Every part is a dataset with settings of its own (`data.parts.a.root=...`) and pairs of its own; all give pictures of one
size and structures of one kind, which `image` and `edges` are for any. How the two sides of a pair meet:

    within     both from one part, as that part's own pairing says
    across     the target (and the structure to follow) from one part, the source from another: swaps mix the datasets
    domains    the source from the first part, domain X; the target from the second, domain Y

Training takes every part's pairs in an order of their own, each once before any comes again, so that `weights` may ask for
a part more often than there are pairs of it. Validation and testing take each part's in turn.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.bad_input import BadInput, nearest
from datamodules.batch import Batch, joined
from datamodules.keyed_loader import Key
from datamodules.pair_dataset import PairDataset, Side
from datamodules.pictures import Pictures
from datamodules.table import Table
from datamodules.translation import Split, TranslationDataModule

log = logging.getLogger(__name__)

Meeting = Literal["within", "across", "domains"]


class Mixture(TranslationDataModule):
    """Pairs from several datasets; see the top of this file. Keys begin with the name of the part: `a/0002_c1s1.jpg`."""

    def __init__(
        self,
        *,
        parts: dict[str, Any],  # name -> a dataset (its section with _target_)
        weights: dict[str, float]
        | None = None,  # training: how much of the pairs is of each part; null: as many as it has
        pairing: Literal["within", "across", "domains"] = "within",  # how source and target meet; see the file's top
        **shared: Any,
    ) -> None:
        """See the comments of the arguments; the others are those of every dataset.

        Raises:
            BadInput: parts or settings that cannot be together.
        """
        absent = [name for name, part in parts.items() if not isinstance(part, TranslationDataModule)]
        if absent:
            raise BadInput(
                f"data.parts.{absent[0]} is no dataset: add data@data.parts.{absent[0]}=market1501, or another"
            )
        if len(parts) < 2:
            raise BadInput("data=mixture needs two parts or more: data@data.parts.a=celebahq data@data.parts.b=ade20k")
        if any(isinstance(part, Mixture) for part in parts.values()):
            raise BadInput("a part of data=mixture cannot be a mixture itself: name its parts as parts of this one")
        if pairing == "domains" and len(parts) != 2:
            raise BadInput(f"data.pairing=domains needs two parts, X and Y, and there are {len(parts)}")
        if pairing == "domains" and weights:
            raise BadInput("data.pairing=domains takes one image of each part: set data.weights=null")
        super().__init__(**{"root": ".", **shared}, pairing="random")
        self.parts: dict[str, TranslationDataModule] = parts
        self.meeting: Meeting = pairing
        self.weights = _checked_weights(weights, parts)
        for name, part in parts.items():
            self._check_part(name, part)
        self.structure = self._first.structure

    # The base's interface, by asking the parts.

    def prepare_data(self) -> None:
        """Let every part write its replica where its folder does not exist and one is asked for."""
        for part in self.parts.values():
            part.prepare_data()

    def index(self, split: Split) -> Table:
        """A mixture has no table of its own; its parts have."""
        raise NotImplementedError

    def examples(self, split: Split, count: int) -> Batch:
        """`count` pairs spread evenly over the parts and over their lists, always the same ones; on the CPU."""
        self._dataset(split)
        there = [name for name, part in self.parts.items() if part.datasets.get(split) is not None]
        counts = _shares(dict.fromkeys(there, 1.0), count)
        if self.meeting == "within":
            found = [
                self._named(name, self.parts[name].examples(split, counts[name])) for name in there if counts[name]
            ]
            return joined(found)
        pairs = (
            [(there[0], there[1])]
            if self.meeting == "domains"
            else list(zip([*there[1:], there[0]], there, strict=True))
        )
        crossed = []
        for number, (source, target) in enumerate(pairs):
            wanted = count // len(pairs) + (number < count % len(pairs))
            if wanted:
                sides = [self._named(name, self.parts[name].examples(split, wanted)) for name in (source, target)]
                crossed.append(_crossed_batch(*sides))
        return joined(crossed)

    def picture_sets(self, split: Split) -> list[Pictures]:
        """See the base: the images of every part; with `domains` those of the second, domain Y."""
        parts = list(self.parts.values())
        if self.meeting == "domains":
            parts = parts[1:]
        return [found for part in parts for found in part.picture_sets(split)]

    def batch_from_files(self, sources: Sequence[Path | None], structures: Sequence[Path | None]) -> Batch:
        """See the base: files are read as the first part reads them."""
        return self._first.batch_from_files(sources, structures)

    def show_layouts_by_pictures(self) -> None:
        """See the base."""
        super().show_layouts_by_pictures()
        self._first.show_layouts_by_pictures()

    def as_given(self, image: Tensor, path: Path) -> Tensor:
        """See the base: the padding that the first part added is cut off."""
        return self._first.as_given(image, path)

    def placed(self, path: str | Path, kind: Literal["picture", "mask"]) -> Tensor:
        """See the base: where the first part places its pictures."""
        return self._first.placed(path, kind)

    # How it is done.

    @property
    def _first(self) -> TranslationDataModule:
        return next(iter(self.parts.values()))

    def _check_part(self, name: str, part: TranslationDataModule) -> None:
        first_name, first = next(iter(self.parts.items()))
        if part.structure_to_photo:
            raise BadInput(f"data.parts.{name}.domains_by=structure: a mixture draws no structures as pictures")
        here = {
            "height": part.framing.height,
            "width": part.framing.width,
            "structure": part.structure_name,
            "truth": part.truth,
        }
        wanted = {
            "height": self.framing.height,
            "width": self.framing.width,
            "structure": self.structure_name,
            "truth": self.truth,
        }
        different = [key for key in here if here[key] != wanted[key]]
        if different:
            raise BadInput(
                f"data.parts.{name} has {', '.join(f'{key}={_word(here[key])}' for key in different)}, but all parts share those "
                f"of the mixture: add {' '.join(f'data.parts.{name}.{key}={_word(wanted[key])}' for key in different)}, or set "
                f"data.{different[0]} for all"
            )
        if part.structure_channels != self.structure_channels or part.structure_channels != first.structure_channels:
            raise BadInput(
                f"data.parts.{name} has data.structure={part.structure_name} of {part.structure_channels} channels, the mixture of "
                f"{self.structure_channels}: set data.structure to image or edges, which are the same for all datasets"
            )
        if type(part.structure) is not type(first.structure) or vars(part.structure) != vars(first.structure):
            raise BadInput(
                f"data.parts.{name} and data.parts.{first_name} draw data.structure={part.structure_name} differently: set "
                "data.structure to image or edges"
            )

    def set_up_split(self, split: Split) -> Any:
        """The pairs of a split of all parts that have it."""
        found: dict[str, PairDataset] = {}
        for name, part in self.parts.items():
            try:
                part.datasets[split] = part.set_up_split(split)
            except BadInput as error:
                raise BadInput(f"data.parts.{name}: {error}") from error
            if (dataset := part.datasets[split]) is not None:
                found[name] = dataset
        weights = {name: self.weights.get(name, 0.0) if self.weights else len(found[name]) for name in found}
        limit = self.limit_pairs[split]
        if limit is not None:
            # One of each part at least, where there are so many.
            sure = 1 if limit >= len(found) else 0
            counts = {name: sure + more for name, more in _shares(weights, limit - sure * len(found)).items()}
            for name in list(found):
                if counts[name]:
                    found[name] = replace(found[name], pairs=found[name].pairs.limited(counts[name]))
                    self.parts[name].datasets[split] = found[name]
                else:
                    del found[name]
        if not found and split == "val":
            return None
        if self.meeting != "within" and len(found) < 2:
            only = next(iter(found), "no part")
            raise BadInput(
                f"data.pairing={self.meeting} needs pairs of two parts, and the {split} split has those of {only} alone: "
                "set data.pairing=within, or raise the other part's val_fraction or data.limit_pairs"
            )
        train = split == "train"
        lengths = {name: len(dataset) for name, dataset in found.items()}
        if self.meeting == "domains":
            shares = {next(iter(found)): max(lengths.values())}
        elif train and self.weights:
            shares = _shares({name: weights[name] for name in found}, sum(lengths.values()))
        else:
            shares = lengths
        text = ", ".join(f"{shares.get(name, 0)} of {name} ({lengths[name]} pairs)" for name in found)
        log.info("%s: an epoch takes %s, pairing=%s", split, text, self.meeting)
        return MixedDataset(found, shares, self.meeting, train, self.seed)

    def _named(self, name: str, batch: Batch) -> Batch:
        source, target = ([f"{name}/{key}" for key in keys] for keys in (batch.source_key, batch.target_key))
        return replace(batch, source_key=source, target_key=target)


@dataclass
class MixedDataset(Dataset):
    """The pairs of a split of several datasets, in the order of the parts; items as `PairDataset` makes them."""

    parts: dict[str, PairDataset]
    shares: dict[str, int]
    """How many items of an epoch come from each part; with `domains` only the first part is asked."""
    meeting: Meeting
    train: bool
    seed: int = 0

    def __len__(self) -> int:
        return sum(self.shares.values())

    def __getitem__(self, key: Key) -> dict[str, Any] | BadInput:
        epoch, index = key
        name, place = self._part_of(index)
        if self.meeting == "within":
            return _named_item(name, self.parts[name][self._key(name, epoch, place)])
        # What is drawn in training follows in order elsewhere.
        rng = np.random.default_rng([self.seed, epoch, index]) if self.train else None
        if self.meeting == "domains":
            source, target = self.parts
            return _crossed(
                self._side("source", source, self._key(source, epoch, place)),
                self._side("target", target, self._any(target, epoch, index, place, rng)),
            )
        names = list(self.parts)
        step = 1 if rng is None else int(rng.integers(1, len(names)))
        source = names[(names.index(name) + step) % len(names)]
        return _crossed(
            self._side("source", source, self._any(source, epoch, index, place, rng)),
            self._side("target", name, self._key(name, epoch, place)),
        )

    def _part_of(self, index: int) -> tuple[str, int]:
        """The part that an item of an epoch comes from, and which of the part's items of this epoch it is."""
        for name, share in self.shares.items():
            if index < share:
                return name, index
            index -= share
        raise IndexError(index)

    def _key(self, name: str, epoch: int, place: int) -> Key:
        """Which pair of a part an item is, and for which time: every pair comes once before any comes again."""
        length = len(self.parts[name])
        if not self.train:
            return 0, place % length
        times, position = divmod(epoch * self.shares.get(name, length) + place, length)
        number = list(self.parts).index(name)
        return times, int(_order(self.seed, number, times, length)[position])

    def _any(self, name: str, epoch: int, index: int, place: int, rng: np.random.Generator | None) -> Key:
        """Any pair of a part, for a side that is drawn."""
        length = len(self.parts[name])
        # A number of its own for every use, so that each is framed in its own way.
        return (0, place % length) if rng is None else (epoch * len(self) + index, int(rng.integers(length)))

    def _side(self, side: Side, name: str, key: Key) -> dict[str, Any] | BadInput:
        return _named_item(name, self.parts[name].one_side(side, key))


@functools.lru_cache(maxsize=16)
def _order(seed: int, part: int, times: int, length: int) -> np.ndarray:
    """The order in which a part's pairs come for the `times`-th time."""
    return np.random.default_rng([seed, part, times]).permutation(length)


def _named_item(name: str, item: dict[str, Any] | BadInput) -> dict[str, Any] | BadInput:
    if isinstance(item, BadInput):
        return item
    return {**item, **{key: f"{name}/{item[key]}" for key in ("source_key", "target_key") if key in item}}


def _crossed(source: dict[str, Any] | BadInput, target: dict[str, Any] | BadInput) -> dict[str, Any] | BadInput:
    """A pair of one side of each."""
    for side in (source, target):
        if isinstance(side, BadInput):
            return side
    assert isinstance(source, dict)
    assert isinstance(target, dict)
    return {**source, **target, "truth": {**source["truth"], **target["truth"]}, "paired": False}


def _crossed_batch(source: Batch, target: Batch) -> Batch:
    """The sources of one batch with the targets of another; as many as the smaller one has."""
    count = min(source.size, target.size)
    source, target = source.select(slice(count)), target.select(slice(count))
    truth = {name: value for name, value in source.truth.items() if name.startswith("source")}
    return replace(
        target,
        source=source.source,
        source_structure=source.source_structure,
        source_key=source.source_key,
        paired=target.paired & False,
        truth={**truth, **{name: value for name, value in target.truth.items() if name.startswith("target")}},
    )


def _shares(weights: Mapping[str, float], total: int) -> dict[str, int]:
    """A whole number split by weights: rounded down, and what is left over goes to the largest remainders."""
    exact = {name: total * weight / sum(weights.values()) for name, weight in weights.items()}
    counts = {name: int(value) for name, value in exact.items()}
    left = total - sum(counts.values())
    for name in sorted(exact, key=lambda name: counts[name] - exact[name])[:left]:
        counts[name] += 1
    return counts


def _checked_weights(weights: Mapping[str, float] | None, parts: Mapping[str, Any]) -> dict[str, float]:
    """The weights of all parts; none, where parts count by their length."""
    if not weights:
        return {}
    for name in weights:
        if name not in parts:
            raise BadInput(
                f"data.weights names {name}, which is no part; parts are {', '.join(parts)}.{nearest(name, parts)}"
            )
    for name in parts:
        if not weights.get(name, 0) > 0:
            raise BadInput(f"data.weights needs a number greater than 0 for every part, such as {name}: 1")
    return dict(weights)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""`python -m datamodules.retrieve NAME DIR KEY=VALUE ...`: find the exemplars for `pairing=reference` once, and keep them.

Where a dataset has lists of exemplars of its own, those are used and nothing is kept. Otherwise every image of a split gets
the image most like it: by its annotation (how much of it each class covers, the pose, or a thumbnail), or by the features
of a network of timm. The DataModule reads what was kept for as long as the files are the same (`retrieval_index`).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from datamodules import retrieval_index
from datamodules.bad_input import BadInput, exits_with_one_sentence
from datamodules.table import Table
from datamodules.timm_features import TimmFeatures, most_alike
from datamodules.translation import TranslationDataModule

SPLITS = ("train", "val", "test")


@dataclass
class Finder:
    """Finds exemplars anew whenever a DataModule asks for some, and keeps them."""

    features: TimmFeatures | None = None
    """None: by annotation."""
    advance: Callable[[str, int, int], None] = lambda *_: None
    kept: dict[str, tuple[Path, int, int]] = field(default_factory=dict)
    """Split -> the file, how many images, and how many of them have an exemplar."""

    def find(
        self,
        split: str,
        root: Path,
        table: Table,
        queries: np.ndarray,
        pool: np.ndarray,
        by_annotation: Callable[[], np.ndarray],
        also: str,
    ) -> np.ndarray:
        """See `TranslationDataModule.exemplars_of`."""
        name = retrieval_index.state(table, queries, pool, also)
        if self.features is None:
            found, made = by_annotation().astype(np.int32), {"features": "annotations"}
        else:
            found, made = self._by_network(split, table, queries, pool), self.features.made
        self.kept[split] = retrieval_index.write(root, name, found, made), len(found), int((found >= 0).sum())
        return found

    def _by_network(self, split: str, table: Table, queries: np.ndarray, pool: np.ndarray) -> np.ndarray:
        assert self.features is not None
        rows = np.unique(np.concatenate([queries, pool]))
        vectors = self.features.of(
            rows.tolist(), table.read_picture, lambda done: self.advance(f"features of {split}", done, len(rows))
        )
        mine, theirs = np.searchsorted(rows, queries), np.searchsorted(rows, pool)
        best = most_alike(vectors[mine], vectors[theirs], table.identity[queries], table.identity[pool])
        return np.where(best >= 0, pool[best], -1).astype(np.int32)


def retrieve(data: TranslationDataModule, finder: Finder, splits: Sequence[str] = SPLITS) -> list[str]:
    """Find the exemplars of some splits; the splits that need none, because the dataset's own lists name them.

    Raises:
        BadInput: pairing is not `reference`, or a split has no images.
    """
    if data.pairing != "reference":
        raise BadInput(f"exemplars are for data.pairing=reference, not for {data.pairing}")
    data.finder = finder
    listed = []
    for split in splits:
        data.test_split = split  # type: ignore[assignment]
        data.setup("test")
        if split not in finder.kept and data.datasets[split] is not None:  # type: ignore[index]
            listed.append(split)
    return listed


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python -m datamodules.retrieve",
        description="Find the exemplars for pairing=reference once, and keep them.",
    )
    found.add_argument("name", help="market1501, deepfashion, celebahq, ade20k or folders: a file of conf/data")
    found.add_argument("directory", type=Path, help="the dataset's folder")
    found.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings, such as structure=edges")
    found.add_argument(
        "--features", choices=("annotations", "timm"), default="annotations", help="(default: annotations)"
    )
    found.add_argument("--weights", type=Path, help="timm: the network's weights, a local file")
    found.add_argument("--model", help="timm: the network's name, such as vgg19.tv_in1k")
    found.add_argument("--device", default="cpu", help="timm: where the network runs (default: cpu)")
    found.add_argument("--splits", nargs="+", choices=SPLITS, default=SPLITS, help="(default: all)")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Find and keep the exemplars that the command line asks for."""
    given = parser().parse_intermixed_args(arguments)
    if (given.features == "timm") != (given.weights is not None) or (given.weights is None) != (given.model is None):
        raise BadInput("--features timm needs --model NAME and --weights FILE, and they need --features timm")
    # A command stands above the engine: only here is more than data imported.
    from engine.one_dataset import one_dataset

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    data = one_dataset(given.name, given.directory, ["pairing=reference", *given.overrides])
    features = TimmFeatures(given.model, given.weights, given.device) if given.features == "timm" else None
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("looking for exemplars", total=None)

        def advance(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        finder = Finder(features, advance)
        listed = retrieve(data, finder, given.splits)
    for split, (path, images, known) in finder.kept.items():
        print(f"{split}: {known} of {images} images have an exemplar by {given.features}, kept in {path}")
    for split in listed:
        print(f"{split}: the dataset's own list names the exemplars, nothing is kept")


if __name__ == "__main__":
    exits_with_one_sentence(main)()

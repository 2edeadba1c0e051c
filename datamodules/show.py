"""`python -m datamodules.show NAME DIR --out sheet.png KEY=VALUE ...`: a picture sheet of a dataset.

A row per pair: the source, its structure laid over it, the target, its structure laid over it, and that structure alone,
which is what a method is given. The settings are those of `conf/data/NAME.yaml`, changed by `KEY=VALUE`.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from datamodules.bad_input import BadInput, exits_with_one_sentence
from datamodules.batch import Batch
from datamodules.raw_batch import RawBatch
from datamodules.structures.overlay import alone, overlaid
from datamodules.translation import Split, TranslationDataModule


def panels(batch: Batch, structure: str) -> dict[str, Tensor]:
    """What a sheet shows of a batch: title -> (B, 3, H, W) in [-1, 1]."""
    return {
        "source": batch.source,
        "source structure": overlaid(structure, batch.source_structure, batch.source),
        "target": batch.target,
        "target structure": overlaid(structure, batch.target_structure, batch.target),
        "to follow": alone(structure, batch.target_structure),
    }


def pairs_of(data: TranslationDataModule, split: Split, rows: int, augmented: bool) -> Batch:
    """Pairs spread evenly over a split; nothing else of the dataset is set up.

    Args:
        augmented: as the first epoch of training shows them, cropped and mirrored; otherwise whole.

    Raises:
        BadInput: there are no pairs, or a file cannot be read.
    """
    if augmented and split != "train":
        raise BadInput("only training augments: --augmented needs --split train")
    data.test_split = split
    data.setup("test")
    if not augmented:
        return data.examples(split, rows)
    dataset = data.datasets[split]
    assert dataset is not None
    chosen = np.linspace(0, len(dataset) - 1, min(rows, len(dataset))).round().astype(int)
    raw = RawBatch.collated([dataset[0, index] for index in chosen.tolist()])
    if isinstance(raw, BadInput):
        raise raw
    return data.finished(raw)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python -m datamodules.show",
        description="A picture sheet of a dataset: pairs, and the structures laid over them.",
    )
    found.add_argument("name", help="market1501, deepfashion, celebahq, ade20k or folders: a file of conf/data")
    found.add_argument("directory", type=Path, help="the dataset's folder")
    found.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings, such as structure=edges")
    found.add_argument("--out", type=Path, default=Path("sheet.png"), help="the sheet (default: sheet.png)")
    found.add_argument("--rows", type=int, default=6, help="how many pairs (default: 6)")
    found.add_argument("--split", choices=("train", "val", "test"), default="test", help="(default: test)")
    found.add_argument("--augmented", action="store_true", help="cropped and mirrored, as training sees them")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the sheet that the command line asks for."""
    given = parser().parse_intermixed_args(arguments)
    if given.rows < 1:
        raise BadInput(f"--rows must be 1 or more, not {given.rows}")
    # A command stands above the engine: only here is more than data imported.
    from callbacks.grids import grid, save
    from engine.one_dataset import one_dataset

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    data = one_dataset(given.name, given.directory, given.overrides)
    batch = pairs_of(data, given.split, given.rows, given.augmented)
    captions = [f"{source} -> {target}" for source, target in zip(batch.source_key, batch.target_key, strict=True)]
    if given.out.suffix.lower() != ".png":
        raise BadInput(f"--out {given.out}: the sheet is a .png file")
    save(grid(panels(batch, data.structure_name), captions), given.out)
    height, width = batch.target.shape[-2:]
    print(
        f"{given.out}: {len(captions)} pairs of the {given.split} split, {height} x {width}, "
        f"structure={data.structure_name} of {data.structure_channels} channels, pairing={data.pairing}"
    )


if __name__ == "__main__":
    exits_with_one_sentence(main)()

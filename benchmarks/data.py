"""Images/s per worker with and without the packed cache, beside a plain loader; memory of a worker; quality of the shuffle.

    python -m benchmarks.data                                       # all datasets, on replicas of the real sizes
    python -m benchmarks.data --datasets market1501 --seconds 20

| column | |
|---|---|
| reference | decodes with Pillow, resizes, draws maps item by item (`benchmarks.reference_loader`) |
| files | this project's loader without a cache |
| fast | the same with `data.decode=fast`: large JPEGs decoded to a part of their size |
| packed | this project's loader with `data.cache=packed` |
| worker alone | packed, without what happens on the device: normalising, and drawing the maps of a batch |

The worker's own memory is that after 20 batches, half-way and at the end.

An item is a pair: two pictures and two structures, ready on the processor as a method gets them. All columns but the last
count drawing the maps (`on_after_batch_transfer`), which with a GPU happens there. All take turns in one process with one
thread, and what is counted is the processor's time, so that other programs on the machine disturb little. The files are in
the system's memory: a slow disk adds to `reference` and `files` alike.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

DATASETS = ("market1501", "deepfashion", "celebahq", "ade20k")
REPLICAS: dict[str, dict[str, Any]] = {
    "market1501": {"identities": 48, "truth": False},
    "deepfashion": {"identities": 5, "height": 1101, "truth": False},
    "celebahq": {"identities": 12, "images_per_identity": 4, "size": 1024, "truth": False},
    "ade20k": {"images": 160, "validation": 24, "size": 384},
}
"""Pictures as large as the real ones: what decoding costs depends on it."""


def main() -> None:
    """Measure what the command line asks for, a dataset at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", default=DATASETS, choices=DATASETS)
    parser.add_argument("--seconds", type=float, default=30.0, help="of measuring each dataset (default: 30)")
    parser.add_argument(
        "--dir", type=pathlib.Path, default=pathlib.Path(os.environ.get("DATA_ROOT", "data"), "replica")
    )
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="further overrides, such as data.flip=0"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(_measure(**json.loads(given.one))))
        return
    rows = []
    for name in given.datasets:
        what = {"name": name, "folder": str(given.dir), "seconds": given.seconds, "overrides": given.set}
        command = [sys.executable, "-m", "benchmarks.data", "--one", json.dumps(what)]
        # Its own process: one thread, memory of its own.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)
        if done.returncode:
            sys.exit(f"{name} failed")
        rows.append({"name": name, **json.loads(done.stdout.splitlines()[-1])})
        _show(rows)


def _measure(name: str, folder: str, seconds: float, overrides: list[str]) -> dict[str, Any]:
    """The row of a dataset."""
    import torch

    torch.set_num_threads(1)
    root = pathlib.Path(folder) / f"{name}_benchmark"
    _replica(name, root)
    with tempfile.TemporaryDirectory(dir=folder) as stores:
        settings = [f"data.root={root}", "data.num_workers=0", *overrides]
        files, fast = _built(name, settings), _built(name, [*settings, "data.decode=fast"])
        begun = time.perf_counter()
        packed = _built(name, [*settings, "data.cache=packed", f"data.cache_dir={stores}"])
        took = time.perf_counter() - begun
        # First: a worker begins with the memory of its parent, and counts as its own what it writes to.
        memory = _memory(packed, max(10.0, seconds / 3))
        store = sum(path.stat().st_size for path in pathlib.Path(stores).rglob("*.npy"))
        sides = {"reference": _reference(name, root, files), "alone": _unfinished(packed)}
        sides |= {"files": _ours(files), "fast": _ours(fast), "packed": _ours(packed)}
        rates = _rates(sides, files.batch_size, seconds)
        return {
            "structure": f"{files.structure_name} {files.framing.height}x{files.framing.width}",
            **{f"{side}_rate": rate for side, rate in rates.items()},
            "store_mb": store / 1e6,
            "images": len(packed.datasets["train"].pairs.rows()),
            "packing_s": took,
            **memory,
            **_shuffle(files),
        }


def _replica(name: str, root: pathlib.Path) -> None:
    if not root.exists():
        from datamodules import replica

        print(f"writing a replica of {name} to {root}", file=sys.stderr)
        replica.write(name, root, **REPLICAS[name])


def _built(name: str, settings: list[str]) -> Any:
    """The dataset of this project's own config, ready to train."""
    import hydra

    from engine.build import build
    from engine.check import check, resolved
    from engine.command import CONFIGS, register_resolvers

    register_resolvers()
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = hydra.compose("train", overrides=[f"data={name}", "model=pix2pix", *settings])
    plain = resolved(config)
    check(plain, "engine.configs.TrainConfig")
    data = build(plain["data"])
    data.setup("fit")
    return data


def _ours(data: Any) -> Iterator[Any]:
    """Finished batches without end."""
    loader = data.train_dataloader()
    while True:
        for raw in loader:
            yield data.on_after_batch_transfer(raw, 0)


def _unfinished(data: Any) -> Iterator[Any]:
    """What workers hand out, without end."""
    loader = data.train_dataloader()
    while True:
        yield from loader


def _reference(name: str, root: pathlib.Path, data: Any) -> Iterator[Any]:
    """Batches of the plain loader without end, with one-hot label maps."""
    from torch.utils.data import DataLoader

    from benchmarks import reference_loader as plain

    dataset, table = data.datasets["train"], data.datasets["train"].table
    draw: Callable[..., Any] | None = None
    label_file: Callable[[int], str] | None = None
    if data.structure_name == "pose_heatmaps":
        draw = plain.gaussian_maps
    elif data.structure_name == "pose_map":
        draw = plain.skeleton_and_distances
    elif name == "celebahq":
        folder = root.with_name(f"{root.name}_merged")
        plain.merged_faces(data.place(), folder, table.images.tolist())
        label_file = [str(folder / f"{image}.png") for image in table.images.tolist()].__getitem__
    else:
        label_file = table.files()[1].__getitem__
    loader = DataLoader(plain.ReferenceLoader(dataset, draw, label_file), data.batch_size, shuffle=True, drop_last=True)
    while True:
        for batch in loader:
            if draw is None:
                for side in ("source_structure", "target_structure"):
                    batch[side] = plain.one_hot(batch[side], data.classes)
            yield batch


def _rates(sides: dict[str, Iterator[Any]], batch_size: int, seconds: float) -> dict[str, float]:
    """Items per second of the processor's time: the median over many turns of each side."""
    for side in sides.values():
        next(side)
        next(side)
    spent: dict[str, list[float]] = {name: [] for name in sides}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(spent["reference"]) < 5:
        for name, side in sides.items():
            begun = time.process_time()
            next(side)
            spent[name].append(time.process_time() - begun)
    return {name: batch_size / statistics.median(times) for name, times in spent.items()}


def _memory(data: Any, seconds: float) -> dict[str, float]:
    """MB that a worker has for itself, early in training, half-way and late: all but the store and what it shares with
    others. Batches are of two pairs, to be many: at least 3,000."""
    size, data.num_workers, data.batch_size = data.batch_size, 1, 2
    loader = data.train_dataloader()
    found: list[float] = []
    end = time.perf_counter() + seconds
    batches = 0
    while time.perf_counter() < end or batches < 3000:
        for batch in loader:
            del batch
            batches += 1
            if batches == 20 or batches % 100 == 0:
                found.append(_private(loader._iterator._workers[0].pid))
    data.num_workers, data.batch_size = 0, size
    names = ("worker_mb_first", "worker_mb_middle", "worker_mb_last")
    values = found[0], found[len(found) // 2], found[-1]
    return {**dict(zip(names, values, strict=True)), "worker_batches": float(batches)}


def _private(process: int) -> float:
    """MB of a process that it shares with no other."""
    lines = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return (values["Private_Clean"] + values["Private_Dirty"]) / 1024


def _shuffle(data: Any) -> dict[str, float]:
    """How much the order of training has to do with that of the list, here and with PyTorch's own shuffle."""
    import torch
    from scipy.stats import spearmanr
    from torch.utils.data import RandomSampler

    count = len(data.datasets["train"])
    ours, plain = [], []
    sampler = data.train_dataloader().batch_sampler
    random = RandomSampler(range(count), generator=torch.Generator().manual_seed(0))
    for epoch in range(50):
        sampler.set_epoch(epoch)
        order = np.array([index for batch in sampler for _, index in batch])
        ours.append(abs(float(spearmanr(np.arange(len(order)), order).statistic)))
        order = np.array(list(random))
        plain.append(abs(float(spearmanr(np.arange(len(order)), order).statistic)))
    return {"order": statistics.mean(ours), "order_reference": statistics.mean(plain)}


def _show(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Items (pairs) per second and worker, maps drawn")
    for heading in (
        *("dataset", "structure", "reference", "files", "fast", "packed", "worker alone", "store", "packing"),
        *("worker's own memory: early, half-way, late", "|rank correlation| of the order"),
    ):
        table.add_column(heading, justify="left" if heading in ("dataset", "structure") else "right")
    for row in rows:
        plain = row["reference_rate"]
        table.add_row(
            row["name"],
            row["structure"],
            f"{plain:.0f}",
            f"{row['files_rate']:.0f} ({row['files_rate'] / plain:.1f}×)",
            f"{row['fast_rate']:.0f} ({row['fast_rate'] / plain:.1f}×)",
            f"{row['packed_rate']:.0f} ({row['packed_rate'] / plain:.1f}×)",
            f"{row['alone_rate']:.0f}",
            f"{row['store_mb']:.0f} MB",
            f"{row['packing_s']:.1f} s for {row['images']}",
            f"{row['worker_mb_first']:.0f}, {row['worker_mb_middle']:.0f}, {row['worker_mb_last']:.0f} MB "
            f"in {row['worker_batches']:.0f} batches",
            f"{row['order']:.3f} (PyTorch's shuffle: {row['order_reference']:.3f})",
        )
    Console(width=None if sys.stdout.isatty() else 220).print(table)


if __name__ == "__main__":
    main()

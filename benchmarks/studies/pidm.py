"""What PIDM learns in a quarter of an hour, under every guidance: `python -m benchmarks.learning pidm`.

Trains `experiment=quickstart_pidm` with train.py and measures it on the pairs of people that it has not seen, beside two
baselines: the copied source, and the mean of the training targets. A finished run in `OUT/run` is not trained again.
"""

from __future__ import annotations

import json
import logging
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks import samplers
from callbacks.grids import grid, save
from datamodules.batch import Batch
from engine.applying import rebuild
from lightning_modules.blocks.picture import structure_picture
from metrics.glossary import MEANING
from metrics.suite import Suite

log = logging.getLogger(__name__)

MINUTES = 12.0
"""Of training; drawing the replica and the measures of train.py take the rest of a quarter of an hour."""

MEASURES = ("psnr_silhouette", "silhouette_iou", "joint_colours", "ssim", "psnr", "l1")
MUST_BEAT = ("psnr_silhouette", "silhouette_iou", "joint_colours")
"""Where the translations must be better than both baselines."""

GUIDANCES: dict[str, dict[str, Any]] = {
    "none": {"guidance": "none"},
    "source 1.5": {"guidance": "source", "style": 1.5},
    "source 2": {"guidance": "source", "style": 2.0},
    "source 3": {"guidance": "source", "style": 3.0},
    "nested 1.5, 1.5": {"guidance": "nested", "pose": 1.5, "style": 1.5},
    "nested 2, 2": {"guidance": "nested", "pose": 2.0, "style": 2.0},
    "nested 1, 2": {"guidance": "nested", "pose": 1.0, "style": 2.0},
    "nested 2, 1": {"guidance": "nested", "pose": 2.0, "style": 1.0},
    "disentangled 1, 1": {"guidance": "disentangled", "pose": 1.0, "style": 1.0},
    "disentangled 2, 2": {"guidance": "disentangled", "pose": 2.0, "style": 2.0},
    "disentangled 3, 1": {"guidance": "disentangled", "pose": 3.0, "style": 1.0},
}
"""Name in the tables (mode, then w_p and w_s) -> options of `PIDM.translate`. Nested 1, w is source guidance of w."""

SHOWN = ("none", "source 2", "nested 1.5, 1.5", "disentangled 1, 1")
"""What the grid shows."""

ROWS = 8
SEED = 0
Make = Callable[[Batch, int], Tensor]
"""A batch and the number of its first pair -> images (B, 3, H, W) in [-1, 1]."""


def study(out: pathlib.Path, minutes: float) -> str:
    """Train, measure, draw; returns the report in Markdown."""
    run = out / "run"
    train(run, minutes)
    model, data, _ = rebuild(str(run / "checkpoints" / "last.ckpt"), None, None, SEED, averaged=True)
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    makers: dict[str, Make] = {"copy source": lambda batch, _: batch.source, "mean image": mean_image(data)}
    makers |= {name: guided(model, options) for name, options in GUIDANCES.items()}
    table = {name: measured(data, make, name) for name, make in makers.items()}
    (out / "measures.json").write_text(json.dumps(table, indent=1))
    draw_grid(data, makers, out / "grid.png")
    steps, seconds = of_run(run)
    return "\n".join(
        [
            "# What PIDM learns",
            "",
            f"`experiment=quickstart_pidm`, {steps} steps in {seconds / 60:.1f} minutes, on a processor with"
            f" {torch.get_num_threads()} threads. Means over {pairs_of(data)} pairs of people that it has not seen.",
            "",
            markdown(table),
            "",
            verdict(table),
            "",
            "![source, pose, target, baselines and translations](grid.png)",
            "",
            samplers.report(samplers.compare(model, data)),
        ]
    )


def train(run: pathlib.Path, minutes: float) -> None:
    """`train.py experiment=quickstart_pidm` into `run`, unless it is there already."""
    if (run / "metrics.json").is_file():
        log.info("%s is finished: it is measured, not trained again", run)
        return
    limit = time.strftime("00:%H:%M:%S", time.gmtime(60 * minutes))
    overrides = ["experiment=quickstart_pidm", f"trainer.max_time={limit}", f"hydra.run.dir={run}"]
    subprocess.run([sys.executable, "train.py", *overrides], check=True)


def of_run(run: pathlib.Path) -> tuple[int, float]:
    """Steps and seconds of its training, from the log of its measures and from the checkpoint."""
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
    started, ended = ((run / name).stat().st_mtime for name in ("config.yaml", "checkpoints/last.ckpt"))
    return int(checkpoint["global_step"]), ended - started


def guided(model: Any, options: dict[str, Any]) -> Make:
    """Images under a guidance; a pair has the same noise under all of them."""

    def make(batch: Batch, first: int) -> Tensor:
        return model.translate(batch, **options, seed=list(range(first, first + batch.size)))

    return make


def mean_image(data: Any, most: int = 512) -> Make:
    """The baseline that knows nothing of its inputs: the mean of training targets."""
    targets = data.examples("train", most).target
    mean = targets.mean(dim=0, keepdim=True)
    return lambda batch, _: mean.expand_as(batch.target)


def measured(data: Any, make: Make, name: str) -> dict[str, float]:
    """Means over the test pairs."""
    suite = Suite(MEASURES)
    columns: dict[str, list[float]] = {}
    start = time.perf_counter()
    for first, batch in batches(data):
        for measure, values in suite.per_image(make(batch, first), batch).items():
            columns.setdefault(measure, []).extend(value for value in values if value is not None)
    log.info("%s: measured in %.0f s", name, time.perf_counter() - start)
    return {measure: statistics.fmean(columns[measure]) for measure in MEASURES}


def batches(data: Any) -> Iterator[tuple[int, Batch]]:
    """The test batches, each with the number of its first pair."""
    first = 0
    for raw in data.test_dataloader():
        batch = data.finished(raw)
        yield first, batch
        first += batch.size


def pairs_of(data: Any) -> int:
    """How many pairs the test split has."""
    return sum(batch.size for _, batch in batches(data))


def markdown(table: dict[str, dict[str, float]]) -> str:
    """A row per way to make images; the best of each column is bold."""
    arrows = {measure: "↑" if MEANING[measure][1] == "higher" else "↓" for measure in MEASURES}
    lines = ["| | " + " | ".join(f"{measure} {arrows[measure]}" for measure in MEASURES) + " |"]
    lines.append("|---|" + "---|" * len(MEASURES))
    best = {
        measure: (max if MEANING[measure][1] == "higher" else min)(row[measure] for row in table.values())
        for measure in MEASURES
    }
    for name, row in table.items():
        cells = [f"**{row[m]:.4g}**" if row[m] == best[m] else f"{row[m]:.4g}" for m in MEASURES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def verdict(table: dict[str, dict[str, float]]) -> str:
    """Which guidance is best where it counts, and whether it beats both baselines there."""
    rows = {name: table[name] for name in GUIDANCES}
    places = {
        measure: {name: rank for rank, name in enumerate(sorted(rows, key=lambda name: -rows[name][measure]))}
        for measure in MUST_BEAT
    }
    best = min(rows, key=lambda name: sum(places[measure][name] for measure in MUST_BEAT))
    beaten = [m for m in MUST_BEAT if all(rows[best][m] > table[base][m] for base in ("copy source", "mean image"))]
    lost = [measure for measure in MUST_BEAT if measure not in beaten]
    return (
        f"Best guidance by its places in {', '.join(MUST_BEAT)}: **{best}**. It beats both baselines in "
        f"{', '.join(beaten) or 'none of them'}{'; not in ' + ', '.join(lost) if lost else ''}."
    )


def draw_grid(data: Any, makers: dict[str, Make], file: pathlib.Path) -> None:
    """The same few pairs, made in every way that `SHOWN` names."""
    batch = data.examples("test", ROWS)
    panels = {"source": batch.source, "pose": structure_picture(batch.target_structure), "target": batch.target}
    panels |= {name: makers[name](batch, 0) for name in ("mean image", *SHOWN)}
    rows = [f"{source} -> {target}" for source, target in zip(batch.source_key, batch.target_key, strict=True)]
    save(grid(panels, rows), file)

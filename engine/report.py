"""What a run says on the screen, and the one table over the jobs of a sweep."""

from __future__ import annotations

import csv
import logging
import pathlib
import sys
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from rich.console import Console
from rich.table import Table

from engine.run_folder import RunFolder
from metrics.glossary import COPY_SOURCE, MEANING

if TYPE_CHECKING:
    from lightning_modules.translator import Translator

log = logging.getLogger(__name__)

CAVEATS = "caveats"
"""The one key of metrics.json that is no measure."""


def announce(config: dict[str, Any], folder: RunFolder, translator: Translator, resume: bool) -> None:
    """Say what starts where."""
    sizes = {
        name: sum(p.numel() for p in network.parameters()) for name, network in translator.image_networks().items()
    }
    networks = ", ".join(f"{name} {size / 1e6:.2f} M" for name, size in sizes.items())
    model, data = (config[part]["_target_"].rsplit(".", 1)[-1] for part in ("model", "data"))
    log.info(
        "%s on %s (parameters: %s), seed %s, %s %s",
        model,
        data,
        networks,
        config["seed"],
        "going on in" if resume else "in",
        folder.path,
    )
    for caveat in translator.caveats():
        log.warning(caveat)


def with_caveats(measured: dict[str, float], translator: Translator) -> dict[str, Any]:
    """What metrics.json holds: the measures in order, and first under `caveats` what one must know to read them, if any."""
    caveats = translator.caveats()
    return {**({CAVEATS: " ".join(caveats)} if caveats else {}), **dict(sorted(measured.items()))}


def conclude(measured: dict[str, Any], folder: RunFolder, console: Console | None = None) -> None:
    """Print the measures beside the baseline, what they mean, and where everything lies."""
    console = console or Console(width=None if sys.stdout.isatty() else 120)
    split = "test" if any(name.startswith("test/") for name in measured) else "val"
    table = measures_table(measured, split)
    if table.row_count:
        console.print(table)
    if CAVEATS in measured:
        console.print(f"[bold]{measured[CAVEATS]}[/bold]", soft_wrap=True)
    samples = sorted(folder.samples.glob("*.png"))
    console.print(f"Sample grid: {samples[-1]}" if samples else "No sample grids were written.", soft_wrap=True)
    if folder.images.is_dir():
        console.print(
            f"Translations: {len(list(folder.images.glob('*.png')))} images in {folder.images}", soft_wrap=True
        )
    console.print(f"Everything else: {folder.path} (config, checkpoints, metrics.csv, log)", soft_wrap=True)
    checkpoint = folder.best if folder.best.is_file() else folder.last
    if checkpoint.is_file():
        console.print(f"Next: python evaluate.py ckpt={checkpoint}", soft_wrap=True)


def measures_table(measured: dict[str, Any], split: str) -> Table:
    """One row per measure of a split: the translations, the copied source, and the meaning."""
    table = Table(title=f"Measures on {split}, beside copying the source image (bold: better than copying)")
    table.add_column("measure", no_wrap=True)
    table.add_column("translation", justify="right", no_wrap=True)
    table.add_column("copy source", justify="right", no_wrap=True)
    table.add_column("meaning")
    for name, (meaning, better) in MEANING.items():
        value, baseline = measured.get(f"{split}/{name}"), measured.get(f"{split}/{COPY_SOURCE}/{name}")
        if value is None:
            continue
        wins = baseline is not None and (value > baseline if better == "higher" else value < baseline)
        shown = f"[bold]{value:.4g}[/bold]" if wins else f"{value:.4g}"
        arrow = "↑" if better == "higher" else "↓"
        table.add_row(f"{name} {arrow}", shown, "" if baseline is None else f"{baseline:.4g}", meaning)
    return table


class SweepReport(Callback):
    """A Hydra callback: after a multirun, one table over its jobs, as `report.csv` and `report.md` in the sweep's folder."""

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        folder = pathlib.Path(config.hydra.sweep.dir)
        rows = [
            {"job": job.name, **_differences(job), **_end_measures(RunFolder(job).read_metrics())}
            for job in sorted(folder.iterdir(), key=_job_number)
            if job.is_dir()
        ]
        if not rows:
            return
        write_report(rows, folder)
        Console().print(f"Report over {len(rows)} jobs: {folder / 'report.md'}", soft_wrap=True)


def write_report(rows: list[dict[str, Any]], folder: pathlib.Path) -> None:
    """Write rows (job, what was varied, what was measured) as `report.csv` and `report.md`."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    columns = [
        name
        for name in columns
        if name == "job" or len(rows) == 1 or _varies(rows, name) or "/" in name or name == CAVEATS
    ]
    with (folder / "report.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_shown(row.get(name, "")) for name in columns) + " |" for row in rows]
    (folder / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _varies(rows: list[dict[str, Any]], name: str) -> bool:
    return len({str(row.get(name)) for row in rows}) > 1


def _differences(job: pathlib.Path) -> dict[str, Any]:
    """Every setting of a job, flat; those that are equal in all jobs are left out of the report."""
    folder = RunFolder(job)
    return _flat(folder.read_config()) if folder.config_file.is_file() else {}


def _end_measures(measured: dict[str, Any]) -> dict[str, Any]:
    tested = {name: value for name, value in measured.items() if name.startswith("test/")}
    said = {CAVEATS: measured[CAVEATS]} if CAVEATS in measured else {}
    return said | (tested or measured)


def _flat(section: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in section.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _job_number(job: pathlib.Path) -> tuple[int, str]:
    number = job.name.split("_", 1)[0]
    return (int(number) if number.isdigit() else 0, job.name)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

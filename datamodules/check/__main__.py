"""`python -m datamodules.check NAME DIR`: is this copy of a dataset whole? A table, and 1 as exit code where it is not."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from datamodules.bad_input import exits_with_one_sentence
from datamodules.check import DATASETS, check, is_replica
from datamodules.check.report import Report

COLOURS = {"ok": "green", "note": "yellow", "FAULT": "bold red"}


def table(report: Report, everything: bool = True) -> Table:
    """The rows of a report; without `everything` those that are as published are left out."""
    found = Table()
    for title, justify in (("check", "left"), ("found", "right"), ("expected", "right"), ("result", "left")):
        found.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]
    found.add_column("the first, or why", overflow="fold")
    for row in report.rows:
        if everything or row.result != "ok":
            expected = "" if row.published is None else f"{row.published:,}"
            result = f"[{COLOURS[row.result]}]{row.result}[/]"
            found.add_row(_plain(row.what), f"{row.found:,}", expected, result, _plain(row.example))
    return found


def _plain(text: str) -> str:
    """File names may hold brackets, which rich takes for styles."""
    return text.replace("[", r"\[")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the copy that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m datamodules.check", description="Is this copy of a dataset whole?")
    parser.add_argument("name", help=", ".join(DATASETS))
    parser.add_argument("directory", type=Path, help="the dataset's folder")
    parser.add_argument("--subset", action="store_true", help="counts may differ from the published ones")
    parser.add_argument("--quiet", action="store_true", help="show only what is not as published")
    given = parser.parse_args(arguments)
    console = Console()
    began = time.monotonic()
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("looking", total=None)

        def advance(what: str, done: int, total: int) -> None:
            progress.update(task, description=_plain(what), completed=done, total=total)

        report = check(given.name, given.directory, subset=given.subset, advance=advance)
    console.print(table(report, everything=not given.quiet))
    why = "a replica" if is_replica(given.directory) else "--subset" if given.subset else ""
    faults = len(report.faults)
    verdict = f"{faults} of them found a fault" if faults else "no faults"
    verdict += f" ({why}: counts may differ from the published ones)" if why else ""
    console.print(f"{len(report.rows)} checks in {time.monotonic() - began:.1f} s: {verdict}")
    return 1 if faults else 0


if __name__ == "__main__":
    exits_with_one_sentence(main)()

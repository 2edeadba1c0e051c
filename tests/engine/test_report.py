"""What is said at the end of a run and of a sweep."""

from __future__ import annotations

import csv
import io
import types

from rich.console import Console

from engine.report import conclude, measures_table, with_caveats, write_report
from engine.run_folder import RunFolder

MEASURED = {
    "test/ssim": 0.8, "test/copy_source/ssim": 0.6,
    "test/l1": 0.3, "test/copy_source/l1": 0.2,
    "val/ssim": 0.1,
}  # fmt: skip


def test_each_measure_stands_beside_the_copied_source_and_says_what_it_means():
    table = measures_table(MEASURED, "test")
    cells = [list(column.cells) for column in table.columns]
    assert cells[0] == ["ssim ↑", "l1 ↓"]
    assert cells[1] == ["[bold]0.8[/bold]", "0.3"]  # only what is better than copying is bold
    assert cells[2] == ["0.6", "0.2"]
    assert "structural similarity" in cells[3][0]


def test_the_last_lines_say_where_everything_lies(tmp_path):
    folder = RunFolder(tmp_path)
    folder.samples.mkdir()
    (folder.samples / "0000010.png").touch()
    folder.checkpoints.mkdir()
    folder.last.touch()
    screen = io.StringIO()
    conclude(MEASURED, folder, Console(file=screen, width=300))
    said = screen.getvalue()
    assert str(folder.samples / "0000010.png") in said
    assert f"python evaluate.py ckpt={folder.last}" in said


def test_a_sweeps_report_has_what_varied_and_what_was_measured(tmp_path):
    rows = [
        {"job": "0_a", "model.lr": 1e-3, "data.width": 64, "test/ssim": 0.8},
        {"job": "1_b", "model.lr": 1e-4, "data.width": 64, "test/ssim": 0.7},
    ]
    write_report(rows, tmp_path)
    with (tmp_path / "report.csv").open() as file:
        assert csv.DictReader(file).fieldnames == ["job", "model.lr", "test/ssim"]
    assert "| 1_b | 0.0001 | 0.7 |" in (tmp_path / "report.md").read_text()


def test_what_one_must_know_of_a_result_is_in_its_file_and_on_the_screen(tmp_path):
    plain, told = (types.SimpleNamespace(caveats=lambda said=said: said) for said in ([], ["VGG19 was random."]))
    assert with_caveats(MEASURED, plain) == MEASURED
    results = with_caveats(MEASURED, told)
    assert next(iter(results.items())) == ("caveats", "VGG19 was random.")
    screen = io.StringIO()
    conclude(results, RunFolder(tmp_path), Console(file=screen, width=300))
    assert "VGG19 was random." in screen.getvalue()
    write_report([{"job": "0", "caveats": "VGG19 was random.", "test/ssim": 0.8}] * 2, tmp_path)
    assert "VGG19 was random." in (tmp_path / "report.md").read_text()

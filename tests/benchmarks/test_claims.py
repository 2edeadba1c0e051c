"""Tables and verdicts say what the figures say."""

from __future__ import annotations

import torch

from benchmarks.claims import Claim, Column, comparison, mean_and_error, verdict

COLUMNS = (Column("kept", "structure", higher=True), Column("moved", "change", higher=False), Column("none", "x", True))
VALUES = torch.linspace(0.0, 1.0, 20)
MEASURED = {
    "plain": {"kept": VALUES, "moved": VALUES},
    "better": {"kept": VALUES + 0.1, "moved": VALUES * 0.5},
    "same": {"kept": VALUES + 0.05 * (-1) ** torch.arange(20), "moved": VALUES},
}


def test_the_table_has_a_row_for_each_measure_that_was_taken_and_marks_the_best():
    lines = comparison(MEASURED, COLUMNS).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| structure ↑ | 0.5000 ± ")
    assert "**0.6000**" in lines[2]
    assert "**0.2500**" in lines[3]


def test_a_claim_is_borne_out_refuted_or_left_open():
    better = Claim("It helps", "plain", "better", ("kept", "moved"))
    assert verdict(better, MEASURED, COLUMNS).count("**yes**") == 2
    worse = Claim("It helps", "better", "plain", ("kept", "moved"))
    assert verdict(worse, MEASURED, COLUMNS).count("**no, the opposite**") == 2
    assert "**no clear change**" in verdict(Claim("It helps", "plain", "same", ("kept",)), MEASURED, COLUMNS)
    assert "**yes, no clear change**" in verdict(Claim("It keeps", "plain", "same", ("kept",), True), MEASURED, COLUMNS)


def test_items_that_say_nothing_do_not_count():
    mean, error = mean_and_error(torch.tensor([1.0, torch.nan, 3.0]))
    assert mean == 2.0
    assert abs(error - 1.0) < 1e-6

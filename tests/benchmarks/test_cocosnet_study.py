"""What the report says of whom the trained correspondence beats."""

from __future__ import annotations

from benchmarks.studies.cocosnet import TRAINED, verdict


def test_the_verdict_names_what_is_not_beaten():
    found = {TRAINED: {"right part": 0.6, "near": 0.7}, "pixels": {"right part": 0.5, "near": 0.7}}
    assert verdict(found) == "Not beaten: pixels (near)."
    found[TRAINED]["near"] = 0.71
    assert "beats all" in verdict(found)

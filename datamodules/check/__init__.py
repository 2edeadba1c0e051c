"""Is a copy of a dataset whole? Modules named as datasets check one each.

    python -m datamodules.check market1501 DIR

A check is a row of a table, with one of three results:

| result | meaning | exit code |
|---|---|---|
| ok | as published | 0 |
| note | worth knowing, and harmless: an optional list that is not there, a file that is ignored | 0 |
| FAULT | what a run would stop at, leave out, or silently get wrong | 1 |

A count that differs from the published one is a fault; in a replica, which says of itself that it is one, and with
`--subset` it is a note, and everything else is checked all the same.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from datamodules import replica
from datamodules.bad_input import BadInput, nearest
from datamodules.check.looking import Advance
from datamodules.check.report import Report

DATASETS = ("ade20k", "celebahq", "deepfashion", "folders", "market1501")


def check(name: str, root: Path, *, subset: bool = False, advance: Advance | None = None) -> Report:
    """Look at every file of a copy.

    Args:
        name: of `DATASETS`.
        subset: whether counts may differ from the published ones.
        advance: is told what is looked at, how many of how many files are done.

    Raises:
        BadInput: there is no such dataset, or nothing that could be a copy of it.
    """
    if name not in DATASETS:
        raise BadInput(f"copies of {name!r} cannot be checked, only of {', '.join(DATASETS)}.{nearest(name, DATASETS)}")
    report = Report(root, subset=subset or is_replica(root), advance=advance or (lambda *_: None))
    importlib.import_module(f"{__name__}.{name}").check(root, report)
    return report


def is_replica(root: Path) -> bool:
    """Whether a folder says of itself that it is a replica."""
    try:
        return "settings" in json.loads((root / replica.CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False

"""The rows of a check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from datamodules.check.looking import Advance

Result = Literal["ok", "note", "FAULT"]


@dataclass(frozen=True)
class Row:
    """One check."""

    what: str
    found: int
    published: int | None
    """What the whole dataset has; None where nobody published that."""
    result: Result
    example: str = ""
    """The first of what is wrong, or why nothing was checked."""


@dataclass
class Report:
    """What is known of a copy."""

    root: Path
    subset: bool
    """Whether counts may differ from the published ones."""
    advance: Advance
    rows: list[Row] = field(default_factory=list)

    @property
    def faults(self) -> list[Row]:
        """The rows that say that the copy is not whole."""
        return [row for row in self.rows if row.result == "FAULT"]

    def count(self, what: str, found: int, published: int | None) -> None:
        """How many there are of something, and how many there should be."""
        result: Result = "ok"
        if published is not None and found != published:
            result = "note" if self.subset else "FAULT"
        self.rows.append(Row(what, found, published, result))

    def none_of(self, what: str, wrong: Sequence[str], result: Result = "FAULT") -> None:
        """Something of which there should be none.

        Args:
            wrong: what there is of it; the first is shown.
            result: what it is if there is any.
        """
        self.rows.append(Row(what, len(wrong), 0, result if wrong else "ok", wrong[0] if wrong else ""))

    def absent(self, what: str, without: str, result: Result = "note") -> None:
        """A list or folder that is not there, and what cannot be done without it."""
        self.rows.append(Row(what, 0, None, result, f"not there: {without}"))

    def short(self, path: Path | str) -> str:
        """A path as the report shows it: relative to the copy where it lies in it."""
        path = Path(path)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

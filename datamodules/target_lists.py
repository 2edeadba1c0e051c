"""Lists of pairs that name the target first and then one or more sources, of which training draws one at each use.

NTED's and PIDM's `train_pairs.txt` and `test_pairs.txt`, CoCosNet's `deepfashion_self_pair.txt`. PATN's csv, `from,to`, names
the source first; both are read here into the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.pairing import Pairs
from datamodules.text_file import read_text


@dataclass(frozen=True)
class SourcesPerTarget(Pairs):
    """Targets with several sources each. `sources` holds those of the first target, then those of the second, and so on."""

    starts: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    """(N + 1,): where the sources of each target begin."""

    def __len__(self) -> int:
        return len(self.targets)

    def pick(self, index: int, rng: np.random.Generator) -> tuple[int, int]:
        """The rows (source, target) of the pair at an index."""
        return int(self.sources[rng.integers(self.starts[index], self.starts[index + 1])]), int(self.targets[index])

    def limited(self, count: int | None) -> Self:
        """At most `count` targets, spread evenly over the list."""
        if count is None or count >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, count).round().astype(np.int64)
        spans = [np.arange(self.starts[index], self.starts[index + 1]) for index in chosen]
        starts = np.concatenate([[0], np.cumsum([len(span) for span in spans])]).astype(np.int64)
        return replace(self, sources=self.sources[np.concatenate(spans)], targets=self.targets[chosen], starts=starts)

    def reversed(self) -> Pairs:
        """Every source with its target, exchanged."""
        owners = np.repeat(self.targets, np.diff(self.starts))
        return Pairs(owners, self.sources, same_thing=self.same_thing, framing=self.framing)


def grouped(lines: np.ndarray, targets: np.ndarray, sources: np.ndarray) -> SourcesPerTarget:
    """Pairs of people from (M,) rows of targets and sources, and the line (ascending) of the list that names each pair."""
    first = np.flatnonzero(np.diff(lines, prepend=-1))
    return SourcesPerTarget(
        sources.astype(np.int32),
        targets[first].astype(np.int32),
        same_thing=True,
        framing="mirrored_together",
        starts=np.append(first, len(targets)).astype(np.int64),
    )


def read_lines(path: Path, columns: int = 1) -> list[list[str]]:
    """The names in each line of a list, without blank lines; Windows' line ends and byte order marks do no harm.

    Args:
        columns: the least number of names in a line.

    Raises:
        BadInput: a line with fewer.
    """
    lines = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        names = [name.strip() for name in line.split(",")]
        if names == [""]:
            continue
        names = [name for name in names if name]
        if len(names) < columns:
            raise BadInput(f"{path}, line {number}: {columns} file names expected, found {line[:80]!r}")
        lines.append(names)
    return lines

"""CoCosNet's lists of exemplars (Zhang et al., CVPR 2020), retrieved by features of VGG, and how training draws from them.

    29922.jpg,26768.jpg,5487.jpg,...       an image, then the training images most like it, best first

At test the first exemplar is used. Training uses the first, or sometimes the last: a hard one.
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
class ExemplarPairs(Pairs):
    """Pairs whose source is now and then another, harder one."""

    hard_sources: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    """(N,) int32: the hard source of each pair."""
    hard_fraction: float = 0.0
    """How often it is taken."""

    def pick(self, index: int, rng: np.random.Generator) -> tuple[int, int]:
        """The rows (source, target) of the pair at an index."""
        sources = self.hard_sources if rng.random() < self.hard_fraction else self.sources
        return int(sources[index]), int(self.targets[index])

    def rows(self) -> np.ndarray:
        """All rows that `pick` may give, each once, ascending."""
        hard = self.hard_sources if self.hard_fraction > 0 else self.hard_sources[:0]
        return np.unique(np.concatenate([self.sources, self.targets, hard]))

    def limited(self, count: int | None) -> Self:
        """At most `count` pairs, spread evenly over the list."""
        if count is None or count >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, count).round().astype(np.int64)
        return replace(
            self,
            sources=self.sources[chosen],
            targets=self.targets[chosen],
            hard_sources=self.hard_sources[chosen],
        )

    def reversed(self) -> Pairs:
        """The pairs of the usual exemplars with source and target exchanged."""
        return Pairs(self.targets, self.sources)


@dataclass(frozen=True)
class ExemplarList:
    """The lines of a list: file names as they stand there, with forward slashes."""

    targets: list[str]
    first: list[str]
    """The best exemplar of each target."""
    last: list[str]
    """The worst of those that are listed."""
    names: list[list[str]]
    """Every line as a whole: a target, and its exemplars."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a list; blank lines, Windows' line ends and slashes, and a byte order mark do no harm.

        Raises:
            BadInput: a line without an exemplar.
        """
        targets, first, last, lines = [], [], [], []
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            names = [name.strip().replace("\\", "/") for name in line.split(",")]
            if names == [""]:
                continue
            if len(names) < 2 or "" in names[:2]:
                raise BadInput(
                    f"{path}, line {number}: a file name and at least one exemplar expected, found {line[:80]!r}"
                )
            targets.append(names[0])
            first.append(names[1])
            last.append(names[-1] or names[-2])
            lines.append([name for name in names if name])
        return cls(targets, first, last, lines)

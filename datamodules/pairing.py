"""How the two sides of a pair meet: which row is the source and which the target, for every index of an epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Pairing = Literal["same_identity", "reference", "self", "random", "domains"]


@dataclass(frozen=True)
class Pairs:
    """The pairs of a split, as row numbers of its table.

    Both sides are listed, or one is listed and the other drawn from a pool each time that the pair is used.
    """

    sources: np.ndarray
    """(N,) int32: the source of each pair; the pool (M,) where sources are drawn."""
    targets: np.ndarray
    """(N,) int32: the target of each pair; the pool (M,) where targets are drawn."""
    drawn: Literal["sources", "targets"] | None = None
    same_thing: bool = False
    """Whether source and target show the same thing."""
    framing: Literal["own", "mirrored_together", "together"] = "own"
    """Whether the two sides are cropped and mirrored each on its own, mirrored alike but cropped apart (so that a person
    keeps her left and right), or framed alike (so that aligned pictures stay aligned)."""

    def __len__(self) -> int:
        return len(self.targets if self.drawn == "sources" else self.sources)

    def pick(self, index: int, rng: np.random.Generator) -> tuple[int, int]:
        """The rows (source, target) of the pair at an index."""
        if self.drawn is None:
            return int(self.sources[index]), int(self.targets[index])
        if self.drawn == "targets":
            return int(self.sources[index]), int(self.targets[rng.integers(len(self.targets))])
        target = int(self.targets[index])
        # One of the others: the pool without the target has one place less, and the last one stands in for the target.
        last = len(self.sources) - 1
        source = int(self.sources[rng.integers(last)])
        return (source if source != target else int(self.sources[last])), target

    def rows(self) -> np.ndarray:
        """All rows that `pick` may give, each once, ascending."""
        return np.unique(np.concatenate([self.sources, self.targets]))

    def limited(self, count: int | None) -> Pairs:
        """At most `count` pairs, spread evenly over the list."""
        if count is None or count >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, count).round().astype(np.int64)
        changes = {side: getattr(self, side)[chosen] for side in ("sources", "targets") if side != self.drawn}
        return replace(self, **changes)

    def reversed(self) -> Pairs:
        """The same pairs with source and target exchanged."""
        drawn: Literal["sources", "targets"] | None = None
        if self.drawn is not None:
            drawn = "targets" if self.drawn == "sources" else "sources"
        return replace(self, sources=self.targets, targets=self.sources, drawn=drawn)


def same_identity(identity: np.ndarray, usable: np.ndarray, group: np.ndarray | None = None) -> np.ndarray:
    """All ordered pairs of two different images of one identity: (N, 2) int32 rows (source, target).

    The order is that of the published lists: by identity, then by source, then by target, in the order of the table.

    Args:
        identity: (R,) the identity of each row.
        usable: (R,) bool, which rows may be in a pair at all.
        group: (R,) a second number that both must share as well, such as the camera.
    """
    rows = np.flatnonzero(usable)
    if len(rows) == 0:
        return np.zeros((0, 2), np.int32)
    labels = identity[rows].astype(np.int64)
    if group is not None:
        labels = labels * (int(group.max()) + 1) + group[rows]
    order = np.argsort(labels, kind="stable")
    rows, labels = rows[order], labels[order]
    _, starts, counts = np.unique(labels, return_index=True, return_counts=True)
    # Each row meets every row of its group; `place` counts through the group for each of them.
    start, count = np.repeat(starts, counts), np.repeat(counts, counts)
    first = np.repeat(np.arange(len(rows)), count)
    place = np.arange(len(first)) - np.repeat(np.cumsum(count) - count, count)
    second = np.repeat(start, count) + place
    different = first != second
    return np.stack([rows[first[different]], rows[second[different]]], axis=1).astype(np.int32)


def nearest_others(features: np.ndarray, weights: np.ndarray, identity: np.ndarray, chunk: int = 1024) -> np.ndarray:
    """For each row, the row of another identity that is most like it: (R,) int32, -1 where there is none.

    The distance is the mean of squared differences over the features that both rows have.

    Args:
        features: (R, D).
        weights: (R, D) in [0, 1]: how much a feature of a row counts; 0 where it is missing.
        identity: (R,).
    """
    f, w = np.nan_to_num(features).astype(np.float32), weights.astype(np.float32)
    f = f * (w > 0)
    wf, wff = w * f, w * f * f
    found = np.full(len(f), -1, np.int32)
    for begin in range(0, len(f), chunk):
        part = slice(begin, begin + chunk)
        shared = w[part] @ w.T
        # sum of w w' (f - f')², multiplied out.
        distance = (wff[part] @ w.T + w[part] @ wff.T - 2 * wf[part] @ wf.T) / np.maximum(shared, 1e-6)
        # Two rows that share little say little of each other: what only one of them has counts as far away.
        either = np.maximum(w[part].sum(1)[:, None], w.sum(1)[None])
        distance += 1 - shared / np.maximum(either, 1e-6)
        distance[(identity[part, None] == identity[None]) | (shared == 0)] = np.inf
        best = distance.argmin(1)
        known = np.isfinite(np.take_along_axis(distance, best[:, None], 1))[:, 0]
        found[part] = np.where(known, best, -1)
    return found

"""What a study says of its figures: a table of them, and whether each bears out what it is claimed to show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

Measured = dict[str, dict[str, Tensor]]
"""Variant -> measure -> a value for each item (N,); items that say nothing are NaN. Variants are measured on the same items."""

SMALLEST = 0.01
"""The smallest change that counts, as a part of the value."""


@dataclass(frozen=True)
class Column:
    """A measure."""

    name: str
    title: str
    higher: bool
    """Whether more is better."""


@dataclass(frozen=True)
class Claim:
    """That one variant is better than another by some measures."""

    text: str
    before: str
    after: str
    measures: tuple[str, ...]
    keeps: bool = False
    """Whether it is claimed to be no worse instead of better."""


def comparison(measured: Measured, columns: Sequence[Column]) -> str:
    """A markdown table with a row per measure: mean ± standard error of each variant, the best in bold."""
    lines = [f"| | {' | '.join(measured)} |", f"|---|{'---|' * len(measured)}"]
    for column in columns:
        values = [of.get(column.name) for of in measured.values()]
        if any(value is None for value in values):
            continue
        means = [mean_and_error(value) for value in values if value is not None]
        best = (max if column.higher else min)(mean for mean, _ in means)
        cells = [
            f"{'**' if mean == best else ''}{mean:.4f}{'**' if mean == best else ''} ± {error:.4f}"
            for mean, error in means
        ]
        lines.append(f"| {column.title} {'↑' if column.higher else '↓'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def verdict(claim: Claim, measured: Measured, columns: Sequence[Column]) -> str:
    """The claim, and for each of its measures whether the figures bear it out, with the mean difference over items.

    A difference counts from two standard errors and a hundredth of the value on.
    """
    titles = {column.name: column for column in columns}
    found = []
    for name in claim.measures:
        before, after = measured[claim.before][name], measured[claim.after][name]
        change, error = mean_and_error(after - before)
        better = change if titles[name].higher else -change
        start = mean_and_error(before)[0]
        threshold = max(2 * error, SMALLEST * abs(start))
        if better > threshold:
            word = "yes"
        elif better < -threshold:
            word = "no, the opposite"
        else:
            word = "yes, no clear change" if claim.keeps else "no clear change"
        relative = f", {100 * change / start:+.0f} %" if start else ""
        found.append(f"{titles[name].title}: **{word}** ({change:+.4f} ± {error:.4f}{relative})")
    return f"{claim.text} ({claim.before} → {claim.after}). {'; '.join(found)}."


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """The mean over the items that are numbers, and its standard error."""
    values = values.double()
    values = values[~values.isnan()]
    if len(values) == 0:
        return math.nan, math.nan
    return float(values.mean()), float(values.std() / math.sqrt(len(values))) if len(values) > 1 else math.nan

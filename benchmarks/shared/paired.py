"""Variants compared fold by fold: mean differences, and intervals for repeated cross-validation.

Training texts of two folds overlap, so that their differences are not independent and a plain
t-test would find too much. The interval is that of the corrected resampled t-test: the variance of
the mean is (1 / J + test texts / training texts) times that of the J differences (Nadeau and
Bengio, Inference for the Generalization Error, Machine Learning 52, 2003; for repeated folds
Bouckaert and Frank, PAKDD 2004).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from benchmarks.shared.texttable import table
from imbtool.evaluation.metrics import mean_defined

Figures = Mapping[str, float]
"""What a variant reaches in one fold, by the name of the figure."""


@dataclass(frozen=True)
class Difference:
    """A mean of paired differences and the ends of its 95% interval, NaN where undefined."""

    value: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """`+0.0040 [-0.0010, +0.0090]`."""
        if np.isnan(self.value):
            return "–"
        value, low, high = (f"{each:+.{digits}f}" for each in (self.value, self.low, self.high))
        return value if np.isnan(self.low) else f"{value} [{low}, {high}]"


def corrected_difference(differences: Sequence[float], folds: int) -> Difference:
    """The mean of paired differences, with its interval by the corrected resampled t-test.

    Args:
        differences: of each fold of each repeat [J]; NaN where a figure is undefined: left out.
        folds: of a repeat, so that the texts of a test are 1 / (folds - 1) of those of a training.
    """
    known = np.array([each for each in differences if not np.isnan(each)])
    if len(known) < 2:
        return Difference(mean_defined(known), np.nan, np.nan)
    error = np.sqrt((1 / len(known) + 1 / (folds - 1)) * known.var(ddof=1))
    value, reach = float(known.mean()), float(t.ppf(0.975, len(known) - 1) * error)
    return Difference(value, value - reach, value + reach)


@dataclass(frozen=True)
class Compared:
    """A variant over all folds.

    Attributes:
        means: of each figure.
        less: how far each figure is from that of the first variant; empty for the first one.
    """

    means: dict[str, float]
    less: dict[str, Difference]


def compare(found: Mapping[str, Sequence[Figures]], folds: int) -> dict[str, Compared]:
    """Compare variants with the first one.

    Args:
        found: for each variant what it reaches in each fold, folds in the same order.
        folds: of a repeat.
    """
    first = next(iter(found.values()))
    return {
        name: Compared(
            {figure: mean_defined(np.array([of[figure] for of in each])) for figure in first[0]},
            {figure: _less(figure, each, first, folds) for figure in first[0]}
            if each is not first
            else {},
        )
        for name, each in found.items()
    }


def show(compared: Mapping[str, Compared], titles: Mapping[str, tuple[str, int]]) -> str:
    """The comparison as a table.

    Args:
        compared: the first variant first.
        titles: of each figure, and with how many digits it is shown.
    """
    first = next(iter(compared))
    head = [cell for title, _ in titles.values() for cell in (title, f"less {first}")]
    return table([["", *head], *(list(_cells(name, of, titles)) for name, of in compared.items())])


def _less(
    figure: str, these: Sequence[Figures], first: Sequence[Figures], folds: int
) -> Difference:
    pairs = zip(these, first, strict=True)
    return corrected_difference([one[figure] - other[figure] for one, other in pairs], folds)


def _cells(name: str, of: Compared, titles: Mapping[str, tuple[str, int]]) -> Iterator[str]:
    yield name
    for figure, (_, digits) in titles.items():
        value = of.means[figure]
        yield "–" if np.isnan(value) else f"{value:.{digits}f}"
        yield of.less[figure].text(digits + 1) if of.less else ""

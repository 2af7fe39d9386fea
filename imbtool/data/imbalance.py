"""How imbalanced a target matrix is: counts, ratios, tiers, co-occurrence, and their measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from imbtool.config.schema import WeightsSection
from imbtool.files.documents import NumberOrNone, Typed
from imbtool.types import Counts, Floats, Targets

Tier = Literal["severe", "moderate", "common"]
TIERS: tuple[Tier, ...] = ("severe", "moderate", "common")
RARE: tuple[Tier, ...] = ("severe", "moderate")

FrequencyGroup = Literal["many", "medium", "few"]
FREQUENCY_GROUPS: tuple[FrequencyGroup, ...] = ("many", "medium", "few")
MANY, FEW = 100, 20
"""More training positives than the first are many, fewer than the second are few."""

CHUNK_ROWS = 2**13
"""Rows whose targets are counted at once; counts of so many are whole numbers in float32."""


@dataclass(frozen=True)
class LabelCount:
    """Positives, negatives and unknowns of one label in one split."""

    positives: int
    negatives: int
    unknown: int

    @property
    def ratio(self) -> float:
        """Negatives for each positive; infinite without positives."""
        return self.negatives / self.positives if self.positives else float("inf")

    @property
    def known(self) -> int:
        """Texts of which it is known."""
        return self.positives + self.negatives

    @property
    def prevalence(self) -> float:
        """Share of positives among the known; 0 where nothing is known."""
        return self.positives / self.known if self.known else 0.0


def count_labels(targets: Targets) -> list[LabelCount]:
    """Count each column of targets [n, L] (1, 0, NaN unknown)."""
    positives = _totals(targets, _positive)
    known = _totals(targets, _known) if _has_unknown(targets) else [len(targets)] * len(positives)
    return [
        LabelCount(int(pos), int(of - pos), len(targets) - int(of))
        for pos, of in zip(positives, known, strict=True)
    ]


def tier_of(ratio: float, rules: WeightsSection) -> Tier:
    """`severe` from severe.ratio on, `moderate` from moderate.ratio on, else `common`."""
    if ratio >= rules.severe.ratio:
        return "severe"
    return "moderate" if ratio >= rules.moderate.ratio else "common"


def current_tier(name: str) -> str:
    """The name of a tier today: in version 0.1 the common tier was called `head`."""
    return "common" if name == "head" else name


def frequency_group(positives: int) -> FrequencyGroup:
    """`many` over 100 training positives, `few` under 20, else `medium`.

    The many-, medium- and few-shot classes of Liu et al., Large-Scale Long-Tailed Recognition in an
    Open World, CVPR 2019.
    """
    if positives > MANY:
        return "many"
    return "few" if positives < FEW else "medium"


class HasPositives(Protocol):
    """Whatever knows how many positives a label has in training."""

    @property
    def positives(self) -> int:
        """How many."""


Counted = TypeVar("Counted", bound=HasPositives)


def rarest_first(labels: Mapping[str, Counted]) -> list[tuple[str, Counted]]:
    """Labels, by name, with the fewest positives first."""
    return sorted(labels.items(), key=lambda item: item[1].positives)


def co_occurrence(targets: Targets) -> Counts:
    """Texts that have both labels, [L, L]; the diagonal holds each label's positives."""
    return _pairs((positive, positive) for positive in map(_positive, _chunks(targets)))


def co_known(targets: Targets) -> Counts:
    """Texts that have the row label and of which the column label is known, [L, L]."""
    if not _has_unknown(targets):
        return np.repeat(_totals(targets, _positive)[:, None], targets.shape[1], axis=1)
    return _pairs((_positive(rows), _known(rows)) for rows in _chunks(targets))


def both_known(targets: Targets) -> Counts:
    """Texts of which both labels are known, [L, L]; the diagonal holds those of each label."""
    if not _has_unknown(targets):
        return np.full((targets.shape[1],) * 2, len(targets), dtype=np.int64)
    return _pairs((known, known) for known in map(_known, _chunks(targets)))


def labels_per_text(targets: Targets) -> dict[int, int]:
    """How many texts have how many labels, by their number; texts with an unknown one left out."""
    sums = targets.sum(axis=1)
    numbers, texts = np.unique(sums[~np.isnan(sums)], return_counts=True)
    return {int(number): int(count) for number, count in zip(numbers, texts, strict=True)}


def cardinality(targets: Targets) -> float:
    """Labels a text on average: the sum over labels of their share of the texts they are known of.

    Without unknown ones this is the mean number of labels (Tsoumakas and Katakis, Multi-Label
    Classification: An Overview, IJDWM 3, 2007).
    """
    return sum(count.prevalence for count in count_labels(targets))


def label_set_keys(targets: Targets) -> NDArray[np.uint64]:
    """A number for each row [n] of targets [n, L]: the same for the same set of positive labels.

    Up to 64 labels two sets never share a number; beyond, with a chance of 1 in 2^64 a pair.
    """
    packed = np.packbits(targets == 1, axis=1)
    spare = -packed.shape[1] % 8
    words = np.ascontiguousarray(np.pad(packed, ((0, 0), (0, spare)))).view(np.uint64)
    factors = np.random.default_rng(0).integers(2**63, size=words.shape[1], dtype=np.uint64)
    return np.asarray((words * (2 * factors + 1)).sum(axis=1), dtype=np.uint64)


def irlbl(positives: Sequence[int]) -> Floats:
    """Imbalance ratio per label [L]: positives of the most frequent label / its own positives.

    1 for the most frequent label, NaN without positives. Charte, Rivera, del Jesus and Herrera,
    Addressing imbalance in multilabel classification, Neurocomputing 163, 2015, equation 3.
    """
    counts = np.asarray(positives, dtype=np.float64)
    own = np.where(counts > 0, counts, np.nan)
    return np.asarray(counts.max(initial=0) / own, dtype=np.float64)


def mean_ir(ratios: Floats) -> float:
    """MeanIR: the mean of `irlbl` over labels with positives; NaN without any.

    Charte et al., Neurocomputing 163, 2015, equation 4.
    """
    return float(np.nanmean(ratios)) if np.isfinite(ratios).any() else np.nan


def cvir(ratios: Floats) -> float:
    """CVIR: the standard deviation of `irlbl` (of L - 1) / MeanIR; NaN under two labels.

    High where a few labels are much rarer than the others. Charte et al., Neurocomputing 163, 2015,
    equation 5.
    """
    known = ratios[np.isfinite(ratios)]
    return float(known.std(ddof=1) / known.mean()) if len(known) > 1 else np.nan


def scumble(targets: Targets, ratios: Floats) -> tuple[float, Floats]:
    """SCUMBLE: how much rare and frequent labels stand in the same texts, from 0 to 1.

    Of a text it is 1 - (geometric mean / arithmetic mean) of the `irlbl` of its labels, 0 without
    labels; of the data the mean over texts; of a label the mean over its texts, NaN without any.
    Resampling texts for a label of a high one makes its companions more frequent as well. Charte,
    Rivera, del Jesus and Herrera, Dealing with difficult minority labels in imbalanced multilabel
    data sets, Neurocomputing 326-327, 2019.

    Args:
        targets: [n, L], all known.
        ratios: `irlbl` [L].

    Returns:
        Of the data, and of each label [L].
    """
    of_rows, of_labels = 0.0, np.zeros(targets.shape[1])
    values = np.column_stack([np.nan_to_num(ratios), np.log(np.where(ratios > 0, ratios, 1.0))])
    for positive in map(_positive, _chunks(targets)):
        numbers = np.maximum(positive.sum(axis=1, dtype=np.float64), 1)
        sums, logs = (positive.astype(np.float64) @ values).T
        geometric = np.exp(logs / numbers)
        own = np.where(sums > 0, 1 - geometric * numbers / np.where(sums > 0, sums, 1), 0)
        of_rows += float(own.sum())
        of_labels += positive.T @ own
    with np.errstate(invalid="ignore"):
        of_labels = of_labels / _totals(targets, _positive)
    # the means of equal ratios differ by rounding alone
    return max(0.0, of_rows / max(1, len(targets))), np.maximum(of_labels, 0)


class ImbalanceMeasures(Typed):
    """The measures of a target matrix with L labels.

    Label sets, and SCUMBLE, are those of the texts of which all labels are known.
    """

    mean_ir: NumberOrNone
    cvir: NumberOrNone
    scumble: NumberOrNone
    cardinality: float
    density: float
    """`cardinality` over L."""
    label_sets: int
    """How many different sets of labels texts have, the empty one among them."""
    label_sets_once: int
    shots: dict[FrequencyGroup, int]
    """How many labels each frequency group has."""


@dataclass(frozen=True)
class LabelImbalance:
    """The measures of one label: its IRLbl, its SCUMBLE and its frequency group."""

    irlbl: float
    scumble: float
    shots: FrequencyGroup


def measure_imbalance(targets: Targets) -> tuple[ImbalanceMeasures, list[LabelImbalance]]:
    """Every measure of training targets [n, L], and those of each label [L]."""
    positives = _totals(targets, _positive)
    ratios = irlbl(positives.tolist())
    known = targets[~np.isnan(targets).any(axis=1)] if _has_unknown(targets) else targets
    whole, of_labels = scumble(known, ratios)
    _, sizes = np.unique(label_set_keys(known), return_counts=True)
    a_text = cardinality(targets)
    groups = [frequency_group(int(count)) for count in positives]
    measures = ImbalanceMeasures(
        mean_ir=mean_ir(ratios),
        cvir=cvir(ratios),
        scumble=whole,
        cardinality=a_text,
        density=a_text / targets.shape[1],
        label_sets=len(sizes),
        label_sets_once=int((sizes == 1).sum()),
        shots={name: groups.count(name) for name in FREQUENCY_GROUPS},
    )
    rows = zip(ratios.tolist(), of_labels.tolist(), groups, strict=True)
    return measures, [LabelImbalance(*row) for row in rows]


def _chunks(targets: Targets) -> Iterator[Targets]:
    """Some rows at a time: a copy of all would be large."""
    for start in range(0, len(targets), CHUNK_ROWS):
        yield targets[start : start + CHUNK_ROWS]


def _has_unknown(targets: Targets) -> bool:
    """Whether any target is unknown: a sum with NaN in it is NaN."""
    return bool(np.isnan(targets.sum()))


def _positive(rows: Targets) -> Targets:
    """Which targets are positive, as 0 and 1: themselves where none is unknown."""
    return (rows == 1).astype(np.float32) if _has_unknown(rows) else rows


def _known(rows: Targets) -> Targets:
    """Which targets are known, as 0 and 1."""
    return (~np.isnan(rows)).astype(np.float32)


def _totals(targets: Targets, kind: Callable[[Targets], Targets]) -> Counts:
    """How many of each column are of a kind, [L]; a product is many times as fast as a sum."""
    totals = np.zeros(targets.shape[1], np.int64)
    for rows in _chunks(targets):
        totals += (np.ones(len(rows), np.float32) @ kind(rows)).astype(np.int64)
    return totals


def _pairs(chunks: Iterator[tuple[Targets, Targets]]) -> Counts:
    products = ((left.T @ right).astype(np.int64) for left, right in chunks)
    return np.asarray(sum(products), dtype=np.int64)

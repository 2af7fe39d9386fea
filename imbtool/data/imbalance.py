"""How imbalanced targets are: counts, ratios, tiers, co-occurrence, and their measures.

Whatever is counted is counted of each set of labels once, times the texts that have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from imbtool.config.schema import WeightsSection
from imbtool.files.documents import NumberOrNone, Typed
from imbtool.labels.label_sets import CHUNK_ROWS, LabelSets, as_label_sets
from imbtool.types import Counts, Floats, Targets

Tier = Literal["severe", "moderate", "common"]
TIERS: tuple[Tier, ...] = ("severe", "moderate", "common")
RARE: tuple[Tier, ...] = ("severe", "moderate")

FrequencyGroup = Literal["many", "medium", "few"]
FREQUENCY_GROUPS: tuple[FrequencyGroup, ...] = ("many", "medium", "few")
MANY, FEW = 100, 20
"""More training positives than the first are many, fewer than the second are few."""


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


def count_labels(targets: Targets | LabelSets) -> list[LabelCount]:
    """Count each label of targets, or of an array of them [n, L] (1, 0, NaN unknown)."""
    sets = as_label_sets(targets)
    counts = zip(_totals(sets, _positive), _totals(sets, _known), strict=True)
    return [
        LabelCount(int(positives), int(known - positives), len(sets) - int(known))
        for positives, known in counts
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


def co_occurrence(targets: Targets | LabelSets) -> Counts:
    """Texts that have both labels, [L, L]; the diagonal holds each label's positives."""
    return _pairs(as_label_sets(targets), _positive, _positive)


def co_known(targets: Targets | LabelSets) -> Counts:
    """Texts that have the row label and of which the column label is known, [L, L]."""
    return _pairs(as_label_sets(targets), _positive, _known)


def both_known(targets: Targets | LabelSets) -> Counts:
    """Texts of which both labels are known, [L, L]; the diagonal holds those of each label."""
    return _pairs(as_label_sets(targets), _known, _known)


def labels_per_text(targets: Targets | LabelSets) -> dict[int, int]:
    """How many texts have how many labels, by their number; texts with an unknown one left out."""
    sets = as_label_sets(targets)
    sums = sets.sets.sum(axis=1)
    known = np.flatnonzero(~np.isnan(sums))
    texts = np.bincount(sums[known].astype(np.int64), weights=sets.times[known])
    return {int(number): int(texts[number]) for number in np.flatnonzero(texts)}


def cardinality(targets: Targets | LabelSets) -> float:
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


def scumble(targets: Targets | LabelSets, ratios: Floats) -> tuple[float, Floats]:
    """SCUMBLE: how much rare and frequent labels stand in the same texts, from 0 to 1.

    Of a text it is 1 - (geometric mean / arithmetic mean) of the `irlbl` of its labels, 0 without
    labels; of the data the mean over texts; of a label the mean over its texts, NaN without any.
    Resampling texts for a label of a high one makes its companions more frequent as well. Charte,
    Rivera, del Jesus and Herrera, Dealing with difficult minority labels in imbalanced multilabel
    data sets, Neurocomputing 326-327, 2019.

    Args:
        targets: of n texts, all known.
        ratios: `irlbl` [L].

    Returns:
        Of the data, and of each label [L].
    """
    sets = as_label_sets(targets)
    of_rows, of_labels = 0.0, np.zeros(len(ratios))
    values = np.column_stack([np.nan_to_num(ratios), np.log(np.where(ratios > 0, ratios, 1.0))])
    for rows in sets.chunks():
        positive = (rows == 1).astype(np.float32)
        numbers = np.maximum(positive.sum(axis=1, dtype=np.float64), 1)
        sums, logs = (positive.astype(np.float64) @ values).T
        geometric = np.exp(logs / numbers)
        own = np.where(sums > 0, 1 - geometric * numbers / np.where(sums > 0, sums, 1), 0)
        of_rows += float(own.sum())
        of_labels += positive.T @ own
    with np.errstate(invalid="ignore"):
        of_labels = of_labels / _totals(sets, _positive)
    # the means of equal ratios differ by rounding alone
    return max(0.0, of_rows / max(1, len(sets))), np.maximum(of_labels, 0)


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


def measure_imbalance(
    targets: Targets | LabelSets,
) -> tuple[ImbalanceMeasures, list[LabelImbalance]]:
    """Every measure of training targets of n texts, and those of each label [L]."""
    sets = as_label_sets(targets)
    positives = _totals(sets, _positive)
    ratios = irlbl(positives.tolist())
    is_known = np.asarray(~np.isnan(sets.sets).any(axis=1))
    known = sets.take(is_known[sets.of_text])
    whole, of_labels = scumble(known, ratios)
    _, same = np.unique(label_set_keys(known.sets), return_inverse=True)
    sizes = np.bincount(same, weights=known.times)
    a_text = cardinality(sets)
    groups = [frequency_group(int(count)) for count in positives]
    measures = ImbalanceMeasures(
        mean_ir=mean_ir(ratios),
        cvir=cvir(ratios),
        scumble=whole,
        cardinality=a_text,
        density=a_text / len(positives),
        label_sets=int((sizes > 0).sum()),
        label_sets_once=int((sizes == 1).sum()),
        shots={name: groups.count(name) for name in FREQUENCY_GROUPS},
    )
    rows = zip(ratios.tolist(), of_labels.tolist(), groups, strict=True)
    return measures, [LabelImbalance(*row) for row in rows]


def _positive(targets: Targets) -> Floats:
    """Which targets are positive, as 0 and 1."""
    return np.asarray(targets == 1, dtype=np.float64)


def _known(targets: Targets) -> Floats:
    """Which targets are known, as 0 and 1."""
    return np.asarray(~np.isnan(targets), dtype=np.float64)


Kind = Callable[[Targets], Floats]


def _parts(sets: LabelSets) -> Iterator[tuple[Targets, Floats]]:
    """Some sets at a time and how many texts have each: there may be as many sets as texts."""
    for start in range(0, len(sets.sets), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        yield sets.sets[part], sets.times[part].astype(np.float64)


def _totals(sets: LabelSets, kind: Kind) -> Counts:
    """How many targets of each label are of a kind, [L]."""
    totals = np.zeros(sets.sets.shape[1])
    for part, times in _parts(sets):
        totals += times @ kind(part)
    return totals.astype(np.int64)


def _pairs(sets: LabelSets, kind: Kind, other: Kind) -> Counts:
    """Texts of which one label is of a kind and one of another kind, [L, L]."""
    totals = np.zeros((sets.sets.shape[1],) * 2)
    for part, times in _parts(sets):
        totals += kind(part).T @ (times[:, None] * other(part))
    return totals.astype(np.int64)

"""Two systems on the same texts: the difference of every metric, with its paired interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from imbtool.data.imbalance import Tier
from imbtool.errors import user_error
from imbtool.evaluation.document import (
    DECISION_METRICS,
    METRICS,
    VERDICTS,
    Comparison,
    DecisionMetrics,
    Difference,
    LabelDifference,
    Metrics,
    Verdict,
)
from imbtool.evaluation.estimates import ResampledMetric, SplitMetrics, estimate
from imbtool.evaluation.intervals import paired_interval, shared_correlation
from imbtool.evaluation.predictions import Predictions
from imbtool.evaluation.summary import rows_by_tier
from imbtool.types import Floats, Targets
from imbtool.wording import did_you_mean, some


def compare(
    ours: SplitMetrics, theirs: Predictions, targets: Targets, tiers: Sequence[Tier], against: str
) -> Comparison:
    """Ours less theirs, on the labels that both have.

    Without probabilities of both the differences of average precision and AUC are undefined.

    Args:
        ours: the metrics of one system; its labels are those of `targets` and `tiers`.
        theirs: the predictions of another one, for the same texts.
        targets: [n, L], NaN unknown: left out for both.
        tiers: the tier of each of our labels by its training ratio.
        against: what the other one is called.

    Raises:
        UserError: they have no label in common.
    """
    our_names, their_names = ours.predictions.labels.names, theirs.labels.names
    names = _common(our_names, their_names, against)
    has_scores = ours.predictions.probabilities is not None and theirs.probabilities is not None
    columns = [our_names.index(name) for name in names]
    other = SplitMetrics(theirs.of_labels(names, has_scores), targets[:, columns])
    pair = _Pair(ours.of_labels(names, has_scores), other)
    labels = {name: pair.label(index) for index, name in enumerate(names)}
    verdicts = Counter(row.verdict for row in labels.values())
    return Comparison(
        against=against,
        texts=len(targets),
        has_scores=has_scores,
        decided_by=theirs.decided_by,
        left_out=[name for name in (*our_names, *their_names) if name not in names],
        overall=pair.overall([tiers[column] for column in columns]),
        labels=labels,
        counts={verdict: verdicts[verdict] for verdict in VERDICTS},
    )


class _Pair:
    """Two systems with the same labels, in the same resamples of the same texts."""

    def __init__(self, ours: SplitMetrics, theirs: SplitMetrics) -> None:
        self._systems = ours, theirs
        first, second = ours.predictions, theirs.predictions
        decided_alike = np.array_equal(first.decisions, second.decisions)
        self._same = {
            **dict.fromkeys(METRICS, _equal(first.probabilities, second.probabilities)),
            **dict.fromkeys(DECISION_METRICS, decided_alike),
        }

    def label(self, index: int) -> LabelDifference:
        row = self._differences(lambda of: of.label(index))
        support = int(self._systems[0].counts.support[index])
        return LabelDifference(**row, support=support, verdict=_verdict(row))

    def overall(
        self, tiers: Sequence[Tier]
    ) -> dict[str, Metrics[Difference] | DecisionMetrics[Difference]]:
        micro = DecisionMetrics[Difference](**self._differences(SplitMetrics.micro))
        return {
            "macro": self._macro(range(len(tiers))),
            "micro": micro,
            **{tier: self._macro(rows) for tier, rows in rows_by_tier(tiers).items()},
        }

    def _macro(self, rows: Sequence[int]) -> Metrics[Difference]:
        return Metrics[Difference](**self._differences(lambda of: of.macro(rows)))

    def _differences(
        self, measured: Callable[[SplitMetrics], dict[str, ResampledMetric]]
    ) -> dict[str, Difference]:
        ours, theirs = map(measured, self._systems)
        return {name: difference(ours[name], theirs[name], self._same[name]) for name in ours}


def difference(ours: ResampledMetric, theirs: ResampledMetric, same: bool) -> Difference:
    """Ours less theirs with its paired 95% interval, and both.

    Args:
        ours: a metric of a split.
        theirs: the same metric of another system, in the same resamples.
        same: whether the two systems never differ; then they are one, and the difference is 0.
    """
    trials = min(ours.trials, theirs.trials)
    correlation = shared_correlation(ours.resamples, theirs.resamples, trials)
    ends = (0.0, 0.0) if same else paired_interval(ours.ends, theirs.ends, correlation)
    both = {"ours": ours.estimate.value, "theirs": theirs.estimate.value}
    return Difference(**dict(estimate(ours.value - theirs.value, *ends)), **both)


def _equal(ours: Floats | None, theirs: Floats | None) -> bool:
    return ours is not None and theirs is not None and np.array_equal(ours, theirs)


def _verdict(row: dict[str, Difference]) -> Verdict:
    """By the interval of F1's difference, or average precision's where F1 is undefined."""
    ruling = row["average_precision"] if row["f1"].value is None else row["f1"]
    if ruling.low is None or ruling.high is None:
        return "cannot be told"
    if ruling.low > 0:
        return "better"
    return "worse" if ruling.high < 0 else "cannot be told"


def _common(ours: Sequence[str], theirs: Sequence[str], against: str) -> list[str]:
    names = [name for name in ours if name in theirs]
    if not names:
        found = f"none of our labels: {some(theirs)}"
        raise user_error(against, found, "labels that both have", did_you_mean(theirs[0], ours))
    return names

"""An evaluation in three sentences: the rare labels, what is not known, what to beware of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from imbtool.data.imbalance import RARE, Tier
from imbtool.evaluation.document import (
    Comparison,
    Estimate,
    Evaluation,
    LabelMetrics,
    SplitData,
    TierMetrics,
)
from imbtool.evaluation.estimates import estimate_text
from imbtool.evaluation.metrics import WEAK_PRECISION
from imbtool.wording import counted

Row = tuple[str, LabelMetrics]
"""A label and its metrics."""

MOST_NAMES = 3
MOST_WARNINGS = 3


class Name(str):
    """A label's name within a sentence. Users choose it, so pages set it apart."""

    __slots__ = ()


Sentence = list[str]
"""Pieces, the names of labels among them as `Name`."""


def verdict(evaluation: Evaluation) -> dict[str, Sentence]:
    """What an evaluation comes to, by its own numbers alone.

    Returns:
        A sentence for each of `Rare labels`, `Not known`, `Beware`.
    """
    rows = evaluation.rarest_first()
    warnings = list(islice(_warnings(evaluation, rows), MOST_WARNINGS))
    return {
        "Rare labels": [_rare_tiers(evaluation)],
        "Not known": _least_known(rows, evaluation.data.min_support),
        "Beware": [*joined_sentences(warnings or [[_no_warning(evaluation)]], "; "), "."],
    }


def rare_rows(evaluation: Evaluation) -> list[Row]:
    """The severe and moderate labels, rarest first."""
    return [row for row in evaluation.rarest_first() if row[1].tier in RARE]


def _rare_tiers(evaluation: Evaluation) -> str:
    tiers = {name: evaluation.tiers[name] for name in RARE if name in evaluation.tiers}
    if not tiers:
        return f"No label is rare here; macro-F1 is {estimate_text(evaluation.overall.macro.f1)}."
    known = Counter(row.tier for row in evaluation.labels.values() if row.support)
    sentence = "; ".join(_tier(name, tier, known[name]) for name, tier in tiers.items())
    return f"{sentence.capitalize()}."


def _tier(name: Tier, tier: TierMetrics, known: int) -> str:
    """What is known of a tier, of whose labels so many have positives here."""
    who = f"{name} labels ({tier.labels})"
    if tier.recall.value is None:
        return f"{who}: no positives here, so nothing can be said"
    found, right = _share(tier.recall), _share(tier.precision)
    if 0 < known < tier.labels:
        who = f"{name} labels ({known} of {tier.labels} have positives here)"
    mean = "on average " if tier.labels > 1 and known != 1 else ""
    return f"{who}: {mean}{found} of their texts are found and {right} of the decisions are right"


def _least_known(rows: Sequence[Row], min_support: int) -> Sentence:
    few = [name for name, row in rows if row.few]
    intervals = {
        name: (row.f1.low, row.f1.high)
        for name, row in rows
        if not row.few and row.f1.low is not None and row.f1.high is not None
    }
    sentence: Sentence = [f"Each label has at least {min_support} positives here"]
    if few:
        verb = "label has" if len(few) == 1 else "labels have"
        sentence = [f"{len(few)} {verb} fewer than {min_support} positives here, too few to say: "]
        sentence += name_list(few)
    if intervals:
        name = max(intervals, key=lambda name: intervals[name][1] - intervals[name][0])
        low, high = (f"{end:.2f}" for end in intervals[name])
        sentence += ["; of the others " if few else "; ", Name(name), " is known least, "]
        sentence += [f"its F1 could be anything from {low} to {high}"]
    return [*sentence, "."]


def used_in_words(data: SplitData) -> str | None:
    """`12 of 200 texts were used in training`; None if none were, as far as is known."""
    if data.seen_in_training:
        return "these texts were used in training"
    if not data.used_texts:
        return None
    verb = "was" if data.used_texts == 1 else "were"
    return f"{data.used_texts:,} of {counted(data.texts, 'text')} {verb} used in training"


def _warnings(evaluation: Evaluation, rows: Sequence[Row]) -> Iterator[Sentence]:
    """What to beware of, the worst first."""
    used = used_in_words(evaluation.data)
    if used:
        whole = evaluation.data.seen_in_training
        metrics = "all metrics are too good" if whole else "metrics are better than on new texts"
        yield [f"{used}, so {metrics}"]
    if evaluation.data.chosen:
        chosen = f"{evaluation.data.chosen:,} of {counted(evaluation.data.texts, 'text')}"
        yield [f"a search chose {chosen}, so no metric holds for texts as they come"]
    gates = evaluation.gates
    unmet = [gate for gate in gates if not gate.met]
    if unmet:
        verb = "is" if len(unmet) == 1 else "are"
        yield [f"{len(unmet)} of {counted(len(gates), 'required metric')} {verb} not met"]
    silent = [name for name, row in rows if row.recall.value == 0]
    if silent:
        fix = "label more texts or try imbtool tune"
        yield ["never found: ", *name_list(silent), f" ({fix})"]
    wrong = [name for name, row in rows if _mostly_wrong(row) and name not in silent]
    if wrong:
        yield ["most decisions are false alarms for ", *name_list(wrong)]
    yield from _lost(evaluation.comparison)


def _lost(comparison: Comparison | None) -> Iterator[Sentence]:
    if comparison is None:
        return
    worse = [name for name, row in comparison.labels.items() if row.verdict == "worse"]
    if worse:
        yield ["worse than ", Name(comparison.against), " on ", *name_list(worse)]


def _no_warning(evaluation: Evaluation) -> str:
    bars = "every required metric is met, " if evaluation.gates else ""
    wrong = "no rare one is mostly wrong for sure"
    return f"nothing stands out: {bars}no label is at zero recall, {wrong}"


def _mostly_wrong(row: LabelMetrics) -> bool:
    high = row.precision.high
    return row.tier in RARE and high is not None and high < WEAK_PRECISION


def name_list(names: Sequence[str]) -> Sentence:
    """The first names, and how many more there are."""
    shown = joined_sentences([[Name(name)] for name in names[:MOST_NAMES]], ", ")
    more = len(names) - MOST_NAMES
    return [*shown, f" and {more} more"] if more > 0 else shown


def joined_sentences(sentences: Sequence[Sentence], between: str) -> Sentence:
    """Sentences as one, with something between them."""
    joined = [piece for sentence in sentences for piece in (between, *sentence)]
    return joined[1:]


def _share(of: Estimate) -> str:
    """`71% (53–86%)`."""
    if of.value is None:
        return "an unknown share"
    ends = "" if of.low is None or of.high is None else f" ({100 * of.low:.0f}–{of.high:.0%})"
    return f"{of.value:.0%}{ends}"

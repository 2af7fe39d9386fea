"""An evaluation in three sentences: the rare labels, what is not known, what to beware of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from imbtool.data.imbalance import RARE
from imbtool.evaluation.measures import figure_text
from imbtool.report.cells import Row, rarest_first
from imbtool.wording import counted

Document = dict[str, Any]

MOST_NAMES = 3
MOST_WARNINGS = 3


class Name(str):
    """A label's name within a sentence: of others, so it is set apart."""

    __slots__ = ()


Sentence = list[str]
"""Pieces, the names of labels among them as `Name`."""


def verdict(document: Document) -> dict[str, Sentence]:
    """What an evaluation comes to, by its own numbers alone.

    Args:
        document: the evaluation, by `as_filed`.

    Returns:
        A sentence for each of `Rare labels`, `Not known`, `Beware`.
    """
    rows = rarest_first(document["labels"])
    warnings = list(islice(_warnings(document, rows), MOST_WARNINGS)) or [[_all_quiet(document)]]
    return {
        "Rare labels": [_rare_tiers(document)],
        "Not known": _least_known(rows, document["data"]["min_support"]),
        "Beware": [*_joined(warnings, "; "), "."],
    }


def rare_rows(document: Document) -> list[Row]:
    """The severe and moderate labels, rarest first."""
    return [row for row in rarest_first(document["labels"]) if row[1]["tier"] in RARE]


def _rare_tiers(document: Document) -> str:
    tiers = {name: document["tiers"][name] for name in RARE if name in document["tiers"]}
    if not tiers:
        return (
            f"No label is rare here; macro-F1 is {figure_text(document['overall']['macro']['f1'])}."
        )
    return "; ".join(_tier(name, tier) for name, tier in tiers.items()).capitalize() + "."


def _tier(name: str, tier: Document) -> str:
    who = f"{name} labels ({tier['labels']})"
    if tier["recall"]["value"] is None:
        return f"{who}: no positives here, so nothing can be said"
    found, right = _share(tier["recall"]), _share(tier["precision"])
    mean = "on average " if tier["labels"] > 1 else ""
    return f"{who}: {mean}{found} of their texts are found and {right} of the decisions are right"


def _least_known(rows: Sequence[Row], min_support: int) -> Sentence:
    few = [name for name, row in rows if row["few"]]
    ranges = {
        name: row["f1"]
        for name, row in rows
        if not row["few"] and None not in (row["f1"]["low"], row["f1"]["high"])
    }
    sentence: Sentence = [f"Each label has at least {min_support} positives here"]
    if few:
        verb = "label has" if len(few) == 1 else "labels have"
        sentence = [f"{len(few)} {verb} fewer than {min_support} positives here, too few to say: "]
        sentence += _names(few)
    if ranges:
        name = max(ranges, key=lambda name: ranges[name]["high"] - ranges[name]["low"])
        low, high = (f"{ranges[name][end]:.2f}" for end in ("low", "high"))
        sentence += ["; of the others " if few else "; ", Name(name), " is known least, "]
        sentence += [f"its F1 could be anything from {low} to {high}"]
    return [*sentence, "."]


def _warnings(document: Document, rows: Sequence[Row]) -> Iterator[Sentence]:
    """What to beware of, the worst first."""
    if document["data"]["seen_in_training"]:
        yield ["these texts were used in training, so all figures are too good"]
    gates = document["gates"]
    unmet = [gate for gate in gates if not gate["met"]]
    if unmet:
        verb = "is" if len(unmet) == 1 else "are"
        yield [f"{len(unmet)} of {counted(len(gates), 'required figure')} {verb} not met"]
    silent = [name for name, row in rows if row["recall"]["value"] == 0]
    if silent:
        fix = "label more texts or try imbtool tune"
        yield ["never found: ", *_names(silent), f" ({fix})"]
    wrong = [name for name, row in rows if _mostly_wrong(row) and name not in silent]
    if wrong:
        yield ["most decisions are false alarms for ", *_names(wrong)]
    yield from _lost(document["comparison"])


def _lost(comparison: Document | None) -> Iterator[Sentence]:
    labels = comparison["labels"] if comparison else {}
    worse = [name for name, row in labels.items() if row["verdict"] == "worse"]
    if comparison and worse:
        yield ["worse than ", Name(comparison["against"]), " on ", *_names(worse)]


def _all_quiet(document: Document) -> str:
    bars = "every required figure is met, " if document["gates"] else ""
    return f"nothing stands out: {bars}no label is at zero recall, none is mostly wrong for sure"


def _mostly_wrong(row: Document) -> bool:
    high = row["precision"]["high"]
    return row["tier"] in RARE and high is not None and high < 0.5


def _names(names: Sequence[str]) -> Sentence:
    shown = _joined([[Name(name)] for name in names[:MOST_NAMES]], ", ")
    more = len(names) - MOST_NAMES
    return [*shown, f" and {more} more"] if more > 0 else shown


def _joined(sentences: Sequence[Sentence], between: str) -> Sentence:
    joined = [piece for sentence in sentences for piece in (between, *sentence)]
    return joined[1:]


def _share(figure: Document) -> str:
    """`71% (53–86%)`."""
    value, low, high = (figure[key] for key in ("value", "low", "high"))
    if value is None:
        return "an unknown share"
    ends = "" if low is None or high is None else f" ({100 * low:.0f}–{high:.0%})"
    return f"{value:.0%}{ends}"

"""Gates of `imbtool evaluate --require`: bars that figures of an evaluation must reach."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imbtool.errors import did_you_mean, fail
from imbtool.evaluation.figures import figure, figure_text
from imbtool.imbalance import TIERS, Tier
from imbtool.labels import Labels

Document = dict[str, Any]

MEASURES = ("precision", "recall", "f1", "average_precision", "roc_auc")
MEANS = ("macro", "micro", "weighted")
GROUPS = (*MEANS, "primary", "secondary")
EXAMPLE = "recall:LABEL>=0.8, or f1:macro>=0.5"


@dataclass(frozen=True)
class Gate:
    """A bar for one figure.

    Attributes:
        requirement: as it was typed.
        measure: one of `MEASURES`.
        of: a label, or a group: macro, micro, weighted, primary, secondary, a tier.
        operator: `>=` or `<=`.
        bar: from 0 to 1.
    """

    requirement: str
    measure: str
    of: str
    operator: str
    bar: float


def read_gate(text: str) -> Gate:
    """Read `recall:LABEL>=0.8`: the measure up to the first `:`, the bar from the last operator on.

    Raises:
        UserError: it has another shape, an unknown measure, or a bar that is no number from 0 to 1.
    """
    where = f"--require {text}"
    parts = re.fullmatch(r"([^:]*):(.*)(>=|<=)(.*)", text, re.DOTALL)
    if not parts:
        raise fail(where, "another shape", "MEASURE:NAME>=BAR, or <=", f"e.g. {EXAMPLE}")
    measure, of, operator, number = (part.strip() for part in parts.groups())
    if measure not in MEASURES:
        found = f"the measure {measure!r}"
        raise fail(where, found, "a measure", did_you_mean(measure, MEASURES))
    try:
        bar = float(number)
    except ValueError:
        bar = math.nan
    if not 0 <= bar <= 1:
        raise fail(where, f"the bar {number!r}", "a number from 0 to 1", f"e.g. {EXAMPLE}")
    return Gate(text, measure, of, operator, bar)


def check_gates(gates: Sequence[Gate], labels: Labels, tiers: Sequence[Tier]) -> None:
    """Refuse gates on what a model does not have, before it is measured.

    Raises:
        UserError: as `judge_gates` does.
    """
    pooled = dict.fromkeys(MEASURES[:3], figure(math.nan, math.nan, math.nan))
    each = dict.fromkeys(MEASURES, pooled["f1"])
    means = {**dict.fromkeys(MEANS, each), "micro": pooled}
    document = {
        "overall": {**means, **dict.fromkeys(labels.groups, each)},
        "tiers": dict.fromkeys([tier for tier in TIERS if tier in tiers], each),
        "labels": dict.fromkeys(labels.names, each),
    }
    judge_gates(gates, document)


def judge_gates(gates: Sequence[Gate], document: Document) -> list[Document]:
    """Hold the figures of an evaluation against their bars.

    Args:
        gates: what must be reached.
        document: with `overall`, `tiers` and `labels`, as in evaluation.json.

    Returns:
        For each gate `requirement`, `measure`, `of`, `kind` (label or group; a label that has the
        name of a group is meant before the group), `operator`, `bar`, `figure`, and whether it is
        `met`, which a figure that is undefined is not.

    Raises:
        UserError: the evaluation has no such label or group, or not this measure of it.
    """
    return [_judge(gate, document) for gate in gates]


def gate_sentence(entry: Mapping[str, Any]) -> str:
    """`recall of praising violence is 0.67 [.30–.90], under the bar 0.8`."""
    subject, bar = f"{entry['measure'].replace('_', ' ')} of {_name(entry)}", f"{entry['bar']:g}"
    if _missing(entry["figure"]["value"]):
        return f"{subject} is undefined, so it does not meet the bar {bar}"
    missed = "under" if entry["operator"] == ">=" else "over"
    verdict = "meets" if entry["met"] else missed
    return f"{subject} is {figure_text(entry['figure'])}, {verdict} the bar {bar}"


def _judge(gate: Gate, document: Document) -> Document:
    kind, figures = _place(gate, document)
    if gate.measure not in figures:
        has = ", ".join(name for name in MEASURES if name in figures)
        found, mend = f"no {gate.measure} of {gate.of}", f"{gate.of} has {has}"
        raise fail(f"--require {gate.requirement}", found, "a measure that it has", mend)
    value = figures[gate.measure]["value"]
    return {
        "requirement": gate.requirement,
        "measure": gate.measure,
        "of": gate.of,
        "kind": kind,
        "operator": gate.operator,
        "bar": gate.bar,
        "figure": figures[gate.measure],
        "met": not _missing(value)
        and (value >= gate.bar if gate.operator == ">=" else value <= gate.bar),
    }


def _place(gate: Gate, document: Document) -> tuple[str, Document]:
    """A label's figures or a group's; a label wins."""
    labels = document["labels"]
    overall = {name: document["overall"][name] for name in GROUPS if name in document["overall"]}
    groups = {**overall, **document["tiers"]}
    if gate.of in labels:
        return "label", labels[gate.of]
    if gate.of in groups:
        return "group", groups[gate.of]
    where, found = f"--require {gate.requirement}", f"the name {gate.of!r}"
    expected = f"a label of the model, or one of {', '.join(groups)}"
    raise fail(where, found, expected, did_you_mean(gate.of, [*labels, *groups]))


def _name(entry: Mapping[str, Any]) -> str:
    """How a sentence names what was measured; a label with a group's name is called a label."""
    of: str = entry["of"]
    if entry["kind"] == "label":
        return f"the label {of}" if of in (*GROUPS, *TIERS) else of
    if of in MEANS:
        return f"all labels ({of})"
    return f"{of} labels"


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)

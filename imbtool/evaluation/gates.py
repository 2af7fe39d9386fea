"""Gates of `imbtool evaluate --require`: bars that figures of an evaluation must reach."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imbtool.config.hierarchy import Labels
from imbtool.data.imbalance import TIERS, Tier, current_tier
from imbtool.errors import user_error
from imbtool.evaluation.measures import figure_text, is_known
from imbtool.wording import did_you_mean

Document = dict[str, Any]

MEASURES = ("precision", "recall", "f1", "average_precision", "roc_auc")
OF_MICRO = MEASURES[:3]
"""Labels that are pooled into one are not ranked."""
MEANS = ("macro", "micro", "weighted")
LEVELS = ("primary", "secondary")
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
        raise user_error(where, "another shape", "MEASURE:NAME>=BAR, or <=", f"e.g. {EXAMPLE}")
    measure, of, operator, number = (part.strip() for part in parts.groups())
    if measure not in MEASURES:
        found = f"the measure {measure!r}"
        raise user_error(where, found, "a measure", did_you_mean(measure, MEASURES))
    try:
        bar = float(number)
    except ValueError:
        bar = math.nan
    if not 0 <= bar <= 1:
        raise user_error(where, f"the bar {number!r}", "a number from 0 to 1", f"e.g. {EXAMPLE}")
    return Gate(text, measure, of, operator, bar)


def check_gates(gates: Sequence[Gate], labels: Labels, tiers: Sequence[Tier]) -> None:
    """Refuse gates on what a model does not have, before it is measured.

    Raises:
        UserError: there is no such label or group, or not this measure of it.
    """
    levels = [name for name in LEVELS if name in labels.groups]
    groups = [*MEANS, *levels, *(tier for tier in TIERS if tier in tiers)]
    for gate in gates:
        where = f"--require {gate.requirement}"
        if gate.of not in labels.names and current_tier(gate.of) not in groups:
            expected = f"a label of the model, or one of {', '.join(groups)}"
            fix = did_you_mean(gate.of, [*labels.names, *groups])
            raise user_error(where, f"the name {gate.of!r}", expected, fix)
        is_micro = gate.of == "micro" and gate.of not in labels.names
        if is_micro and gate.measure not in OF_MICRO:
            found, fix = f"no {gate.measure} of micro", f"micro has {', '.join(OF_MICRO)}"
            raise user_error(where, found, "a measure that it has", fix)


def judge_gates(gates: Sequence[Gate], document: Document) -> list[Document]:
    """Hold the figures of an evaluation against their bars.

    Args:
        gates: what must be reached; `check_gates` has let them pass.
        document: with `overall`, `tiers` and `labels`, as in evaluation.json.

    Returns:
        For each gate `requirement`, `measure`, `of`, `kind` (label or group; a label that has the
        name of a group is meant before the group), `operator`, `bar`, `figure`, and whether it is
        `met`, which a figure that is undefined is not.
    """
    return [_judge(gate, document) for gate in gates]


def gate_sentence(entry: Mapping[str, Any]) -> str:
    """`recall of praising violence is 0.67 [.30–.90], under the bar 0.8`."""
    subject, bar = f"{entry['measure'].replace('_', ' ')} of {_name(entry)}", f"{entry['bar']:g}"
    if not is_known(entry["figure"]["value"]):
        return f"{subject} is undefined, so it does not meet the bar {bar}"
    missed = "under" if entry["operator"] == ">=" else "over"
    verdict = "meets" if entry["met"] else missed
    return f"{subject} is {figure_text(entry['figure'])}, {verdict} the bar {bar}"


def _judge(gate: Gate, document: Document) -> Document:
    labels, groups = document["labels"], {**document["overall"], **document["tiers"]}
    is_label = gate.of in labels
    figure = (labels[gate.of] if is_label else groups[current_tier(gate.of)])[gate.measure]
    value = figure["value"]
    return {
        "requirement": gate.requirement,
        "measure": gate.measure,
        "of": gate.of,
        "kind": "label" if is_label else "group",
        "operator": gate.operator,
        "bar": gate.bar,
        "figure": figure,
        "met": is_known(value)
        and (value >= gate.bar if gate.operator == ">=" else value <= gate.bar),
    }


def _name(entry: Mapping[str, Any]) -> str:
    """How a sentence names what was measured; a label with a group's name is called a label."""
    of: str = entry["of"]
    if entry["kind"] == "label":
        return f"the label {of}" if of in (*MEANS, *LEVELS, *TIERS) else of
    if of in MEANS:
        return f"all labels ({of})"
    return f"{of} labels"

"""Gates of `imbtool evaluate --require`: bars that metrics of an evaluation must reach."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from imbtool.config.hierarchy import Labels
from imbtool.data.imbalance import TIERS, Tier
from imbtool.errors import user_error
from imbtool.evaluation.document import (
    DECISION_METRICS,
    METRICS,
    DecisionMetrics,
    Estimate,
    GateResult,
)
from imbtool.evaluation.estimates import estimate_text
from imbtool.wording import did_you_mean

Operator = Literal[">=", "<="]

MEANS = ("macro", "micro", "weighted")
LEVELS = ("primary", "secondary")
EXAMPLE = "recall:LABEL>=0.8, or f1:macro>=0.5"


@dataclass(frozen=True)
class Gate:
    """A bar for one metric.

    Attributes:
        requirement: as it was typed.
        measure: one of `METRICS`.
        of: a label, or a group: macro, micro, weighted, primary, secondary, a tier.
        operator: `>=` or `<=`.
        bar: from 0 to 1.
    """

    requirement: str
    measure: str
    of: str
    operator: Operator
    bar: float


def read_gate(text: str) -> Gate:
    """Read `recall:LABEL>=0.8`: the metric up to the first `:`, the bar from the last operator on.

    Raises:
        UserError: it has another shape, an unknown metric, or a bar that is no number from 0 to 1.
    """
    where = f"--require {text}"
    parts = re.fullmatch(r"([^:]*):(.*)(>=|<=)(.*)", text, re.DOTALL)
    if not parts:
        raise user_error(where, "another shape", "MEASURE:NAME>=BAR, or <=", f"e.g. {EXAMPLE}")
    measure, of, operator, number = (part.strip() for part in parts.groups())
    if measure not in METRICS:
        found = f"the metric {measure!r}"
        raise user_error(where, found, "a metric", did_you_mean(measure, METRICS))
    try:
        bar = float(number)
    except ValueError:
        bar = math.nan
    if not 0 <= bar <= 1:
        raise user_error(where, f"the bar {number!r}", "a number from 0 to 1", f"e.g. {EXAMPLE}")
    return Gate(text, measure, of, cast(Operator, operator), bar)


def check_gates(gates: Sequence[Gate], labels: Labels, tiers: Sequence[Tier]) -> None:
    """Refuse gates on what a model does not have, before it is measured.

    Raises:
        UserError: there is no such label or group, or it does not have this metric.
    """
    levels = [name for name in LEVELS if name in labels.groups]
    groups = [*MEANS, *levels, *(tier for tier in TIERS if tier in tiers)]
    for gate in gates:
        where = f"--require {gate.requirement}"
        if gate.of not in (*labels.names, *groups):
            expected = f"a label of the model, or one of {', '.join(groups)}"
            fix = did_you_mean(gate.of, [*labels.names, *groups])
            raise user_error(where, f"the name {gate.of!r}", expected, fix)
        is_micro = gate.of == "micro" and gate.of not in labels.names
        if is_micro and gate.measure not in DECISION_METRICS:
            found, fix = f"no {gate.measure} of micro", f"micro has {', '.join(DECISION_METRICS)}"
            raise user_error(where, found, "a metric that it has", fix)


def judge_gates(
    gates: Sequence[Gate],
    labels: Mapping[str, DecisionMetrics[Estimate]],
    groups: Mapping[str, DecisionMetrics[Estimate]],
) -> list[GateResult]:
    """Hold the metrics of an evaluation against their bars.

    A label that has the name of a group is meant before the group. A metric that is undefined does
    not meet its bar.

    Args:
        gates: what must be reached; `check_gates` has let them pass.
        labels: the metrics of each label.
        groups: the metrics of each group.
    """
    return [_judge(gate, labels, groups) for gate in gates]


def gate_sentence(gate: GateResult) -> str:
    """`recall of praising violence is 0.67 [.30–.90], under the bar 0.8`."""
    subject, bar = f"{gate.measure.replace('_', ' ')} of {_name(gate)}", f"{gate.bar:g}"
    if gate.figure.value is None:
        return f"{subject} is undefined, so it does not meet the bar {bar}"
    missed = "under" if gate.operator == ">=" else "over"
    verdict = "meets" if gate.met else missed
    return f"{subject} is {estimate_text(gate.figure)}, {verdict} the bar {bar}"


def _judge(
    gate: Gate,
    labels: Mapping[str, DecisionMetrics[Estimate]],
    groups: Mapping[str, DecisionMetrics[Estimate]],
) -> GateResult:
    is_label = gate.of in labels
    found = (labels if is_label else groups)[gate.of].metric(gate.measure)
    assert found is not None  # `check_gates` has refused what does not exist
    value = found.value
    return GateResult(
        requirement=gate.requirement,
        measure=gate.measure,
        of=gate.of,
        kind="label" if is_label else "group",
        operator=gate.operator,
        bar=gate.bar,
        figure=found,
        met=value is not None
        and (value >= gate.bar if gate.operator == ">=" else value <= gate.bar),
    )


def _name(gate: GateResult) -> str:
    """How a sentence names what was measured; a label with a group's name is called a label."""
    if gate.kind == "label":
        return f"the label {gate.of}" if gate.of in (*MEANS, *LEVELS, *TIERS) else gate.of
    return f"all labels ({gate.of})" if gate.of in MEANS else f"{gate.of} labels"

"""A gate is a bar for one metric of an evaluation; one that cannot be read is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from imbtool.config.hierarchy import label_set
from imbtool.errors import Problem, UserError
from imbtool.evaluation.document import METRICS, Estimate, GateResult, Metrics
from imbtool.evaluation.estimates import SplitMetrics, estimates
from imbtool.evaluation.gates import (
    Gate,
    check_gates,
    gate_sentence,
    judge_gates,
    read_gate,
)
from imbtool.evaluation.predictions import Predictions
from imbtool.evaluation.summary import summarise_overall, summarise_tiers

LABELS = label_set(
    ["abuse", "praise: war", "a>=b", "macro", "never"],
    [("praise: war", "abuse"), ("a>=b", "abuse")],
)
TIERS = ["head", "severe", "moderate", "head", "moderate"]


@pytest.fixture(scope="module")
def measured() -> SimpleNamespace:
    """The metrics of the labels and of the groups of an evaluation."""
    rng = np.random.default_rng(0)
    targets = (rng.random((80, 5)) < [0.5, 0.3, 0.3, 0.3, 0]).astype(np.float32)
    scores = 1 / (1 + np.exp(-rng.normal(size=targets.shape) - targets))
    thresholds = np.full(5, 0.6)
    metrics = SplitMetrics(
        Predictions.by_thresholds(LABELS, scores, thresholds, "drop-children"), targets
    )
    labels = {
        name: Metrics[Estimate](**estimates(metrics.label(index)))
        for index, name in enumerate(LABELS.names)
    }
    groups = {**summarise_overall(metrics).groups, **summarise_tiers(metrics, TIERS)}
    return SimpleNamespace(labels=labels, groups=groups)


def judge(measured: SimpleNamespace, text: str) -> GateResult:
    gates = [read_gate(text)]
    check_gates(gates, LABELS, TIERS)
    (result,) = judge_gates(gates, measured.labels, measured.groups)
    return result


def problem(text: str) -> Problem:
    with pytest.raises(UserError) as caught:
        check_gates([read_gate(text)], LABELS, TIERS)
    (only,) = caught.value.problems
    return only


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("recall:threats>=0.8", ("recall", "threats", ">=", 0.8)),
        ("f1:macro<=.5", ("f1", "macro", "<=", 0.5)),
        (" recall : praising violence >= 0.8 ", ("recall", "praising violence", ">=", 0.8)),
        ("roc_auc:a: b>=1", ("roc_auc", "a: b", ">=", 1)),
        ("precision:a>=b<=c>=0", ("precision", "a>=b<=c", ">=", 0)),
        ("average_precision:line\nbreak<=0.25", ("average_precision", "line\nbreak", "<=", 0.25)),
    ],
)
def test_the_measure_ends_at_the_first_colon_and_the_bar_begins_at_the_last_operator(
    text: str, parts: tuple[str, str, str, float]
):
    assert read_gate(text) == Gate(text, *parts)


@pytest.mark.parametrize(
    ("text", "found", "fix"),
    [
        ("recall", "another shape", "e.g. recall:LABEL>=0.8, or f1:macro>=0.5"),
        ("recall>=0.8", "another shape", "e.g. recall:LABEL>=0.8, or f1:macro>=0.5"),
        ("recall:threats>0.8", "another shape", "e.g. recall:LABEL>=0.8, or f1:macro>=0.5"),
        ("recal:threats>=0.8", "the metric 'recal'", "did you mean 'recall'?"),
        ("recall:threats>=80", "the bar '80'", "e.g. recall:LABEL>=0.8, or f1:macro>=0.5"),
        ("recall:threats>=nan", "the bar 'nan'", "e.g. recall:LABEL>=0.8, or f1:macro>=0.5"),
        ("recall:threats>=", "the bar ''", "e.g. recall:LABEL>=0.8, or f1:macro>=0.5"),
    ],
)
def test_a_gate_that_cannot_be_read_is_refused(text: str, found: str, fix: str):
    said = problem(text)
    assert (said.where, said.found, said.fix) == (f"--require {text}", found, fix)


@pytest.mark.parametrize("of", ["abuse", "praise: war", "a>=b"])
@pytest.mark.parametrize("measure", METRICS)
def test_a_label_s_metric_is_held_against_the_bar(measured: SimpleNamespace, of: str, measure: str):
    found = measured.labels[of].metric(measure)
    value = found.value
    assert judge(measured, f"{measure}:{of}>={value!r}") == GateResult(
        requirement=f"{measure}:{of}>={value!r}",
        measure=measure,
        of=of,
        kind="label",
        operator=">=",
        bar=value,
        figure=found,
        met=True,
    )
    assert judge(measured, f"{measure}:{of}<={value!r}").met
    assert not judge(measured, f"{measure}:{of}>={value + 1e-9!r}").met
    assert not judge(measured, f"{measure}:{of}<={value - 1e-9!r}").met


@pytest.mark.parametrize(
    "of", ["micro", "weighted", "primary", "secondary", "severe", "moderate", "head"]
)
def test_a_group_s_metric_is_held_against_the_bar(measured: SimpleNamespace, of: str):
    result = judge(measured, f"recall:{of}>=0.5")
    assert result.figure == measured.groups[of].recall
    assert result.kind == "group"


def test_a_label_with_the_name_of_a_group_is_meant_and_called_a_label(measured: SimpleNamespace):
    result = judge(measured, "f1:macro>=0")
    assert result.figure == measured.labels["macro"].f1
    assert gate_sentence(result).startswith("f1 of the label macro is ")


def test_an_undefined_metric_meets_no_bar(measured: SimpleNamespace):
    for operator in (">=", "<="):
        result = judge(measured, f"recall:never{operator}0")
        assert not result.met
        assert gate_sentence(result) == (
            "recall of never is undefined, so it does not meet the bar 0"
        )


def test_a_name_that_the_model_lacks_is_refused_with_the_nearest_one():
    said = problem("recall:abus>=0.5")
    assert (said.found, said.fix) == ("the name 'abus'", "did you mean 'abuse'?")
    assert "macro, micro, weighted, primary, secondary, severe, moderate, head" in said.expected


def test_a_measure_that_a_group_lacks_is_refused():
    said = problem("roc_auc:micro>=0.5")
    assert said.found == "no roc_auc of micro"
    assert said.fix == "micro has precision, recall, f1"


def test_a_measure_is_refused_of_a_group_exactly_where_the_evaluation_lacks_it(
    measured: SimpleNamespace,
):
    groups = {name: measured.groups[name] for name in ("micro", "weighted", "primary", *TIERS)}
    for of, metrics in {**groups, "abuse": measured.labels["abuse"]}.items():
        for measure in METRICS:
            if (found := metrics.metric(measure)) is not None:
                assert judge(measured, f"{measure}:{of}>=0").figure == found
            else:
                assert problem(f"{measure}:{of}>=0").found == f"no {measure} of {of}"


def test_without_a_hierarchy_there_are_no_levels():
    with pytest.raises(UserError, match="primary"):
        check_gates([read_gate("f1:primary>=0.5")], label_set(["a"], []), ["head"])


@pytest.mark.parametrize(
    ("operator", "bar", "met", "end"),
    [
        (">=", 0.8, False, ", under the bar 0.8"),
        (">=", 0.5, True, ", meets the bar 0.5"),
        ("<=", 0.5, False, ", over the bar 0.5"),
        ("<=", 0.8, True, ", meets the bar 0.8"),
    ],
)
def test_a_sentence_says_metric_interval_and_bar(operator: str, bar: float, met: bool, end: str):
    result = GateResult(
        requirement="",
        measure="recall",
        of="praising violence",
        kind="label",
        operator=operator,
        bar=bar,
        figure=Estimate(value=2 / 3, low=0.3, high=0.9),
        met=met,
    )
    assert gate_sentence(result) == "recall of praising violence is 0.67 [.30–.90]" + end


def test_a_sentence_names_a_group_as_one(measured: SimpleNamespace):
    starts = {
        "average_precision:weighted>=0": "average precision of all labels (weighted) is ",
        "recall:severe>=0": "recall of severe labels is ",
        "recall:primary>=0": "recall of primary labels is ",
    }
    for text, start in starts.items():
        assert gate_sentence(judge(measured, text)).startswith(start)

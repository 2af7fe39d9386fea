"""A gate is a bar for one figure of an evaluation; one that cannot be read is refused."""

import json
from typing import Any

import numpy as np
import pytest

from imbtool.config.hierarchy import label_set
from imbtool.errors import Problem, UserError
from imbtool.evaluation.gates import (
    MEASURES,
    Gate,
    check_gates,
    gate_sentence,
    judge_gates,
    read_gate,
)
from imbtool.evaluation.summary import evaluation_document
from imbtool.files.json_text import to_json

LABELS = label_set(
    ["abuse", "praise: war", "a>=b", "macro", "never"],
    [("praise: war", "abuse"), ("a>=b", "abuse")],
)
TIERS = ["common", "severe", "moderate", "common", "moderate"]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    targets = (rng.random((80, 5)) < [0.5, 0.3, 0.3, 0.3, 0]).astype(np.float32)
    scores = 1 / (1 + np.exp(-rng.normal(size=targets.shape) - targets))
    return evaluation_document(LABELS, scores, targets, np.full(5, 0.6), "drop-children", TIERS)


def judge(document: dict[str, Any], text: str) -> dict[str, Any]:
    gates = [read_gate(text)]
    check_gates(gates, LABELS, TIERS)
    (entry,) = judge_gates(gates, document)
    return entry


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
        ("recal:threats>=0.8", "the measure 'recal'", "did you mean 'recall'?"),
        ("recall:threats>=80", "the bar '80'", "e.g. recall:LABEL>=0.8, or f1:macro>=0.5"),
        ("recall:threats>=nan", "the bar 'nan'", "e.g. recall:LABEL>=0.8, or f1:macro>=0.5"),
        ("recall:threats>=", "the bar ''", "e.g. recall:LABEL>=0.8, or f1:macro>=0.5"),
    ],
)
def test_a_gate_that_cannot_be_read_is_refused(text: str, found: str, fix: str):
    said = problem(text)
    assert (said.where, said.found, said.fix) == (f"--require {text}", found, fix)


@pytest.mark.parametrize("of", ["abuse", "praise: war", "a>=b"])
@pytest.mark.parametrize("measure", MEASURES)
def test_a_label_s_figure_is_held_against_the_bar(document: dict[str, Any], of: str, measure: str):
    figure = document["labels"][of][measure]
    value = figure["value"]
    assert judge(document, f"{measure}:{of}>={value!r}") == {
        "requirement": f"{measure}:{of}>={value!r}",
        "measure": measure,
        "of": of,
        "kind": "label",
        "operator": ">=",
        "bar": value,
        "figure": figure,
        "met": True,
    }
    assert judge(document, f"{measure}:{of}<={value!r}")["met"]
    assert not judge(document, f"{measure}:{of}>={value + 1e-9!r}")["met"]
    assert not judge(document, f"{measure}:{of}<={value - 1e-9!r}")["met"]


@pytest.mark.parametrize(
    ("of", "section"),
    [
        *((name, "overall") for name in ("micro", "weighted", "primary", "secondary")),
        *((name, "tiers") for name in ("severe", "moderate", "common")),
    ],
)
def test_a_group_s_figure_is_held_against_the_bar(document: dict[str, Any], of: str, section: str):
    entry = judge(document, f"recall:{of}>=0.5")
    assert entry["figure"] == document[section][of]["recall"]
    assert entry["kind"] == "group"


def test_the_common_tier_is_also_known_by_its_name_of_version_0_1(document: dict[str, Any]):
    assert judge(document, "recall:head>=0.5")["figure"] == document["tiers"]["common"]["recall"]
    with pytest.raises(UserError, match="head"):
        check_gates([read_gate("recall:head>=0.5")], label_set(["a"], []), ["severe"])


def test_a_label_with_the_name_of_a_group_is_meant_and_called_a_label(document: dict[str, Any]):
    entry = judge(document, "f1:macro>=0")
    assert entry["figure"] == document["labels"]["macro"]["f1"]
    assert gate_sentence(entry).startswith("f1 of the label macro is ")


def test_an_undefined_figure_meets_no_bar(document: dict[str, Any]):
    for operator in (">=", "<="):
        entry = judge(document, f"recall:never{operator}0")
        assert not entry["met"]
        assert gate_sentence(entry) == (
            "recall of never is undefined, so it does not meet the bar 0"
        )
    read_back = judge(json.loads(to_json(document)), "recall:never>=0")
    assert not read_back["met"]
    assert gate_sentence(read_back) == gate_sentence(entry)


def test_a_name_that_the_model_lacks_is_refused_with_the_nearest_one():
    said = problem("recall:abus>=0.5")
    assert (said.found, said.fix) == ("the name 'abus'", "did you mean 'abuse'?")
    assert "macro, micro, weighted, primary, secondary, severe, moderate, common" in said.expected


def test_a_measure_that_a_group_lacks_is_refused():
    said = problem("roc_auc:micro>=0.5")
    assert said.found == "no roc_auc of micro"
    assert said.fix == "micro has precision, recall, f1"


def test_a_measure_is_refused_of_a_group_exactly_where_the_evaluation_lacks_it(
    document: dict[str, Any],
):
    groups = {name: document["overall"][name] for name in ("micro", "weighted", "primary")}
    for of, figures in {
        **groups,
        **document["tiers"],
        "abuse": document["labels"]["abuse"],
    }.items():
        for measure in MEASURES:
            if measure in figures:
                assert judge(document, f"{measure}:{of}>=0")["figure"] == figures[measure]
            else:
                assert problem(f"{measure}:{of}>=0").found == f"no {measure} of {of}"


def test_without_a_hierarchy_there_are_no_levels():
    with pytest.raises(UserError, match="primary"):
        check_gates([read_gate("f1:primary>=0.5")], label_set(["a"], []), ["common"])


@pytest.mark.parametrize(
    ("operator", "bar", "met", "end"),
    [
        (">=", 0.8, False, ", under the bar 0.8"),
        (">=", 0.5, True, ", meets the bar 0.5"),
        ("<=", 0.5, False, ", over the bar 0.5"),
        ("<=", 0.8, True, ", meets the bar 0.8"),
    ],
)
def test_a_sentence_says_figure_interval_and_bar(operator: str, bar: float, met: bool, end: str):
    entry = {
        "measure": "recall",
        "of": "praising violence",
        "kind": "label",
        "operator": operator,
        "bar": bar,
        "figure": {"value": 2 / 3, "low": 0.3, "high": 0.9},
        "met": met,
    }
    assert gate_sentence(entry) == "recall of praising violence is 0.67 [.30–.90]" + end


def test_a_sentence_names_a_group_as_one(document: dict[str, Any]):
    starts = {
        "average_precision:weighted>=0": "average precision of all labels (weighted) is ",
        "recall:severe>=0": "recall of severe labels is ",
        "recall:primary>=0": "recall of primary labels is ",
    }
    for text, start in starts.items():
        assert gate_sentence(judge(document, text)).startswith(start)

"""The evaluation document holds every figure, and null where there is none to give."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from imbtool.config.hierarchy import Coherence, Labels, label_set
from imbtool.data.imbalance import Tier
from imbtool.evaluation.metrics import confusion
from imbtool.evaluation.summary import evaluation_document, group_metrics, label_metrics
from imbtool.files.json_text import to_json

LABELS = label_set(["top", "below", "lone", "absent"], [("below", "top")])
TIERS: tuple[Tier, ...] = ("common", "severe", "common", "severe")
TARGETS = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0], [0, 0, np.nan, 0]], np.float32)
PROBABILITIES = np.array(
    [[0.9, 0.8, 0.1, 0.1], [0.3, 0.7, 0.6, 0.1], [0.2, 0.1, 0.4, 0.1], [0.6, 0.2, 0.9, 0.9]]
)
THRESHOLDS = np.array([0.5, 0.5, 0.4, 0.95])


def document(coherence: Coherence | None = None, labels: Labels = LABELS) -> dict[str, Any]:
    return evaluation_document(labels, PROBABILITIES, TARGETS, THRESHOLDS, coherence, TIERS)


def value(part: dict[str, Any], *keys: str) -> float:
    for key in keys:
        part = part[key]
    return part["value"]


def figures(part: Any) -> Iterator[dict[str, float]]:
    """Every figure of a document."""
    if isinstance(part, dict) and "value" in part:
        yield part
    elif isinstance(part, dict):
        for below in part.values():
            yield from figures(below)


def test_every_figure_that_is_defined_lies_in_its_interval():
    found = list(figures(document()))
    # 4 labels, macro, weighted, 2 levels and 2 tiers with five figures each; micro with three
    assert len(found) == 10 * 5 + 3
    for figure in found:
        if np.isnan(figure["value"]):
            assert np.isnan([figure["low"], figure["high"]]).all()
        else:
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1


def test_a_group_of_one_label_has_that_label_s_figures():
    result = document()
    # of the severe labels only `below` has positives
    for name, figure in result["labels"]["below"].items():
        if isinstance(figure, dict):
            assert result["tiers"]["severe"][name] == figure


def test_a_label_s_figures_are_those_of_its_known_rows_at_its_threshold():
    labels = document()["labels"]
    # top decides rows 1 and 4, of which 1 is right; it misses row 2
    assert value(labels, "top", "precision") == 0.5
    assert value(labels, "top", "recall") == 0.5
    # below decides rows 1 and 2 and has row 1
    assert value(labels, "below", "precision") == 0.5
    assert value(labels, "below", "f1") == pytest.approx(2 / 3)
    # lone decides rows 2 and 3, with 0.4 at its threshold; row 4 is unknown
    assert value(labels, "lone", "f1") == 1.0
    assert value(labels, "lone", "average_precision") == 1.0
    rest = {key: labels["lone"][key] for key in ("support", "threshold", "tier")}
    assert rest == {"support": 2, "threshold": 0.4, "tier": "common"}


def test_an_undefined_figure_is_nan_in_memory_and_null_in_json():
    absent = document()["labels"]["absent"]
    assert absent["support"] == 0
    assert np.isnan(absent["f1"]["value"])
    assert '"value": null' in to_json(absent["average_precision"])


def test_means_leave_out_labels_without_positives():
    overall = document()["overall"]
    assert value(overall, "macro", "f1") == pytest.approx((0.5 + 2 / 3 + 1) / 3)
    assert value(overall, "weighted", "f1") == pytest.approx((2 * 0.5 + 2 / 3 + 2 * 1) / 5)
    # 4 of 6 decisions are right, and 4 of 5 positives are found
    assert value(overall, "micro", "precision") == pytest.approx(4 / 6)
    assert value(overall, "micro", "recall") == pytest.approx(4 / 5)
    assert overall["labels_without_positives"] == 1
    assert overall["labels_at_zero_recall"] == 0


def test_labels_are_grouped_by_tier_and_by_their_place_in_the_forest():
    result = document()
    assert value(result, "overall", "primary", "f1") == 0.5
    assert value(result, "overall", "secondary", "f1") == pytest.approx(2 / 3)
    assert {tier: part["labels"] for tier, part in result["tiers"].items()} == {
        "severe": 2,
        "common": 2,
    }
    assert value(result, "tiers", "severe", "f1") == pytest.approx(2 / 3)
    assert value(result, "tiers", "common", "f1") == 0.75


def test_without_a_forest_there_are_no_groups_and_no_edges():
    result = document(labels=label_set(LABELS.names, []))
    assert "primary" not in result["overall"]
    assert result["hierarchy"]["edges"] == []
    assert result["hierarchy"]["violations_before"] == []


def test_figures_are_those_of_coherent_decisions_and_violations_are_shown_before_and_after():
    added, dropped = document("add-parents"), document("drop-children")
    assert value(added, "labels", "top", "recall") == 1.0
    assert value(dropped, "labels", "below", "precision") == 1.0
    for result in (added, dropped):
        hierarchy = result["hierarchy"]
        assert hierarchy["edges"] == [["below", "top"]]
        assert hierarchy["violation_rate_before"] == 0.25
        assert hierarchy["violation_rate_after"] == 0.0
        assert hierarchy["violations_before"] == [{"child": "below", "parent": "top", "texts": 1}]


def test_incoherent_decisions_stay_so_when_no_way_is_given():
    hierarchy = document()["hierarchy"]
    assert hierarchy["coherence"] is None
    assert hierarchy["violation_rate_after"] == hierarchy["violation_rate_before"] == 0.25


def test_a_label_never_found_counts_as_one_at_zero_recall():
    nothing = evaluation_document(LABELS, PROBABILITIES, TARGETS, np.ones(4), None, TIERS)
    assert nothing["overall"]["labels_at_zero_recall"] == 3


def test_training_logs_each_group_by_name_and_without_a_forest_all_labels():
    counts = confusion(PROBABILITIES >= THRESHOLDS, TARGETS)
    grouped = group_metrics(LABELS, counts)
    assert grouped["secondary_f1_macro"] == pytest.approx(2 / 3)
    assert grouped["primary_recall"] == 0.5
    flat = group_metrics(label_set(LABELS.names, []), counts)
    assert set(flat) == {"f1_macro", "recall", "precision"}
    assert flat["recall"] == pytest.approx((0.5 + 1 + 1) / 3)


def test_training_logs_each_label_with_its_support():
    counts = confusion(PROBABILITIES >= THRESHOLDS, TARGETS)
    rows = label_metrics(LABELS, counts, counts.support)
    assert rows["lone"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2}
    assert rows["absent"]["support"] == 0
    assert np.isnan(rows["absent"]["f1"])


def test_a_label_says_how_many_were_found_and_how_many_alarms_were_false() -> None:
    labels = document()["labels"]
    assert {name: (row["found"], row["false_alarms"]) for name, row in labels.items()} == {
        "top": (1, 1),
        "below": (1, 1),
        "lone": (2, 0),
        "absent": (0, 0),
    }

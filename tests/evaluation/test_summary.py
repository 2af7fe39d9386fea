"""A summary holds every metric, and null where there is none to give."""

from types import SimpleNamespace

import numpy as np
import pytest

from imbtool.config.hierarchy import Coherence, Labels, label_set
from imbtool.data.imbalance import Tier
from imbtool.evaluation.document import METRICS, Estimate, TrainedLabel, Violation
from imbtool.evaluation.estimates import SplitMetrics
from imbtool.evaluation.metrics import confusion
from imbtool.evaluation.predictions import Predictions
from imbtool.evaluation.summary import (
    group_metrics,
    label_metrics,
    summarise_hierarchy,
    summarise_labels,
    summarise_overall,
    summarise_tiers,
)
from imbtool.files.json_text import to_json
from imbtool.types import Floats

LABELS = label_set(["top", "below", "lone", "absent"], [("below", "top")])
TIERS: tuple[Tier, ...] = ("head", "severe", "head", "severe")
TARGETS = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0], [0, 0, np.nan, 0]], np.float32)
PROBABILITIES = np.array(
    [[0.9, 0.8, 0.1, 0.1], [0.3, 0.7, 0.6, 0.1], [0.2, 0.1, 0.4, 0.1], [0.6, 0.2, 0.9, 0.9]]
)
THRESHOLDS = np.array([0.5, 0.5, 0.4, 0.95])


TRAINED = [TrainedLabel(tier=tier, training_positives=9, weight=1.0, reason="") for tier in TIERS]


def summary(
    coherence: Coherence | None = None, labels: Labels = LABELS, thresholds: Floats = THRESHOLDS
) -> SimpleNamespace:
    predictions = Predictions.by_thresholds(labels, PROBABILITIES, thresholds, coherence)
    metrics = SplitMetrics(predictions, TARGETS)
    return SimpleNamespace(
        overall=summarise_overall(metrics),
        tiers=summarise_tiers(metrics, TIERS),
        labels=summarise_labels(metrics, TRAINED, 2),
        hierarchy=summarise_hierarchy(predictions),
    )


def estimates(of: SimpleNamespace) -> list[Estimate]:
    """Every metric of a summary."""
    groups = [*of.overall.groups.values(), *of.tiers.values(), *of.labels.values()]
    return [found for group in groups for name in METRICS if (found := group.metric(name))]


def test_every_metric_that_is_defined_lies_in_its_interval():
    found = estimates(summary())
    # 4 labels, macro, weighted, 2 levels and 2 tiers with five metrics each; micro with three
    assert len(found) == 10 * 5 + 3
    for of in found:
        if of.value is None:
            assert (of.low, of.high) == (None, None)
        else:
            assert 0 <= of.low <= of.value <= of.high <= 1


def test_a_group_of_one_label_has_that_label_s_metrics():
    result = summary()
    # of the severe labels only `below` has positives
    for name in METRICS:
        assert result.tiers["severe"].metric(name) == result.labels["below"].metric(name)


def test_a_label_s_metrics_are_those_of_its_known_rows_at_its_threshold():
    labels = summary().labels
    # top decides rows 1 and 4, of which 1 is right; it misses row 2
    assert labels["top"].precision.value == 0.5
    assert labels["top"].recall.value == 0.5
    # below decides rows 1 and 2 and has row 1
    assert labels["below"].precision.value == 0.5
    assert labels["below"].f1.value == pytest.approx(2 / 3)
    # lone decides rows 2 and 3, with 0.4 at its threshold; row 4 is unknown
    assert labels["lone"].f1.value == 1.0
    assert labels["lone"].average_precision.value == 1.0
    rest = labels["lone"].model_dump(include={"support", "threshold", "tier"})
    assert rest == {"support": 2, "threshold": 0.4, "tier": "head"}


def test_an_undefined_metric_is_null_in_json():
    absent = summary().labels["absent"]
    assert absent.support == 0
    assert absent.f1.value is None
    assert '"value": null' in to_json(absent.average_precision)


def test_means_leave_out_labels_without_positives():
    overall = summary().overall
    assert overall.macro.f1.value == pytest.approx((0.5 + 2 / 3 + 1) / 3)
    assert overall.weighted.f1.value == pytest.approx((2 * 0.5 + 2 / 3 + 2 * 1) / 5)
    # 4 of 6 decisions are right, and 4 of 5 positives are found
    assert overall.micro.precision.value == pytest.approx(4 / 6)
    assert overall.micro.recall.value == pytest.approx(4 / 5)
    assert overall.labels_without_positives == 1
    assert overall.labels_at_zero_recall == 0


def test_labels_are_grouped_by_tier_and_by_their_place_in_the_forest():
    result = summary()
    assert result.overall.primary.f1.value == 0.5
    assert result.overall.secondary.f1.value == pytest.approx(2 / 3)
    assert {tier: part.labels for tier, part in result.tiers.items()} == {
        "severe": 2,
        "head": 2,
    }
    assert result.tiers["severe"].f1.value == pytest.approx(2 / 3)
    assert result.tiers["head"].f1.value == 0.75


def test_without_a_forest_there_are_no_groups_and_no_edges():
    result = summary(labels=label_set(LABELS.names, []))
    assert "primary" not in result.overall.groups
    assert result.hierarchy.edges == []
    assert result.hierarchy.violations_before == []


def test_metrics_are_those_of_coherent_decisions_and_violations_are_shown_before_and_after():
    added, dropped = summary("add-parents"), summary("drop-children")
    assert added.labels["top"].recall.value == 1.0
    assert dropped.labels["below"].precision.value == 1.0
    for result in (added, dropped):
        hierarchy = result.hierarchy
        assert hierarchy.edges == [["below", "top"]]
        assert hierarchy.violation_rate_before == 0.25
        assert hierarchy.violation_rate_after == 0.0
        assert hierarchy.violations_before == [Violation(child="below", parent="top", texts=1)]


def test_incoherent_decisions_stay_so_when_no_way_is_given():
    hierarchy = summary().hierarchy
    assert hierarchy.coherence is None
    assert hierarchy.violation_rate_after == hierarchy.violation_rate_before == 0.25


def test_a_label_never_found_counts_as_one_at_zero_recall():
    nothing = summary(thresholds=np.ones(4))
    assert nothing.overall.labels_at_zero_recall == 3


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
    labels = summary().labels
    assert {name: (row.found, row.false_alarms) for name, row in labels.items()} == {
        "top": (1, 1),
        "below": (1, 1),
        "lone": (2, 0),
        "absent": (0, 0),
    }

"""Suspected label errors are one finding: rare labels first, the most probable errors first."""

import numpy as np
import pytest
from scipy.special import expit, logit

from imbtool.analysis.finding import Finding
from imbtool.analysis.label_errors import (
    LEAST_OF_EACH,
    TextSample,
    judged_labels,
    label_error_findings,
)

NAMES = ["common", "rare", "single"]
PREVALENCE = np.array([0.2, 0.03, 0.2])


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Targets of 2,000 texts, and probabilities that know them; few positives of the last."""
    rng = np.random.default_rng(0)
    targets = (rng.random((2_000, 3)) < PREVALENCE).astype(np.float32)
    logits = 6 * (rng.normal(size=targets.shape) / 3 + targets) - 3 + logit(PREVALENCE)
    targets[:, 2] = np.where(np.arange(2_000) < LEAST_OF_EACH - 1, 1, 0)
    return targets, expit(logits)


def wrong(targets: np.ndarray, probabilities: np.ndarray, label: int, texts: int) -> list[int]:
    """Turn the annotations that the model is surest of; half of them given ones."""
    order = np.argsort(probabilities[:, label])
    chosen = [*order[: texts // 2], *order[-texts // 2 :]]
    targets[chosen, label] = 1 - targets[chosen, label]
    return [int(text) for text in chosen]


def finding() -> tuple[Finding, dict[int, list[int]]]:
    targets, probabilities = scene()
    turned = {label: wrong(targets, probabilities, label, 6) for label in (0, 1)}
    found = list(label_error_findings(NAMES, probabilities, targets))
    assert len(found) == 1
    return found[0], turned


def test_wrong_annotations_of_both_kinds_are_found():
    found, turned = finding()
    for label, texts in turned.items():
        rows = {row.index: row.detail for row in found.found_rows if row.label == NAMES[label]}
        assert set(texts) <= set(rows)
        kinds = [rows[text].partition(",")[0] for text in texts]
        assert kinds == ["given"] * 3 + ["missing"] * 3


def test_the_rarest_label_comes_first_and_its_most_probable_errors():
    rows = finding()[0].found_rows
    labels = [row.label for row in rows]
    assert labels == sorted(labels, key=["rare", "common"].index)
    shares = [int(p.detail.split(", ")[1].split("%")[0]) for p in rows if p.label == "common"]
    assert shares == sorted(shares, reverse=True)
    assert {row.split for row in rows} == {"train"}


def test_the_evidence_counts_what_is_suspected_and_what_is_expected():
    found, _ = finding()
    evidence = found.evidence
    assert list(evidence["labels"]) == ["rare", "common"]
    for name, row in evidence["labels"].items():
        assert row["given"] + row["missing"] == sum(p.label == name for p in found.found_rows)
    assert 12 * 0.5 < evidence["expected_errors"] < len(found.found_rows)
    assert evidence["error_rate"] == 0.05


def test_a_label_with_too_few_positives_is_not_judged_and_named():
    found, _ = finding()
    assert found.evidence["not_judged"] == ["single"]
    assert "single" not in {row.label for row in found.found_rows}


def test_few_negatives_are_as_bad_as_few_positives_and_unknown_targets_are_neither():
    targets = np.ones((40, 3), np.float32)
    targets[:LEAST_OF_EACH] = 0
    targets[0, 1] = 1
    targets[:LEAST_OF_EACH, 2] = np.nan
    assert judged_labels(targets).tolist() == [True, False, False]


def test_the_message_says_how_many_of_which_kind_and_of_which_labels():
    found, _ = finding()
    rows = found.evidence["labels"]
    total = len(found.found_rows)
    assert f"contradicts {total} labels in {found.rows} texts of training" in found.message
    assert f"{sum(row['given'] for row in rows.values())} given" in found.message
    assert f"common ({rows['common']['given'] + rows['common']['missing']})" in found.message


def test_of_a_sample_the_rows_are_those_of_all_texts_and_the_message_says_how_many_were_judged():
    whole, _ = finding()
    targets, probabilities = scene()
    for label in (0, 1):
        wrong(targets, probabilities, label, 6)
    sample = TextSample(3 * np.arange(2_000), 6_000)
    (part,) = label_error_findings(NAMES, probabilities, targets, sample)
    assert [row.index for row in part.found_rows] == [3 * row.index for row in whole.found_rows]
    assert part.evidence == {**whole.evidence, "sample": {"texts": 2_000, "of": 6_000}}
    assert part.message.endswith(" A sample of 2,000 of the 6,000 training texts was judged.")
    assert "sample" not in whole.message


def test_a_model_that_agrees_gives_no_finding():
    targets, _ = scene()
    probabilities = np.where(targets == 1, 0.99, 0.001)
    assert list(label_error_findings(NAMES, probabilities, targets)) == []


@pytest.mark.parametrize("few", [0, 3])
def test_nothing_to_judge_gives_no_finding(few):
    targets = np.zeros((20, 3), np.float32)
    targets[:few] = 1
    assert list(label_error_findings(NAMES, np.full((20, 3), 0.5), targets)) == []

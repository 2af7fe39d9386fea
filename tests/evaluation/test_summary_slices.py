"""Parts of a split have the metrics they would have alone, the worst first."""

import numpy as np
import pytest
from predicted import metrics_of, predicted

from imbtool.errors import UserError
from imbtool.evaluation import intervals
from imbtool.evaluation.document import Slice
from imbtool.evaluation.estimates import estimates
from imbtool.evaluation.summary import measure_slices


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 100)


def sample(texts: int = 90):
    """Values, decisions, scores, targets: the third slice is never decided rightly."""
    rng = np.random.default_rng(0)
    values = np.array(["en", "de", "fr"])[np.arange(texts) % 3]
    targets = (rng.random((texts, 2)) < 0.3).astype(np.float32)
    scores = rng.random((texts, 2)) * 0.4 + 0.5 * targets
    scores[values == "fr"] = 1 - scores[values == "fr"]
    return values.tolist(), scores > 0.45, scores, targets


def slices(values, decisions, scores, targets, min_support=10) -> list[Slice]:
    predictions = predicted(decisions, scores, ["a", "b"])
    found = measure_slices("lang", values, predictions, targets, min_support)
    assert found.column == "lang"
    return found.slices


def test_a_slice_has_the_metrics_of_its_texts_alone():
    values, decisions, scores, targets = sample()
    found = slices(values, decisions, scores, targets)
    rows = np.array(values) == "de"
    alone = metrics_of(decisions[rows], scores[rows], targets[rows])
    german = next(row for row in found if row.value == "de")
    assert german.texts == 30
    assert dict(german.macro) == estimates(alone.macro([0, 1]))
    support = int((targets[rows, 1] == 1).sum())
    counts = {"support": support, "few": support < 10}
    assert dict(german.labels["b"]) == estimates(alone.label(1)) | counts


def test_the_worst_macro_f1_comes_first_and_an_undefined_one_last():
    values, decisions, scores, targets = sample()
    targets[np.array(values) == "en"] = 0
    found = slices(values, decisions, scores, targets)
    assert [row.value for row in found] == ["fr", "de", "en"]
    assert found[0].macro.f1.value < found[1].macro.f1.value
    assert found[2].macro.f1.value is None


def test_a_slice_is_few_where_no_label_has_enough_positives():
    values, decisions, scores, targets = sample()
    rows = np.flatnonzero(np.array(values) == "de")
    targets[rows] = 0
    targets[rows[:3]] = 1
    few = {row.value: row.few for row in slices(values, decisions, scores, targets, 4)}
    assert few == {"de": True, "en": False, "fr": False}
    targets[rows[:4], 1] = 1
    found = slices(values, decisions, scores, targets, 4)
    german = next(row for row in found if row.value == "de")
    assert not german.few
    assert {name: row.few for name, row in german.labels.items()} == {"a": True, "b": False}


def test_an_empty_cell_is_a_slice_and_white_space_around_a_value_is_none_of_it():
    values, *rest = sample()
    values[:4] = ["", "  ", "de ", " de"]
    found = {row.value: row.texts for row in slices(values, *rest)}
    assert found == {"(empty)": 2, "de": 31, "en": 28, "fr": 29}


def test_a_column_with_more_than_50_values_is_refused_with_their_number():
    _, *rest = sample()
    fifty = [str(row % 50) for row in range(90)]
    assert len(slices(fifty, *rest)) == 50
    with pytest.raises(UserError, match=r"--by lang\n.*51 different values\n.*at most 50"):
        slices([*fifty[:89], "x"], *rest)

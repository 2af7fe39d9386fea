"""Answers of annotators are kept in a table, from which analyze has its findings."""

import numpy as np
import pytest
from conftest import write_csv

from imbtool.analysis.analyze import analyze
from imbtool.analysis.annotators import annotator_findings
from imbtool.analysis.answers_table import Ratings, read_ratings, write_answers
from imbtool.config.reader import make_profile
from imbtool.data.corpus import read_corpus
from imbtool.errors import UserError

HARD = ["a,b", 'say "x"', "a|b", "two\nlines", "😀", "/"]


def ratings_of(values: object, labels=("threat", "spam"), annotators=("anna", "ben")) -> Ratings:
    array = np.array(values, dtype=np.float32)
    return Ratings([f"t{row}" for row in range(array.shape[1])], [*annotators], [*labels], array)


def test_answers_come_back_as_they_were_written(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.choice([0, 1, np.nan], (2, 20, len(HARD)))
    values[:, 3] = np.nan  # nobody has answered it
    values[0, 4], values[1, 4] = 0, np.nan
    ratings = ratings_of(values, HARD)
    path = tmp_path / "answers.csv"
    write_answers(path, ratings)
    found = read_ratings(path, HARD)
    assert found.annotators == ["anna", "ben"]
    assert found.ids == [id for id in ratings.ids if id != "t3"]
    np.testing.assert_array_equal(found.values, np.delete(ratings.values, 3, axis=1))


def test_later_answers_stand_behind_earlier_ones(tmp_path):
    first, second = tmp_path / "answers.csv", tmp_path / "more.csv"
    write_answers(first, ratings_of([[[1, 0]], [[1, 1]]]))
    write_answers(second, Ratings(["t9"], ["cleo"], ["new"], np.ones((1, 1, 1), np.float32)), first)
    found = read_ratings(second, ["threat", "spam", "new"])
    assert (found.ids, found.annotators) == (["t0", "t9"], ["anna", "ben", "cleo"])
    assert np.isnan(found.values[0, 0, 2])


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"id": "a", "annotator": "b"}], "no column 'labels'"),
        ([{"id": "a", "annotator": "b", "labels": "spam", "known": "[]"}], "answers.csv: row 1"),
    ],
)
def test_another_table_is_refused(tmp_path, rows, told):
    path = tmp_path / "answers.csv"
    write_csv(path, rows)
    with pytest.raises(UserError, match=told):
        read_ratings(path, [])


def disagreeing(texts: int = 60) -> Ratings:
    """About `threat` anna and ben differ as often as not; about `spam` never."""
    threat = np.arange(texts) % 4
    spam = np.arange(texts) % 3 == 0
    values = [np.stack([np.isin(threat, own), spam], axis=1) for own in ([0, 1], [0, 2])]
    return ratings_of(values)


def test_a_label_about_which_annotators_disagree_is_a_finding(tmp_path):
    path = tmp_path / "answers.csv"
    write_answers(path, disagreeing())
    (finding,) = annotator_findings(path, ("threat", "spam"))
    assert (finding.id, finding.severity) == ("annotators-disagree", "warning")
    assert "about 1 label: 'threat' (alpha 0.01, F1 of a person 0.50)" in finding.message
    assert list(finding.evidence["labels"]) == ["threat"]


def test_few_shared_texts_say_nothing(tmp_path):
    path = tmp_path / "answers.csv"
    write_answers(path, disagreeing(9))
    assert list(annotator_findings(path, ("threat", "spam"))) == []


def test_an_annotator_who_differs_is_a_finding(tmp_path):
    spam = (np.arange(90) % 3 == 0).astype(float)[:, None]
    path = tmp_path / "answers.csv"
    values = [spam, spam, spam, 1 - spam]
    write_answers(path, ratings_of(values, ["spam"], ["anna", "ben", "cleo", "dan"]))
    findings = {each.id: each for each in annotator_findings(path, ("spam",))}
    assert "'dan' (F1 0.00 against the others, 60 labels more, 30 fewer)" in (
        findings["annotator-differs"].message
    )


def test_analyze_reads_the_answers_that_the_profile_names(tmp_path):
    rows = [
        {"text": f"text {n} of {n * n}", "labels": ["spam", "threat"][n % 2]} for n in range(60)
    ]
    write_csv(tmp_path / "train.csv", rows)
    write_answers(tmp_path / "answers.csv", disagreeing())
    data = {"train": str(tmp_path / "train.csv")}
    found = {}
    for name, more in (("without", {}), ("with", {"answers": str(tmp_path / "answers.csv")})):
        profile = make_profile({"data": {**data, **more}})
        analysis = analyze(read_corpus(profile, learnable=False), profile)
        found[name] = {each.id for each in analysis.findings}
    assert found["with"] - found["without"] == {"annotators-disagree"}

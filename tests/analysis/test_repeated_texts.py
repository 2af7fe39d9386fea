"""The same text twice is reported once, as the strictest kind that it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analyses import LONE, TOP, healthy_corpus

from imbtool.analysis import repeated_texts
from imbtool.analysis.corpus_texts import sample_rows
from imbtool.analysis.finding import Finding
from imbtool.analysis.repeated_texts import LabelLeak, same_texts, text_findings
from imbtool.data.corpus import Corpus


def findings(corpus: Corpus) -> list[Finding]:
    return list(text_findings(same_texts(corpus)))


def kinds(corpus: Corpus) -> list[str]:
    return [each.id for each in findings(corpus)]


def rows_of(finding: Finding) -> list[tuple[str, int, str]]:
    return [(row.split, row.index, row.detail) for row in finding.found_rows]


def test_unlike_texts_give_no_finding():
    assert findings(healthy_corpus()) == []


def test_a_text_in_two_splits_is_a_leak_whatever_its_case_and_space():
    corpus = healthy_corpus()
    corpus.test.texts[0] = "  " + corpus.train.texts[6].upper()
    (leak,) = findings(corpus)
    assert (leak.id, leak.severity, leak.rows) == ("leak-exact", "warning", 2)
    assert leak.message.startswith("1 text of test (2.2%) is also in train.")
    assert rows_of(leak) == [("train", 6, "like test row 1"), ("test", 0, "like train row 7")]
    assert leak.evidence["rows"] == {"train": 1, "validation": 0, "test": 1}


def test_leaks_are_found_between_every_two_splits():
    corpus = healthy_corpus()
    corpus.train.texts[0] = corpus.validation.texts[0] = corpus.test.texts[0] = "the same"
    assert [each.evidence["splits"] for each in findings(corpus)] == [
        ["train", "validation"],
        ["train", "test"],
        ["validation", "test"],
    ]


@pytest.mark.parametrize(("leaked", "severity"), [(2, "warning"), (3, "error")])
def test_a_leak_of_five_percent_from_training_is_an_error(leaked: int, severity: str):
    corpus = healthy_corpus()
    corpus.test.texts[: 3 * leaked : 3] = corpus.train.texts[: 3 * leaked : 3]
    (leak,) = findings(corpus)
    assert leak.severity == severity


def test_leaks_of_two_kinds_that_are_too_much_together_are_one_error():
    corpus = healthy_corpus()
    corpus.test.texts[0:6:3] = corpus.train.texts[0:6:3]
    for row in (6, 9):
        corpus.train.texts[row] = f"@ann {corpus.train.texts[row]}"
        corpus.test.texts[row] = corpus.train.texts[row].replace("@ann", "@bob")
    exact, like = findings(corpus)
    assert (exact.id, exact.severity) == ("leak-exact", "warning")
    assert (like.id, like.severity) == ("leak-normalised", "error")
    assert like.evidence["rows"]["test"] == 2
    assert like.message.endswith(" Together with identical texts it is 8.9%.")


def test_a_small_leak_beside_an_error_is_no_error():
    corpus = healthy_corpus()
    corpus.test.texts[0:9:3] = corpus.train.texts[0:9:3]
    corpus.train.texts[9] = f"@ann {corpus.train.texts[9]}"
    corpus.test.texts[9] = corpus.train.texts[9].replace("@ann", "@bob")
    exact, like = findings(corpus)
    assert (exact.severity, like.severity) == ("error", "warning")


def test_a_leak_between_validation_and_test_is_no_error():
    corpus = healthy_corpus()
    corpus.test.texts[:9] = corpus.validation.texts[:9]
    assert [each.severity for each in findings(corpus)] == ["warning"]


@pytest.mark.parametrize(("positives", "severity"), [(10, "error"), (9, "info")])
def test_a_leak_of_half_the_positives_of_a_label_is_an_error_in_a_large_split_too(
    positives: int, severity: str
):
    leaks = {"a": LabelLeak(leaked=5, positives=positives, share=0.5)}
    assert repeated_texts._leak_severity("leak-exact", 0, 0.001, leaks) == severity


def test_the_label_that_leaks_most_is_named():
    corpus = healthy_corpus()
    corpus.test.texts[1] = corpus.train.texts[1]
    (leak,) = findings(corpus)
    assert leak.evidence["labels"] == {"lone": {"leaked": 1, "positives": 15, "share": 1 / 15}}
    assert leak.message.endswith(" The label lone is affected most: 1 of its 15 positives.")


def test_texts_that_differ_in_user_names_and_urls_leak_as_such_and_not_as_near():
    corpus = healthy_corpus()
    corpus.train.texts[0] = "so says @anna at https://one.example/a"
    corpus.validation.texts[0] = "so says @bert at https://two.example/b"
    assert kinds(corpus) == ["leak-normalised"]


def test_nearly_the_same_text_leaks_as_near_and_is_never_an_error():
    corpus = healthy_corpus()
    words = [f"word{number}" for number in range(30)]
    for row in range(0, 45, 3):
        corpus.train.texts[row] = " ".join([f"r{row}", *words[row % 7 :], f"tail{row}"] * 2)
        corpus.test.texts[row] = corpus.train.texts[row] + " indeed"
    leaks = [each for each in findings(corpus) if each.id.startswith("leak")]
    assert [(each.id, each.severity) for each in leaks] == [("leak-near", "warning")]


CHAIN = [" ".join(f"w{number}" for number in range(start, start + 60)) for start in (0, 5, 10)]
"""The second is nearly the first and nearly the third; those two are not alike."""


def test_what_is_near_a_near_text_is_not_near_itself():
    corpus = healthy_corpus()
    corpus.train.texts[0], corpus.validation.texts[0], corpus.test.texts[0] = CHAIN
    leaks = [rows_of(each) for each in findings(corpus) if each.id == "leak-near"]
    assert leaks == [
        [("train", 0, "like validation row 1"), ("validation", 0, "like train row 1")],
        [("validation", 0, "like test row 1"), ("test", 0, "like validation row 1")],
    ]


def test_of_texts_that_are_near_in_a_chain_one_like_each_is_left():
    corpus = healthy_corpus()
    for row, text in enumerate(CHAIN):
        corpus.train.texts[row] = text
    (near,) = findings(corpus)
    assert (near.id, rows_of(near)) == ("near-duplicate", [("train", 1, "like train row 1")])


def test_a_repeat_is_listed_with_the_first_text_of_its_split_that_is_the_same():
    corpus = healthy_corpus()
    corpus.train.texts[3] = corpus.train.texts[6] = corpus.train.texts[0]
    (duplicate,) = findings(corpus)
    assert (duplicate.id, duplicate.severity) == ("duplicate", "info")
    assert rows_of(duplicate) == [
        ("train", 3, "like train row 1"),
        ("train", 6, "like train row 1"),
    ]
    assert same_texts(corpus).repeat_counts() == {"train": 2, "validation": 0, "test": 0}


def test_the_same_text_with_other_labels_is_a_contradiction_in_both_rows():
    corpus = healthy_corpus()
    corpus.train.texts[1] = corpus.train.texts[2]
    contradiction = findings(corpus)[1]
    assert (contradiction.id, contradiction.severity) == ("contradiction", "warning")
    assert contradiction.evidence == {"texts": 1, "labels": {"lone": 1}}
    assert [(row.index, row.label) for row in contradiction.found_rows] == [
        (1, "lone"),
        (2, "lone"),
    ]


def test_contradictions_are_found_across_splits():
    corpus = healthy_corpus()
    corpus.test.texts[1] = corpus.train.texts[2]
    assert kinds(corpus) == ["leak-exact", "contradiction"]


def test_an_unknown_label_contradicts_nothing():
    corpus = healthy_corpus()
    corpus.train.texts[1] = corpus.train.texts[2]
    corpus.train.targets[2, LONE] = np.nan
    assert kinds(corpus) == ["duplicate"]
    corpus.train.targets[2, TOP] = 1
    assert kinds(corpus) == ["duplicate", "contradiction"]


def test_above_the_size_near_texts_are_sampled_and_exact_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(repeated_texts, "SAMPLED_TEXTS", 6)
    corpus = healthy_corpus()
    for row in range(0, 45, 3):
        corpus.test.texts[row] = corpus.train.texts[row]
        corpus.train.texts[row + 45] = f"@a{row} words here"
        corpus.validation.texts[row] = f"@b{row} words here"
    found = {each.id: each for each in findings(corpus)}
    assert found["leak-exact"].rows == 30
    assert found.keys() <= {"leak-exact", "leak-normalised"}


def test_a_sample_takes_small_splits_whole():
    rows = sample_rows({"train": 1000, "validation": 5, "test": 40}, 60)
    assert {name: len(chosen) for name, chosen in rows.items()} == {
        "train": 28,
        "validation": 5,
        "test": 27,
    }
    assert rows["validation"].tolist() == list(range(5))
    assert sorted(set(rows["train"])) == rows["train"].tolist()


def test_of_a_split_in_several_files_the_file_is_named():
    corpus = healthy_corpus()
    files = [(Path("one.csv"), 5), (Path("two.csv"), len(corpus.train) - 5)]
    corpus = replace(corpus, train=replace(corpus.train, files=files))
    corpus.test.texts[0] = corpus.train.texts[6]
    (leak,) = findings(corpus)
    assert rows_of(leak)[1] == ("test", 0, "like train row 2 of two.csv")

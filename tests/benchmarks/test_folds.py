"""Cross-validation: what folds hold, that a fold is done once, and intervals of differences."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from benchmarks.quality import crossvalidation
from benchmarks.quality.crossvalidation import CrossValidation, make_cross_validation, make_variants
from benchmarks.shared.folds import Pool, read_pool
from benchmarks.shared.paired import compare, corrected_difference, show
from imbtool.config.hierarchy import label_set
from imbtool.config.reader import read_profile
from imbtool.data.corpus import Split
from imbtool.errors import UserError


def pool_of(texts: list[str], positives: list[int], chosen: tuple[int, ...] = ()) -> Pool:
    """Texts, those with the label `rare`, and those that a search chose."""
    targets = np.zeros((len(texts), 2), np.float32)
    targets[positives, 0] = 1
    targets[::2, 1] = 1
    is_chosen = np.isin(np.arange(len(texts)), chosen)
    rows = range(1, len(texts) + 1)
    split = Split.of("train", Path("all.csv"), texts, targets, rows, chosen=is_chosen)
    return Pool(label_set(["rare", "often"], []), split, pd.DataFrame({"text": texts}))


def different(count: int) -> list[str]:
    return [f"text {number} of {number * number} words" for number in range(count)]


def test_each_text_is_tested_once_in_a_repeat_and_never_trained_on_in_that_fold() -> None:
    pool = pool_of(different(100), [1, 2, 3])
    folds = list(pool.folds(5, repeat=0))
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(100))
    for fold in folds:
        rows = np.concatenate([fold.train, fold.validation, fold.test])
        assert sorted(rows) == list(range(100))
        assert len(fold.validation) == 8


def test_every_fold_tests_its_share_of_a_rare_label() -> None:
    pool = pool_of(different(200), list(range(40, 60)))
    tested = [pool.texts.targets[fold.test, 0].sum() for fold in pool.folds(5, repeat=0)]
    assert tested == [4] * 5


def test_near_duplicates_are_in_one_part() -> None:
    sentence = "this is one and the same sentence that many people have sent word for word"
    pool = pool_of([*different(60), *[f"{sentence} {end}" for end in "abcdefgh"]], [1])
    same = set(range(60, 68))
    for fold in pool.folds(4, repeat=1):
        parts = [set(rows.tolist()) & same for rows in (fold.train, fold.validation, fold.test)]
        assert sorted(map(len, parts)) == [0, 0, 8]


def test_texts_that_a_search_chose_are_trained_on_in_every_fold() -> None:
    pool = pool_of(different(60), [1, 2], chosen=(1, 7))
    for fold in pool.folds(3, repeat=0):
        assert {1, 7} <= set(fold.train.tolist())


def test_repeats_cut_otherwise_and_the_same_repeat_cuts_the_same() -> None:
    pool = pool_of(different(60), [1, 2])
    first, again, other = (next(pool.folds(3, repeat)).test for repeat in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_label_whose_positives_are_all_tested_is_left_out_of_the_fold() -> None:
    pool = pool_of(different(30), [4])
    for fold in pool.folds(3, repeat=0):
        kept = ("rare", "often") if 4 in fold.train else ("often",)
        assert tuple(pool.corpus(fold).labels.names) == kept


def test_a_pool_has_the_rows_of_all_splits_as_the_tables_have_them(pristine: Path) -> None:
    pool = read_pool(read_profile(pristine / "profile.yaml"))
    sizes = [200, 60, 60]
    assert len(pool.texts) == len(pool.table) == sum(sizes)
    assert pool.table["text"].tolist() == pool.texts.texts
    assert pool.table["id"].tolist()[::100] == [
        "train-000",
        "train-100",
        "validation-000",
        "test-040",
    ]


def test_the_interval_is_wider_than_that_of_a_plain_t_test_by_what_folds_share() -> None:
    differences = np.random.default_rng(0).normal(0.01, 0.02, 10)
    plain = ttest_1samp(differences, 0).confidence_interval(0.95)
    found = corrected_difference(differences.tolist(), folds=5)
    assert found.value == pytest.approx(differences.mean())
    widened = np.sqrt((1 / 10 + 1 / 4) / (1 / 10))
    assert found.high - found.low == pytest.approx(widened * (plain.high - plain.low))


def test_a_figure_that_is_undefined_in_a_fold_is_left_out_there() -> None:
    found = corrected_difference([0.1, np.nan, 0.3], folds=5)
    assert found.value == pytest.approx(0.2)
    assert np.isnan(corrected_difference([np.nan, np.nan], folds=5).value)


def test_variants_are_compared_with_the_first_fold_by_fold() -> None:
    found = {"first": [{"f1": 0.2}, {"f1": 0.6}], "other": [{"f1": 0.3}, {"f1": 0.7}]}
    compared = compare(found, folds=2)
    assert compared["first"].less == {}
    less = compared["other"].less["f1"]
    assert (less.value, less.low, less.high) == pytest.approx((0.1, 0.1, 0.1))
    first, other = show(compared, {"f1": ("F1", 2)}).splitlines()[1:]
    assert first.split() == ["first", "0.40"]
    assert other.split() == ["other", "0.50", "+0.100", "[+0.100,", "+0.100]"]


def cross_validation(pristine: Path, folder: Path, *, frozen: bool) -> CrossValidation:
    return make_cross_validation(
        argparse.Namespace(
            data=pristine,
            profile=pristine / "profile.yaml",
            encoder=None,
            texts=90,
            folds=2,
            repeats=1,
            frozen=frozen,
            results=folder,
        )
    )


VARIANTS = [["default"], ["flat", "loss.gamma=0", "loss.constraint=0"]]


def test_a_fold_that_is_done_is_not_done_again(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validation = cross_validation(pristine, tmp_path, frozen=True)
    first, flat = make_variants(VARIANTS)
    before = validation.run([first])
    assert [row["fold"] for row in before["default"]] == [0, 1]
    # a kill in the middle of a row leaves a line without an end
    lines = validation.table.read_text().splitlines(keepends=True)
    validation.table.write_text("".join(lines[:2]) + lines[2][:40])
    fitted = []
    fit = crossvalidation.fit_and_test
    monkeypatch.setattr(
        crossvalidation, "fit_and_test", lambda *given: fitted.append(given) or fit(*given)
    )
    found = validation.run([first, flat])
    assert len(fitted) == 3
    for row, kept in zip(found["default"], before["default"], strict=True):
        assert row["f1_macro"] == pytest.approx(kept["f1_macro"])
    assert validation.run([first, flat])["flat"][0]["settings"] == "loss.gamma=0; loss.constraint=0"
    assert len(fitted) == 3
    assert len(validation.table.read_text().splitlines()) == 5


def test_a_fold_is_trained_by_imbtool_as_a_variant_wants(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        crossvalidation, "in_its_own_process", lambda work, *arguments: work(*arguments)
    )
    trained = []
    work = crossvalidation.train_and_test
    monkeypatch.setattr(
        crossvalidation,
        "train_and_test",
        lambda profile, folder: trained.append(profile) or work(profile, folder),
    )
    validation = cross_validation(pristine, tmp_path, frozen=False)
    [variant] = make_variants([["short", "training.epochs=1"]])
    rows = validation.run([variant])["short"]
    assert [profile.training.epochs for profile in trained] == [1, 1]
    assert all(0 <= row["f1_macro"] <= 1 for row in rows)
    assert rows[0]["train"] + rows[0]["validation"] + rows[0]["test"] == 90


def test_a_variant_is_a_name_and_settings_each_name_once() -> None:
    assert [variant.name for variant in make_variants([])] == ["profile"]
    with pytest.raises(SystemExit):
        make_variants([["same"], ["same", "loss.gamma=1"]])
    with pytest.raises(UserError):
        make_variants([["wrong", "loss.gamma"]])

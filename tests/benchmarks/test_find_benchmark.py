"""What is compared when positives are looked for: strategies, what they find, and the bounds."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from benchmarks.quality.annotator import Plan, Study, bounds_held, prepare, search_by_imbtool
from benchmarks.quality.find import Curve, best_peer, keep, share_read
from benchmarks.quality.searches import (
    SameNeighbours,
    State,
    at_random,
    highest_in_turn,
    most_uncertain,
    search,
)

ROOT = Path(__file__).parents[2]
WORDS = ["market", "river", "window", "garden", "morning", "paper", "table", "street", "song"]
TABLES = {"train": 420, "validation": 60, "test": 60}
RARE = {3, 17, 40, 41}
"""Rows of each table with the rare label; in training it is rarer than 100:1."""


def write_data(folder: Path) -> Path:
    """Three tables, in which two words give the two labels away; another label is in one text."""
    rng = np.random.default_rng(0)
    for name, size in TABLES.items():
        rows = []
        for row in range(size):
            labels = ["often"] if row % 3 == 0 else []
            words = list(rng.choice(WORDS, 6)) + ["holiday"] * len(labels)
            if row in RARE:
                labels, words = [*labels, "rare"], [*words, "knife", "threat"]
            if name == "train" and row == 7:
                labels = [*labels, "once"]
            rows.append([f"{name}-{row}", f"{' '.join(words)} {row}", "|".join(labels)])
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([["id", "text", "labels"], *rows])
    return folder


def state(size: int = 4) -> State:
    """40 texts of two labels; the first feature gives the first away, the second the second."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 6)).astype(np.float32)
    targets = (features[:, :2] > 1).astype(np.float32)
    labelled = np.arange(0, 40, 2)
    free = np.arange(1, 40, 2)
    return State(features, targets, labelled, free, size, np.random.default_rng(1), {})


@pytest.mark.parametrize(
    ("ours", "other", "share"),
    [
        ([0, 10, 20, 30], [0, 5, 10, 15], 0.5),
        ([0, 10, 20, 30], [0, 5, 10, 20], 2 / 3),
        ([5, 5, 5, 5], [0, 1, 2, 3], 0.0),
        ([0, 1, 2, 3], [0, 5, 10, 15], float("nan")),
    ],
)
def test_the_share_of_texts_is_where_our_curve_reaches_the_end_of_the_other(
    ours: list[float], other: list[float], share: float
) -> None:
    found = share_read(np.array(ours, dtype=float), np.array(other, dtype=float))
    assert found == pytest.approx(share, nan_ok=True)


def test_the_best_peer_has_most_positives_in_the_mean_over_its_seeds() -> None:
    ends = {"small-text-cvirs": (4, 4), "small-text-kmeans": (1, 9), "random": (20, 20)}
    curves = [
        Curve(name, seed, np.array([[0, 0], [end, 0]]))
        for name, found in ends.items()
        for seed, end in enumerate(found)
    ]
    assert best_peer(curves) == "small-text-kmeans"
    assert best_peer([curve for curve in curves if curve.strategy == "random"]) is None


def test_highest_scores_come_from_each_label_in_turn_and_uncertain_ones_are_near_a_half() -> None:
    some = state(size=2)
    probabilities = some.probabilities()
    assert set(highest_in_turn(some)) == set(some.free[probabilities.argmax(axis=0)])
    nearest = np.abs(probabilities - 0.5).min(axis=1).argmin()
    assert most_uncertain(state(size=1)) == some.free[nearest]


def test_neighbours_that_are_kept_are_those_that_would_be_looked_for_anew() -> None:
    some = state()
    order = np.concatenate([some.free, some.labelled])
    unit = some.features[order] / np.linalg.norm(some.features[order], axis=1, keepdims=True)
    places = NearestNeighbors(n_neighbors=5).fit(unit)
    anew = places.kneighbors(unit[: len(some.free)], return_distance=False)
    SameNeighbours(State(**{**vars(some), "free": some.labelled, "labelled": some.free}), 5)
    kept = SameNeighbours(some, 5)
    parts = [kept.kneighbors(unit[at : at + 7], 5, False) for at in (0, 7, 14)]
    assert np.concatenate(parts)[: len(some.free)].tolist() == anew.tolist()


def test_results_take_the_place_of_those_of_the_same_runs(tmp_path: Path) -> None:
    def row(seed: int, found: int, encoder: str = "small") -> pd.DataFrame:
        known = {"data": "a", "encoder": encoder, "strategy": "b", "seed": seed}
        return pd.DataFrame([known | {"found": found}])

    keep(tmp_path / "find.csv", row(0, 3))
    keep(tmp_path / "find.csv", row(1, 4))
    keep(tmp_path / "find.csv", row(0, 5))
    keep(tmp_path / "find.csv", row(0, 6, "large"))
    assert sorted(pd.read_csv(tmp_path / "find.csv")[["seed", "found"]].values.tolist()) == [
        [0, 5],
        [0, 6],
        [1, 4],
    ]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A data set of 420 texts, of which 40 are labelled at first."""
    folder = tmp_path_factory.mktemp("find")
    data = folder / "data"
    data.mkdir()
    return prepare(write_data(data), 2, folder / "kept", Plan(start=40, batches=2, size=20))


def test_labels_are_severe_by_the_whole_table_and_those_with_fewer_positives_are_left_out(
    study: Study,
) -> None:
    assert study.labels == ("often", "rare")
    assert [study.labels[label] for label in study.severe] == ["rare"]
    assert "once" not in (study.folder / "train.csv").read_text(encoding="utf-8")


def test_what_is_found_is_counted_over_all_that_is_labelled(study: Study) -> None:
    start = study.start(0)
    assert len(set(start.tolist())) == 40
    rest = np.setdiff1d(np.arange(420), start)
    found = study.found(0, [rest[:100], rest[100:]])
    assert found[0].tolist() == [len(RARE & set(start.tolist()))]
    assert found[-1].tolist() == [len(RARE)]


def test_a_strategy_reads_the_true_labels_of_labelled_texts_alone(study: Study) -> None:
    seen = []

    def choose(given: State) -> np.ndarray:
        seen.append(len(given.labelled))
        assert not np.isin(given.labelled, given.free).any()
        return at_random(given)

    features = np.zeros((420, 2), dtype=np.float32)
    batches = search(study, features, choose, 0, study.severe)
    assert seen == [40, 60]
    assert len(np.unique(np.concatenate([study.start(0), *batches]))) == 80
    with pytest.raises(SystemExit, match="twice, or one that is labelled"):
        search(study, features, lambda given: given.labelled[:20], 0, study.severe)


@pytest.mark.slow
def test_a_search_goes_through_files_and_its_bounds_are_compared_with_the_truth(
    study: Study,
) -> None:
    first, second = search_by_imbtool(study, 0)
    assert len(first.texts) == len(second.texts) == 20
    merged = pd.read_csv(study.folder / "imbtool-0" / "merged" / "02" / "train.csv")
    assert len(merged) == 40 + 2 * 18  # a tenth is random, which goes to validation and test
    held = list(bounds_held(study, 0, [first, second]))
    assert [each.severe for each in held] == [False, True]
    far = second.model_copy(
        update={
            "remaining": [
                row.model_copy(update={"low": 400, "high": 400}) for row in second.remaining
            ]
        }
    )
    assert not any(each.remaining for each in bounds_held(study, 0, [first, far]))


@pytest.mark.slow
def test_the_script_shows_all_strategies_and_leaves_out_those_that_are_not_there(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_data(data)
    options = ["--start", "40", "--batches", "2", "--size", "20", "--seeds", "0"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.quality.find", "--data", data, *options),
            *("--folder", tmp_path / "kept", "--results", tmp_path / "find.csv", "--json"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Severe positives after each batch:" in done.stdout
    strategies = set(pd.read_csv(tmp_path / "find.csv").strategy)
    assert {"imbtool", "random", "uncertainty", "top"} <= strategies
    assert ("left out" in done.stderr) == ("small-text-cvirs" not in strategies)
    document = json.loads(done.stdout.rsplit("\n", 2)[1])
    assert document["data"]["bounds"] == 3

"""The most confident mistakes come first, and the annotations that are most doubted."""

from typing import Any

import numpy as np
from noisylabels import flips, scene
from scipy.special import expit

from imbtool.config.hierarchy import label_set
from imbtool.data.imbalance import Tier
from imbtool.evaluation.label_errors import doubts
from imbtool.evaluation.mistakes import mistakes_document, mistakes_frame

LABELS = label_set(["rare", "common"], [])
TIERS: tuple[Tier, ...] = ("severe", "common")
NAN = np.nan
TARGETS = np.array([[1, 0], [1, 1], [1, 0], [0, 0], [0, 1], [0, 0], [NAN, 0]], np.float32)
PROBABILITIES = np.array(
    [[0.2, 0.1], [0.1, 0.9], [0.9, 0.2], [0.7, 0.1], [0.8, 0.3], [0.2, 0.9], [0.9, 0.1]]
)
THRESHOLDS = np.array([0.6, 0.5])
TEXTS = [f"text {letter}" for letter in "abcdefg"]
ROWS = [11, 12, 13, 14, 15, 16, 17]


def document(most: int = 5, tiers: tuple[Tier, ...] = TIERS) -> dict[str, Any]:
    return mistakes_document(
        LABELS,
        tiers,
        PROBABILITIES >= THRESHOLDS,
        PROBABILITIES,
        THRESHOLDS,
        TARGETS,
        TEXTS,
        ROWS,
        most,
    )


def rows(items: list[dict[str, Any]]) -> list[int]:
    return [item["row"] for item in items]


def test_misses_and_false_alarms_of_rare_labels_stand_most_confident_first():
    labels = document()["labels"]
    assert list(labels) == ["rare"]
    assert rows(labels["rare"]["misses"]) == [12, 11]
    assert rows(labels["rare"]["false_alarms"]) == [15, 14]


def test_no_more_are_listed_than_were_asked_for():
    found = document(most=1)
    assert rows(found["labels"]["rare"]["misses"]) == [12]
    assert rows(found["labels"]["rare"]["false_alarms"]) == [15]


def test_without_rare_labels_all_are_listed():
    labels = document(tiers=("common", "common"))["labels"]
    assert list(labels) == ["rare", "common"]
    assert rows(labels["common"]["misses"]) == [15]
    assert rows(labels["common"]["false_alarms"]) == [16]


def test_an_item_says_what_was_given_what_was_decided_and_how_sure():
    assert document()["labels"]["rare"]["misses"][0] == {
        "row": 12,
        "text": "text b",
        "probability": 0.1,
        "threshold": 0.6,
        "given": ["rare", "common"],
        "decided": ["common"],
    }


def test_a_suspect_says_which_of_its_labels_is_doubted():
    (suspect,) = document()["suspects"]
    found = [suspect[key] for key in ("label", "row", "given_label", "threshold")]
    assert found == ["rare", 12, True, 0.6]


def test_suspects_are_the_most_doubted_annotations_given_or_not():
    truth, logits = scene(2_000)
    targets = (truth ^ flips(truth, 0.1)).astype(np.float32)
    suspects = mistakes_document(
        label_set(["a", "b", "c"], []),
        ("severe", "moderate", "common"),
        logits > 0,
        expit(logits),
        np.full(3, 0.5),
        targets,
        [""] * 2_000,
        range(2_000),
        5,
    )["suspects"]
    chances = doubts(expit(logits), targets)
    places = [(item["row"], "abc".index(item["label"])) for item in suspects]
    scores = [item["score"] for item in suspects]
    assert scores == [chances[place] for place in places]
    assert scores == sorted(chances[~np.isnan(chances)], reverse=True)[:20]
    given = [item["given_label"] for item in suspects]
    assert given == [targets[place] == 1 for place in places]
    assert set(given) == {True, False}


def test_the_frame_has_a_row_an_item():
    found = document()
    frame = mistakes_frame(found)
    assert list(frame.columns) == [
        "label",
        "kind",
        "row",
        "probability",
        "threshold",
        "given",
        "decided",
        "text",
    ]
    kinds = ["miss"] * 2 + ["false alarm"] * 2 + ["likely mistake"] * len(found["suspects"])
    assert frame["kind"].tolist() == kinds
    assert frame.iloc[0].tolist() == [
        "rare", "miss", 12, 0.1, 0.6, "rare|common", "common", "text b"
    ]  # fmt: skip


def test_cells_that_a_spreadsheet_would_run_are_made_text():
    item = {
        "row": 1,
        "text": "=cmd()",
        "probability": 0.1,
        "threshold": 0.5,
        "given": ["@a", "b"],
        "decided": [],
    }
    frame = mistakes_frame(
        {"labels": {"-x": {"misses": [item], "false_alarms": []}}, "suspects": []}
    )
    assert frame.loc[0, ["label", "given", "decided", "text"]].tolist() == [
        "'-x",
        "'@a|b",
        "",
        "'=cmd()",
    ]


def test_no_mistakes_make_an_empty_frame_with_its_columns():
    frame = mistakes_frame({"labels": {}, "suspects": []})
    assert frame.empty
    assert "text" in frame.columns

"""Findings are ranked by what they cost, and their rows listed so that a person can open them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analyses import healthy_corpus

from imbtool.analysis import finding as module
from imbtool.analysis.finding import (
    CATALOGUE,
    SEVERITIES,
    FoundRow,
    FoundRows,
    found,
    frames,
    percent,
    ranked,
)


def test_errors_come_first_then_the_costlier_kind_then_more_rows():
    rows = [FoundRow("train", row) for row in range(3)]
    findings = [
        found("duplicate", "", {}, rows),
        found("contradiction", "few", {}, rows[:1]),
        found("contradiction", "many", {}, rows),
        found("leak-exact", "", {}),
        found("truncation", "", {}, severity="error"),
    ]
    assert [(each.id, each.message) for each in ranked(findings)] == [
        ("truncation", ""),
        ("leak-exact", ""),
        ("contradiction", "many"),
        ("contradiction", "few"),
        ("duplicate", ""),
    ]


def test_the_catalogue_is_in_the_order_of_severity():
    order = [SEVERITIES.index(kind.severity) for kind in CATALOGUE.values()]
    assert order == sorted(order)


def test_a_text_counts_once_however_often_it_is_named():
    finding = found("orphan-child", "", {}, [FoundRow("test", 4, "a"), FoundRow("test", 4, "b")])
    assert (finding.rows, finding.file) == (1, "findings/orphan-child.csv")
    assert found("drift", "", {}).file is None


def test_a_listed_row_names_its_file_row_and_labels():
    corpus = healthy_corpus()
    findings = [
        found("duplicate", "", {}, [FoundRow("train", 0, None, "as train row 4")]),
        found("duplicate", "", {}, [FoundRow("test", 1, "lone")]),
    ]
    ((path, parts),) = frames(findings, corpus)
    frame = pd.concat(parts, ignore_index=True)
    assert path == "findings/duplicate.csv"
    assert frame.iloc[0].to_dict() == {
        "finding": "duplicate",
        "split": "train",
        "file": "train.csv",
        "row": 1,
        "label": "",
        "detail": "as train row 4",
        "labels": "top|below",
        "text": corpus.train.texts[0],
    }
    assert frame.iloc[1][["split", "row", "label", "labels"]].tolist() == [
        "test",
        2,
        "lone",
        "lone",
    ]


def test_cells_that_a_spreadsheet_would_run_are_made_text():
    corpus = healthy_corpus(("=top", "+below", "@lone"))
    corpus.train.texts[0] = "=HYPERLINK()"
    ((_, (frame,)),) = frames([found("duplicate", "", {}, [FoundRow("train", 0, "@lone")])], corpus)
    assert frame[["label", "labels", "text"]].iloc[0].tolist() == [
        "'@lone",
        "'=top|+below",
        "'=HYPERLINK()",
    ]


def test_without_texts_there_is_no_column_of_them():
    ((_, (frame,)),) = frames(
        [found("duplicate", "", {}, [FoundRow("train", 0)])], healthy_corpus(), False
    )
    assert "text" not in frame


def test_a_small_share_is_not_shown_as_none():
    assert [percent(share) for share in (0, 0.0002, 0.00951, 0.5)] == [
        "0.0%",
        "0.02%",
        "1.0%",
        "50.0%",
    ]


def test_the_documentation_lists_every_kind_with_its_severity():
    page = (Path(__file__).parents[2] / "docs" / "analyze.md").read_text()
    listed = re.findall(r"^\| `([a-z-]+)` \| (error|warning|info)", page, re.MULTILINE)
    assert dict(listed) == {name: kind.severity for name, kind in CATALOGUE.items()}


def test_many_rows_are_made_when_they_are_asked_for():
    made: list[int] = []

    def tell(at: int) -> tuple[str, str]:
        made.append(at)
        return f"label {at}", "wrong"

    rows = FoundRows(np.array([0, 2, 0]), np.array([7, 7, 7]), tell)
    assert (len(rows), made) == (3, [])
    assert rows[1] == FoundRow("test", 7, "label 1", "wrong")
    assert rows[-1] == FoundRow("train", 7, "label 2", "wrong")
    assert rows[:2] == [rows[0], rows[1]]
    assert [*rows] == rows[:]
    with pytest.raises(IndexError):
        rows[3]
    assert found("duplicate", "", {}, rows).rows == 2


def test_rows_of_a_file_come_some_at_a_time(monkeypatch: pytest.MonkeyPatch):
    corpus = healthy_corpus()
    rows = FoundRows.of_split("train", np.arange(5), lambda _: (None, ""))
    ((_, (whole,)),) = frames([found("duplicate", "", {}, rows)], corpus)
    monkeypatch.setattr(module, "LISTED_AT_ONCE", 2)
    ((_, parts),) = frames([found("duplicate", "", {}, rows)], corpus)
    several = [*parts]
    assert [*map(len, several)] == [2, 2, 1]
    pd.testing.assert_frame_equal(pd.concat(several, ignore_index=True), whole)

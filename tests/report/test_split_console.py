"""The screen of a split shows the document's numbers, rarest label first, and escapes names."""

from typing import Any

from screens import printed

from imbtool.data.partition import PartitionReport
from imbtool.report.console.split import split_views

REPORT: dict[str, Any] = {
    "command": [],
    "imbtool": "0",
    "source": "all.csv",
    "seed": 0,
    "parts": {
        "train": {
            "share": {"asked": 0.9, "got": 0.895},
            "rows": {"asked": 180, "got": 179},
            "fingerprint": "",
        },
        "test": {
            "share": {"asked": 0.1, "got": 0.105},
            "rows": {"asked": 20, "got": 21},
            "fingerprint": "",
        },
    },
    "labels": {
        "common": {"positives": 1500, "parts": {"train": 1350, "test": 150}},
        "rare\x1b[31m": {"positives": 4, "parts": {"train": 3, "test": 1}},
    },
    "near_duplicates": {"groups": 1, "rows": 3, "largest": 3},
    "group": {"column": "author", "groups": 2, "rows": 8, "largest": 5},
    "least_positives": 3,
    "too_rare": {"rare\x1b[31m": "4 positives, of which 6 are needed"},
}


def screen(report: dict[str, Any]) -> list[str]:
    views = split_views(PartitionReport.model_validate(report))
    return [" ".join(line.split()) for line in printed(views).splitlines()]


def test_every_part_and_label_has_its_line():
    lines = screen(REPORT)
    assert "test 10.00% 10.50% 20 21" in lines
    assert lines.index("rare\\x1b[31m 4 3 1") < lines.index("common 1,500 1,350 150")


def test_what_is_kept_together_and_what_is_too_rare_is_named():
    lines = screen(REPORT)
    assert "Near duplicates were kept in one part: 3 rows in 1 group." in lines
    assert "Rows with the same author were kept in one part: 8 rows in 2 groups." in lines
    assert "These labels do not have 3 positives in each part:" in lines
    assert "rare\\x1b[31m: 4 positives, of which 6 are needed" in lines


def test_nothing_is_said_of_what_is_not_there():
    nothing = {"groups": 0, "rows": 0, "largest": 1}
    lines = screen(REPORT | {"near_duplicates": nothing, "group": None, "too_rare": {}})
    assert not any(line.startswith(("Near", "Rows with", "These labels")) for line in lines)


def test_texts_that_a_search_chose_are_told_where_there_are_any():
    told = "A search chose 60 texts: 61 rows are in training for that"
    assert told in " ".join(screen(REPORT | {"chosen": 60, "kept_in_training": 61}))
    assert not any(line.startswith("A search chose") for line in screen(REPORT))

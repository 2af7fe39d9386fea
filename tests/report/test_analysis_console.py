"""The screen says first what to fix, and does not scroll away with many labels."""

from typing import Any

import pytest
from analyses import LONE, TOP, analyze, healthy_corpus, tokens_of
from screens import printed

from imbtool.analysis.document import Verdict
from imbtool.data.corpus import Corpus
from imbtool.report.console.analysis import MOST_LABELS, analysis_views, verdict_line


def shown(corpus: Corpus, **options: Any) -> str:
    return printed(analysis_views(analyze(corpus, **options)), width=120)


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        ((0, 0, 0), "No problems were found."),
        ((0, 1, 2), "No errors, 1 warning and 2 infos were found."),
        ((1, 2, 1), "1 error, 2 warnings and 1 info were found."),
        ((2, 0, 0), "2 errors, 0 warnings and 0 infos were found."),
    ],
)
def test_the_verdict_counts_by_severity(numbers: tuple[int, int, int], line: str):
    error, warning, info = numbers
    assert verdict_line(Verdict(error=error, warning=warning, info=info)) == line


def test_findings_stand_before_the_tables_with_what_to_do_and_where_their_rows_are():
    corpus = healthy_corpus()
    corpus.test.targets[0, TOP] = 0
    screen = shown(corpus)
    lines = screen.splitlines()
    assert lines[0] == "No errors, 1 warning and 1 info were found."
    assert lines[1].strip() == (
        "warning  orphan-child: Child labels are given without their parent: below without top (1)."
    )
    assert lines[2].strip().startswith("→ Give each of these texts the parent too")
    assert "findings/orphan-child.csv" in screen
    assert screen.index("orphan-child") < screen.index("Labels, rarest first")


def test_what_to_do_is_said_once_for_findings_of_a_kind():
    corpus = healthy_corpus()
    corpus.validation.targets[5:, LONE] = corpus.test.targets[5:, LONE] = 0
    screen = shown(corpus)
    assert screen.count("measurability: ") == 2
    assert screen.count("Add texts that have the label") == 1


def test_of_many_labels_the_rarest_are_shown():
    names = [f"label {number:02}" for number in range(MOST_LABELS + 5)]
    screen = shown(healthy_corpus(names))
    assert "Labels, rarest first, 5 more in analysis.html" in screen
    rows = screen.partition("Labels, rarest first")[2].partition("Splits")[0]
    assert rows.count("label ") == MOST_LABELS + 1, "with the heading"


def test_lengths_show_with_the_share_cut_off_if_tokens_were_counted():
    corpus = healthy_corpus()
    assert "over 5" not in shown(corpus)
    screen = shown(corpus, tokens=tokens_of(corpus, limit=5))
    assert "over 5" in screen and "100.0%" in screen


def test_control_characters_of_labels_do_not_reach_the_screen():
    assert "\x1b" not in shown(healthy_corpus(("top\x1b[2J", "below", "lone")))

"""The page of an analysis: everything escaped, nothing loaded, no text where none is wanted."""

import re
from pathlib import Path

import pytest
from analyses import hostile_analysis, quoted_rows, tokens_of

from imbtool.report.analysis_files import QUOTED, write_analysis
from imbtool.report.html.analysis import render_analysis_page

HOSTILE_TEXT = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def page() -> str:
    analysis, corpus = hostile_analysis(HOSTILE_TEXT)
    return render_analysis_page(analysis, quoted_rows(analysis, corpus))


def test_names_and_texts_stay_text(page: str):
    assert "<script>alert" not in page and HOSTILE_TEXT not in page
    assert "&lt;script&gt;alert" in page and "&lt;img src=x" in page


def test_nothing_is_loaded(page: str):
    assert not re.findall(r"(?:src|href)=\"(?!#|findings/)", page)
    assert "default-src 'none'" in page


def test_an_error_is_unfolded_and_comes_first(page: str):
    folds = re.findall(r'<details class="fold found"( open)?>\s*<summary><span[^>]*>(\w+)', page)
    assert folds[0] == (" open", "error")
    assert {is_open for is_open, severity in folds if severity != "error"} == {""}


def test_each_finding_links_to_its_rows(page: str):
    assert 'href="findings/leak-exact.csv"' in page
    assert page.index("leak-exact") < page.index("Labels, rarest first")


def test_without_texts_rows_are_named_and_no_text_is_quoted():
    analysis, corpus = hostile_analysis(HOSTILE_TEXT)
    html = render_analysis_page(analysis, quoted_rows(analysis, corpus, texts=False))
    assert "img src=x" not in html and "like test row 1" in html


def test_only_the_first_rows_of_a_finding_are_quoted(tmp_path: Path):
    analysis, corpus = hostile_analysis(HOSTILE_TEXT)
    write_analysis(analysis, corpus, tmp_path)
    html = (tmp_path / "analysis.html").read_text()
    assert "concerns 60 texts" in html
    section = html.partition('<h2 id="findings">')[2].partition("</section>")[0]
    assert section.partition("</ol>")[0].count("<li>") == QUOTED
    assert len((tmp_path / "findings" / "leak-exact.csv").read_text().splitlines()) == 61


def test_files_of_an_earlier_analysis_go_and_files_of_others_stay(tmp_path: Path):
    analysis, corpus = hostile_analysis(HOSTILE_TEXT)
    folder = tmp_path / "findings"
    folder.mkdir()
    for name in ("truncation.csv", "mine.csv"):
        (folder / name).write_text("old")
    write_analysis(analysis, corpus, tmp_path, texts=False)
    assert not (folder / "truncation.csv").exists()
    assert (folder / "mine.csv").read_text() == "old"
    assert "img src=x" not in (folder / "leak-exact.csv").read_text()


def test_lengths_are_characters_where_no_tokens_were_counted(page: str):
    assert "tokens were not counted" in page
    analysis, corpus = hostile_analysis(HOSTILE_TEXT, tokens=lambda it: tokens_of(it, limit=5))
    html = render_analysis_page(analysis, quoted_rows(analysis, corpus))
    assert "tokens were not counted" not in html and "Tokens by label" in html

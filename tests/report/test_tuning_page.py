"""The page of a tuning: its rounds in their order, names that stay text, and nothing loaded."""

import math
import re

from pages import Page, plain
from tunings import NAMES, round_, tuning

from imbtool.report.html.tuning import render_tuning_page, write_tuning_page
from imbtool.tuning.summary import TuningSummary


def test_names_stay_text_everywhere() -> None:
    html = render_tuning_page(tuning())
    page = Page(html)
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert html.count("&lt;script&gt;") == html.count("alert(&#39;x&#39;)") > 3
    assert html.count("\u202e") == html.count("&#34;&amp;amp;&#34; \u202eno")


def test_loads_nothing() -> None:
    html = render_tuning_page(tuning())
    page = Page(html)
    assert not re.search(r"https?://|url\((?!#)|@import|\bfetch\b|import\(", html)
    assert not {"link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in ("src", "srcset")]
    links = [value or "" for name, value in page.attributes if name == "href"]
    assert all(link.startswith("#") for link in links), "only within its figure"


def test_rounds_come_in_their_order_with_changes_and_diagnoses() -> None:
    html = render_tuning_page(tuning())
    heads = re.findall(r"<h3>(.*?)</h3>", html, flags=re.DOTALL)
    assert [" ".join(plain(head).split()) for head in heads] == [
        "Round 1kept",
        "Round 2, from round 1undone",
        "Round 3, from round 2kept",
    ]
    text = plain(html)
    assert text.index("Macro-F1 0.3 -&gt; 0.25.") < text.index("Macro-F1 0.3 -&gt; 0.45.")
    changes = Page(html).tables[1]
    assert changes[1] == [
        "gamma", NAMES[0], "2", "3", "none of 40 positives found & <b>more</b>"
    ]  # fmt: skip
    assert changes[2][:2] == ["epochs", "the run"]
    findings = Page(html).tables[0]
    assert [line[0] for line in findings] == ["Verdict", "act", "watch"]


def test_the_final_table_has_each_label_before_and_after_rarest_first() -> None:
    table = Page(render_tuning_page(tuning())).tables[-1]
    rows = {line[0]: [" ".join(cell.split()) for cell in line[1:]] for line in table[1:]}
    assert list(rows) == NAMES
    assert rows[NAMES[0]][:8] == [
        "severe", "30", "40", "2 → 3", "5", "0.300from 0.000", "0.300from 0.000", "0.300from 0.000"
    ]  # fmt: skip
    assert rows[NAMES[2]][5:8] == ["–from 0.500"] * 3


def test_each_label_has_its_way_with_what_was_undone_hollow() -> None:
    html = render_tuning_page(tuning())
    sparks = re.findall(r'<svg class="spark".*?</svg>', html, flags=re.DOTALL)
    assert len(sparks) == len(NAMES)
    assert "round 1: 0.000; round 2: 0.100, undone; round 3: 0.300" in sparks[0]
    assert sparks[0].count("<circle") == 3
    assert sparks[0].count('class="undone"') == 1
    (line,) = re.findall(r'<polyline points="([^"]*)"', sparks[0])
    assert len(line.split()) == 2, "only kept rounds are joined"
    assert sparks[2].count("<circle") == 2, "a figure that is not known is no point"


def test_the_figure_of_the_objective_says_its_values_to_a_screen_reader() -> None:
    (about,) = re.findall(r'role="img" aria-label="([^"]*)">(?=<g>)', render_tuning_page(tuning()))
    assert about == (
        "macro-F1 on validation by round: round 1: 0.300; round 2: 0.250, undone; round 3: 0.450"
    )


def test_the_lead_says_what_came_of_it() -> None:
    text = plain(render_tuning_page(tuning()))
    assert "Macro-F1 on validation went from 0.300 to 0.450." in text
    assert "2 changes were kept. Stopped: healthy: all is well." in text
    assert "chosen on these validation texts: figures on new texts will be lower" in text


def one_round(objective: float | None) -> TuningSummary:
    return tuning([round_(1, objective, True, [None, None, None])], changes=[])


def test_a_single_round_and_one_without_figures_can_be_shown() -> None:
    assert "The profile stayed as it was." in plain(render_tuning_page(one_round(0.4)))
    assert "Figure:" not in render_tuning_page(one_round(None))
    assert "chosen on these validation texts" not in plain(render_tuning_page(one_round(0.4)))


def test_a_round_that_did_not_end_has_no_figures() -> None:
    broken = round_(1, None, True, None)
    rounds = [broken, round_(2, math.nan, False, [0.1] * 3), round_(3, 0.5, True, [0.2] * 3)]
    assert "Round 1" in plain(render_tuning_page(tuning(rounds)))


def test_the_file_holds_what_is_rendered(tmp_path) -> None:
    write_tuning_page(tuning(), tmp_path / "tuning.html")
    assert (tmp_path / "tuning.html").read_text(encoding="utf-8") == render_tuning_page(tuning())

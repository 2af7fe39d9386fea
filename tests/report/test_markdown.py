"""report.md: what a pull request shows, with names that try to be markup."""

from pathlib import Path

from evaluations import NAMES, Document, evaluation, figure, full_evaluation, typed
from markdown_it import MarkdownIt

from imbtool.report.markdown import render_markdown, write_markdown

AWKWARD = "a|b `c` <i>d</i>\n# *e* _f_ [g](http://h) ~~i~~ $j$ @everyone \u202ek \\"


def renamed(document: Document, old: str, new: str) -> Document:
    document["labels"] = {
        new if name == old else name: row for name, row in document["labels"].items()
    }
    return document


def html(document: Document) -> str:
    return MarkdownIt("gfm-like", {"linkify": False}).render(render_markdown(typed(document)))


def test_a_name_stays_one_cell_of_plain_text() -> None:
    document = renamed(evaluation(), NAMES[2], AWKWARD)
    page = html(document)
    shown = (
        "a|b `c` &lt;i&gt;d&lt;/i&gt; # *e* _f_ [g](http://h) ~~i~~ $j$ @\u200beveryone \\u202ek \\"
    )
    assert f"<td>{shown}</td>" in page
    row = page[page.index(shown) :].split("</tr>")[0]
    assert row.count("<td") == 8, "the other cells of the row"
    assert not [tag for tag in ("<i>", "<em>", "<a ", "<s>", "<script") if tag in row]


def test_labels_stand_rarest_first_with_intervals() -> None:
    lines = render_markdown(typed(full_evaluation())).splitlines()
    start = lines.index("### Labels, rarest first")
    rows = [line for line in lines[start:] if line.startswith("| ")][2:]
    positives = [row.split(" | ")[2] for row in rows]
    assert positives == ["0", "3", "40", "900"]
    assert rows[2].split(" | ")[4] == "0.40 [.12–.74]"
    assert rows[0].split(" | ")[3] == "0 *few*"
    assert rows[0].endswith("| – | – | – | – | – |")


def test_verdict_gates_and_comparison_come_before_the_metrics() -> None:
    document = full_evaluation()
    document["overall"]["macro"]["f1"] = figure(0.3721, 0.3, 0.44)
    text = render_markdown(typed(document))
    places = [
        text.index(part)
        for part in (
            "- **Rare labels.** Severe labels (2)",
            "### Required metrics",
            "| **not met** |",
            "**1 label** better, **1 label** worse, **2 labels** cannot be told.",
            "| macro | 0.37 [.30–.44] |",
            "| severe (2) |",
            "### Labels, rarest first",
        )
    ]
    assert places == sorted(places)


def test_parts_without_content_are_absent() -> None:
    text = render_markdown(typed(evaluation()))
    assert "Required metrics" not in text
    assert "Against" not in text


def test_the_file_holds_what_is_rendered(tmp_path: Path) -> None:
    write_markdown(typed(evaluation()), tmp_path / "report.md")
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == render_markdown(
        typed(evaluation())
    )


def test_the_page_says_how_many_texts_a_search_chose() -> None:
    document = evaluation()
    document["data"]["chosen"] = 60
    assert "4,000 texts, 60 of them chosen by a search; metrics" in render_markdown(typed(document))

import copy
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from imbtool.report.page import render_page, write_page

Document = dict[str, Any]

NAMES = ["<script>alert('x')</script>", 'say "&amp;" \u202eno', "محتوى عنيف", "none here"]
POSITIVES = [3, 40, 900, 0]


def figure(value: float | None, low: float | None = None, high: float | None = None) -> Document:
    return {"value": value, "low": low, "high": high}


def figures(value: float | None) -> Document:
    names = ("precision", "recall", "f1", "average_precision", "roc_auc")
    return {name: figure(value) for name in names}


def label(positives: int, value: float | None) -> Document:
    tier = "severe" if positives < 40 else "moderate" if positives < 900 else "head"
    counts = {"training_positives": positives, "support": positives // 4}
    rest = {"threshold": 0.25, "tier": tier, "weight": 10.0, "few": positives < 40}
    return {**figures(value), **counts, **rest}


def evaluation() -> Document:
    micro = {key: figure(0.6) for key in ("precision", "recall", "f1")}
    overall = {"macro": figures(0.3721), "micro": micro, "weighted": figures(0.5)}
    values = [0.0, 0.4, 0.8, None]
    rows = {name: label(*row) for name, *row in zip(NAMES, POSITIVES, values, strict=True)}
    thresholds = {"threshold": 0.25, "rule": "mean", "validation_positives": 7}
    return {
        "overall": {
            **overall,
            "primary": figures(0.4),
            "secondary": figures(0.2),
            "labels_without_positives": 1,
            "labels_at_zero_recall": 1,
        },
        "tiers": {"severe": {"labels": 2, **figures(0.0)}, "head": {"labels": 1, **figures(0.8)}},
        "labels": rows,
        "hierarchy": {
            "edges": [[NAMES[0], NAMES[2]]],
            "coherence": "add-parents",
            "violation_rate_before": 0.0834,
            "violation_rate_after": 0.0,
            "violations_before": [{"child": NAMES[0], "parent": NAMES[2], "texts": 61}],
        },
        "data": {
            "checkpoint": "runs/<b>first</b>/checkpoint",
            "source": "test.csv",
            "split": "test",
            "texts": 4000,
            "min_support": 10,
            "fingerprint": "9f2c4e",
            "seen_in_training": False,
        },
        "thresholds": {
            "rule": "mean",
            "scores": {"0.5": 0.341, "mean": 0.374},
            "labels": {name: thresholds for name in NAMES},
        },
    }


def epoch(number: int, loss: float, best: bool) -> Document:
    losses = {"train_loss": loss, "validation_loss": loss + 0.1}
    return {"event": "epoch", "epoch": number, **losses, "f1_macro": 0.3, "best": best}


class Page(HTMLParser):
    """The tags, attributes and table cells of a page, as a browser would take them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tables: list[list[list[str]]] = []
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        self._in_cell = self._in_cell or tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.tables[-1][-1][-1] += data


def plain(html: str) -> str:
    text = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", text))


def test_names_stay_text_everywhere() -> None:
    html = render_page(evaluation(), [])
    page = Page(html)
    assert page.tags.count("script") == 1, "only the page's own"
    assert "b" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert any(value and value.startswith(f"{NAMES[1]}: F1 0.400") for value in labels)
    assert html.count("&lt;script&gt;") == html.count("alert(&#39;x&#39;)") > 3
    assert html.count("\u202e") == html.count("&#34;&amp;amp;&#34; \u202eno")


def test_loads_nothing() -> None:
    html = render_page(evaluation(), [epoch(1, 0.5, True)])
    page = Page(html)
    assert not re.search(r"https?://|url\(|@import|\bfetch\b|import\(", html)
    assert not {"link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in ("src", "srcset", "data")]
    links = [value or "" for name, value in page.attributes if name.endswith("href")]
    assert links and all(link.startswith("#label-") for link in links)


def test_the_label_table_shows_each_label_once_rarest_first() -> None:
    _, table, _, thresholds, _ = Page(render_page(evaluation(), [])).tables
    rows = {row[0]: [cell.split() for cell in row[1:]] for row in table[1:]}
    assert list(rows) == [NAMES[3], NAMES[0], NAMES[1], NAMES[2]]
    assert len(table) == 1 + len(NAMES)
    assert rows[NAMES[3]][2] == ["0", "too", "few", "to", "say"]
    assert rows[NAMES[3]][5:] == [["–"]] * 5
    assert rows[NAMES[2]] == [
        ["head"], ["900"], ["225"], ["10"], ["0.25"], *[["0.800"]] * 5
    ]  # fmt: skip
    assert [row[0] for row in thresholds[1:]] == NAMES


def test_an_interval_stands_beside_its_figure() -> None:
    document = evaluation()
    document["labels"][NAMES[1]]["recall"] = figure(0.4, 0.122, 0.738)
    document["overall"]["macro"]["roc_auc"] = figure(0.9, 0.85, 0.95)
    together, labels, *_ = Page(render_page(document, [])).tables
    assert together[1][-1].split() == ["0.900", "0.850–0.950"]
    assert labels[3][7].split() == ["0.400", "0.122–0.738"]


def test_the_verdict_is_said_in_words() -> None:
    text = plain(render_page(evaluation(), []))
    assert "Macro-F1 is 0.372." in text
    assert "1 label is at zero recall: &lt;script&gt;" in text
    assert "2 labels have fewer than 10 positives here: too few to say." in text
    assert "The rule mean won on validation." in text
    assert "8.3% of the texts got a label without its parent; after add-parents, 0.0%." in text


def test_a_document_that_never_was_a_file_looks_the_same() -> None:
    undefined = evaluation()
    undefined["labels"][NAMES[3]].update(figures(float("nan")))
    assert render_page(undefined, []) == render_page(evaluation(), [])


def test_without_forest_positives_or_events() -> None:
    document = evaluation()
    for name in ("primary", "secondary"):
        del document["overall"][name]
    document["overall"]["macro"] = figures(None)
    document["hierarchy"].update(edges=[], coherence=None, violations_before=[])
    document["labels"] = {"only": label(0, None)}
    html = render_page(document, [])
    text = plain(html)
    assert "Macro-F1 is not defined here. No label is at zero recall." in text
    assert "Hierarchy" not in text
    assert 'id="labels"' in html and 'id="training"' not in html


def test_intervals_are_drawn_where_they_are() -> None:
    document = evaluation()
    without = render_page(document, [])
    document["labels"][NAMES[2]]["f1"] = figure(0.8, 0.71, 0.86)
    html = render_page(document, [])
    assert "0.710–0.860" in html
    assert (without.count('class="end"'), html.count('class="end"')) == (0, 1)


@pytest.mark.parametrize("losses", [[0.5], [0.5, 0.2, 0.3], [0.0, 0.0], [float("nan"), 0.4]])
def test_curves_stay_inside_their_frame(losses: list[float]) -> None:
    events = [epoch(number, loss, number == 1) for number, loss in enumerate(losses, start=1)]
    html = render_page(evaluation(), [{"event": "start"}, *events])
    dots = re.findall(r'cx="([\d.-]+)" cy="([\d.-]+)"', html)
    known = sum(loss == loss for loss in losses)
    assert len(dots) == 2 * known + len(losses)
    assert all(46 <= float(x) <= 500 and 14 <= float(y) <= 262 for x, y in dots)
    assert html.count('class="best"') == 2


def test_a_repeated_epoch_is_drawn_as_it_ended() -> None:
    events = [epoch(1, 0.5, True), epoch(2, 0.9, False), epoch(2, 0.4, True)]
    html = render_page(evaluation(), events)
    assert "epoch 2: 0.4<" in html and "epoch 2: 0.9<" not in html


def test_a_failed_page_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_page(evaluation(), [], path)
    before = path.read_text(encoding="utf-8")
    broken = copy.deepcopy(evaluation())
    del broken["data"]["fingerprint"]
    with pytest.raises(Exception, match="fingerprint"):
        write_page(broken, [], path)
    assert path.read_text(encoding="utf-8") == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]

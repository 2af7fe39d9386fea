import re
from pathlib import Path
from typing import Any

import pytest
from evaluations import (
    LONG,
    NAMES,
    Document,
    evaluation,
    figure,
    figures,
    full_evaluation,
    item,
    label,
    typed,
)
from pages import Page, plain

from imbtool.events import EpochEvent, Event, StartEvent
from imbtool.report.figures.evaluation import draw_f1_by_positives, draw_reliability
from imbtool.report.figures.training import draw_training
from imbtool.report.html.environment import MOST_LETTERS
from imbtool.report.html.evaluation import render_evaluation_page, write_evaluation_page


def epoch(number: int, loss: float, best: bool, **parts: Any) -> EpochEvent:
    losses = {"train_loss": loss, "validation_loss": loss + 0.1}
    metrics = {"f1_macro": 0.3, "f1_macro_at_half": 0.1, "average_precision_macro": 0.2}
    usual = {"epoch": number, "step": number, **losses, **metrics, "labels": {}, "best": best}
    return EpochEvent(**usual | parts)


def rendered(document: Document, events: list[Event]) -> str:
    """The page without figures."""
    return render_evaluation_page(typed(document), events, {})


def rendered_with_figures(document: Document, events: list[Event]) -> str:
    figures = {
        "f1": draw_f1_by_positives(typed(document)),
        "reliability": draw_reliability(typed(document)),
        "training": draw_training(events),
    }
    return render_evaluation_page(typed(document), events, figures)


START = StartEvent.model_validate(
    {
        "encoder": "<i>encoder</i>",
        "device": "cpu",
        "precision": {"value": "bf16", "reason": "auto"},
        "learning_rate": {"value": 0.0001, "reason": "auto"},
        "max_length": 256,
        "epochs": 3,
        "steps": 300,
        "texts": {"train": 9000},
    }
)


def test_names_and_texts_stay_text_everywhere() -> None:
    html = rendered_with_figures(full_evaluation(), [START, epoch(1, 0.5, True)])
    page = Page(html)
    assert page.tags.count("script") == page.tags.count("style") == 1, "only the page's own"
    assert not {"b", "i", "u", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert any(value and value.startswith(f"{NAMES[1]}: F1 0.400") for value in labels)
    assert html.count("&lt;script&gt;") > 3


def test_names_and_texts_cannot_turn_their_surroundings_round() -> None:
    html = rendered_with_figures(full_evaluation(), [])
    isolated = "".join(re.findall(r"<bdi>(.*?)</bdi>", html, flags=re.DOTALL))
    elsewhere = re.sub(r"<bdi>.*?</bdi>|aria-label=\"[^\"]*\"|<th [^>]*>[^<]*</th>", "", html)
    assert "\u202e" in isolated
    assert "\u202e" not in elsewhere


def test_loads_nothing_and_could_not() -> None:
    html = rendered_with_figures(full_evaluation(), [START, epoch(1, 0.5, True)])
    page = Page(html)
    assert not re.search(r"https?://|url\((?!#)|@import|\bfetch\b|import\(", html)
    assert not {"link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in ("src", "srcset", "data")]
    links = [value or "" for name, value in page.attributes if name.endswith("href")]
    ids = {value for name, value in page.attributes if name == "id"}
    assert links and all(link[0] == "#" and link[1:] in ids for link in links)
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html


def test_the_label_table_shows_each_label_once_rarest_first() -> None:
    page = Page(rendered(evaluation(), []))
    rows = {row[0]: row[1:] for row in page.table("Labels, rarest first")}
    assert list(rows) == [" ".join(name.split()) for name in (NAMES[3], *NAMES[:3])]
    assert rows[NAMES[3]][2] == "0 too few to say"
    assert rows[NAMES[3]][3:8] == ["–"] * 5
    assert rows[NAMES[2]] == ["common", "900", "225", *["0.800"] * 5, "0.25"]
    assert [row[0] for row in page.table("Thresholds of the labels")] == NAMES


def test_an_interval_stands_beside_its_figure() -> None:
    document = evaluation()
    document["labels"][NAMES[1]]["recall"] = figure(0.4, 0.122, 0.738)
    document["overall"]["macro"]["roc_auc"] = figure(0.9, 0.85, 0.95)
    page = Page(rendered(document, []))
    assert page.table("Metrics of each group of labels")[0][-1] == "0.900 0.850–0.950"
    assert page.table("Labels, rarest first")[2][6] == "0.400 0.122–0.738"


def test_the_verdict_stands_first() -> None:
    text = plain(rendered(evaluation(), []))
    assert text.index("Severe labels (2)") < text.index("macro F1")
    assert "never found: &lt;script&gt;" in text
    assert "The rule mean won on validation." in text
    assert "8.3% of the texts got a label without its parent; after add-parents, 0.0%." in text


def sections(html: str) -> list[str]:
    return re.findall(r'<section aria-labelledby="([^"]+)"', html)


def test_a_section_without_content_is_absent() -> None:
    always = ["labels", "rare", "calibration", "thresholds", "hierarchy", "data", "repeat"]
    assert sections(rendered(evaluation(), [])) == always


def test_sections_stand_in_the_order_of_what_matters() -> None:
    assert sections(rendered(full_evaluation(), [START])) == [
        "gates", "labels", "rare", "comparison", "slices", "confusion", "calibration",
        "thresholds", "hierarchy", "mistakes", "data", "training", "repeat",
    ]  # fmt: skip


def test_each_required_metric_says_whether_it_is_met() -> None:
    html = rendered(full_evaluation(), [])
    rows = Page(html).table("Required metrics")
    assert rows[0] == [NAMES[2], "recall >= 0.7", "0.800 0.000–0.900", "✓ met"]
    assert rows[1][-1] == "✗ not met"
    assert "1 of 2 not met." in plain(html)


def test_a_rare_label_shows_what_was_found_and_the_false_alarms() -> None:
    document = evaluation()
    document["labels"][NAMES[1]].update(support=8, found=2, false_alarms=18)
    rows = {row[0]: row[1:] for row in Page(rendered(document, [])).table("Rare labels")}
    assert NAMES[2] not in rows, "a common label"
    assert list(rows.values())[2][:3] == ["8", "2", "18"]


def test_a_comparison_shows_what_is_worse_first() -> None:
    html = rendered(full_evaluation(), [])
    rows = Page(html).table("Differences of each label")
    assert [row[1] for row in rows] == ["worse", "better", "cannot be told", "cannot be told"]
    assert rows[1][3:6] == ["0.500", "0.300", "+0.200 +0.150 to +0.250"]
    assert rows[3][3:] == ["–", "–", "–", "–"]
    text = plain(html)
    assert "1 label better, 1 label worse, 2 labels cannot be told." in text
    assert "Left out, as only one of the two has it: only &lt;i&gt;there&lt;/i&gt;." in text
    assert "The strips go from −0.5 to +0.5." in text


def test_external_predictions_without_probabilities_has_no_columns_for_them() -> None:
    document = full_evaluation()
    document["comparison"]["has_scores"] = False
    page = Page(rendered(document, []))
    assert len(page.table("Differences of each label")[0]) == 6
    assert len(page.table("Differences of each group of labels")[0]) == 4


def test_slices_are_shown_as_they_stand() -> None:
    page = Page(rendered(full_evaluation(), []))
    rows = page.table("Metrics by slice")
    assert [row[1] for row in rows] == ["40 too few to say", "900"]
    cells = {row[0]: row[1:] for row in page.table("F1 of each label in each slice")}
    assert cells[NAMES[2]] == ["–", "–"]
    assert cells[" ".join(NAMES[1].split())] == ["0.300of 4", "0.300of 4"]


def test_of_many_confusions_the_first_stand_open() -> None:
    html = rendered(full_evaluation(), [])
    tables = [table for table in Page(html).tables if table[0][0] == "Missed"]
    assert [len(table) - 1 for table in tables] == [10, 2]
    assert [" ".join(cell.split()) for cell in tables[0][1][2:]] == ["3 of 4", "75%"]
    assert "2 more pairs" in html


def test_calibration_shows_every_number_of_its_figure() -> None:
    html = rendered(full_evaluation(), [])
    page = Page(html)
    assert page.table("Calibration error") == [
        ["as the model gives them", "0.031", "0.030 0.020–0.040"],
        ["calibrated", "0.004", "0.030 0.020–0.040"],
    ]
    assert page.table("Probabilities calibrated")[2] == ["0.600", "0.600 0.500–0.700", "100"]
    assert page.table("Calibration of each label")[0][-2:] == ["1.1", "-0.5"]


def test_without_calibrated_probabilities_the_raw_ones_stand_alone() -> None:
    document = full_evaluation()
    for row in (document["calibration"]["overall"], *document["calibration"]["labels"].values()):
        row.update(calibrated=None)
    page = Page(rendered(document, []))
    assert len(page.table("Calibration error")) == 1
    assert len(page.table("Calibration of each label")[0]) == 3


def test_a_threshold_chosen_for_a_requirement_says_why() -> None:
    (row,) = Page(rendered(full_evaluation(), [])).table("Requirements")
    assert row[1:3] == ["recall >= 0.8", "likely"]
    assert row[3].startswith("6 of 7 positives are found, <i>which</i>")


def test_errors_are_folded_and_hold_the_whole_text() -> None:
    html = rendered(full_evaluation(), [])
    assert "<details open" not in html
    text = plain(html)
    assert LONG.strip() in text
    assert "row 2 · probability 0.125, decided from 0.25 · given: &lt;script&gt;" in text
    assert "is given; the model does not expect it." in text
    assert html.count('<details class="quoted">') == 1, "only the long one is cut"


def test_a_text_beyond_all_measure_is_cut_and_the_page_stays_small() -> None:
    document = full_evaluation()
    huge = [item("x" * 100_000, row) for row in range(10)]
    mistakes = {f"label {number}": {"misses": huge, "false_alarms": huge} for number in range(60)}
    document["mistakes"] = {"labels": mistakes, "suspects": []}
    for name in mistakes:
        document["labels"][name] = label(40, 0.4)
        document["thresholds"]["labels"][name] = document["thresholds"]["labels"][NAMES[0]]
    html = rendered(document, [])
    assert len(html.encode()) < 3_000_000
    assert html.count("x" * MOST_LETTERS + "<") == 60 * 20
    assert "The rest stands in the table." in html


def test_without_forest_positives_or_events() -> None:
    document = evaluation()
    for name in ("primary", "secondary"):
        del document["overall"][name]
    document["overall"]["macro"] = figures(None)
    document["hierarchy"].update(edges=[], coherence=None, violations_before=[])
    document["labels"] = {"only": label(0, None)}
    document["tiers"] = {"severe": {"labels": 1, **figures(None)}}
    html = rendered(document, [])
    text = plain(html)
    assert "Severe labels (1): no positives here, so nothing can be said." in text
    assert "Hierarchy" not in text
    assert 'id="labels"' in html and 'id="training"' not in html


def test_intervals_are_drawn_where_they_are() -> None:
    document = evaluation()
    without = rendered(document, [])
    document["labels"][NAMES[2]]["f1"] = figure(0.8, 0.71, 0.86)
    html = rendered(document, [])
    assert "0.710–0.860" in html
    (low, high) = re.findall(r'class="span" d="M([\d.]+) 6H([\d.]+)"', html)[0]
    assert (float(low), float(high)) == (round(96 * 0.71, 1), round(96 * 0.86, 1))
    assert without.count('class="span"') == 0


def test_how_it_was_trained_and_how_to_repeat_it_are_said() -> None:
    text = plain(rendered(evaluation(), [START]))
    assert "&lt;i&gt;encoder&lt;/i&gt; on cpu, 256 tokens of a text" in text
    assert "3 epochs, 300 steps, 9,000 texts" in text
    command = "imbtool evaluate &#39;runs/&lt;b&gt;first&lt;/b&gt;/checkpoint&#39; --split test"
    assert command in text
    document = evaluation()
    document["data"].update(split="fresh", source="fresh.csv")
    assert "checkpoint&#39; --data fresh.csv" in plain(rendered(document, []))
    options = (
        "--against &#39;runs/&lt;b&gt;old&lt;/b&gt;&#39; --by &#39;&lt;u&gt;source&lt;/u&gt;&#39;"
    )
    gates = f"--require &#39;recall:{NAMES[2]}&gt;=0.7&#39; --require"
    assert f"--split test {options} {gates}" in plain(rendered(full_evaluation(), []))


def test_each_point_of_the_f1_figure_is_a_link_that_names_its_label() -> None:
    document = full_evaluation()
    figure = re.findall(r"<svg [^>]*>", rendered_with_figures(document, []))
    assert [svg for svg in figure if 'role="group"' in svg and 'aria-label="F1 of each' in svg]
    html = rendered_with_figures(document, [])
    links = dict(re.findall(r'<a href="(#label-\d)" aria-label="([^"]*)"', html))
    assert {link: text.partition(": F1")[2] for link, text in links.items()} == {
        "#label-2": " 0.000, 3 training positives",
        "#label-3": " 0.400, 40 training positives",
        "#label-4": " 0.800, 900 training positives",
    }, "the label without an F1 has no point"
    assert links["#label-4"].startswith(NAMES[2])


def test_a_figure_that_was_not_drawn_is_absent() -> None:
    html = rendered(full_evaluation(), [START])
    assert "Figure:" not in html and 'id="by-positives"' not in html
    regions = re.findall(
        'aria-label="(Figure: [^"]*)"', rendered_with_figures(evaluation(), [START])
    )
    assert regions == [
        "Figure: F1 by training positives",
        "Figure: calibration",
        "Figure: training",
    ]


def test_ids_are_unique_on_a_page_with_figures() -> None:
    page = Page(rendered_with_figures(full_evaluation(), [epoch(1, 0.5, True)]))
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_control_characters_in_a_name_are_escapes_in_the_figure() -> None:
    document = evaluation(labels={"bell\x07 \ufffe": label(40, 0.5)})
    assert "bell\\x07 \\ufffe</text>" in rendered_with_figures(document, [])


def test_many_labels_leave_the_page_small() -> None:
    document = evaluation()
    document["labels"] = {
        f"label {number}": {**label(40 + number, 0.4), "f1": figure(0.4, 0.1, 0.7)}
        for number in range(1000)
    }
    without, whole = rendered(document, []), rendered_with_figures(document, [])
    assert len(whole) - len(without) < 1_000_000


def test_the_losses_and_figures_of_each_epoch_are_a_table_too() -> None:
    events = [START, epoch(1, 0.5, True), epoch(2, 0.25, True, validation_loss=None)]
    assert Page(rendered(evaluation(), events)).table("Figures of each epoch") == [
        ["1", "0.5", "0.6", "0.300", "0.100"],
        ["2", "0.25", "–", "0.300", "0.100"],
    ]


def test_a_failed_page_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_evaluation_page(typed(evaluation()), [], {}, path)
    before = path.read_text(encoding="utf-8")
    broken: Any = {"f1": "no figure"}
    with pytest.raises(AttributeError):
        write_evaluation_page(typed(evaluation()), [], broken, path)
    assert path.read_text(encoding="utf-8") == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]

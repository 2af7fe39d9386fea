"""What a person sees of prevalence: the table, what it rests on, and the picture."""

from pathlib import Path

import pytest
from figurefiles import require_picture
from prevalences import prevalence, sample, share
from screens import printed

from imbtool.monitoring.prevalence_document import Prevalence
from imbtool.report.console.prevalence import (
    ASSUMED,
    DESIGNED,
    percent,
    prevalence_views,
    sample_views,
)
from imbtool.report.figures.figure import write_png
from imbtool.report.figures.prevalence import draw_prevalence


def screen(document: Prevalence) -> list[str]:
    return [" ".join(line.split()) for line in printed(prevalence_views(document)).splitlines()]


def test_each_label_has_its_share_and_a_withheld_one_its_bound_and_reason():
    lines = screen(prevalence())
    assert "threat 1.23% 0.40% to 3.10% 4.00%" in lines
    assert "spam withheld at most 20.0% 4.00% Few texts." in lines


def test_a_withheld_label_may_have_no_bound():
    lines = screen(prevalence({"spam": share(None, 0.0, 1.0, "withheld", "No text.")}))
    assert "spam withheld no bound 4.00% No text." in lines


def test_it_says_whether_the_figures_rest_on_scores_or_answers():
    by_scores = " ".join(screen(prevalence()))
    by_answers = " ".join(
        screen(prevalence({"a": share(0.1, 0.0, 0.2, "answers", positives=7)}, answers=90))
    )
    assert ASSUMED in by_scores and DESIGNED not in by_scores
    assert DESIGNED in by_answers and ASSUMED not in by_answers
    assert "a 10.0% 0.000% to 20.0% 4.00% 7" in by_answers


def test_texts_without_an_answer_are_told():
    first = screen(prevalence(answers=90, unanswered=10))[0]
    assert first.startswith("The stream has 1,200 texts. 90 texts of the sample were answered. 10")
    assert "were not" not in screen(prevalence(answers=90, unanswered=0))[0]


def test_each_group_has_a_table_of_its_own():
    lines = screen(prevalence(groups=2))
    assert [line for line in lines if line.startswith("month")] == [
        "month = 2026-01 (100 texts)",
        "month = 2026-02 (100 texts)",
    ]


def test_a_sample_says_for_which_labels_it_gains_nothing():
    assert "gains nothing" not in printed(sample_views(sample(worth=1.5)))
    told = printed(sample_views(sample(worth=1.0)))
    assert "For 1 label the sample gains nothing over as many random texts: threat." in told
    assert "threat" in told and "4.2" in told and "1.0 random ones" in told


@pytest.mark.parametrize(
    ("value", "text"), [(0.25, "25.0%"), (0.0125, "1.25%"), (0.0004, "0.040%"), (0.0, "0.000%")]
)
def test_rare_shares_have_more_digits(value: float, text: str):
    assert percent(value) == text


@pytest.mark.parametrize("groups", [0, 1, 30])
@pytest.mark.filterwarnings("error")
def test_any_prevalence_can_be_drawn(groups: int, tmp_path: Path):
    write_png(draw_prevalence(prevalence(groups=groups)), tmp_path / "drawn.png")
    require_picture(tmp_path / "drawn.png")


def test_the_rarest_of_many_labels_are_drawn():
    labels = {f"label {n}": share(n / 100, n / 200, n / 60) for n in range(50)}
    (axes,) = draw_prevalence(prevalence(labels)).axes
    assert axes.get_title(loc="left") == "Prevalence: the 40 rarest of 50 labels"
    assert [text.get_text() for text in axes.get_yticklabels()][:2] == ["label 0", "label 1"]


def test_the_axis_shows_small_shares_as_they_are():
    (axes,) = draw_prevalence(prevalence()).axes
    shown = axes.xaxis.get_major_formatter()
    assert [shown(share, 0) for share in (1e-4, 0.01, 1.0)] == ["0.01%", "1%", "100%"]

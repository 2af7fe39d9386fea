"""What a person is told of a stream: three sentences, alarms in words, the next command."""

from pathlib import Path

import pytest
from screens import printed

from imbtool.evaluation.document import Estimate
from imbtool.monitoring.monitor_document import (
    AdaptedThreshold,
    DriftTest,
    Monitored,
    MonitoredLabel,
    UnlikeText,
)
from imbtool.report.console.monitor import monitor_views
from imbtool.report.monitor import (
    monitor_verdict,
    next_step,
    render_monitor_markdown,
    write_monitored,
)

NOTHING = Estimate(value=None, low=None, high=None)
EVIL = "<b>|x`"


def drift(kind: str, before: float, now: float, label: str | None = None, p: float = 1.0):
    return DriftTest(
        kind=kind, label=label, reference=before, stream=now, p=p, adjusted=p, alarm=p <= 0.05
    )


def label(recall: float | None = 0.6, basis: str = "validation", **changes: object):
    figure = NOTHING if recall is None else Estimate(value=recall, low=0.4, high=0.8)
    return MonitoredLabel(
        tier="severe",
        threshold=0.4,
        validation_positives=20,
        validation_prevalence=0.01,
        prevalence=figure,
        reference_flagged=4,
        flagged=12,
        precision=figure,
        recall=figure,
        f1=figure,
        basis=basis,
        reason="20 positives on validation",
        adapted=None,
    ).model_copy(update=changes)


def monitored(alarms: tuple[DriftTest, ...] = (), answers: int = 0, **labels: MonitoredLabel):
    labels = labels or {"threats": label(), "spam": label(0.3)}
    texts = [drift(kind, 0.1, 0.1) for kind in ("texts", "new words", "lengths", "cut texts")]
    frequency = [drift("frequency", 0.01, 0.02, name) for name in labels]
    kept = [
        test
        for test in (*texts, *frequency)
        if (test.kind, test.label) not in {(alarm.kind, alarm.label) for alarm in alarms}
    ]
    return Monitored(
        imbtool="0",
        checkpoint="runs/first/checkpoint",
        source="my new.csv",
        fingerprint="0" * 64,
        texts=1_000,
        reference="validation",
        reference_texts=400,
        compared=(400, 1_000),
        answers=answers,
        seed=0,
        tests=[*kept, *alarms],
        unlike=[UnlikeText(row=7, text="odd <i>words</i>")],
        labels=labels,
    )


def said(document: Monitored) -> dict[str, str]:
    return {about: "".join(pieces) for about, pieces in monitor_verdict(document).items()}


def test_three_sentences_say_what_has_changed_what_to_expect_and_what_to_do():
    verdict = said(monitored())
    assert list(verdict) == ["Stream", "Model", "Next"]
    assert "more than chance explains (6 tests)" in verdict["Stream"]
    assert "over 2 labels a recall of 0.45 is to be expected" in verdict["Model"]
    assert "least of spam, 0.30 [.40–.80]" in verdict["Model"]
    assert all(sentence.endswith(".") for sentence in verdict.values())


@pytest.mark.parametrize(
    ("alarm", "words"),
    [
        (drift("texts", 0.5, 0.63, p=0.01), "AUC 0.63"),
        (drift("new words", 0.02, 0.08, p=0.01), "8.0% of the words"),
        (drift("lengths", 20, 31, p=0.01), "31 tokens (median), 20 before"),
        (drift("cut texts", 0.0, 0.1, p=0.01), "10.0% of the texts are too long"),
        (
            drift("frequency", 0.004, 0.02, "spam", 0.01),
            "spam seems to be in 2% of the texts, in 0.4% before (mean probability)",
        ),
        (drift("scores", 0, 0, "spam", 0.01), "with or without spam no longer look"),
    ],
)
def test_an_alarm_is_told_in_words(alarm: DriftTest, words: str):
    assert words in said(monitored((alarm,)))["Stream"]


def test_after_an_alarm_a_sample_is_answered_and_then_texts_are_labelled():
    alarm = drift("texts", 0.5, 0.7, p=0.01)
    command = next_step(monitored((alarm,)))[1]
    assert command == (
        "imbtool prevalence runs/first/checkpoint 'my new.csv' --sample 300 -o 'answers/my new'"
    )
    assert next_step(monitored((alarm,), answers=300))[1].startswith("imbtool find ")
    assert next_step(monitored())[1].startswith("imbtool find ")
    withheld = monitored(threats=label(None, "withheld"))
    assert "--sample 300" in next_step(withheld)[1]


def test_withheld_labels_are_named_and_have_no_figures():
    document = monitored(threats=label(None, "withheld"), spam=label(0.3))
    assert "nothing can be said of 1: threats" in said(document)["Model"]
    assert "| threats | severe | 1% | – | 12 | – | – | – | withheld |" in render_monitor_markdown(
        document
    )


def test_answers_without_a_positive_leave_recall_unknown():
    only = monitored(threats=label(None, "answers"))
    assert said(only)["Model"] == ("Without a positive nothing is known of the recall of threats.")
    both = monitored(threats=label(None, "answers"), spam=label(0.3))
    assert "nothing is known of the recall of threats" in said(both)["Model"]


def test_a_new_threshold_is_shown_beside_its_label():
    new = AdaptedThreshold(threshold=0.71, rule="calibrated", shift=1.0, requirement=None)
    document = monitored(threats=label(adapted=new), spam=label())
    assert "1 label would have another threshold" in said(document)["Model"]
    lines = printed(monitor_views(document)).splitlines()
    assert any("threats" in line and "0.71" in line for line in lines)
    assert any("spam" in line and "the same" in line for line in lines)


def test_names_and_texts_of_others_are_no_markup(tmp_path: Path):
    document = monitored((drift("frequency", 0.1, 0.3, EVIL, 0.01),), **{EVIL: label()})
    page = write_monitored(document, tmp_path).read_text()
    assert EVIL not in page and "<i>words" not in page
    assert "&lt;b&gt;|x`" in page and "odd &lt;i&gt;words" in page
    assert r"&lt;b&gt;\|x\`" in (tmp_path / "monitor.md").read_text()
    assert "http" not in page.replace("http-equiv", "")

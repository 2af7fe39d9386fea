"""What `imbtool monitor` found: three sentences, Markdown, and the files of a folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imbtool.evaluation.document import Estimate
from imbtool.evaluation.estimates import estimate_text
from imbtool.files.json_text import write_json
from imbtool.files.writing import write_text
from imbtool.monitoring.monitor_document import DriftTest, Monitored, MonitoredLabel
from imbtool.report.html.monitor import write_monitor_page
from imbtool.report.markdown import sentence_markdown
from imbtool.report.ownership import our_document, require_ours
from imbtool.report.verdict import Name, Sentence, joined_sentences, name_list
from imbtool.wording import counted, markdown_table, markdown_text

DOCUMENT, PAGE, MARKDOWN = "monitor.json", "monitor.html", "monitor.md"
MOST_ALARMS = 3
SAMPLE = 300
"""Texts to answer, which say enough of most labels."""
BATCH = 200


def monitor_verdict(monitored: Monitored) -> dict[str, Sentence]:
    """What a stream comes to, by the numbers of its document alone.

    Returns:
        A sentence for each of `Stream`, `Model`, `Next`.
    """
    return {
        "Stream": _stream(monitored),
        "Model": _model(monitored),
        "Next": [f"{next_step(monitored)[0]}."],
    }


def next_step(monitored: Monitored) -> tuple[str, str]:
    """Which texts to answer next, in words, and the command for it."""
    place = ("imbtool", monitored.checkpoint, monitored.source)
    stem = Path(monitored.source).stem
    if not monitored.answers and (monitored.alarms or _withheld(monitored)):
        words = f"Answer a sample of {SAMPLE} texts, which shows what the model is worth here"
        options = ("--sample", str(SAMPLE), "-o", f"answers/{stem}")
        return words, shlex.join((place[0], "prevalence", *place[1:], *options))
    words = "Nothing has to be done; label more texts of rare labels to make the model better"
    if monitored.alarms:
        words = "Label texts of this stream and train again, so that the model knows them"
    options = ("-n", str(BATCH), "-o", f"batches/{stem}")
    return words, shlex.join((place[0], "find", *place[1:], *options))


def alarm_words(test: DriftTest) -> Sentence:
    """What a test has found."""
    before, now = test.reference or 0.0, test.stream or 0.0
    label = Name(test.label or "")
    match test.kind:
        case "texts":
            return [f"a classifier tells the texts apart (AUC {now:.2f}, 0.50 is not at all)"]
        case "new words":
            return [f"{now:.1%} of the words are not in the training texts, {before:.1%} before"]
        case "lengths":
            return [f"texts have {now:.0f} tokens (median), {before:.0f} before"]
        case "cut texts":
            return [f"{now:.1%} of the texts are too long for the model, {before:.1%} before"]
        case "frequency":
            shares = f"{_percent(now)} of the texts, in {_percent(before)} before"
            return [label, f" seems to be in {shares} (mean probability)"]
    return ["texts with or without ", label, " no longer look as they did"]


def render_monitor_markdown(monitored: Monitored) -> str:
    """monitor.md, in GitHub's flavour."""
    said = (
        f"- **{about}.** {sentence_markdown(sentence)}"
        for about, sentence in monitor_verdict(monitored).items()
    )
    titles = ("label", "tier", "validation", "now", "flagged", "precision", "recall", "F1", "basis")
    rows = (
        (
            markdown_text(name),
            label.tier,
            _percent(label.validation_prevalence),
            share_text(label.prevalence),
            f"{label.flagged:,}",
            *(estimate_text(figure) for figure in (label.precision, label.recall, label.f1)),
            label.basis,
        )
        for name, label in monitored.rarest_first()
    )
    parts = [
        f"## {markdown_text(monitored.source)} beside {markdown_text(monitored.reference)}",
        "\n".join(said),
        f"`{next_step(monitored)[1]}`",
        "### Labels, rarest first",
        markdown_table(titles, rows, left=2),
        f"{counted(monitored.texts, 'text')}; shares and metrics with their 95% intervals. "
        f"Checkpoint {markdown_text(monitored.checkpoint)}, stream {monitored.fingerprint[:12]}.",
    ]
    return "\n\n".join(parts) + "\n"


def write_monitored(monitored: Monitored, folder: Path) -> Path:
    """Write monitor.json, the page and the Markdown; return the page."""
    write_json(folder / DOCUMENT, monitored)
    verdict, command = monitor_verdict(monitored), next_step(monitored)[1]
    alarms = [alarm_words(test) for test in monitored.alarms]
    write_monitor_page(monitored, verdict, alarms, command, folder / PAGE)
    write_text(folder / MARKDOWN, render_monitor_markdown(monitored))
    return folder / PAGE


def require_monitor_unwritten(folder: Path) -> None:
    """Check that a folder has no file that would be replaced but was not written by imbtool.

    Raises:
        UserError: it has, or its name is not UTF-8.
    """
    names = (DOCUMENT, PAGE, MARKDOWN)
    document = our_document(folder / DOCUMENT, _is_monitored)
    require_ours(folder, names, names if document else ())


def share_text(share: Estimate) -> str:
    """A share with its interval in percent, `1.2% [0.8–1.9]`; a dash where it is undefined."""
    if share.value is None or share.low is None or share.high is None:
        return "–"
    return f"{share.value:.1%} [{100 * share.low:.1f}–{100 * share.high:.1f}]"


def _is_monitored(document: Any) -> bool:
    return isinstance(document["tests"], list) and "reference_texts" in document


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.1 else f"{100 * share:.2g}%"


def _stream(monitored: Monitored) -> Sentence:
    alarms = monitored.alarms
    if not alarms:
        tests = counted(len(monitored.tests), "test")
        name = Name(monitored.reference)
        return ["Nothing differs from ", name, f" more than chance explains ({tests})."]
    found = joined_sentences([alarm_words(test) for test in alarms[:MOST_ALARMS]], "; ")
    more = len(alarms) - MOST_ALARMS
    first = ["It differs from ", Name(monitored.reference), ": ", *found]
    return [*first, f"; and {counted(more, 'more alarm')}." if more > 0 else "."]


def _model(monitored: Monitored) -> Sentence:
    rows = [(name, of) for name, of in monitored.rarest_first() if of.recall.value is not None]
    withheld, unmet = _withheld(monitored), monitored.unmet
    parts: list[Sentence] = []
    if rows:
        precision, recall = (_mean(rows, measure) for measure in ("precision", "recall"))
        of = counted(len(rows), "label")
        parts.append([f"on average over {of} a recall of {recall:.2f} is to be expected"])
        if precision is not None:
            parts[0].append(f" and a precision of {precision:.2f}")
        name, least = min(rows, key=lambda row: row[1].recall.value or 0.0)
        parts.append(["least of ", Name(name), f", {estimate_text(least.recall)}"])
    if withheld:
        parts.append([f"nothing can be said of {len(withheld)}: ", *name_list(withheld)])
    said = {*withheld, *(name for name, _ in rows)}
    without = [name for name, _ in monitored.rarest_first() if name not in said]
    if without:
        parts.append(["without a positive nothing is known of the recall of ", *name_list(without)])
    if unmet:
        parts.append(["what is required cannot be kept for ", *name_list(unmet)])
    changed = sum(label.adapted is not None for label in monitored.labels.values())
    if changed:
        parts.append([f"{counted(changed, 'label')} would have another threshold (--adapt)"])
    sentence = joined_sentences(parts, "; ")
    return [f"{sentence[0][:1].upper()}{sentence[0][1:]}", *sentence[1:], "."]


def _mean(rows: Sequence[tuple[str, MonitoredLabel]], measure: str) -> float | None:
    values = [getattr(label, measure).value for _, label in rows]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _withheld(monitored: Monitored) -> list[str]:
    return [name for name, label in monitored.rarest_first() if label.basis == "withheld"]

"""A monitored stream as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from imbtool.files.writing import write_text
from imbtool.monitoring.monitor_document import Kind, Monitored
from imbtool.report.html.environment import make_environment
from imbtool.report.verdict import Sentence

TESTS: dict[Kind, str] = {
    "texts": "Can a classifier tell the texts apart (AUC)?",
    "new words": "Share of words that training lacks",
    "lengths": "Tokens of a text, median",
    "cut texts": "Share of texts that are too long for the model",
}
"""The tests of the texts, in words."""


def write_monitor_page(
    monitored: Monitored,
    verdict: Mapping[str, Sentence],
    alarms: Sequence[Sentence],
    command: str,
    path: Path,
) -> None:
    """Write the page of a stream.

    Args:
        monitored: the document.
        verdict: its three sentences.
        alarms: what each alarm says.
        command: what to do next.
        path: of the HTML file.
    """
    tests = {(test.kind, test.label): test for test in monitored.tests}
    page = make_environment().get_template("monitor.html")
    content = page.render(
        **dict(monitored),
        verdict=verdict,
        alarms=alarms,
        command=command,
        rows=monitored.rarest_first(),
        of_texts=[(words, tests[(kind, None)]) for kind, words in TESTS.items()],
        by_label=tests,
    )
    write_text(path, content)

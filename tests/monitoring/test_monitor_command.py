"""A stream beside validation through the command: figures, alarms, adapted thresholds, refusals."""

import json
import random
import re
from pathlib import Path

import pytest
from conftest import KEY_WORDS, Imbtool, make_row, read_csv, write_csv

from imbtool.monitoring.monitor_document import Monitored
from imbtool.monitoring.prevalence_document import Prevalence
from imbtool.trained.metadata import read_meta

RUN, STREAM = "runs/first", "stream.csv"
TEXTS = 300
FILES = ("monitor.json", "monitor.html", "monitor.md")


@pytest.fixture
def stream(project: Path) -> list[dict[str, str]]:
    """Texts as those of training; returned with the labels that they have."""
    rng = random.Random(3)
    rows = [make_row(rng, f"s{number}") for number in range(TEXTS)]
    write_csv(project / STREAM, [{"text": row["text"]} for row in rows])
    return rows


def read(folder: str) -> Monitored:
    return Monitored.model_validate_json(Path(folder, "monitor.json").read_text())


def test_every_label_has_figures_or_a_reason_and_every_test_a_verdict(
    stream: list[dict[str, str]], imbtool: Imbtool
):
    done = imbtool("monitor", RUN, STREAM, "-o", "out")
    assert done.exit_code == 0, done.stderr
    monitored = read("out")
    assert list(monitored.labels) == sorted(KEY_WORDS)
    for label in monitored.labels.values():
        assert label.reason
        for figure in (label.recall, label.f1):
            assert (figure.value is None) == (label.basis == "withheld")
    kinds = [test.kind for test in monitored.tests]
    assert kinds[:4] == ["texts", "new words", "lengths", "cut texts"]
    assert kinds.count("frequency") == kinds.count("scores") == len(KEY_WORDS)
    page, markdown = (Path("out", name).read_text() for name in FILES[1:])
    for name in KEY_WORDS:
        assert name in page and name in markdown
    assert "next: imbtool" in done.stderr.splitlines()[-1]


def test_json_is_the_document_alone_and_holds_no_text_that_is_private(
    stream: list[dict[str, str]], imbtool: Imbtool
):
    done = imbtool("monitor", RUN, STREAM, "--json", "--no-texts")
    unlike = json.loads(done.stdout)["unlike"]
    assert len(unlike) == 10
    assert {each["text"] for each in unlike} == {None}


def test_texts_of_another_kind_stop_the_gate(project: Path, imbtool: Imbtool):
    words = ["zyx", "wvut", "srqp", "onm", "lkji"]
    rng = random.Random(0)
    texts = [" ".join(rng.choices(words, k=30)) for _ in range(TEXTS)]
    write_csv(project / STREAM, [{"text": text} for text in texts])
    done = imbtool("monitor", RUN, STREAM, "--gate", "-o", "out")
    assert done.exit_code == 1, done.stderr
    alarms = {test.kind for test in read("out").alarms}
    assert "new words" in alarms
    assert "--sample 300" in done.stderr.splitlines()[-1]


def test_a_stream_is_compared_with_the_reference_that_is_named(
    stream: list[dict[str, str]], imbtool: Imbtool
):
    done = imbtool("monitor", RUN, STREAM, "--reference", STREAM, "--gate", "-o", "out")
    assert done.exit_code == 0, done.stderr
    monitored = read("out")
    assert (monitored.reference, monitored.reference_texts) == (STREAM, TEXTS)
    assert not monitored.alarms
    frequency = [test for test in monitored.tests if test.kind == "frequency"]
    assert all(test.reference == test.stream for test in frequency)
    assert all(label.reference_flagged == label.flagged for label in monitored.labels.values())


def test_answers_take_the_place_of_the_assumption(stream: list[dict[str, str]], imbtool: Imbtool):
    assert imbtool("prevalence", RUN, STREAM, "--sample", 120, "-o", "sample").exit_code == 0
    truth = {row["text"]: row["labels"] for row in stream}
    given = read_csv(Path("sample/batch.csv"))
    for row in given:
        row["labels"] = truth[row["text"]] or "none"
    write_csv(Path("sample/batch.csv"), given)
    done = imbtool("monitor", RUN, STREAM, "--answers", "sample/batch.csv", "-o", "out")
    assert done.exit_code == 0, done.stderr
    monitored = read("out")
    assert monitored.answers == 120
    answered = [label for label in monitored.labels.values() if label.basis == "answers"]
    shown = imbtool("prevalence", RUN, STREAM, "--answers", "sample/batch.csv", "--json")
    shares = Prevalence.model_validate_json(shown.stdout).labels
    for name, label in monitored.labels.items():
        if label.basis == "answers":
            assert label.prevalence == shares[name].prevalence
    write_csv(Path("other.csv"), [{"text": row["text"]} for row in stream[1:]])
    refused = imbtool("monitor", RUN, "other.csv", "--answers", "sample/batch.csv")
    assert refused.exit_code == 2
    assert "other texts than those of the sample" in refused.stderr
    assert answered
    assert all("answered texts" in label.reason for label in answered)
    figures = {
        name: (label.precision.high or 1.0, label.basis) for name, label in monitored.labels.items()
    }
    weak = min((name for name in figures if figures[name][1] == "answers"), key=figures.__getitem__)
    assert figures[weak][0] < 0.98
    asked = f"thresholds:\n  require: {{{weak}: {{precision: 0.99}}}}\n"
    own = Path(RUN, "profile.yaml")
    own.write_text(re.sub(r"thresholds:\n(?:  .*\n)+", asked, own.read_text()))
    done = imbtool("monitor", RUN, STREAM, "--answers", "sample/batch.csv", "--gate", "-o", "out")
    assert done.exit_code == 1, done.stderr
    assert weak in read("out").unmet
    assert read("out").labels[weak].broken


def test_an_adapted_checkpoint_has_the_new_thresholds_and_leaves_the_old_one_alone(
    project: Path, imbtool: Imbtool
):
    common = max(
        KEY_WORDS,
        key=lambda name: sum(name in row["labels"] for row in read_csv(project / "train.csv")),
    )
    rng = random.Random(5)
    rows = [make_row(rng, f"s{number}") for number in range(3_000)]
    kept = [row for row in rows if common in row["labels"].split("|") or rng.random() < 0.05]
    write_csv(project / STREAM, [{"text": row["text"]} for row in kept or rows])
    before = Path(RUN, "checkpoint/imbtool.json").read_bytes()
    done = imbtool("monitor", RUN, STREAM, "--adapt", "-o", f"{RUN}/adapted")
    assert Path(RUN, "checkpoint/imbtool.json").read_bytes() == before
    assert done.exit_code == 0, done.stderr
    adapted, old = read_meta(Path(RUN, "adapted")), read_meta(Path(RUN, "checkpoint"))
    monitored = read(f"{RUN}/adapted")
    assert any(label.adapted for label in monitored.labels.values())
    for name, label in monitored.labels.items():
        expected = label.adapted.threshold if label.adapted else old.labels[name].threshold
        assert adapted.labels[name].threshold == expected
    assert imbtool("predict", f"{RUN}/adapted", STREAM, "-o", "p.csv").exit_code == 0


def test_what_was_found_is_shown_even_where_nothing_can_be_adapted(
    project: Path, imbtool: Imbtool
) -> None:
    done = imbtool("monitor", "runs/first", "validation.csv", "--adapt", "-o", "adapted")
    assert done.exit_code == 2
    assert "no label whose threshold would change" in done.stderr
    assert "Nothing differs from validation" in done.stdout
    assert not Path("adapted").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--adapt"], "no folder"),
        (["--adapt", "-o", "runs"], "a folder"),
        (["-o", "notes"], "imbtool did not write"),
    ],
)
def test_what_would_be_lost_is_refused(
    stream: list[dict[str, str]], imbtool: Imbtool, options: list[str], said: str
):
    Path("notes").mkdir()
    Path("notes/monitor.md").write_text("mine")
    done = imbtool("monitor", RUN, STREAM, *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert Path("notes/monitor.md").read_text() == "mine"

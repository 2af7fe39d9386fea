"""What people read: the texts that find most, once for all labels, and what they miss."""

import json
import random
from pathlib import Path

import pytest
from conftest import KEY_WORDS, Imbtool, make_row, read_csv, write_csv

from imbtool.annotation.batch import read_batch
from imbtool.monitoring.queue import Queue
from imbtool.trained.checkpoint import read_checkpoint

RUN, STREAM = "runs/first", "stream.csv"
TEXTS = 200


@pytest.fixture
def stream(project: Path) -> list[str]:
    """Texts as those of training."""
    rng = random.Random(4)
    texts = [make_row(rng, f"s{number}")["text"] for number in range(TEXTS)]
    write_csv(project / STREAM, [{"text": text} for text in texts])
    return texts


def test_a_queue_is_a_batch_that_can_be_answered(stream: list[str], imbtool: Imbtool):
    done = imbtool("queue", RUN, STREAM, "-n", 40, "-o", "queues/today")
    assert done.exit_code == 0, done.stderr
    batch, rows = read_batch(Path("queues/today")), read_csv(Path("queues/today/batch.csv"))
    assert len(rows) == len({row["id"] for row in rows}) == 40
    assert {row["text"] for row in rows} <= set(stream)
    scores = [text.score for text in batch.texts]
    assert scores == sorted(scores, reverse=True)
    assert all(text.ask and text.inclusion_probability is None for text in batch.texts)
    assert Path("queues/today/queue.png").stat().st_size > 1000
    assert "imbtool merge" in done.stderr.splitlines()[-1]


def test_the_texts_of_a_queue_are_those_that_its_thresholds_choose(
    stream: list[str], imbtool: Imbtool
):
    done = imbtool("queue", RUN, STREAM, "-n", 40, "-o", "q", "--json")
    queue = Queue.model_validate_json(done.stdout)
    probabilities = read_checkpoint(Path(RUN)).probabilities(stream)
    cuts = [label.threshold or 2.0 for label in queue.labels.values()]
    chosen = {
        text
        for text, row in zip(stream, probabilities, strict=True)
        if (row >= [cut * (1 - 1e-5) for cut in cuts]).any()
    }
    assert chosen == {row["text"] for row in read_csv(Path("q/batch.csv"))}


def test_more_readers_find_more_and_all_texts_hold_everything(stream: list[str], imbtool: Imbtool):
    done = imbtool("queue", RUN, STREAM, "-n", TEXTS, "-o", "q", "--json")
    queue = Queue.model_validate_json(done.stdout)
    recalls = [point.recall for point in queue.course]
    assert recalls == sorted(recalls)
    assert queue.course[-1].texts == queue.read == TEXTS
    for label in queue.labels.values():
        assert (label.recall.value is None) == bool(label.reason)
        if label.recall.value is not None:
            # nobody is left who could be missed
            assert (label.recall.low, label.missed.high) == (1, 0)


def test_texts_are_read_for_the_labels_that_are_asked_for(stream: list[str], imbtool: Imbtool):
    name = sorted(KEY_WORDS)[0]
    done = imbtool("queue", RUN, STREAM, "-n", 10, "-o", "q", "--label", name, "--json")
    document = json.loads(done.stdout)
    asked = {label for text in read_batch(Path("q")).texts for label in text.ask}
    assert asked == {name}
    assert {key for key, label in document["labels"].items() if label["threshold"]} == {name}


def test_a_label_that_the_model_lacks_is_refused_with_the_nearest(
    stream: list[str], imbtool: Imbtool
):
    name = sorted(KEY_WORDS)[0]
    done = imbtool("queue", RUN, STREAM, "-n", 10, "-o", "q", "--label", f"{name}x")
    assert done.exit_code == 2
    assert f"did you mean {name!r}" in done.stderr
    assert not Path("q").exists()


def test_a_queue_that_cannot_be_drawn_leaves_no_folder(
    stream: list[str], imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("imbtool.report.figures.figure.write_png", full)
    assert imbtool("queue", RUN, STREAM, "-n", 10, "-o", "q").exit_code != 0
    assert not Path("q").exists()


def test_a_folder_that_is_there_is_refused(stream: list[str], imbtool: Imbtool):
    Path("q").mkdir()
    assert imbtool("queue", RUN, STREAM, "-n", 10, "-o", "q").exit_code == 2

"""A stream through the command: estimates by scores, a sample, its answers, and what is refused."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from conftest import KEY_WORDS, Imbtool, make_row, read_csv, write_csv

from imbtool.annotation.batch import read_batch
from imbtool.monitoring.prevalence_document import Prevalence, Sample, read_sample

RUN, STREAM = "runs/first", "stream.csv"
TEXTS = 400


@pytest.fixture
def stream(project: Path) -> list[dict[str, str]]:
    """Texts that nobody has labelled, in two months; returned with the labels that they have."""
    rng = random.Random(3)
    rows = [make_row(rng, f"s{number}") for number in range(TEXTS)]
    months = [{"text": row["text"], "month": f"0{n % 2 + 1}"} for n, row in enumerate(rows)]
    write_csv(project / STREAM, months)
    return rows


def draw(imbtool: Imbtool, *more: object) -> Sample:
    drawn = imbtool("prevalence", RUN, STREAM, "--sample", 80, "-o", "sample", *more)
    assert drawn.exit_code == 0, drawn.stderr
    return read_sample(Path("sample"))


def answer(rows: list[dict[str, str]], keep: int = TEXTS) -> None:
    """Fill in batch.csv as one who reads the first texts does."""
    table = Path("sample/batch.csv")
    truth = {row["text"]: row["labels"] for row in rows}
    given = read_csv(table)
    for row in given[:keep]:
        row["labels"] = truth[row["text"]] or "none"
    write_csv(table, given)


def test_every_label_has_a_share_or_a_reason_and_a_bound(
    stream: list[dict[str, str]], imbtool: Imbtool
):
    done = imbtool("prevalence", RUN, STREAM, "-o", "out")
    assert done.exit_code == 0, done.stderr
    document = Prevalence.model_validate_json(Path("out/prevalence.json").read_text())
    assert document.texts == TEXTS
    assert list(document.labels) == sorted(KEY_WORDS)
    for label in document.labels.values():
        share = label.prevalence
        assert share.low is not None and share.high is not None
        if label.method == "withheld":
            assert share.value is None and label.reason
        else:
            assert share.value is not None and share.low <= share.value <= share.high
    assert Path("out/prevalence.png").stat().st_size > 1000
    assert "--sample 300" in done.stderr.splitlines()[-1]


def test_json_is_the_document_alone(stream: list[dict[str, str]], imbtool: Imbtool):
    done = imbtool("prevalence", RUN, STREAM, "--by", "month", "--json", "-o", "out")
    document = json.loads(done.stdout)
    assert document == json.loads(Path("out/prevalence.json").read_text())
    assert [group["value"] for group in document["groups"]] == ["01", "02"]
    assert [group["texts"] for group in document["groups"]] == [TEXTS // 2] * 2
    assert document["groups"][0]["labels"].keys() == document["labels"].keys()


def test_a_sample_is_a_batch_with_known_inclusion_probabilities(
    stream: list[dict[str, str]], imbtool: Imbtool
):
    sample = draw(imbtool, "--format", "label-studio")
    batch, rows = read_batch(Path("sample")), read_csv(Path("sample/batch.csv"))
    assert len(batch.texts) == len(rows) == len(sample.sampled) == sum(sample.draws) == 80
    texts = {row["text"] for row in stream}
    assert all(row["text"] in texts and row["labels"] == "" for row in rows)
    chance = {
        text.id: sample.draws[text.stratum] / sample.sizes[text.stratum] for text in sample.sampled
    }
    assert {text.id: text.inclusion_probability for text in batch.texts} == chance
    # so that each text of the stream counts once
    assert sum(1 / value for value in chance.values()) == pytest.approx(TEXTS)
    assert list(Path("sample").glob("label-studio-*"))


def test_answers_give_the_shares_of_the_stream(stream: list[dict[str, str]], imbtool: Imbtool):
    draw(imbtool)
    answer(stream)
    done = imbtool("prevalence", RUN, STREAM, "--answers", "sample/batch.csv", "--json")
    assert done.exit_code == 0, done.stderr
    document = Prevalence.model_validate_json(done.stdout)
    assert (document.answers, document.unanswered) == (80, 0)
    truth = {
        name: np.mean([name in row["labels"].split("|") for row in stream]) for name in KEY_WORDS
    }
    inside = [
        (label.prevalence.low or 0) <= truth[name] <= (label.prevalence.high or 1)
        for name, label in document.labels.items()
    ]
    assert sum(inside) >= len(inside) - 1
    assert {label.method for label in document.labels.values()} == {"answers"}
    for child, parent in (("threats", "violence"), ("insults", "abuse")):
        shares = [document.labels[name].prevalence.value or 0.0 for name in (child, parent)]
        assert shares[0] <= shares[1]


def test_texts_without_an_answer_are_counted_and_told(
    stream: list[dict[str, str]], imbtool: Imbtool
):
    draw(imbtool)
    answer(stream, keep=50)
    done = imbtool("prevalence", RUN, STREAM, "--answers", "sample/batch.csv")
    assert done.exit_code == 0, done.stderr
    assert "50 texts of the sample were answered. 30 texts were not" in done.stdout


def test_the_same_seed_draws_the_same_sample(stream: list[dict[str, str]], imbtool: Imbtool):
    first = draw(imbtool)
    for seed, name in ((0, "again"), (1, "other")):
        imbtool("prevalence", RUN, STREAM, "--sample", 80, "--seed", seed, "-o", name)
    assert read_sample(Path("again")).sampled == first.sampled
    assert read_sample(Path("other")).sampled != first.sampled


def refused(imbtool: Imbtool, *words: object) -> str:
    result = imbtool("prevalence", RUN, STREAM, *words)
    assert result.exit_code == 2, result.stdout
    return result.stderr


def test_what_does_not_fit_together_is_refused(stream: list[dict[str, str]], imbtool: Imbtool):
    assert "-o FOLDER" in refused(imbtool, "--sample", 9)
    assert "one of the two" in refused(imbtool, "--sample", 9, "--answers", STREAM, "-o", "s")
    assert "--by alone" in refused(imbtool, "--by", "month", "--answers", STREAM)
    assert "--sample N" in refused(imbtool, "--format", "prodigy")
    assert "label-studio" in refused(imbtool, "--sample", 9, "-o", "s", "--format", "excel")
    assert "no sample.json" in refused(imbtool, "--answers", STREAM)
    assert "a new one" in refused(imbtool, "-o", "runs")


def test_answers_to_a_sample_of_another_stream_are_refused(
    stream: list[dict[str, str]], imbtool: Imbtool
):
    draw(imbtool)
    answer(stream)
    write_csv(Path(STREAM), [{"text": row["text"]} for row in stream[1:]])
    told = refused(imbtool, "--answers", "sample/batch.csv")
    assert "other texts than those of the sample" in told


def test_ties_of_annotators_are_counted_as_half_and_told(
    stream: list[dict[str, str]], imbtool: Imbtool
):
    draw(imbtool)
    answer(stream)
    given = read_csv(Path("sample/batch.csv"))
    other = [{**row, "annotator": "b", "labels": "none"} for row in given]
    write_csv(Path("sample/batch.csv"), [*({**row, "annotator": "a"} for row in given), *other])
    done = imbtool("prevalence", RUN, STREAM, "--answers", "sample/batch.csv", "--json")
    assert done.exit_code == 0, done.stderr
    document = Prevalence.model_validate_json(done.stdout)
    assert document.unanswered == 0
    for name, label in document.labels.items():
        texts = sum(name in row["labels"].split("|") for row in given)
        assert label.positives == 0
        assert f"Annotators tie on {texts} texts, counted as half." in label.reason or texts < 2
        assert bool(label.prevalence.value) == bool(texts)


def test_a_sample_without_an_answer_is_refused(stream: list[dict[str, str]], imbtool: Imbtool):
    draw(imbtool)
    assert "no answer at all" in refused(imbtool, "--answers", "sample/batch.csv")

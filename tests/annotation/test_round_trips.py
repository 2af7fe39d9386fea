"""10,000 texts go out as each tool's tasks and come back as its exports: nothing is lost."""

import json
from collections.abc import Sequence
from pathlib import Path

import batches
import pytest
from batches import HARD, Said, answered, large_batch, write_answers
from exportfiles import write_array, write_lines

from imbtool.annotation.answers import Answer, BatchOf, read_answered
from imbtool.annotation.batch import Batch
from imbtool.annotation.tasks import write_tasks
from imbtool.errors import UserError
from imbtool.formats.cells import neutralised
from imbtool.labels.syntax import joined, needs_list

TEXTS = 10_000
PEOPLE = ["anna", "ben"]


@pytest.fixture(scope="module")
def batch() -> Batch:
    return large_batch(TEXTS)


@pytest.fixture(scope="module")
def said(batch: Batch) -> Said:
    return answered(batch, PEOPLE)


def back(paths: Sequence[Path], batch: Batch) -> Said:
    """What is read of files, by id and annotator."""
    of = BatchOf(Path("batch"), batch, {text.id: text for text in batch.texts})
    found: list[Answer] = []
    for path in paths:
        answers, problems = read_answered(path, [of])
        assert problems == []
        found += answers
    given = [each for each in found if each.labels is not None]
    result = {(each.id, each.annotator or ""): sorted(each.labels or ()) for each in given}
    assert len(result) == len(given)
    return dict(result)


def given(said: Said, who: dict[str, str] | None = None) -> Said:
    """The answers that count, annotators as the export names them."""
    return {
        (id, (who or {}).get(name, name)): sorted(labels)
        for (id, name), labels in said.items()
        if labels is not None
    }


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_label_studio_json(tmp_path, batch, said):
    tasks = json.loads(write_tasks(batch, tmp_path, "label-studio")[0].read_text("utf-8"))
    rows = batches.label_studio_json(tasks, said, PEOPLE)
    assert back([write_array(tmp_path, rows)], batch) == given(said, {"anna": "1", "ben": "2"})


def test_label_studio_json_min_and_csv(tmp_path, batch, said):
    tasks = json.loads(write_tasks(batch, tmp_path, "label-studio")[0].read_text("utf-8"))
    rows = batches.label_studio_min(tasks, said, PEOPLE)
    numbers = {"anna": "1", "ben": "2"}
    assert back([write_array(tmp_path, rows, "min.json")], batch) == given(said, numbers)
    table = write_answers(tmp_path / "min.csv", batches.as_label_studio_csv(rows))
    assert back([table], batch) == given(said, numbers)


def test_prodigy(tmp_path, batch, said):
    tasks = lines(write_tasks(batch, tmp_path, "prodigy")[0])
    rows = batches.prodigy(tasks, said, PEOPLE)
    names = {name: f"batch-{name}" for name in PEOPLE}
    assert back([write_lines(tmp_path, rows)], batch) == given(said, names)


def test_doccano(tmp_path, batch, said):
    tasks = lines(write_tasks(batch, tmp_path, "doccano")[0])
    none = batch.answer.none
    paths = [
        write_lines(tmp_path, batches.doccano(tasks, said, who, none), f"{who}.jsonl")
        for who in PEOPLE
    ]
    assert back(paths, batch) == given(said)


def argilla_rows(tmp_path, batch, said, nested=False):
    records = json.loads(write_tasks(batch, tmp_path, "argilla")[0].read_text("utf-8"))
    return batches.argilla(records, said, PEOPLE, batch.answer.none, nested)


def test_argilla(tmp_path, batch, said):
    assert back([write_array(tmp_path, argilla_rows(tmp_path, batch, said))], batch) == given(said)


def test_argilla_responses_without_a_status_are_refused_as_they_may_be_drafts(
    tmp_path, batch, said
):
    path = write_array(tmp_path, argilla_rows(tmp_path, batch, said, nested=True))
    with pytest.raises(UserError, match="without a status, which may be drafts"):
        back([path], batch)


def cell(labels: list[str] | None, none: str) -> str:
    if labels is None:
        return ""
    return joined(labels, "|", needs_list(labels, "|")) if labels else none


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_batch_csv_of_one_column(tmp_path, batch, said, delimiter):
    rows = [
        {
            "id": neutralised(text.id),
            "text": neutralised(text.cells["text"]),
            "labels": cell(labels, batch.answer.none),
            "annotator": who,
        }
        for text in batch.texts
        for who, labels in batches.of_text(said, text.id, PEOPLE)
    ]
    assert back([write_answers(tmp_path / "batch.csv", rows, delimiter)], batch) == given(said)


def test_batch_csv_of_a_column_a_label_keeps_what_is_unknown(tmp_path):
    labels = [name for name in HARD if "\n" not in name]
    batch = large_batch(TEXTS, labels)
    batch = batch.model_copy(
        update={"answer": batch.answer.model_copy(update={"column": None, "columns": labels})}
    )
    wanted = {}
    rows = []
    for place, text in enumerate(batch.texts):
        flags = {name: ["", "0", "1"][(place + at) % 3] for at, name in enumerate(labels)}
        rows.append({"id": text.id, "text": text.cells["text"], **flags})
        given = tuple(name for name in labels if flags[name] == "1")
        wanted[text.id] = (given, tuple(name for name in labels if flags[name]))
    of = BatchOf(tmp_path, batch, {text.id: text for text in batch.texts})
    answers, problems = read_answered(write_answers(tmp_path / "batch.csv", rows), [of])
    assert problems == []
    assert {each.id: (each.labels, each.asked) for each in answers} == wanted

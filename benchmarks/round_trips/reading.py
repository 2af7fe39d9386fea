"""Exports of tools, read as `imbtool merge` reads them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.round_trips.plan import Answers
from imbtool.annotation.answers import BatchOf, read_answered
from imbtool.annotation.batch import BATCH, Batch
from imbtool.files.writing import write_text


def write_batch(batch: Batch, folder: Path) -> None:
    """Write batch.json, as `imbtool find` does."""
    write_text(folder / BATCH, batch.model_dump_json())


def read_back(path: Path, folder: Path) -> Answers | None:
    """What the people of an export answered to the batch in a folder.

    None for a file that `imbtool merge` refuses, which is printed.
    """
    answers, problems = read_answered(path, [BatchOf.read(folder)])
    for problem in problems:
        print(f"{path.relative_to(folder)}: {problem.found}; {problem.fix}")
    if problems:
        return None
    found: Answers = {}
    for answer in answers:
        labels = None if answer.labels is None else frozenset(answer.labels)
        found[answer.id, answer.annotator] = labels
    return found

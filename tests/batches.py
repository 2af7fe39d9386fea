"""Batches of made-up texts, and answers to them as annotation tools export them."""

import csv
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from imbtool.annotation.batch import AnswerColumns, Batch, BatchText, PoolReport, none_word
from imbtool.files.json_text import write_json

LABELS = ["billing", "threat", "spam"]
HARD = [
    "price, fees",
    'the "quoted" one',
    "it's",
    "a/b",
    "back\\slash",
    "two\nlines",
    "😀 emoji",
    "<tag> & more",
    "[brackets]",
    "none",
    "=1+1",
    "$cost",
    "plain",
]
"""Names that round trips lose easily."""


def batch_text(id: str, text: str, chosen_by: str = "score", **more: Any) -> BatchText:
    drawn = chosen_by == "random"
    return BatchText(
        id=id,
        cells=more.pop("cells", {"text": text}),
        ask=more.pop("ask", [] if drawn else ["threat"]),
        why="among the highest scores for 'threat'",
        score=None if drawn else 0.9,
        chosen_by=chosen_by,
        inclusion_probability=0.1 if drawn else None,
        prefill=more.pop("prefill", None),
    )


def batch_of(
    texts: Sequence[BatchText],
    labels: Sequence[str] = LABELS,
    column: str | None = "labels",
    columns: list[str] | None = None,
) -> Batch:
    answer = AnswerColumns(column=column, separator="|", columns=columns, none=none_word(labels))
    pool = PoolReport(
        source="pool.csv",
        fingerprint="f",
        texts=100,
        population=100,
        labelled=0,
        chosen_before=0,
        repeated=0,
        reserved=0.1,
    )
    return Batch(
        imbtool="0",
        command=[],
        source="profile.yaml",
        seed=0,
        labels=list(labels),
        answer=answer,
        pool=pool,
        needs=[],
        progress=[],
        remaining=[],
        texts=list(texts),
    )


def write_batch(folder: Path, batch: Batch) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "batch.json", batch)
    return folder


def write_answers(path: Path, rows: Iterable[Mapping[str, object]], delimiter: str = ",") -> Path:
    """A filled batch.csv."""
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def large_batch(number: int, labels: Sequence[str] = HARD) -> Batch:
    rng = random.Random(0)
    words = ["zeile\nzwei", "😀", 'say "hi"', "a,b", "it's; fine", "=SUM(A1)", "tab\there", "c/d"]
    texts = [
        batch_text(
            f"{place:05}/x",
            f"{rng.choice(words)} text {place} {rng.choice(words)}",
            "random" if place % 10 == 0 else "score",
            ask=[] if place % 10 == 0 else [labels[place % len(labels)]],
        )
        for place in range(number)
    ]
    return batch_of(texts, labels)


Said = dict[tuple[str, str], list[str] | None]
"""By id and annotator the labels given; None where it was skipped."""


def answered(batch: Batch, annotators: Sequence[str]) -> Said:
    """What annotators say: some skip a text, some give none of the labels."""
    rng = random.Random(1)
    said: Said = {}
    for text in batch.texts:
        for who in annotators:
            if rng.random() < 0.8:
                given = [label for label in batch.labels if rng.random() < 0.15]
                said[text.id, who] = None if rng.random() < 0.1 else given
    return said


def of_text(said: Said, id: str, annotators: Sequence[str]) -> list[tuple[str, list[str] | None]]:
    return [(who, said[id, who]) for who in annotators if (id, who) in said]


def label_studio_json(tasks: list[dict], said: Said, people: Sequence[str]) -> list[dict]:
    """As the export JSON of a project has it."""

    def annotation(number: int, who: str, labels: list[str] | None) -> dict:
        result = {
            "value": {"choices": labels},
            "id": "r",
            "from_name": "labels",
            "to_name": "text",
            "type": "choices",
            "origin": "manual",
        }
        return {
            "id": number,
            "completed_by": people.index(who) + 1,
            "result": [result] if labels else [],
            "was_cancelled": labels is None,
            "ground_truth": False,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "lead_time": 1.5,
        }

    return [
        {
            "id": number,
            "annotations": [
                annotation(1000 * number + place, who, labels)
                for place, (who, labels) in enumerate(
                    of_text(said, task["data"]["imbtool_id"], people)
                )
            ],
            "drafts": [],
            "predictions": task.get("predictions", []),
            "data": task["data"],
            "meta": {},
            "project": 1,
        }
        for number, task in enumerate(tasks, start=1)
    ]


def label_studio_min(tasks: list[dict], said: Said, people: Sequence[str]) -> list[dict]:
    """As JSON-MIN has it: a row an annotation, without those that were cancelled."""
    rows = []
    for task in label_studio_json(tasks, said, people):
        for each in task["annotations"]:
            if each["was_cancelled"]:
                continue
            row = {**task["data"], "id": task["id"]}
            if each["result"]:
                choices = each["result"][0]["value"]["choices"]
                row["labels"] = choices[0] if len(choices) == 1 else {"choices": choices}
            row |= {"annotator": each["completed_by"], "annotation_id": each["id"]}
            row |= {"created_at": "c", "updated_at": "u", "lead_time": 1.5}
            rows.append(row)
    return rows


def as_label_studio_csv(rows: list[dict]) -> list[dict]:
    """As CSV has the same: lists and objects as JSON."""
    names = sorted({name for row in rows for name in row})
    return [
        {
            name: json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | dict) else cell
            for name in names
            for cell in [row.get(name, "")]
        }
        for row in rows
    ]


def prodigy(tasks: list[dict], said: Said, people: Sequence[str]) -> list[dict]:
    rows = []
    for number, task in enumerate(tasks):
        for who, labels in of_text(said, task["imbtool_id"], people):
            own = {"_input_hash": number, "_task_hash": -number, "_view_id": "choice"}
            own |= {"_annotator_id": f"batch-{who}", "_session_id": f"batch-{who}"}
            answer = "ignore" if labels is None else "accept"
            rows.append(
                {**task, **own, "config": {"choice_style": "multiple"}, "accept": labels or []}
                | {"answer": answer, "_timestamp": 1}
            )
    return rows


def doccano(tasks: list[dict], said: Said, who: str, none: str) -> list[dict]:
    """The file of one person; a text that nobody has answered has an empty list."""
    rows = []
    for number, task in enumerate(tasks, start=1):
        labels = said.get((task["imbtool_id"], who))
        given = [] if labels is None else labels or [none]
        about = {key: value for key, value in task.items() if key not in ("text", "label")}
        rows.append(
            {"id": number, "text": task["text"], **about, "label": sorted(given), "Comments": []}
        )
    return rows


def argilla(
    records: list[dict], said: Said, people: Sequence[str], none: str, nested: bool = False
) -> list[dict]:
    """Records of Argilla 2, flat as `to_list(flatten=True)` or nested as `to_json` has them.

    Argilla takes no empty answer, so that of none of the labels is a label. Nested responses have
    no status, and those that were discarded stand among them.
    """
    rows = []
    for record in records:
        given = [(who, labels or [none]) for who, labels in of_text(said, record["id"], people)]
        skipped = [labels is None for _, labels in of_text(said, record["id"], people)]
        if nested:
            responses = [{"value": labels, "user_id": who} for who, labels in given]
            more = {"responses": {"labels": responses} if responses else {}}
            rows.append({**record, **more, "status": "pending", "_server_id": "s"})
            continue
        row = {"id": record["id"], "status": "pending", "_server_id": "s"}
        row |= {**record["fields"], **record["metadata"]}
        if given:
            row["labels.responses"] = [labels for _, labels in given]
            row["labels.responses.users"] = [who for who, _ in given]
            row["labels.responses.status"] = [
                "discarded" if skip else "submitted" for skip in skipped
            ]
        rows.append(row)
    return rows

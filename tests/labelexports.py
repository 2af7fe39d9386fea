"""Whole exports of annotation tools, with all that the tools write beside texts and labels."""

import random
from collections.abc import Sequence

from labeldrafts import Draft, Rows, target_matrix
from labelwords import label_rows, some_names, some_texts

EXPORTED_NAMES = ("plain", "several words", "snake", "unicode", "punctuated")


def _drawn(rng: random.Random, *, empty: float = 0.0, lost: float = 0.0, kinds: Sequence[str] = ()):
    """Texts, labels and names; the labels of some texts are unknown, each name stays."""
    names = some_names(rng, rng.choice(kinds or EXPORTED_NAMES))
    drawn = label_rows(rng, names, rng.randint(30, 90), empty=empty)
    keep = {next(at for at, row in enumerate(drawn) if name in row) for name in names}
    rows = [None if at not in keep and rng.random() < lost else row for at, row in enumerate(drawn)]
    return some_texts(rng, len(rows)), rows, names


def _whole(
    shape: str, form: str, texts: list[str], rows: Rows, names: Sequence[str], records: list[dict]
) -> Draft:
    columns = {key: [record[key] for record in records] for key in records[0]}
    targets = target_matrix(rows, names)
    return Draft(shape, form, texts, columns, names, targets, whole=True)


def doccano_csv(rng: random.Random) -> Draft:
    """doccano's csv: id, data, label, with # between labels."""
    texts, rows, names = _drawn(rng, kinds=("plain", "several words", "snake", "unicode"))
    records = [
        {"id": at + 7, "data": text, "label": "#".join(sorted(row))}
        for at, (text, row) in enumerate(zip(texts, rows, strict=True))
    ]
    return _whole("doccano csv", "csv", texts, rows, names, records)


def doccano_jsonl(rng: random.Random) -> Draft:
    """doccano's jsonl: lists of names, and a list of comments."""
    texts, rows, names = _drawn(rng)
    key = rng.choice(("text", "data"))
    records = [
        {"id": at + 7, key: text, "label": row, "Comments": []}
        for at, (text, row) in enumerate(zip(texts, rows, strict=True))
    ]
    return _whole("doccano jsonl", "jsonl", texts, rows, names, records)


def spacy_cats(rng: random.Random) -> Draft:
    """spaCy's cats: 1.0 or 0.0 for every label."""
    texts, rows, names = _drawn(rng, empty=0.15)
    records = [
        {"text": text, "cats": {name: float(name in row) for name in names}}
        for text, row in zip(texts, rows, strict=True)
    ]
    return _whole("spaCy cats", rng.choice(("jsonl", "json")), texts, rows, names, records)


def prodigy(rng: random.Random) -> Draft:
    """Prodigy's choice: `accept` counts where the answer is accept."""
    texts, rows, names = _drawn(rng, empty=0.1, lost=rng.choice((0.0, 0.15)))
    options = [{"id": name, "text": name} for name in names]
    records = [
        {
            "text": text,
            "meta": {"source": "tickets"},
            "_input_hash": rng.getrandbits(31),
            "_task_hash": rng.getrandbits(31) - 2**30,
            "options": options,
            "_view_id": "choice",
            "accept": row if row is not None else rng.choice(([], [names[0]])),
            "config": {"choice_style": "multiple"},
            "answer": "accept" if row is not None else rng.choice(("ignore", "reject")),
            "_timestamp": 1700000000 + at,
        }
        for at, (text, row) in enumerate(zip(texts, rows, strict=True))
    ]
    return _whole("Prodigy choice", "jsonl", texts, rows, names, records)


def label_studio(rng: random.Random) -> Draft:
    """Label Studio's full JSON: choices of annotations; cancelled or none is unknown."""
    texts, rows, names = _drawn(rng, lost=rng.choice((0.0, 0.15)))
    records = [
        {
            "id": at + 1,
            "annotations": [_annotation(rng, at, row)] if row or rng.random() < 0.5 else [],
            "file_upload": "tickets.csv",
            "drafts": [],
            "predictions": [],
            "data": {"text": text},
            "meta": {},
            "created_at": "2024-03-01T10:00:11.123456Z",
            "updated_at": "2024-03-01T11:00:11.123456Z",
            "inner_id": at + 1,
            "total_annotations": int(bool(row)),
            "project": 3,
        }
        for at, (text, row) in enumerate(zip(texts, rows, strict=True))
    ]
    return _whole("Label Studio JSON", "json", texts, rows, names, records)


def _annotation(rng: random.Random, at: int, row: Sequence[str] | None) -> dict[str, object]:
    chosen = {
        "value": {"choices": list(row or ())},
        "id": f"{rng.getrandbits(40):010x}",
        "from_name": "topic",
        "to_name": "text",
        "type": "choices",
        "origin": "manual",
    }
    return {
        "id": at + 5,
        "completed_by": 1,
        "result": [chosen] if row else [],
        "was_cancelled": row is None,
        "ground_truth": False,
        "lead_time": round(rng.uniform(1, 40), 3),
    }


def argilla(rng: random.Random) -> Draft:
    """Argilla 2's records as JSON: submitted responses count, suggestions never do."""
    texts, rows, names = _drawn(rng, lost=rng.choice((0.0, 0.15)))
    user = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    suggested = {"labels": {"value": [names[0]], "score": None, "agent": "model"}}
    records = [
        {
            "id": f"{rng.getrandbits(40):010x}",
            "status": "completed" if row else "pending",
            "fields": {"text": text},
            "metadata": {},
            "suggestions": suggested if rng.random() < 0.5 else {},
            "responses": {"labels": [{"value": row, "user_id": user, "status": "submitted"}]}
            if row
            else {},
            "vectors": {},
        }
        for text, row in zip(texts, rows, strict=True)
    ]
    return _whole("Argilla 2", rng.choice(("jsonl", "json")), texts, rows, names, records)

"""Answered texts go behind the tables of a profile, and nothing else changes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batches import LABELS, batch_of, batch_text, write_answers, write_batch
from conftest import read_csv, write_csv

from imbtool.annotation.merge import MergeReport, merge_answers
from imbtool.config.reader import read_profile
from imbtool.data.corpus import read_split, read_train
from imbtool.data.tables import read_arrow
from imbtool.errors import UserError

TEXTS = [
    *(batch_text(f"p{number}", f"a chosen text {number}") for number in range(4)),
    *(batch_text(f"r{number}", f"a random text {number}", "random") for number in range(4)),
]
GIVEN = dict(
    zip((text.id for text in TEXTS), [*["threat", "threat|spam", "none", ""] * 2], strict=True)
)


def row_of(number: int) -> dict[str, str]:
    labels = ["billing", "spam", "billing|spam", ""][number % 4]
    return {"id": f"{number:03}", "text": f"text number {number}", "labels": labels, "by": "x"}


def profile_in(folder: Path, text: str = "", **data: object) -> Path:
    """A profile with a training table of 12 rows, `text` behind its section of data."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "train.csv").exists():
        write_csv(folder / "train.csv", [row_of(number) for number in range(12)])
    lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in data.items())
    path = folder / "profile.yaml"
    path.write_text(f"data:\n  train: train.csv\n  id: id\n{lines}{text}", encoding="utf-8")
    return path


DECLARED = "labels:\n  names: [threat]\n"


def filled(
    folder: Path, given: Mapping[str, str] = GIVEN, name: str = "batch.csv", **more: str
) -> Path:
    """A batch in a folder, answered as `given`."""
    write_batch(folder, batch_of(TEXTS))
    texts = {text.id: text.cells["text"] for text in TEXTS}
    rows = [{"id": id, "text": texts[id], "labels": labels, **more} for id, labels in given.items()]
    return write_answers(folder / name, rows)


def merged(tmp_path: Path, profile: Path, *answered: Path, **options: Any) -> MergeReport:
    return merge_answers(
        profile, answered or [filled(tmp_path / "01")], tmp_path / "new", **options
    )


def new_targets(tmp_path: Path, split: str = "train") -> tuple[list[str], dict[str, list[float]]]:
    """The labels, and the targets of each text of a table that was written."""
    profile = read_profile(tmp_path / "new" / "profile.yaml")
    labels, table = read_train(profile)
    if split != "train":
        table = read_split(split, getattr(profile.data, split), profile.data, labels)
    rows = {text: row.tolist() for text, row in zip(table.texts, table.targets, strict=True)}
    return list(labels.names), rows


def test_answered_texts_stand_behind_the_rows_that_were_there(tmp_path):
    profile = profile_in(tmp_path, DECLARED)
    report = merged(tmp_path, profile)
    before, after = read_csv(tmp_path / "train.csv"), read_csv(tmp_path / "new" / "train.csv")
    assert [{key: row[key] for key in before[0]} for row in after[:12]] == before
    assert [(row["id"], row["text"], row["labels"], row["by"]) for row in after[12:]] == [
        ("p0", "a chosen text 0", "threat", ""),
        ("p1", "a chosen text 1", "spam|threat", ""),
        ("p2", "a chosen text 2", "", ""),
        ("r0", "a random text 0", "threat", ""),
        ("r1", "a random text 1", "spam|threat", ""),
        ("r2", "a random text 2", "", ""),
    ]
    assert [
        (row["chosen_by"], row["inclusion_probability"], row["batch"]) for row in after[12:]
    ] == [
        *[("score", "", "01")] * 3,
        *[("random", "0.1", "01")] * 3,
    ]
    assert report.texts == {"train": 6}
    assert report.chosen == 3
    assert [(each.texts, each.answered) for each in report.batches] == [(8, 6)]
    assert report.labels["threat"].added == {"train": 4}
    assert json.loads((tmp_path / "new" / "merge.json").read_text())["texts"] == {"train": 6}


def test_nothing_that_exists_is_changed(tmp_path):
    profile = profile_in(tmp_path, DECLARED)
    answered = filled(tmp_path / "01")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    merged(tmp_path, profile, answered)
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(UserError, match="a new name"):
        merged(tmp_path, profile, answered)


def test_all_other_keys_of_the_profile_stay(tmp_path):
    text = (
        "labels:\n  names: [threat]\n  hierarchy: {billing: [spam]}\nweights:\n  custom: "
        "{spam: 7}\nloss:\n  gamma: 1.5\ntraining:\n  epochs: 2\n"
    )
    old = read_profile(profile_in(tmp_path, text))
    merged(tmp_path, tmp_path / "profile.yaml")
    new = read_profile(tmp_path / "new" / "profile.yaml")
    assert new.data.train == tmp_path / "new" / "train.csv"
    assert (new.data.chosen_by, new.data.labels.known) == ("chosen_by", "known")
    assert new.labels == old.labels
    assert (new.weights, new.loss, new.training) == (old.weights, old.loss, old.training)


def test_the_written_folder_can_be_moved(tmp_path):
    merged(tmp_path, profile_in(tmp_path, DECLARED))
    text = (tmp_path / "new" / "profile.yaml").read_text()
    assert "train: train.csv" in text
    assert str(tmp_path) not in text


def test_random_texts_go_where_they_measure_and_chosen_ones_to_training(tmp_path):
    for name in ("validation", "test"):
        write_csv(tmp_path / f"{name}.csv", [row_of(number + 50) for number in range(4)])
    profile = profile_in(tmp_path, DECLARED, validation="validation.csv", test="test.csv")
    given = {**GIVEN, "r3": "spam"}
    report = merged(tmp_path, profile, filled(tmp_path / "01", given))
    assert report.texts == {"train": 3, "validation": 2, "test": 2}
    for name in ("validation", "test"):
        rows = read_csv(tmp_path / "new" / f"{name}.csv")
        assert [row["chosen_by"] for row in rows] == [""] * 4 + ["random"] * 2
    assert {row["chosen_by"] for row in read_csv(tmp_path / "new" / "train.csv")} == {"", "score"}
    # each part measures the label that two of the random texts have
    assert [report.labels["threat"].added[name] for name in ("validation", "test")] == [1, 1]


def test_a_table_without_new_rows_stays_where_it_is(tmp_path):
    write_csv(tmp_path / "validation.csv", [row_of(50), row_of(51)])
    profile = profile_in(tmp_path, DECLARED, validation="validation.csv")
    merged(tmp_path, profile, filled(tmp_path / "01", {"p0": "spam"}))
    assert read_profile(tmp_path / "new" / "profile.yaml").data.validation == (
        tmp_path / "validation.csv"
    )
    assert not (tmp_path / "new" / "validation.csv").exists()


def test_labels_that_were_not_asked_can_stay_unknown(tmp_path):
    profile = profile_in(tmp_path, DECLARED)
    report = merged(tmp_path, profile, asked_only=True)
    rows = {row["id"]: row["known"] for row in read_csv(tmp_path / "new" / "train.csv")[12:]}
    assert rows == {
        "p0": "threat",
        "p1": "spam|threat",  # given, though not asked
        "p2": "threat",
        **dict.fromkeys(["r0", "r1", "r2"], "billing|spam|threat"),
    }
    assert report.labels["billing"].known == 3


def test_texts_of_which_all_labels_are_asked_keep_what_they_have_not(tmp_path):
    texts = [batch_text(f"s{number}", f"text {number}", ask=[]) for number in range(2)]
    folder = write_batch(tmp_path / "sample", batch_of(texts))
    rows = [
        {"id": text.id, "text": text.cells["text"], "labels": label}
        for text, label in zip(texts, ("none", "threat"), strict=True)
    ]
    answered = write_answers(folder / "batch.csv", rows)
    report = merged(tmp_path, profile_in(tmp_path, DECLARED), answered, asked_only=True)
    assert report.texts["train"] == 2
    assert report.labels["threat"].known == report.labels["spam"].known == 2


def test_where_all_labels_are_known_to_all_rows_nothing_is_written_about_it(tmp_path):
    merged(tmp_path, profile_in(tmp_path), filled(tmp_path / "01", {"p0": "spam", "r0": "none"}))
    # the batch asks for a label that the profile does not declare
    assert [row["known"] for row in read_csv(tmp_path / "new" / "train.csv")[12:]] == [
        "billing|spam|threat"
    ] * 2


def test_two_texts_of_one_id_are_refused_before_one_is_lost(tmp_path):
    profile = profile_in(tmp_path, DECLARED)
    answered = []
    for name, text in (("01", "one text"), ("02", "another text")):
        folder = write_batch(tmp_path / name, batch_of([batch_text("p1", text)]))
        rows = [{"id": "p1", "text": text, "labels": "spam"}]
        answered.append(write_answers(folder / "batch.csv", rows))
    with pytest.raises(UserError, match="the id 'p1' of another text than in"):
        merged(tmp_path, profile, *answered)
    assert not (tmp_path / "new").exists()


def test_nearly_the_same_random_texts_measure_in_one_table(tmp_path):
    profile = profile_in(tmp_path, DECLARED)
    words = " ".join(f"word{number}" for number in range(30))
    texts = [
        batch_text(f"r{number}", f"{words} {number % 2} {words[::-1]}x{number % 2}", "random")
        for number in range(8)
    ]
    folder = write_batch(tmp_path / "01", batch_of(texts))
    rows = [{"id": each.id, "text": each.cells["text"], "labels": "none"} for each in texts]
    merged(tmp_path, profile, write_answers(folder / "batch.csv", rows))
    known = set(read_csv_texts(tmp_path, "validation")), set(read_csv_texts(tmp_path, "test"))
    assert not known[0] & known[1]


def read_csv_texts(tmp_path: Path, split: str) -> list[str]:
    path = tmp_path / "new" / f"{split}.csv"
    return [row["text"] for row in read_csv(path)] if path.exists() else []


def test_a_batch_is_merged_once(tmp_path):
    merged(tmp_path, profile_in(tmp_path, DECLARED))
    with pytest.raises(UserError) as refused:
        merge_answers(
            tmp_path / "new" / "profile.yaml", [tmp_path / "01" / "batch.csv"], tmp_path / "again"
        )
    assert "6 ids of answered texts in 'id': 'p0' (row 13)" in str(refused.value)
    assert not (tmp_path / "again").exists()


def test_a_second_batch_keeps_where_the_first_came_from(tmp_path):
    merged(tmp_path, profile_in(tmp_path, DECLARED), filled(tmp_path / "01", {"p0": "threat"}))
    second = filled(tmp_path / "02", {"r1": "spam"})
    merge_answers(tmp_path / "new" / "profile.yaml", [second], tmp_path / "newer")
    rows = read_csv(tmp_path / "newer" / "train.csv")
    assert [(row["id"], row["batch"]) for row in rows[12:]] == [("p0", "01"), ("r1", "02")]
    assert list(rows[0]) == [
        *("id", "text", "labels", "by"),
        *("chosen_by", "inclusion_probability", "batch", "known"),
    ]


def test_a_column_of_the_table_is_not_taken_for_one_of_ours(tmp_path):
    write_csv(
        tmp_path / "train.csv", [{**row_of(n), "batch": "mine", "known": "yes"} for n in range(12)]
    )
    merged(tmp_path, profile_in(tmp_path, DECLARED))
    rows = read_csv(tmp_path / "new" / "train.csv")
    assert (rows[0]["batch"], rows[12]["batch"], rows[12]["imbtool_batch"]) == ("mine", "", "01")
    assert read_profile(tmp_path / "new" / "profile.yaml").data.labels.known == "imbtool_known"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_the_format_stays(tmp_path, suffix):
    rows = [row_of(number) for number in range(12)]
    if suffix in (".jsonl", ".parquet"):
        rows = [
            {**row, "id": place, "labels": [name for name in row["labels"].split("|") if name]}
            for place, row in enumerate(rows)
        ]
    frame = pd.DataFrame(rows)
    path = tmp_path / f"train{suffix}"
    match suffix:
        case ".parquet":
            frame.to_parquet(path)
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True)
        case _:
            frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    profile = profile_in(tmp_path, DECLARED)
    profile.write_text(profile.read_text().replace("train.csv", path.name))
    numbers = {text.id: str(100 + place) for place, text in enumerate(TEXTS)}
    texts = [text.model_copy(update={"id": numbers[text.id]}) for text in TEXTS]
    write_batch(tmp_path / "01", batch_of(texts))
    answered = write_answers(
        tmp_path / "01" / "batch.csv",
        [
            {"id": each.id, "text": each.cells["text"], "labels": GIVEN[old]}
            for each, old in zip(texts, GIVEN, strict=True)
        ],
    )
    report = merged(tmp_path, profile, answered)
    assert report.files[0] == f"train{suffix}"
    names, targets = new_targets(tmp_path)
    assert targets["a chosen text 1"] == [float(name in ("spam", "threat")) for name in names]
    assert targets["a chosen text 2"] == [0, 0, 0]
    assert targets["text number 2"][:2] == [1, 1]


def test_cells_that_do_not_fit_a_parquet_table_make_it_lines_of_json(tmp_path):
    frame = pd.DataFrame([row_of(number) for number in range(12)]).assign(id=range(12))
    frame.to_parquet(tmp_path / "train.parquet")
    profile = profile_in(tmp_path, DECLARED)
    profile.write_text(profile.read_text().replace("train.csv", "train.parquet"))
    assert merged(tmp_path, profile).files[0] == "train.jsonl"
    assert new_targets(tmp_path)[1]["a chosen text 2"] == [0, 0, 0]


def test_tables_of_another_encoding_are_all_written_anew(tmp_path):
    rows = [{**row_of(number), "text": f"Größe {number}"} for number in range(12)]
    for name in ("train", "validation"):
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False, encoding="cp1252")
    profile = profile_in(tmp_path, encoding="cp1252", validation="validation.csv")
    profile.write_text(profile.read_text().replace("  id: id\n", ""))
    merged(tmp_path, profile, filled(tmp_path / "01", {"p0": "spam"}))
    new = read_profile(tmp_path / "new" / "profile.yaml")
    assert new.data.encoding == "utf-8"
    assert new_targets(tmp_path, "validation")[1]["Größe 1"][:2] == [0, 1]


FLAGS = {"text": "text", "id": "id"}


def flags_profile(folder: Path, more: str = "", text: str = "") -> Path:
    rows = [
        {"id": f"{n:03}", "text": f"text number {n}", "billing": n % 2, "spam": "" if n % 3 else 1}
        for n in range(12)
    ]
    write_csv(folder / "train.csv", rows)
    return profile_in(folder, f"  labels:\n    columns: [billing, spam]\n{more}{text}")


def test_a_new_label_gets_a_column_that_is_unknown_to_the_rows_before(tmp_path):
    profile = flags_profile(tmp_path, text=DECLARED)
    merged(tmp_path, profile)
    rows = read_csv(tmp_path / "new" / "train.csv")
    assert [rows[0][name] for name in LABELS] == ["0", "", "1"]
    assert [[row[name] for name in LABELS] for row in rows[12:15]] == [
        ["0", "1", "0"],
        ["0", "1", "1"],
        ["0", "0", "0"],
    ]
    new = read_profile(tmp_path / "new" / "profile.yaml")
    assert new.data.labels.columns == ["billing", "spam", "threat"]
    assert new.data.labels.known is None
    names, targets = new_targets(tmp_path)
    assert np.isnan(targets["text number 0"][names.index("threat")])


def test_where_an_empty_cell_means_no_the_rows_before_say_that_nobody_knows(tmp_path):
    profile = flags_profile(tmp_path, "    empty: negative\n", DECLARED)
    merged(tmp_path, profile)
    names, targets = new_targets(tmp_path)
    assert np.isnan(targets["text number 0"][names.index("threat")])
    assert targets["text number 1"][names.index("spam")] == 0
    assert targets["a chosen text 0"][names.index("threat")] == 1


def test_scores_get_cells_on_either_side_of_the_threshold(tmp_path):
    profile = flags_profile(tmp_path, "    threshold: 50\n", DECLARED)
    rows = [
        {"id": f"{n}", "text": f"text {n}", "billing": 10 * n, "spam": 5 * n} for n in range(12)
    ]
    write_csv(tmp_path / "train.csv", rows)
    merged(tmp_path, profile)
    names, targets = new_targets(tmp_path)
    assert targets["a chosen text 1"] == [float(name in ("spam", "threat")) for name in names]


def test_a_label_that_nobody_knows_is_refused_unless_it_is_new(tmp_path):
    profile, answered = (
        profile_in(tmp_path),
        filled(tmp_path / "01", {"p0": "thread", "p1": "spam"}),
    )
    with pytest.raises(UserError) as refused:
        merged(tmp_path, profile, answered)
    assert "batch.csv: row 1" in str(refused.value)
    assert "'thread', which is neither declared nor in the data" in str(refused.value)
    assert "did you mean 'threat'? If it is a new label" in str(refused.value)
    report = merged(tmp_path, profile, answered, new_labels=True)
    assert report.labels["thread"].is_new
    assert read_profile(tmp_path / "new" / "profile.yaml").labels.names == ["threat", "thread"]
    names, targets = new_targets(tmp_path)
    assert targets["a chosen text 0"][names.index("thread")] == 1


def test_the_majority_of_annotators_decides_and_a_tie_is_unknown(tmp_path):
    write_batch(tmp_path / "01", batch_of(TEXTS))
    said = {
        ("p0", "anna"): "threat",
        ("p0", "ben"): "threat|spam",
        ("p0", "cleo"): "threat",
        ("p1", "anna"): "spam",
        ("p1", "ben"): "none",
    }
    texts = {text.id: text.cells["text"] for text in TEXTS}
    answered = write_answers(
        tmp_path / "01" / "batch.csv",
        [
            {"id": id, "text": texts[id], "labels": labels, "annotator": who}
            for (id, who), labels in said.items()
        ],
    )
    report = merged(tmp_path, profile_in(tmp_path, DECLARED), answered)
    rows = read_csv(tmp_path / "new" / "train.csv")[12:]
    assert [(row["labels"], row["known"]) for row in rows] == [
        ("threat", "billing|spam|threat"),
        ("", "billing|threat"),
    ]
    assert report.labels["spam"].tied == 1
    assert report.agreement is not None
    assert report.agreement.labels["threat"].texts == 2
    assert read_profile(tmp_path / "new" / "profile.yaml").data.answers == (
        tmp_path / "new" / "answers.csv"
    )
    answers = read_csv(tmp_path / "new" / "answers.csv")
    assert [(row["id"], row["annotator"], json.loads(row["labels"])) for row in answers] == [
        (id, who, [name for name in sorted(labels.split("|")) if name != "none"])
        for (id, who), labels in said.items()
    ]


def test_a_text_of_which_nothing_is_known_is_left_out_and_counted(tmp_path):
    columns = ["billing", "spam"]
    write_batch(tmp_path / "01", batch_of(TEXTS, columns, column=None, columns=columns))
    texts = {text.id: text.cells["text"] for text in TEXTS}
    rows = [
        {"id": "p0", "text": texts["p0"], "billing": 1, "spam": "", "annotator": "anna"},
        {"id": "p0", "text": texts["p0"], "billing": 0, "spam": "", "annotator": "ben"},
        {"id": "p1", "text": texts["p1"], "billing": 1, "spam": 0, "annotator": "ben"},
    ]
    answered = write_answers(tmp_path / "01" / "batch.csv", rows)
    report = merged(tmp_path, flags_profile(tmp_path), answered)
    assert (report.unknown, report.texts) == (1, {"train": 1})


def doccano_row(number: int) -> dict[str, Any]:
    labels = ["spam"] * (number % 2)
    return {"id": number, "text": f"text {number}", "label": labels, "Comments": []}


def prodigy_row(number: int) -> dict[str, Any]:
    options = [{"id": name, "text": name} for name in LABELS]
    answer = {"accept": ["spam"] * (number % 2), "answer": "accept", "_view_id": "choice"}
    own = {"_input_hash": number, "_task_hash": number}
    return {"text": f"text {number}", "options": options, **answer, **own}


def label_studio_row(number: int) -> dict[str, Any]:
    value = {"choices": ["spam"]}
    result = {"type": "choices", "from_name": "topic", "to_name": "text", "value": value}
    annotation = {"completed_by": 1, "result": [result] * (number % 2)}
    data = {"text": f"text {number}"}
    return {"id": number, "annotations": [annotation], "predictions": [], "data": data}


@pytest.mark.parametrize(
    ("row", "column"),
    [(doccano_row, "label"), (prodigy_row, "labels"), (label_studio_row, "labels")],
    ids=["doccano", "prodigy", "label-studio"],
)
def test_an_export_becomes_lines_of_json_that_are_read_as_a_table(tmp_path, row, column):
    lines = (json.dumps(row(number)) + "\n" for number in range(12))
    (tmp_path / "train.jsonl").write_text("".join(lines))
    profile = profile_in(tmp_path, DECLARED)
    profile.write_text(
        profile.read_text()
        .replace("train.csv", "train.jsonl")
        .replace("  id: id\n", f"  labels: {{column: {column}}}\n")
    )
    assert merged(tmp_path, profile).files[0] == "train.jsonl"
    names, targets = new_targets(tmp_path)
    assert names == ["billing", "spam", "threat"]
    assert targets["a chosen text 1"] == [0, 1, 1]
    assert targets["text 1"][1] == 1
    assert targets["text 2"][1] == 0


def test_a_new_label_does_not_overwrite_a_column_that_holds_something_else(tmp_path):
    rows = [{"id": f"{n}", "text": f"text {n}", "billing": n % 2, "by": "x"} for n in range(12)]
    write_csv(tmp_path / "train.csv", rows)
    profile = profile_in(tmp_path, "  labels: {columns: [billing]}\n")
    columns = ["billing", "by"]
    write_batch(tmp_path / "01", batch_of(TEXTS, columns, column=None, columns=columns))
    row = {"id": "p0", "text": "a chosen text 0", "billing": 1, "by": 0}
    with pytest.raises(UserError, match="a column of this name that holds no labels"):
        merged(tmp_path, profile, write_answers(tmp_path / "01" / "batch.csv", [row]))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_answers_are_the_first_rows_of_a_table_that_has_none(tmp_path, suffix):
    header = pa.table({name: pa.array([], pa.string()) for name in ("id", "by", "text", "labels")})
    path = tmp_path / f"train{suffix}"
    if suffix == ".parquet":
        pq.write_table(header, path)
    else:
        path.write_text(("\t" if suffix == ".tsv" else ",").join(header.column_names) + "\n")
    profile = profile_in(tmp_path)
    profile.write_text(f"data: {{train: train{suffix}, id: id}}\n{DECLARED}")
    merged(tmp_path, profile, new_labels=True)
    table = read_arrow(tmp_path / "new" / f"train{suffix}").data
    assert table.column_names[:4] == ["id", "by", "text", "labels"]
    assert sorted(table["id"].to_pylist()) == ["p0", "p1", "p2", "r0", "r1", "r2"]
    labels, rows = new_targets(tmp_path)
    assert rows["a chosen text 0"][labels.index("threat")] == 1

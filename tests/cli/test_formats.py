"""Every command reads every format, and what nobody knows of a text counts nowhere."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import PARENTS, Imbtool, read_csv
from transformers import pipeline

from imbtool.files.json_text import read_json

LABELS = {*PARENTS, *PARENTS.values()}
PROFILE = """\
data:
  train: train.jsonl
  validation: validation.jsonl
  test: test.jsonl
  text: [title, text]
model: {encoder: encoder, max_length: 24}
training: {epochs: 1, batch_size: 8, learning_rate: 5e-3, precision: fp32, head_first: false}
"""

Rows = list[dict[str, Any]]


def typed_rows(name: str) -> Rows:
    """A table of the project with a title, lists of labels, and every fifth text's unknown."""
    rows = [
        {**row, "labels": [*filter(None, row["labels"].split("|"))]} for row in read_csv(Path(name))
    ]
    titled = [{"title": "" if n % 3 else f"we saw {n}", **row} for n, row in enumerate(rows)]
    return [row if n % 5 else {**row, "labels": None} for n, row in enumerate(titled)]


def write_lines(name: str, rows: Rows) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def typed(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Rows]:
    """The current folder holds the project as jsonl; its rows by split."""
    monkeypatch.chdir(pristine)
    rows = {split: typed_rows(f"{split}.csv") for split in ("train", "validation", "test")}
    monkeypatch.chdir(tmp_path)
    for split, of_split in rows.items():
        write_lines(f"{split}.jsonl", of_split)
    Path("encoder").symlink_to(pristine / "encoder")
    Path("profile.yaml").write_text(PROFILE)
    return rows


def known(rows: Rows) -> Rows:
    return [row for row in rows if row["labels"] is not None]


def counts(rows: Rows) -> dict[str, int]:
    return {name: sum(name in row["labels"] for row in known(rows)) for name in LABELS}


def document_of(result: Any) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_unknown_labels_are_left_out_and_columns_are_read_as_a_pair(
    typed: dict[str, Rows], imbtool: Imbtool
) -> None:
    analysis = document_of(imbtool("analyze", "profile.yaml", "--json"))
    plain = ("--set", "training.words=false")
    trained = imbtool("train", "-p", "profile.yaml", "--run", "typed", *plain)
    assert trained.exit_code == 0, trained.stderr
    folder = Path("runs/typed/checkpoint")
    meta = read_json(folder / "imbtool.json")
    in_train, in_test = counts(typed["train"]), counts(typed["test"])
    texts = len(known(typed["train"]))
    for name in LABELS:
        row, label = analysis["labels"][name], meta["labels"][name]
        expected = (in_train[name], texts - in_train[name])
        assert (row["positives"], row["negatives"]) == expected
        assert row["unknown"] == len(typed["train"]) - texts
        assert (label["training_positives"], label["training_negatives"]) == expected
        assert label["validation_positives"] == counts(typed["validation"])[name]

    write_lines("known.jsonl", known(typed["test"]))
    Path("all.json").write_text(json.dumps(typed["test"]))
    evaluate = ("evaluate", "runs/typed", "--json", "--data")
    every, without = (document_of(imbtool(*evaluate, name)) for name in ("all.json", "known.jsonl"))
    assert every["data"]["texts"] == len(typed["test"]) > without["data"]["texts"]
    assert {name: row["support"] for name, row in every["labels"].items()} == in_test
    for name in LABELS:
        for measure in ("precision", "recall", "f1", "average_precision"):
            values = [of["labels"][name][measure]["value"] for of in (every, without)]
            assert values[0] == pytest.approx(values[1])

    assert meta["joiner"] == " [SEP] "
    assert "joined" in (folder / "README.md").read_text(encoding="utf-8")
    rows = typed["test"][:6]
    joined = [meta["joiner"].join(filter(None, [row["title"], row["text"]])) for row in rows]
    classify = pipeline("text-classification", model=str(folder), top_k=None, truncation=True)
    Path("few.json").write_text(json.dumps(rows))
    shown = imbtool("predict", "runs/typed", "few.json", "--json").stdout
    for line, scores in zip(shown.splitlines(), classify(joined), strict=True):
        plain = {f"p:{score['label']}": score["score"] for score in scores}
        ours = {key: value for key, value in json.loads(line).items() if key.startswith("p:")}
        assert ours == pytest.approx(plain, abs=1e-5)


def test_predict_and_evaluate_read_compressed_tables(project: Path, imbtool: Imbtool) -> None:
    packed = gzip.compress(Path("test.csv").read_bytes())
    Path("packed.csv.gz").write_bytes(packed)
    assert imbtool("predict", "runs/first", "packed.csv.gz", "-o", "packed.csv").exit_code == 0
    assert imbtool("predict", "runs/first", "test.csv", "-o", "plain.csv").exit_code == 0
    assert Path("packed.csv").read_text() == Path("plain.csv").read_text()
    shown = [
        document_of(imbtool("evaluate", "runs/first", "--json", "--data", name))
        for name in ("test.csv", "packed.csv.gz")
    ]
    assert shown[0]["labels"] == shown[1]["labels"]
    assert shown[1]["data"]["source"] == "packed.csv.gz"

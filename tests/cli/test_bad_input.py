"""What a user gets wrong: each time exit code 2, and a message that says where and how to fix."""

import itertools
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from batches import batch_of, batch_text, write_batch
from conftest import Imbtool

from imbtool.model.bundled import SMALL

Prepare = Callable[[Path], None]

PROBLEM = re.compile(
    r"error: (?P<where>\S.*)\n  found     \S.*\n  expected  \S.*\n  fix       \S.*\n"
)
"""One problem on stderr: the place and three lines, each with something in it."""
TRAIN = "train -p profile.yaml"
CHECKPOINT = "runs/first/checkpoint"
ALONE = "data: {train: table.csv}\n"
"""A profile of one table, with the default columns `text` and `labels`."""


@dataclass(frozen=True)
class Case:
    """A mistake, the command that meets it, and what its message must name."""

    name: str
    prepare: Prepare
    command: str
    says: tuple[str, ...]
    patch: tuple[str, object] | None = None
    stdin: bytes | None = None


def case(name: str, prepare: Prepare, command: str, *says: str, **more: object) -> Case:
    """A `Case` whose expectations come last."""
    return Case(name, prepare, command, says, **more)


def nothing(folder: Path) -> None:
    """The project is fine; the arguments are not."""


def write(name: str, content: str | bytes) -> Prepare:
    """Put a file in the project."""
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def edit(name: str, old: str, new: str) -> Prepare:
    """Replace a piece of a file."""

    def replace(folder: Path) -> None:
        text = (folder / name).read_text()
        assert text.count(old) == 1
        (folder / name).write_text(text.replace(old, new))

    return replace


def add(name: str, line: str | bytes) -> Prepare:
    """Append a line to a file; the training table has 201 before, its header counted."""
    data = line.encode() if isinstance(line, str) else line

    def append(folder: Path) -> None:
        with (folder / name).open("ab") as stream:
            stream.write(data + b"\n")

    return append


def forget_calibration(folder: Path) -> None:
    """Make the checkpoint one that was written before calibrations were stored."""
    path = folder / CHECKPOINT / "imbtool.json"
    meta = json.loads(path.read_text())
    for label in meta["labels"].values():
        del label["slope"], label["bias"]
    path.write_text(json.dumps(meta))


def under(parent: str) -> tuple[str, str]:
    """What a checkpoint says of `abuse`, without a parent and with one."""
    start = '"abuse": {\n      "parent": '
    return f"{start}null", f"{start}{parent}"


def remove(name: str) -> Prepare:
    """Delete a file."""
    return lambda folder: (folder / name).unlink()


def table(text: str, profile: str = ALONE) -> Prepare:
    """A project of a single small table."""
    return both(write("table.csv", text), write("profile.yaml", profile))


def both(*steps: Prepare) -> Prepare:
    """One mistake after the other."""

    def all_steps(folder: Path) -> None:
        for step in steps:
            step(folder)

    return all_steps


def bomb() -> str:
    """Nine lists, each of nine times the one before: 9^9 values."""
    names = "abcdefghi"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in itertools.pairwise(names):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines)


PROFILES = [
    case(
        "missing profile",
        nothing,
        "train -p absent.yaml",
        "absent.yaml",
        "no such file",
        "imbtool init",
    ),
    case(
        "pipe for a profile",
        lambda folder: os.mkfifo(folder / "pipe.yaml"),
        "weights pipe.yaml",
        "pipe.yaml",
        "a pipe or a device",
    ),
    case(
        "table that is a link to itself",
        lambda folder: (folder / "circle.csv").symlink_to("circle.csv"),
        "init circle.csv -o new.yaml",
        "circle.csv",
        "no such file",
    ),
    case(
        "empty profile", write("profile.yaml", ""), TRAIN, "profile.yaml", "empty", "imbtool init"
    ),
    case(
        "table for a profile",
        nothing,
        "train -p train.csv",
        "train.csv",
        "no map",
        "sections such as `data:`",
    ),
    case("folder for a profile", nothing, "train -p runs", "runs", "directory", "check the path"),
    case(
        "profile that is not YAML",
        write("profile.yaml", "data:\n  train: train.csv\n  text: 'open\n"),
        TRAIN,
        "profile.yaml:4",
        "unexpected end",
        "quotes near this line",
    ),
    case(
        "tab indentation",
        write("profile.yaml", "data:\n\ttrain: train.csv\n"),
        TRAIN,
        "profile.yaml:2",
        r"'\t'",
        "check indentation",
    ),
    case(
        "alias bomb",
        write("profile.yaml", bomb()),
        TRAIN,
        "profile.yaml",
        "100,000 values",
        "aliases",
    ),
    case(
        "alias of itself",
        write("profile.yaml", "data: &a {train: *a}\n"),
        TRAIN,
        "profile.yaml",
        "alias",
    ),
    case(
        "nesting without end",
        write("profile.yaml", "data: " + "[" * 5000 + "]" * 5000),
        TRAIN,
        "profile.yaml",
    ),
    case(
        "duplicate key",
        edit("profile.yaml", "  epochs: 2\n", "  epochs: 2\n  epochs: 3\n"),
        TRAIN,
        "profile.yaml:19",
        "'epochs' a second time (first on line 18)",
        "delete one",
    ),
    case(
        "unknown key",
        edit("profile.yaml", "  epochs:", "  epoch:"),
        TRAIN,
        "profile.yaml:18: training.epoch",
        "unknown key 'epoch'",
        "did you mean 'epochs'?",
    ),
    case(
        "unknown section",
        edit("profile.yaml", "training:", "trainings:"),
        TRAIN,
        "profile.yaml:17: trainings",
        "unknown key 'trainings'",
        "did you mean 'training'?",
    ),
    case(
        "section that is no map",
        write("profile.yaml", "data: train.csv\n"),
        TRAIN,
        "profile.yaml:1: data",
        "'train.csv'",
        "a map",
    ),
    case(
        "no training table named",
        write("profile.yaml", "data: {text: body}\n"),
        TRAIN,
        "profile.yaml:1: data.train",
        "add `train:`",
    ),
    case(
        "wrong type",
        edit("profile.yaml", "epochs: 2", "epochs: two"),
        TRAIN,
        "profile.yaml:18: training.epochs",
        "'two'",
        "a valid integer",
    ),
    case(
        "value out of range",
        edit("profile.yaml", "max_length: 24", "max_length: 4"),
        TRAIN,
        "profile.yaml:15: model.max_length",
        "'4'",
        "greater than or equal to 8",
    ),
    case(
        "wrong choice",
        edit("profile.yaml", "precision: fp32", "precision: fp64"),
        TRAIN,
        "profile.yaml:22: training.precision",
        "'fp64'",
        "'auto', 'bf16' or 'fp32'",
    ),
    case(
        "wrong value in a map of labels",
        add("profile.yaml", "loss:\n  gamma:\n    threats: -1"),
        TRAIN,
        "profile.yaml:25: loss.gamma",
        "'threats': '-1'",
        "greater than or equal to 0",
    ),
    case(
        "an interval between saves that is neither minutes nor steps",
        edit("profile.yaml", "  batch_size: 8", "  batch_size: 8\n  save_every: 0 steps"),
        TRAIN,
        "profile.yaml:21: training.save_every",
        "500 steps",
    ),
    case(
        "texts at once that are none",
        edit("profile.yaml", "  batch_size: 8", "  batch_size: 8\n  micro_batch: 0"),
        TRAIN,
        "profile.yaml:21: training.micro_batch",
        "greater than or equal to 1",
    ),
    case(
        "a dry run of a run that has begun",
        nothing,
        "train --resume runs/first --dry-run",
        "--resume runs/first",
        "other settings",
    ),
    case(
        "a tuning resumed as a training",
        write("runs/first/decisions.jsonl", "{}\n"),
        "train --resume runs/first",
        "the run of a tuning",
        "imbtool tune --resume runs/first",
    ),
    case(
        "a launcher without ranks",
        nothing,
        TRAIN,
        "MASTER_PORT",
        "--processes N",
        patch=("os.environ", {**os.environ, "MASTER_PORT": "29500"}),
    ),
    case(
        "several errors at once",
        both(
            edit("profile.yaml", "epochs: 2", "epochs: two"),
            edit("profile.yaml", "  batch_size:", "  batchsize:"),
            add("profile.yaml", "weights:\n  cap: 0"),
            add("profile.yaml", "weights: {}"),
        ),
        f"{TRAIN} --set loss.gamma=high",
        "profile.yaml:18: training.epochs",
        "profile.yaml:20: training.batchsize",
        "profile.yaml:25: weights.cap",
        "profile.yaml:26",
        "--set loss.gamma=high",
    ),
    case(
        "moderate tier that begins above the severe one",
        add("profile.yaml", "weights:\n  moderate: {ratio: 100, weight: 5}"),
        TRAIN,
        "profile.yaml:24: weights",
        "moderate.ratio 100 and severe.ratio 100",
        "raise weights.severe.ratio",
    ),
    case(
        "bce with gamma",
        add("profile.yaml", "loss: {name: bce, gamma: 1}"),
        TRAIN,
        "profile.yaml:24: loss",
        "no effect with loss.name bce",
        "write name: focal",
    ),
    case(
        "label column and label columns",
        edit("profile.yaml", 'separator: "|"', "columns: [abuse, threats]"),
        TRAIN,
        "profile.yaml:5: data.labels",
        "both 'column' and 'columns'",
        "keep the one",
    ),
    case(
        "no text column named",
        edit("profile.yaml", "  id: id\n", "  id: id\n  text: []\n"),
        TRAIN,
        "profile.yaml:7: data.text",
        "[]",
    ),
    case(
        "unknown encoding",
        edit("profile.yaml", "  id: id\n", "  encoding: utf-88\n"),
        TRAIN,
        "profile.yaml:6: data.encoding",
        "'utf-88'",
        "cp1252",
    ),
    case(
        "label under itself",
        edit("profile.yaml", "abuse: [insults, spying]", "threats: [violence]"),
        TRAIN,
        "profile.yaml:9: labels.hierarchy",
        "a cycle",
        "one place",
    ),
    case(
        "label under two parents",
        edit("profile.yaml", "abuse: [insults, spying]", "abuse: [insults, threats]"),
        TRAIN,
        "profile.yaml:9: labels.hierarchy",
        "'threats' stands under 'violence' and under 'abuse'",
        "one place",
    ),
    case(
        "hierarchy with a label that no row has",
        edit("profile.yaml", "abuse: [insults, spying]", "abuse: [insult, spying]"),
        TRAIN,
        "labels.hierarchy",
        "'insult', which no row has",
        "did you mean 'insults'?",
    ),
    case(
        "custom weight of an unknown label",
        add("profile.yaml", "weights: {custom: {threat: 3}}"),
        TRAIN,
        "weights.custom",
        "'threat', which no row has",
        "did you mean 'threats'?",
    ),
    case(
        "requirement of an unknown label",
        add("profile.yaml", "thresholds: {require: {threat: {recall: 0.8}}}"),
        TRAIN,
        "thresholds.require",
        "'threat', which no row has",
        "did you mean 'threats'?",
    ),
    case(
        "gamma of an unknown label",
        add("profile.yaml", "loss: {gamma: {prase: 1}}"),
        TRAIN,
        "loss.gamma",
        "'prase', which no row has",
        "did you mean 'praise'?",
    ),
]

OPTIONS = [
    case(
        "--set without =", nothing, f"{TRAIN} --set epochs", "--set epochs", "no '='", "key=value"
    ),
    case(
        "--set without a key",
        nothing,
        f"{TRAIN} --set =3",
        "--set =3",
        "a dotted key",
        "loss.gamma=1.5",
    ),
    case(
        "--set with an unknown key",
        nothing,
        f"{TRAIN} --set training.epoch=3",
        "--set training.epoch=3",
        "did you mean 'epochs'?",
    ),
    case(
        "--set with a wrong value",
        nothing,
        f"{TRAIN} --set training.seed=-1",
        "--set training.seed=-1",
        "'-1'",
        "greater than or equal to 0",
    ),
    case(
        "--set with broken YAML",
        nothing,
        f"{TRAIN} --set 'loss.gamma={{threats: 1'",
        "--set loss.gamma={threats: 1",
        "expected ',' or '}'",
    ),
    case("--epochs abc", nothing, f"{TRAIN} --epochs abc", "--epochs", "'abc'", "valid integer"),
    case(
        "name of a run that exists",
        nothing,
        f"{TRAIN} --run first",
        "runs/first",
        "a run of this name",
        "another --run",
    ),
    case(
        "name of a run outside of the runs",
        nothing,
        f"{TRAIN} --run ../x",
        "--run",
        "'../x'",
        "plain name",
    ),
    case("init without a table", nothing, "init", "TRAIN", "no table", "imbtool init train.csv"),
    case("init over a profile", nothing, "init train.csv", "profile.yaml", "a file", "--force"),
    case(
        "weights saved over a profile",
        nothing,
        "weights profile.yaml --save profile.yaml",
        "profile.yaml",
        "a file",
        "--force",
    ),
    case(
        "file for an output folder",
        nothing,
        "analyze profile.yaml -o train.csv",
        "train.csv",
        "check the path",
    ),
]

TABLES = [
    case("missing table", remove("test.csv"), TRAIN, "test.csv", "no such file", "check the path"),
    case(
        "folder of other files for a table",
        edit("profile.yaml", "train: train.csv", "train: encoder"),
        TRAIN,
        "encoder/config.json",
        "one JSON object with",
        "an array of objects",
    ),
    case(
        "unknown suffix",
        both(write("table.xlsx", "x"), write("profile.yaml", "data: {train: table.xlsx}")),
        TRAIN,
        "table.xlsx",
        "'.xlsx'",
        ".csv, .tsv, .jsonl, .json, .parquet",
    ),
    case(
        "empty table", write("train.csv", ""), TRAIN, "train.csv", "an empty file", "at least one"
    ),
    case(
        "header without rows",
        write("train.csv", "id,text,labels\n"),
        TRAIN,
        "train.csv",
        "no rows",
        "at least one row",
    ),
    case(
        "missing text column",
        edit("train.csv", "id,text,labels", "id,texts,labels"),
        TRAIN,
        "train.csv",
        "no column 'text'; the columns are id, texts, labels",
        "did you mean 'texts'?",
    ),
    case(
        "missing label column",
        edit("train.csv", "id,text,labels", "id,text,label"),
        TRAIN,
        "train.csv",
        "no column 'labels'",
        "did you mean 'label'?",
    ),
    case(
        "missing id column",
        edit("train.csv", "id,text,labels", "number,text,labels"),
        TRAIN,
        "train.csv",
        "no column 'id'",
        "use one of: number, text, labels",
    ),
    case(
        "two columns of a name",
        edit("train.csv", "id,text,labels", "id,text,text"),
        TRAIN,
        "train.csv:1",
        "the column 'text' twice",
        "rename one",
    ),
    case(
        "row of too many cells",
        add("train.csv", "x-1,hello, you,abuse"),
        TRAIN,
        "train.csv:202",
        "4 cells",
        "'x-1'",
        "3 cells",
        "quote cells",
    ),
    case(
        "unclosed quote",
        add("train.csv", 'x-1,"hello,abuse'),
        TRAIN,
        "train.csv:202",
        "unexpected end of data",
        "close every quote",
    ),
    case(
        "broken encoding",
        add("train.csv", b"x-1,caf\xe9 time,abuse"),
        TRAIN,
        "train.csv:202",
        r"\xe9",
        "utf-8",
        "data.encoding",
    ),
    case(
        "row without text",
        add("train.csv", "x-1, ,abuse"),
        TRAIN,
        "train.csv: text",
        "1 row without text: 201",
        "delete these rows",
    ),
    case(
        "id that two rows have",
        add("train.csv", "train-007,hello,abuse"),
        TRAIN,
        "train.csv: id",
        "train-007",
        "make them unique",
    ),
    case(
        "label that no training text has",
        add("validation.csv", "x-1,hello,arson"),
        TRAIN,
        "train.csv",
        "no positive for 'arson'",
        "remove the label",
    ),
    case(
        "label that every training text has",
        table("text,labels\nhello,abuse|insults\nyou there,abuse\n"),
        TRAIN,
        "table.csv",
        "no negative for 'abuse'",
        "remove it",
    ),
    case(
        "separator that is another one",
        table("text,labels\nhello,abuse;insults\nyou,insults;abuse\nthere,abuse\n"),
        TRAIN,
        "table.csv: labels",
        "the separator '|' in no cell, but ';' in row",
        "set data.labels.separator to ';'",
    ),
    case(
        "0/1 column with a 2",
        table(
            "text,abuse,threats\nhello,1,0\nyou,0,2\n",
            "data: {train: table.csv, labels: {columns: [abuse, threats]}}",
        ),
        TRAIN,
        "table.csv: threats",
        "'2' in row 2",
        "0, 1 or empty",
    ),
    case(
        "no labels at all",
        table("text,labels\nhello,\nyou,\n"),
        TRAIN,
        "table.csv",
        "no labels at all",
        "data.labels.column",
    ),
    case(
        "too few rows to split",
        table("text,labels\nhello,abuse\nyou,\n"),
        TRAIN,
        "table.csv",
        "2 rows, too few to split off",
        "more texts",
    ),
    case(
        "validation without a positive",
        write("validation.csv", "id,text,labels\n1,hello,\n2,you,\n"),
        TRAIN,
        "validation.csv",
        "2 texts and no positive of any label",
        "larger data.validation",
    ),
    case(
        "line that is not JSON",
        both(
            write("table.jsonl", '{"text": "hello", "labels": ["abuse"]}\n{"text": \n'),
            write("profile.yaml", "data: {train: table.jsonl}"),
        ),
        TRAIN,
        "table.jsonl:2",
        "JSON",
        "fix the line",
    ),
    case(
        "line that is no JSON object",
        both(
            write("table.jsonl", '["hello", "abuse"]\n'),
            write("profile.yaml", "data: {train: table.jsonl}"),
        ),
        TRAIN,
        "table.jsonl:1",
        "a JSON array",
        "one JSON object a line",
    ),
    case(
        "damaged parquet",
        both(
            write("table.parquet", b"PAR1 and no more"),
            write("profile.yaml", "data: {train: table.parquet}"),
        ),
        TRAIN,
        "table.parquet",
        "Parquet",
        "a parquet file",
        "write it anew",
    ),
    case(
        "analysis of a missing table", nothing, "analyze absent.csv", "absent.csv", "no such file"
    ),
    case(
        "init of a table without labels",
        write("table.csv", "text\nhello\nyou\n"),
        "init table.csv -o new.yaml",
        "table.csv",
        "no column besides text",
        "a column of labels",
    ),
]

MODELS = [
    case(
        "missing encoder folder",
        edit("profile.yaml", "encoder: encoder", "encoder: ./encoders/mine"),
        TRAIN,
        "encoders/mine",
        "no such folder",
        "check the path",
    ),
    case(
        "encoder without weights",
        remove("encoder/model.safetensors"),
        TRAIN,
        "model.encoder",
        "model.safetensors",
        "check the name, the folder",
    ),
    case(
        "encoder without a tokenizer",
        both(remove("encoder/tokenizer.json"), remove("encoder/tokenizer_config.json")),
        TRAIN,
        "model.encoder",
        "tokenizer",
        "check the name, the folder",
    ),
    case(
        "encoder with damaged weights",
        write("encoder/model.safetensors", b"no weights"),
        TRAIN,
        "model.encoder",
        "check the name, the folder",
    ),
    case(
        "bundled encoder that is not the published one",
        edit("profile.yaml", "encoder: encoder", "encoder: bundled"),
        TRAIN,
        "model.safetensors",
        f"sha256 {'0' * 64}",
        "reinstall",
        patch=("imbtool.model.encoder_files.BUNDLED", {"bundled": replace(SMALL, sha256="0" * 64)}),
    ),
    case(
        "missing checkpoint",
        nothing,
        "evaluate runs/second",
        "runs/second",
        "no such folder",
        "imbtool train",
    ),
    case(
        "folder that is no checkpoint",
        nothing,
        "predict encoder test.csv",
        "encoder",
        "no imbtool.json in it",
        "imbtool train",
    ),
    case(
        "checkpoint with half an imbtool.json",
        write(f"{CHECKPOINT}/imbtool.json", '{"version": '),
        "predict runs/first test.csv",
        f"{CHECKPOINT}/imbtool.json",
        "restore it",
    ),
    case(
        "checkpoint whose imbtool.json lacks the labels",
        edit(f"{CHECKPOINT}/imbtool.json", '"labels": {\n    "abuse"', '"names": {\n    "abuse"'),
        "predict runs/first test.csv",
        f"{CHECKPOINT}/imbtool.json: labels",
        "train it again",
    ),
    case(
        "checkpoint with a label under one that it has not",
        edit(f"{CHECKPOINT}/imbtool.json", *under('"nobody"')),
        "predict runs/first test.csv",
        f"{CHECKPOINT}/imbtool.json: labels",
        "'nobody', which is no label",
        "train it again",
    ),
    case(
        "checkpoint with a label under itself",
        edit(f"{CHECKPOINT}/imbtool.json", *under('"insults"')),
        "predict runs/first test.csv",
        f"{CHECKPOINT}/imbtool.json: labels",
        "a cycle",
        "train it again",
    ),
    case(
        "checkpoint with damaged weights",
        write(f"{CHECKPOINT}/model.safetensors", b"no weights"),
        "predict runs/first test.csv",
        CHECKPOINT,
        "train it again",
    ),
    case(
        "checkpoint without weights",
        remove(f"{CHECKPOINT}/model.safetensors"),
        "predict runs/first test.csv",
        CHECKPOINT,
        "model.safetensors",
        "train it again",
    ),
    case(
        "checkpoint without a calibration",
        forget_calibration,
        "predict runs/first test.csv -o out.csv --calibrated",
        CHECKPOINT,
        "no calibration",
        "leave out --calibrated",
    ),
    case(
        "checkpoint without a calibration, texts on stdin",
        forget_calibration,
        "predict runs/first --calibrated",
        CHECKPOINT,
        "no calibration",
        stdin=b"a text\n",
    ),
]

USES = [
    case(
        "unknown split",
        nothing,
        "evaluate runs/first --split tests",
        "--split",
        "'tests'",
        "train, validation, test",
        "did you mean 'test'?",
    ),
    case(
        "gate on an unknown label",
        nothing,
        "evaluate runs/first --require recall:threat>=0.5",
        "--require recall:threat>=0.5",
        "the name 'threat'",
        "did you mean 'threats'?",
    ),
    case(
        "slices by an unknown column",
        nothing,
        "evaluate runs/first --by labls",
        "test.csv",
        "no column 'labls'",
        "did you mean 'labels'?",
    ),
    case(
        "slices by a column of names",
        nothing,
        "evaluate runs/first --by id",
        "--by id",
        "60 different values",
    ),
    case(
        "a comparison with nothing",
        nothing,
        "evaluate runs/first --against runs/second",
        "runs/second",
        "no such folder",
    ),
    case(
        "a comparison with a table that is not there",
        nothing,
        "evaluate runs/first --against theirs.csv",
        "theirs.csv",
        "no such file",
        "a table",
    ),
    case(
        "predictions of other texts",
        write("theirs.csv", "text,p:violence\nhello,0.5\n"),
        "evaluate runs/first --against theirs.csv",
        "theirs.csv",
        "1 row",
        "60 rows",
    ),
    case(
        "test table that has changed",
        add("test.csv", "x-1,hello,abuse"),
        "evaluate runs/first",
        "test.csv",
        "other texts or labels in test than in training",
        "--data",
    ),
    case(
        "checkpoint without its run",
        lambda folder: shutil.copytree(folder / CHECKPOINT, folder / "elsewhere" / "model"),
        "evaluate elsewhere/model",
        "--split",
        "profile.yaml beside",
        "--data",
    ),
    case(
        "labels that the model does not know",
        write("fresh.csv", "id,text,labels\n1,hello,threat\n"),
        "evaluate runs/first --data fresh.csv",
        "fresh.csv",
        "does not know: threat",
        "did you mean 'threats'?",
    ),
    case(
        "input without the text column",
        write("fresh.csv", "id,texts\n1,hello\n"),
        "predict runs/first fresh.csv -o out.csv",
        "fresh.csv",
        "no column 'text'",
        "did you mean 'texts'?",
    ),
    case(
        "input without the column of --text",
        nothing,
        "predict runs/first test.csv -o out.csv --text txt",
        "test.csv",
        "no column 'txt'",
        "did you mean 'text'?",
    ),
    case(
        "input that has predictions",
        write("fresh.csv", "text,predicted\nhello,abuse\n"),
        "predict runs/first fresh.csv -o out.csv",
        "fresh.csv",
        "columns of the names predicted",
        "rename or remove them",
    ),
    case(
        "input that has probabilities",
        write("fresh.csv", "text,p:abuse\nhello,0.3\n"),
        "predict runs/first fresh.csv -o out.csv",
        "fresh.csv",
        "columns of the names p:abuse",
        "rename or remove them",
    ),
    case(
        "input that breaks off behind its first rows",
        write("fresh.csv", "text\n" + "hello\n" * 5000 + "a,b\n"),
        "predict runs/first fresh.csv -o out.csv",
        "fresh.csv:5002",
        "2 cells",
        "1 cell, as in the header",
    ),
    case(
        "lines on stdin that are not UTF-8",
        nothing,
        "predict runs/first",
        "stdin",
        "utf-8",
        stdin=b"caf\xe9\n",
    ),
    case(
        "output that exists",
        nothing,
        "predict runs/first test.csv -o train.csv",
        "train.csv",
        "a file",
        "--force",
    ),
    case(
        "output of an unknown suffix",
        nothing,
        "predict runs/first test.csv -o out.txt",
        "out.txt",
        "'.txt'",
        ".csv, .tsv, .jsonl, .parquet",
    ),
]

TUNINGS = [
    case("tuning of no profile", nothing, "tune", "PROFILE", "no profile", "imbtool init"),
    case(
        "tuning that exists",
        nothing,
        "tune -p profile.yaml --run first",
        "runs/first",
        "a run of this name",
        "--resume",
    ),
    case(
        "tuning without a budget",
        nothing,
        "tune -p profile.yaml --budget-runs 0",
        "--budget-runs",
        "'0'",
        "greater than or equal to 1",
    ),
    case(
        "minutes that are none",
        nothing,
        "tune -p profile.yaml --budget-minutes soon",
        "--budget-minutes",
        "'soon'",
        "a valid number",
    ),
    case(
        "tuning with an encoder that is not there",
        nothing,
        "tune -p profile.yaml --set model.encoder=./absent",
        "model.encoder",
        "no such folder",
    ),
    case(
        "objective of secondary labels without a hierarchy",
        nothing,
        "tune -p profile.yaml --set labels.hierarchy={} --set tuning.objective=secondary_f1_macro",
        "tuning.objective",
        "without a hierarchy",
        "choose f1_macro",
    ),
    case(
        "resuming a run that is no tuning",
        nothing,
        "tune --resume runs/first",
        "runs/first",
        "no decision in decisions.jsonl",
        "`imbtool tune` named",
    ),
    case("resuming no tuning", nothing, "tune --resume runs/none", "runs/none", "no such folder"),
    case(
        "resuming a tuning with other settings",
        nothing,
        "tune --resume runs/first --set loss.gamma=1",
        "--resume runs/first",
        "other settings",
        "its budget may change",
    ),
    case(
        "dry run of nothing", nothing, "tune --dry-run -p profile.yaml", "--dry-run", "--from-run"
    ),
    case("look that would train", nothing, "tune --from-run runs/first", "--from-run", "--dry-run"),
    case(
        "look at a run with other settings",
        nothing,
        "tune --from-run runs/first --dry-run --budget-runs 3",
        "--from-run runs/first",
        "other settings",
        "its own profile",
    ),
    case(
        "look at no run",
        nothing,
        "tune --from-run runs/none --dry-run",
        "runs/none",
        "no such folder",
        "`imbtool train` named",
    ),
    case(
        "look at a run without an epoch",
        write("runs/first/events.jsonl", '{"event": "interrupted"}\n'),
        "tune --from-run runs/first --dry-run",
        "runs/first",
        "no epoch",
        "rounds/1",
    ),
]

FIND = "find profile.yaml pool.csv -o batches/01"
MERGE = "merge profile.yaml batches/01/batch.csv -o merged"


def pool(text: str = "id,text\n1,we walk\n2,you talk\n") -> Prepare:
    """A table of texts that nobody has labelled."""
    return write("pool.csv", text)


def own(rows: str, profile: str, **more: str) -> Prepare:
    """A project of a training table and a profile of its own, with a pool."""
    profile = f"data:\n  train: table.csv\n{profile}model: {{encoder: encoder, max_length: 24}}\n"
    return both(write("table.csv", rows), write("profile.yaml", profile), pool(**more))


def batch(folder: Path) -> None:
    """A batch of two texts, which nobody has answered."""
    texts = [batch_text("b1", "we saw a knife"), batch_text("b2", "you talk")]
    write_batch(folder / "batches" / "01", batch_of(texts, LABELS_OF_PROJECT))


LABELS_OF_PROJECT = ["abuse", "insults", "praise", "spying", "threats", "violence"]


def answer(rows: str, header: str = "id,text,labels") -> Prepare:
    """The batch, answered."""
    return both(batch, write("batches/01/batch.csv", f"{header}\n{rows}"))


def damaged_batch(content: str) -> Prepare:
    """The batch, answered, with another batch.json."""
    return both(answer("b1,we saw a knife,threats\n"), write("batches/01/batch.json", content))


FINDS = [
    case("find without a pool", nothing, FIND, "pool.csv", "no such file", "check the path"),
    case(
        "find without a profile",
        pool(),
        "find absent.yaml pool.csv -o batches/01",
        "absent.yaml",
        "no such file",
    ),
    case(
        "find with a table for a profile",
        pool(),
        "find train.csv pool.csv -o batches/01",
        "train.csv",
        "no such folder",
    ),
    case(
        "find with a folder that is no run",
        pool(),
        "find encoder pool.csv -o batches/01",
        "encoder",
        "no imbtool.json in it",
    ),
    case(
        "find with a checkpoint without its run",
        both(
            pool(), lambda folder: shutil.copytree(folder / CHECKPOINT, folder / "apart" / "model")
        ),
        "find apart/model pool.csv -o batches/01",
        "apart/model",
        "no profile.yaml beside it",
    ),
    case(
        "pool without a text column",
        pool("id,texts\n1,hello\n"),
        FIND,
        "pool.csv",
        "no column 'text'",
        "did you mean 'texts'?",
    ),
    case("pool of no rows", pool("id,text\n"), FIND, "pool.csv", "no rows", "at least one row"),
    case("pool of no bytes", pool(""), FIND, "pool.csv", "an empty file"),
    case(
        "pool with a row without text",
        pool("id,text\n1,hello\n2, \n"),
        FIND,
        "pool.csv",
        "1 row without text: 2",
        "delete",
    ),
    case(
        "pool with an id twice",
        pool("id,text\n1,hello\n1,you\n"),
        FIND,
        "pool.csv",
        "the id '1' twice",
        "data.id",
    ),
    case(
        "pool with a row without an id",
        pool("id,text\n1,hello\n,you\n"),
        FIND,
        "pool.csv",
        "no id in row 2",
    ),
    case(
        "pool that is not UTF-8",
        write("pool.csv", b"id,text\n1,caf\xe9\n"),
        FIND,
        "pool.csv:2",
        "utf-8",
    ),
    case(
        "pool of another format",
        write("pool.xlsx", b"PK"),
        "find profile.yaml pool.xlsx -o batches/01",
        "pool.xlsx",
        "'.xlsx'",
    ),
    case(
        "pool that breaks off",
        pool("id,text\n1,hello,you\n"),
        FIND,
        "pool.csv:2",
        "3 cells",
    ),
    case(
        "pool of labelled texts",
        nothing,
        "find profile.yaml train.csv -o batches/01",
        "train.csv",
        "no text that is left",
        "another pool",
    ),
    case("batch of no texts", pool(), f"{FIND} -n 0", "-n", "at least one text"),
    case("batch of fewer texts", pool(), f"{FIND} -n -5", "-n", "at least one text"),
    case("more than all at random", pool(), f"{FIND} --random 2", "--random", "0 to 1"),
    case("less than none at random", pool(), f"{FIND} --random -0.1", "--random", "0 to 1"),
    case("no share at random", pool(), f"{FIND} --random nan", "--random", "0 to 1"),
    case(
        "seed of too many digits",
        pool(),
        f"{FIND} --seed {10**20}",
        "--seed",
        "a whole number from 0",
    ),
    case(
        "pattern that is none",
        pool(),
        f"{FIND} --label threats --pattern '(knife'",
        "--pattern",
        "'(knife'",
        "a regular expression",
    ),
    case(
        "unknown label to search for",
        pool(),
        f"{FIND} --label threat",
        "--label",
        "'threat'",
        "did you mean 'threats'?",
        "labels.names",
    ),
    case("example of no label", pool(), f"{FIND} --like knife", "--like", "--label LABEL"),
    case(
        "empty example",
        pool(),
        f"{FIND} --label threats --like ''",
        "--like",
        "no text",
    ),
    case(
        "empty pattern",
        pool(),
        f"{FIND} --label threats --pattern ''",
        "--pattern",
        "an empty pattern",
    ),
    case(
        "pattern of two labels",
        pool(),
        f"{FIND} --label threats --label praise --pattern knife",
        "--pattern",
        "2 labels",
    ),
    case(
        "unknown tool",
        pool(),
        f"{FIND} --format doccanno",
        "--format",
        "'doccanno'",
        "did you mean 'doccano'?",
    ),
    case(
        "batch that exists",
        both(pool(), batch),
        FIND,
        "-o batches/01",
        "choose another -o",
    ),
    case("file for a batch", pool(), "find profile.yaml pool.csv -o train.csv", "-o train.csv"),
    case(
        "batch in a file",
        pool(),
        "find profile.yaml pool.csv -o train.csv/01",
        "train.csv",
    ),
    case(
        "batch where nobody can write",
        pool(),
        "find profile.yaml pool.csv -o /proc/batches/01",
        "/proc/batches",
    ),
    case(
        "damaged batch beside",
        both(pool(), batch, write("batches/01/batch.json", '{"texts": ')),
        "find profile.yaml pool.csv -o batches/02",
        "batches/01/batch.json",
    ),
    case(
        "half a batch beside",
        both(pool(), batch, edit("batches/01/batch.json", '"seed": 0', '"seed": "0"')),
        "find profile.yaml pool.csv -o batches/02",
        "batches/01/batch.json: seed",
        "imbtool find",
    ),
    case(
        "another seed than that of the batch beside",
        both(pool(), batch),
        "find profile.yaml pool.csv -o batches/02 --seed 3",
        "--seed 3",
        "seed 0",
        "leave --seed out",
    ),
    case(
        "label column of a name that a batch needs",
        own("text,ask\nhello,\nyou,a\n", "  labels: {column: ask}\n"),
        FIND,
        "data.labels",
        "'ask'",
        "rename",
    ),
    *(
        case(
            f"label of the name {name}",
            own(
                f"words,{name}\nhello,1\nyou,0\n",
                f"  text: words\n  labels: {{columns: [{name}]}}\n",
                text="words\na\nb\n",
            ),
            FIND,
            "data.labels",
            repr(name),
            "rename",
        )
        for name in ("text", "score", "id")
    ),
    case(
        "label that doccano cannot take",
        own(f"text,labels\nhello,{'x' * 101}\nyou,\n", ""),
        f"{FIND} --format doccano",
        "--format doccano",
        "101 characters",
    ),
    case(
        "profile without labels",
        own("text,labels\nhello,\nyou,\n", ""),
        FIND,
        "table.csv",
        "no labels at all",
        "labels.names",
    ),
    case(
        "find with an encoder that is not there",
        both(pool(), edit("profile.yaml", "encoder: encoder", "encoder: ./absent")),
        FIND,
        "model.encoder",
        "no such folder",
    ),
]

MERGES = [
    case("merge of nothing", nothing, MERGE, "batches/01/batch.csv", "no batch.json"),
    case("merge of no file", batch, MERGE, "batches/01/batch.csv", "no such file"),
    case(
        "merge with no profile",
        answer("b1,we saw a knife,threats\n"),
        "merge absent.yaml batches/01/batch.csv -o merged",
        "absent.yaml",
        "no such file",
    ),
    case(
        "merge into a folder that exists",
        answer("b1,we saw a knife,threats\n"),
        "merge profile.yaml batches/01/batch.csv -o runs",
        "runs",
        "a new name",
    ),
    case(
        "merge into a file",
        answer("b1,we saw a knife,threats\n"),
        "merge profile.yaml batches/01/batch.csv -o train.csv/new",
        "train.csv",
    ),
    case(
        "merge of a batch that is elsewhere",
        answer("b1,we saw a knife,threats\n"),
        f"{MERGE} --batch nowhere",
        "nowhere/batch.json",
        "no such file",
    ),
    case("merge of no answer", answer("b1,we saw a knife,\n"), MERGE, "no answer at all"),
    case(
        "merge of an unknown id",
        answer("b3,we saw a knife,threats\n"),
        MERGE,
        "'b3' (row 1)",
        "restore the ids",
    ),
    case(
        "merge of a changed text",
        answer("b1,we saw a cat,threats\n"),
        MERGE,
        "another text",
        "row 1",
    ),
    case(
        "merge of an unknown label",
        answer("b1,we saw a knife,threat\n"),
        MERGE,
        "batch.csv: row 1",
        "'threat'",
        "did you mean 'threats'?",
        "--new-labels",
    ),
    case(
        "merge of labels beside none",
        answer("b1,we saw a knife,threats|none\n"),
        MERGE,
        "'none' beside labels in row 1",
    ),
    case(
        "merge of a contradiction",
        answer("b1,we saw a knife,threats\nb1,we saw a knife,none\n"),
        MERGE,
        "batch.csv: row 2",
        "'b1'",
        "delete one of the two",
    ),
    case(
        "merge without the column of answers",
        answer("b1,we saw a knife,threats\n", "id,text,label"),
        MERGE,
        "the columns id, text, label",
        "'labels'",
    ),
    case("merge of a damaged batch", damaged_batch("{"), MERGE, "batches/01/batch.json"),
    case("merge of a batch that is none", damaged_batch("[1]"), MERGE, "batches/01/batch.json"),
    case(
        "merge of a batch without texts",
        damaged_batch('{"imbtool": "0"}'),
        MERGE,
        "batches/01/batch.json: command",
    ),
    case(
        "merge of answers that are not UTF-8",
        both(batch, write("batches/01/batch.csv", b"id,text,labels\nb1,caf\xe9,threats\n")),
        MERGE,
        "batch.csv:2",
        "utf-8",
    ),
    case(
        "merge of ragged answers",
        answer("b1,we saw a knife,threats,praise\n"),
        MERGE,
        "batch.csv:2",
        "4 cells",
    ),
    case("merge of no rows", answer(""), MERGE, "batch.csv", "no rows"),
    case(
        "merge of another format",
        both(batch, write("batches/01/batch.xlsx", "PK")),
        "merge profile.yaml batches/01/batch.xlsx -o merged",
        "batch.xlsx",
        "'.xlsx'",
    ),
    case(
        "merge of a text that is in a table",
        both(answer("b1,we saw a knife,threats\n"), add("train.csv", "b1,we saw a knife,threats")),
        MERGE,
        "train.csv",
        "1 id of answered texts",
        "merge each batch once",
    ),
    case(
        "merge with a missing table",
        both(answer("b1,we saw a knife,threats\n"), remove("test.csv")),
        MERGE,
        "test.csv",
        "no such file",
    ),
]

CASES = [*PROFILES, *OPTIONS, *TABLES, *MODELS, *USES, *TUNINGS, *FINDS, *MERGES]


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: files with their bytes, folders with nothing."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_input_is_named_with_its_place_and_its_mend_and_leaves_no_trace(
    case: Case, project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.prepare(project)
    if case.patch:
        monkeypatch.setattr(*case.patch)
    before = contents(project)

    result = imbtool(*shlex.split(case.command), stdin=case.stdin)

    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert PROBLEM.sub("", result.stderr) == ""
    assert [piece for piece in case.says if piece not in result.stderr] == []
    assert contents(project) == before

"""The commands on a tiny project: what they write, what they print, what they leave alone."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import Imbtool, read_csv, write_csv
from scipy.special import expit, logit
from sklearn.metrics import f1_score

from imbtool.files.json_text import read_json
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.training.loop import TrainingLoop

CHECKPOINT = Path("runs/first/checkpoint")
QUICK = ("--set", "model.encoder=encoder", "--set", "model.max_length=24", "--epochs", "1")
EVALUATION = {
    *("overall", "tiers", "labels", "hierarchy", "thresholds", "calibration", "confusion"),
    *("gates", "slices", "comparison", "mistakes", "data"),
}
ANALYSIS = {
    *("labels", "splits", "imbalance", "co_occurrence", "hierarchy", "lengths", "drift"),
    *("samples", "verdict", "findings"),
}
ODD_CELLS = [
    {"text": 'she said "no"', "number": "001", "note": "=cmd|' /C calc'!A0"},
    {"text": "two\nlines", "number": "1e5", "note": "NA"},
    {"text": "a, b; c\td", "number": "", "note": "  spaces  "},
    {"text": "[bold]naïve 😀[/red]", "number": "-0", "note": "<script>alert(1)</script>"},
]


def run(imbtool: Imbtool, *arguments: object, stdin: str | None = None) -> Any:
    """Call a command that must end well."""
    result = imbtool(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return result


def json_lines(text: str) -> list[dict[str, Any]]:
    """The objects of a text with one a line."""
    return [json.loads(line) for line in text.splitlines()]


def test_every_command_goes_on_where_the_one_before_ended(project: Path, imbtool: Imbtool) -> None:
    hints = [
        run(imbtool, *command).stderr.splitlines()[-1]
        for command in (
            ("init", "train.csv", "-o", "mine.yaml"),
            ("analyze", "mine.yaml"),
            ("weights", "mine.yaml", "--save", "tuned.yaml"),
            ("train", "-p", "tuned.yaml", *QUICK),
            ("evaluate", "runs/tuned-1/checkpoint"),
            ("predict", "runs/tuned-1/checkpoint", "test.csv", "-o", "labelled.csv"),
        )
    ]
    assert [re.sub(r".*(?=imbtool)", "", line) for line in hints] == [
        "imbtool analyze mine.yaml",
        "imbtool weights mine.yaml",
        "imbtool train tuned.yaml",
        "imbtool evaluate runs/tuned-1/checkpoint",
        "imbtool predict runs/tuned-1/checkpoint INPUT.csv -o OUT.csv",
        "imbtool evaluate runs/tuned-1/checkpoint --data LABELLED.csv",
    ]


def test_a_run_folder_holds_all_that_is_documented(project: Path, imbtool: Imbtool) -> None:
    run(imbtool, "evaluate", "runs/first")
    folder = Path("runs/first")
    assert {path.name for path in folder.iterdir()} == {
        "profile.yaml",
        "manifest.json",
        "events.jsonl",
        "checkpoint",
        CHECKPOINT.readlink().name,
        "last",
        (folder / "last").readlink().name,
        "evaluation.json",
        "report.html",
        "report.md",
        "errors.csv",
        "plots",
    }
    plots = {"f1.png", "intervals.png", "reliability.png", "training.png"}
    assert {path.name for path in (folder / "plots").iterdir()} == plots
    assert read_json(folder / "manifest.json")["command"]
    lines = json_lines((folder / "events.jsonl").read_text())
    events = [event["event"] for event in lines if event["event"] != "warning"]
    assert events == ["start", *[*["step"] * 3, "epoch", "save"] * 2, "end"]


def test_analysis_and_weights_write_a_document_and_pictures(
    project: Path, imbtool: Imbtool
) -> None:
    run(imbtool, "analyze", "profile.yaml", "-o", "look")
    pictures = {"counts.png", "weights.png", "co_occurrence.png"}
    names = {"analysis.json", "analysis.html", "findings", *pictures}
    assert {path.name for path in Path("look").iterdir()} == names
    run(imbtool, "weights", "profile.yaml", "-o", "other")
    assert {path.name for path in Path("other").iterdir()} == {"weights.json", "weights.png"}
    shown = json.loads(run(imbtool, "weights", "profile.yaml", "--json").stdout)
    assert read_json(Path("other/weights.json")) == shown


def test_a_table_alone_can_be_analyzed(project: Path, imbtool: Imbtool) -> None:
    result = run(imbtool, "analyze", "train.csv", "--json")
    by_profile = run(imbtool, "analyze", "profile.yaml", "--json")
    alone, known = (json.loads(each.stdout) for each in (result, by_profile))
    assert (alone["labels"], alone["splits"]) == (known["labels"], known["splits"])
    assert result.stderr.endswith("next: imbtool init train.csv\n")


def test_saved_weights_are_the_ones_shown(project: Path, imbtool: Imbtool) -> None:
    shown = json.loads(run(imbtool, "weights", "profile.yaml", "--json").stdout)["labels"]
    run(imbtool, "weights", "profile.yaml", "--save", "saved/tuned.yaml")
    again = json.loads(run(imbtool, "weights", "saved/tuned.yaml", "--json").stdout)["labels"]
    assert {name: row["weight"] for name, row in again.items()} == {
        name: row["weight"] for name, row in shown.items()
    }
    assert {row["reason"] for row in again.values()} == {"custom, from the profile"}


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("init train.csv -o new.yaml", {"profile", "guesses", "notes"}),
        ("analyze profile.yaml", ANALYSIS),
        ("weights profile.yaml", {"labels"}),
        ("train -p profile.yaml --epochs 1", {"run", "checkpoint", "best"}),
        ("evaluate runs/first", EVALUATION),
        ("predict runs/first test.csv -o out.csv", {"output", "texts"}),
    ],
)
def test_json_is_one_document_alone_on_stdout(
    project: Path, imbtool: Imbtool, command: str, keys: set[str]
) -> None:
    result = run(imbtool, *command.split(), "--json")
    assert set(json.loads(result.stdout)) == keys
    assert result.stderr != ""


def test_progress_goes_to_stderr_and_the_result_to_stdout(project: Path, imbtool: Imbtool) -> None:
    result = run(imbtool, "train", "-p", "profile.yaml")
    assert "learning rate 0.005" in result.stderr
    assert "learning rate" not in result.stdout
    assert [result.stderr.count(f"Epoch {epoch}") for epoch in (1, 2)] == [1, 1]
    assert result.stdout == "checkpoint: runs/profile-1/checkpoint\n"


def test_options_lie_over_the_profile_and_set_over_options(project: Path, imbtool: Imbtool) -> None:
    options = "--epochs 5 --focal-gamma 1.5 --seed 7 --learning-rate 1e-4 --bf16"
    sets = ("--set", "training.epochs=1", "--set", "weights.custom.threats=4")
    run(imbtool, "train", "-p", "profile.yaml", "--run", "other", *options.split(), *sets)
    resolved = Path("runs/other/profile.yaml").read_text()
    for line in (
        "  epochs: 1 ",
        "  gamma: 1.5 ",
        "  seed: 7 ",
        "  learning_rate: 0.0001 ",
        "  precision: bf16 ",
        "    threats: 4\n",
    ):
        assert line in resolved


def test_evaluation_agrees_with_the_decisions_of_predict(project: Path, imbtool: Imbtool) -> None:
    document = json.loads(run(imbtool, "evaluate", "runs/first", "--json").stdout)
    assert document == read_json(Path("runs/first/evaluation.json"))
    run(imbtool, "predict", "runs/first", "test.csv", "-o", "out.csv")
    rows, names = read_csv(Path("out.csv")), list(document["labels"])
    truth, decided = (
        [[name in row[column].split("|") for name in names] for row in rows]
        for column in ("labels", "predicted")
    )
    expected = f1_score(truth, decided, average=None, zero_division=0)
    reached = [row["f1"]["value"] for row in document["labels"].values()]
    assert reached == pytest.approx(list(expected))
    assert document["overall"]["macro"]["f1"]["value"] == pytest.approx(expected.mean())


def test_results_of_another_split_stand_beside_those_of_test(
    project: Path, imbtool: Imbtool
) -> None:
    run(imbtool, "evaluate", "runs/first")
    before = Path("runs/first/evaluation.json").read_bytes()
    result = run(imbtool, "evaluate", "runs/first", "--split", "validation", "--json")
    assert json.loads(result.stdout)["data"]["seen_in_training"]
    assert Path("runs/first/report-validation.html").is_file()
    assert Path("runs/first/evaluation.json").read_bytes() == before


def test_a_moved_checkpoint_is_evaluated_on_a_table(project: Path, imbtool: Imbtool) -> None:
    own = json.loads(run(imbtool, "evaluate", "runs/first", "--json").stdout)
    shutil.copytree(CHECKPOINT, "elsewhere/model")
    shutil.rmtree("runs")
    moved = json.loads(
        run(imbtool, "evaluate", "elsewhere/model", "--data", "test.csv", "--json").stdout
    )
    assert moved["labels"] == own["labels"]
    assert read_json(Path("elsewhere/evaluation-test.json")) == moved


@pytest.mark.parametrize("coherence", ["add-parents", "drop-children", None])
def test_predicted_is_what_thresholds_and_coherence_make_of_the_probabilities(
    project: Path, imbtool: Imbtool, coherence: str | None
) -> None:
    meta = read_json(CHECKPOINT / "imbtool.json")
    (CHECKPOINT / "imbtool.json").write_text(json.dumps(meta | {"coherence": coherence}))
    rows = json_lines(run(imbtool, "predict", "runs/first", "test.csv", "--json").stdout)
    parents = {name: label["parent"] for name, label in meta["labels"].items()}
    for row in rows:
        decided = {
            name for name, label in meta["labels"].items() if row[f"p:{name}"] >= label["threshold"]
        }
        if coherence == "add-parents":
            decided |= {parents[name] for name in decided if parents[name]}
        if coherence == "drop-children":
            decided = {name for name in decided if parents[name] in {None, *decided}}
        assert row["predicted"] == "|".join(name for name in parents if name in decided)
    assert len({row["predicted"] for row in rows}) > 3


def test_calibrated_probabilities_change_no_decision(project: Path, imbtool: Imbtool) -> None:
    plain, calibrated = (
        json_lines(run(imbtool, "predict", "runs/first", "test.csv", "--json", *option).stdout)
        for option in ((), ("--calibrated",))
    )
    labels = read_json(CHECKPOINT / "imbtool.json")["labels"]
    for before, after in zip(plain, calibrated, strict=True):
        assert list(after) == list(before)
        assert after["predicted"] == before["predicted"]
        for name, label in labels.items():
            moved = label["slope"] * logit(before[f"p:{name}"]) + label["bias"]
            assert after[f"p:{name}"] == pytest.approx(expit(moved), abs=1e-9)
            assert after[f"p:{name}"] != before[f"p:{name}"]


def test_lines_are_calibrated_as_tables_are(project: Path, imbtool: Imbtool) -> None:
    Path("in.csv").write_text("text\nthe knife\n")
    table = run(imbtool, "predict", "runs/first", "in.csv", "--calibrated")
    lines = run(imbtool, "predict", "runs/first", "--calibrated", stdin="the knife\n")
    assert lines.stdout == table.stdout


def test_predict_keeps_every_cell_of_a_csv(project: Path, imbtool: Imbtool) -> None:
    write_csv(Path("odd.csv"), ODD_CELLS)
    run(imbtool, "predict", "runs/first", "odd.csv", "-o", "out.csv")
    rows = read_csv(Path("out.csv"))
    assert list(rows[0]) == [
        *ODD_CELLS[0],
        "predicted",
        *[f"p:{name}" for name in read_checkpoint(CHECKPOINT).labels.names],
    ]
    assert [{name: row[name] for name in ODD_CELLS[0]} for row in rows] == ODD_CELLS
    assert run(imbtool, "predict", "runs/first", "odd.csv").stdout == Path("out.csv").read_text()


def test_predict_keeps_the_types_of_jsonl(project: Path, imbtool: Imbtool) -> None:
    rows: list[dict[str, Any]] = [
        {"n": 2**60, "text": "a camera", "on": True, "x": 0.1, "tags": ["a", {"b": 1}]},
        {"n": None, "text": "=cmd", "on": False, "x": 1e-9, "tags": []},
        {"n": 3, "text": "001", "on": None, "x": 2.0, "tags": None},
    ]
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(imbtool, "predict", "runs/first", "in.jsonl", "-o", "out.jsonl")
    kept = [dict(list(row.items())[:5]) for row in json_lines(Path("out.jsonl").read_text())]
    assert json.dumps(kept) == json.dumps(rows)


def test_predict_keeps_the_types_of_parquet(project: Path, imbtool: Imbtool) -> None:
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 3], dtype="Int8"),
            "text": ["a camera", "=cmd", "001"],
            "when": pd.to_datetime(["2026-01-01 08:30", None, "2026-03-01 12:00"]),
        }
    )
    frame.to_parquet("in.parquet")
    run(imbtool, "predict", "runs/first", "in.parquet", "-o", "out.parquet")
    before, after = pq.read_table("in.parquet"), pq.read_table("out.parquet")
    assert after.column_names[:4] == [*before.column_names, "predicted"]
    kept = after.select(before.column_names)
    assert kept.to_pylist() == before.to_pylist()
    assert [after.field(name).type for name in ("n", "when")] == [
        before.field(name).type for name in ("n", "when")
    ]


def test_pandas_reads_lists_in_the_parquet_that_predict_wrote(
    project: Path, imbtool: Imbtool
) -> None:
    pd.DataFrame({"text": ["a", "b"], "tags": [["x", "y"], []]}).to_parquet("in.parquet")
    run(imbtool, "predict", "runs/first", "in.parquet", "-o", "out.parquet")
    assert [list(cell) for cell in pd.read_parquet("out.parquet")["tags"]] == [["x", "y"], []]


def test_cells_that_hold_nothing_stay_empty_in_csv(project: Path, imbtool: Imbtool) -> None:
    Path("in.jsonl").write_text('{"text": "a", "n": 1}\n{"text": "b", "n": null}\n{"text": "c"}\n')
    frame = pd.DataFrame({"text": ["a", "b"], "n": pd.array([1, None], dtype="Int64")})
    frame.to_parquet("in.parquet")
    cells = {}
    for name in ("in.jsonl", "in.parquet"):
        run(imbtool, "predict", "runs/first", name, "-o", "out.csv", "--force")
        cells[name] = [row["n"] for row in read_csv(Path("out.csv"))]
    assert cells == {"in.jsonl": ["1", "", ""], "in.parquet": ["1", ""]}


def test_predict_reads_a_text_a_line_from_stdin(project: Path, imbtool: Imbtool) -> None:
    texts = ["the knife", "", "[bold] 'a', \"b\" <b>", "naïve 😀"]
    result = run(imbtool, "predict", "runs/first", "--json", stdin="\n".join(texts) + "\n")
    assert [row["text"] for row in json_lines(result.stdout)] == texts
    assert result.stderr == "4 texts\n"


def test_markup_in_labels_and_names_stays_text(project: Path, imbtool: Imbtool) -> None:
    bold, script = "[bold]insults", "<script>alert(1)</script>"
    tables = ("train.csv", "validation.csv", "test.csv")
    documents = (CHECKPOINT / name for name in ("imbtool.json", "config.json"))
    for path in map(Path, (*tables, "profile.yaml", *documents)):
        quote = '"' if path.suffix == ".yaml" else ""
        text = path.read_text().replace("insults", f"{quote}{bold}{quote}")
        path.write_text(text.replace("spying", f"{quote}{script}{quote}"))
    shutil.copy("test.csv", "[red]fresh.csv")
    for command in (
        "analyze profile.yaml",
        "weights profile.yaml",
        "evaluate runs/first --data [red]fresh.csv",
    ):
        shown = run(imbtool, *command.split()).stdout
        assert bold in shown
        assert script in shown
    assert "[red]fresh" in shown
    page = next(Path("runs/first").glob("report-*fresh.html")).read_text()
    assert script not in page
    assert "&lt;script&gt;" in page


def test_an_interrupt_leaves_the_checkpoint_of_the_epochs_that_ended(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_epoch = TrainingLoop.run_epoch

    def interrupted(loop: TrainingLoop, after_step: Callable[[], None]) -> float:
        if loop.progress.epoch == 2:
            raise KeyboardInterrupt
        return run_epoch(loop, after_step)

    monkeypatch.setattr(TrainingLoop, "run_epoch", interrupted)
    result = imbtool("train", "-p", "profile.yaml", "--run", "cut")
    assert result.exit_code == 130
    assert "stopped" in result.stderr
    assert result.stdout == ""
    events = json_lines(Path("runs/cut/events.jsonl").read_text())
    assert [event["event"] for event in events][-3:] == ["epoch", "save", "interrupted"]
    assert read_checkpoint(Path("runs/cut")).meta.validation.epoch == 1
    run(imbtool, "evaluate", "runs/cut")


def test_what_changes_a_meaning_is_noted_once_on_stderr(
    tmp_path: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"text {row};{'spam' if row % 2 else 'SPAM'}\n" for row in range(20))
    Path("t.csv").write_text(f"sep=;\ntext;labels\n{rows}")
    for _ in range(2):
        document = run(imbtool, "init", "t.csv", "--force", "--json")
        notes = [line for line in document.stderr.splitlines() if line.startswith("note: ")]
        assert [note.removeprefix("note: ") for note in notes] == json.loads(document.stdout)[
            "notes"
        ]
        assert len(notes) == 2

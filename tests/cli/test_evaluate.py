"""What `imbtool evaluate` adds to the figures: another model, slices, errors to read, gates."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Imbtool, read_csv, write_csv

CHECKPOINT = Path("runs/first/checkpoint")


def evaluate(imbtool: Imbtool, *arguments: object, exit_code: int = 0) -> Any:
    """The document of an evaluation."""
    result = imbtool("evaluate", "runs/first", "--json", *arguments)
    assert result.exit_code == exit_code, result.stderr
    return json.loads(result.stdout)


def screen(imbtool: Imbtool, *arguments: object, exit_code: int = 0) -> str:
    """What a person sees of an evaluation."""
    result = imbtool("evaluate", "runs/first", *arguments)
    assert result.exit_code == exit_code, result.stderr
    return " ".join(result.stdout.split())


def test_a_model_is_no_better_than_itself(project: Path, imbtool: Imbtool) -> None:
    comparison = evaluate(imbtool, "--against", CHECKPOINT)["comparison"]
    assert comparison["decided_by"] == "its thresholds"
    assert comparison["counts"] == {"better": 0, "worse": 0, "cannot be told": 6}
    difference = comparison["overall"]["macro"]["f1"]
    assert (difference["value"], difference["low"], difference["high"]) == (0, 0, 0)


def test_a_rival_that_has_used_the_texts_is_said_to_look_better(
    project: Path, imbtool: Imbtool
) -> None:
    said = imbtool("evaluate", "runs/first", "--against", CHECKPOINT, "--split", "validation")
    assert "has used these texts as its validation texts" in said.stderr
    shutil.copytree("runs/first", "rival")
    mixed = [*read_csv(Path("test.csv")), *read_csv(Path("train.csv"))[:7]]
    write_csv(Path("mixed.csv"), mixed)
    said = imbtool("evaluate", CHECKPOINT, "--data", "mixed.csv", "--against", "rival")
    assert "The training of rival has used 7 of these 67 texts" in said.stderr
    Path("train.csv").unlink()
    said = imbtool("evaluate", CHECKPOINT, "--data", "mixed.csv", "--against", "rival")
    assert "These are not the test texts of rival" in said.stderr


def test_texts_that_the_training_has_used_are_counted_in_any_table(
    project: Path, imbtool: Imbtool
) -> None:
    assert evaluate(imbtool)["data"]["used_texts"] == 0
    rows, seen = read_csv(Path("test.csv")), read_csv(Path("train.csv"))[:7]
    write_csv(Path("mixed.csv"), [*rows, *({**row, "text": row["text"].upper()} for row in seen)])
    data = evaluate(imbtool, "--data", "mixed.csv")["data"]
    assert (data["used_texts"], data["seen_in_training"]) == (7, False)
    assert "7 of 67 texts were used in training" in screen(imbtool, "--data", "mixed.csv")
    write_csv(Path("part.csv"), seen)
    assert evaluate(imbtool, "--data", "part.csv")["data"]["seen_in_training"]
    shutil.copytree(CHECKPOINT, "elsewhere/model")
    alone = imbtool("evaluate", "elsewhere/model", "--data", "mixed.csv", "--json")
    assert "used_texts" not in json.loads(alone.stdout)["data"]


def test_a_count_of_used_texts_is_of_the_tables_as_they_were(
    project: Path, imbtool: Imbtool
) -> None:
    shutil.copy("train.csv", "before.csv")
    write_csv(Path("train.csv"), read_csv(Path("train.csv"))[::2])
    assert "used_texts" not in evaluate(imbtool, "--data", "before.csv")["data"]


def test_of_a_student_of_unlabelled_texts_it_is_not_known_what_it_has_used(
    project: Path, imbtool: Imbtool
) -> None:
    path = Path("runs/first/manifest.json")
    manifest = json.loads(path.read_text())
    unlabelled = {**manifest["data"]["train"], "source": "pool.csv"}
    taught = {"teachers": {}, "unlabelled": unlabelled, "left_out": {}, "logits": ""}
    manifest["distillation"] = {**taught, "temperature": 1.0, "label_share": 0.5}
    path.write_text(json.dumps(manifest))
    assert "used_texts" not in evaluate(imbtool)["data"]
    path.write_text("{}")
    assert "used_texts" not in evaluate(imbtool)["data"]


def test_a_split_and_a_table_at_once_are_refused(project: Path, imbtool: Imbtool) -> None:
    both = imbtool("evaluate", "runs/first", "--split", "validation", "--data", "test.csv")
    assert both.exit_code == 2
    assert "--split validation beside --data test.csv" in both.stderr


def test_a_table_named_like_a_split_is_named_in_the_command(
    project: Path, imbtool: Imbtool
) -> None:
    Path("fresh").mkdir()
    write_csv(Path("fresh/test.csv"), read_csv(Path("test.csv"))[::2])
    assert evaluate(imbtool, "--data", "fresh/test.csv")["data"]["own"] is False
    assert "--data fresh/test.csv" in Path("runs/first/report-test.html").read_text()
    assert "own" not in evaluate(imbtool)["data"]


def test_a_rival_that_reads_other_columns_is_not_given_ours(
    project: Path, imbtool: Imbtool
) -> None:
    shutil.copytree(CHECKPOINT, "rival")
    meta = json.loads(Path("rival/imbtool.json").read_text())
    meta["data"]["text"] = ["title", "text"]
    Path("rival/imbtool.json").write_text(json.dumps(meta))
    refused = imbtool("evaluate", "runs/first", "--against", "rival")
    assert refused.exit_code == 2
    assert "a model that reads title, text" in refused.stderr


def test_results_of_a_checkpoint_beside_another_are_kept(project: Path, imbtool: Imbtool) -> None:
    for name in ("a", "b"):
        shutil.copytree(CHECKPOINT, Path("models", name))
    assert imbtool("evaluate", "models/a", "--data", "test.csv").exit_code == 0
    before = Path("models/evaluation-test.json").read_bytes()
    refused = imbtool("evaluate", "models/b", "--data", "test.csv")
    assert refused.exit_code == 2
    assert "results of the checkpoint models/a" in refused.stderr
    assert Path("models/evaluation-test.json").read_bytes() == before
    assert imbtool("evaluate", "models/a", "--data", "test.csv").exit_code == 0
    assert imbtool("evaluate", "models/b", "--data", "test.csv", "-o", "of-b").exit_code == 0


def test_a_lone_carriage_return_makes_no_row_of_the_errors(project: Path, imbtool: Imbtool) -> None:
    rows = read_csv(Path("test.csv"))
    write_csv(Path("odd.csv"), [{**row, "text": row["text"] + "\r=1+2"} for row in rows])
    assert imbtool("evaluate", "runs/first", "--data", "odd.csv").exit_code == 0
    content = Path("runs/first/errors-odd.csv").read_bytes().decode()
    assert "\r=1+2" in content
    assert len({len(row) for row in csv.reader(io.StringIO(content, newline=""))}) == 1


def test_predictions_of_this_tool_are_the_checkpoint_itself(
    project: Path, imbtool: Imbtool
) -> None:
    imbtool("predict", "runs/first", "test.csv", "-o", "theirs.csv")
    comparison = evaluate(imbtool, "--against", "theirs.csv")["comparison"]
    assert comparison["decided_by"] == "their column predicted"
    assert comparison["has_scores"]
    for row in (comparison["overall"]["macro"], *comparison["labels"].values()):
        for measure in ("precision", "recall", "f1", "average_precision"):
            assert row[measure]["ours"] == pytest.approx(row[measure]["theirs"], nan_ok=True)


def test_a_perfect_rival_is_seen_to_be_better(project: Path, imbtool: Imbtool) -> None:
    rows = read_csv(Path("test.csv"))
    write_csv(
        Path("truth.csv"), [{"text": row["text"], "predicted": row["labels"]} for row in rows]
    )
    comparison = evaluate(imbtool, "--against", "truth.csv")["comparison"]
    assert not comparison["has_scores"]
    assert comparison["overall"]["macro"]["f1"]["theirs"] == 1
    assert comparison["overall"]["macro"]["f1"]["high"] < 0
    assert comparison["counts"]["worse"] > 0
    shown = screen(imbtool, "--against", "truth.csv")
    assert "against truth.csv, decided by their column predicted: 0 better" in shown
    assert Path("runs/first/plots/comparison.png").is_file()


def test_slices_hold_every_text_once(project: Path, imbtool: Imbtool) -> None:
    rows = read_csv(Path("test.csv"))
    write_csv(
        Path("by.csv"), [{**row, "month": "may" if i % 3 else ""} for i, row in enumerate(rows)]
    )
    slices = evaluate(imbtool, "--data", "by.csv", "--by", "month")["slices"]
    assert slices["column"] == "month"
    assert {row["value"]: row["texts"] for row in slices["slices"]} == {"may": 40, "(empty)": 20}
    assert "By month" in screen(imbtool, "--data", "by.csv", "--by", "month")


def test_errors_to_read_are_quoted_and_can_be_withheld(project: Path, imbtool: Imbtool) -> None:
    texts = [row["text"] for row in read_csv(Path("test.csv"))]
    document = evaluate(imbtool, "--errors", "2")
    with Path("runs/first/errors.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows, "a model after two short epochs makes mistakes"
    for row in rows:
        assert texts[int(row["row"]) - 1] == row["text"]
    for found in document["mistakes"]["labels"].values():
        assert len(found["misses"]) <= 2
        assert len(found["false_alarms"]) <= 2
    quoted = rows[0]["text"]
    assert quoted in Path("runs/first/report.html").read_text(encoding="utf-8")

    assert evaluate(imbtool, "--no-texts")["mistakes"] is None
    assert not Path("runs/first/errors.csv").exists()
    for path in Path("runs/first").glob("*.*"):
        assert quoted not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize(
    "name", ["errors.csv", "report.html", "report.md", "evaluation.json", "plots/f1.png"]
)
@pytest.mark.parametrize("option", [(), ("--no-texts",)])
def test_a_file_that_no_evaluation_wrote_stays_and_is_named(
    name: str, option: tuple[str, ...], project: Path, imbtool: Imbtool
) -> None:
    mine = Path("mine", name)
    mine.parent.mkdir(parents=True)
    mine.write_text('{"mine": true}')
    refused = imbtool("evaluate", "runs/first", "-o", "mine", *option)
    assert refused.exit_code == 2
    assert f"error: -o mine\n  found     {name} that imbtool did not write" in refused.stderr
    assert mine.read_text() == '{"mine": true}'
    assert [path for path in Path("mine").rglob("*") if path.is_file()] == [mine]


def test_a_folder_of_an_evaluation_is_written_anew_its_own_files_alone(
    project: Path, imbtool: Imbtool
) -> None:
    evaluate(imbtool, "-o", "results", "--against", CHECKPOINT)
    evaluate(imbtool, "-o", "results", "--no-texts")
    assert not Path("results/plots/comparison.png").exists()
    Path("results/errors.csv").write_text("mine, as the last evaluation wrote none")
    refused = imbtool("evaluate", "runs/first", "-o", "results", "--no-texts")
    assert refused.exit_code == 2
    assert "errors.csv that imbtool did not write" in refused.stderr


@pytest.mark.parametrize("line", ["null", "[]", '{"event": "epoch", "labels": 5}', "{", "\\xff"])
def test_damaged_events_are_said_and_left_out_of_the_page(
    line: str, project: Path, imbtool: Imbtool
) -> None:
    path = Path("runs/first/events.jsonl")
    path.write_bytes(line.encode("latin-1") + b"\n" + path.read_bytes())
    result = imbtool("evaluate", "runs/first")
    assert result.exit_code == 0, result.stderr
    assert f"1 damaged line left out, the first at {path}:1" in result.stderr


def test_a_gate_that_is_met_says_so(project: Path, imbtool: Imbtool) -> None:
    gate = "recall:violence>=0"
    assert evaluate(imbtool, "--require", gate)["gates"][0]["met"]
    assert "recall of violence is" in screen(imbtool, "--require", gate)


def test_a_gate_that_is_not_met_exits_with_1_after_everything_is_written(
    project: Path, imbtool: Imbtool
) -> None:
    gates = ("--require", "f1:macro>=1", "--require", "recall:violence>=0")
    document = evaluate(imbtool, *gates, exit_code=1)
    assert [gate["met"] for gate in document["gates"]] == [False, True]
    assert json.loads(Path("runs/first/evaluation.json").read_text()) == document
    shown = screen(imbtool, *gates, exit_code=1)
    assert "f1 of all labels (macro) is" in shown
    assert "under the bar 1" in shown


def test_the_model_card_learns_the_test_figures(project: Path, imbtool: Imbtool) -> None:
    card = CHECKPOINT / "README.md"
    before = card.read_text(encoding="utf-8")
    evaluate(imbtool, "-o", "results")
    evaluate(imbtool, "--data", "test.csv")
    evaluate(imbtool, "--split", "validation")
    assert card.read_text(encoding="utf-8") == before
    evaluate(imbtool)
    assert "split: test" in card.read_text(encoding="utf-8")

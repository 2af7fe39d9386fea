"""`imbtool analyze` as a check before training: its gate, and what it writes down."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Imbtool, read_csv, write_csv

from imbtool.data.writer import TableWriter


def leak(rows: int) -> None:
    """Copy some training texts into the test table."""
    table = read_csv(Path("test.csv"))
    for row, other in zip(table[:rows], read_csv(Path("train.csv")), strict=False):
        row["text"], row["labels"] = f"{other['text']} =secret=", other["labels"]
    train = read_csv(Path("train.csv"))
    for row in train[:rows]:
        row["text"] += " =secret="
    write_csv(Path("test.csv"), table)
    write_csv(Path("train.csv"), train)


def look(imbtool: Imbtool, *options: str) -> Any:
    return imbtool("analyze", "profile.yaml", "-o", "look", *options)


def test_the_gate_is_open_without_errors(project: Path, imbtool: Imbtool) -> None:
    result = look(imbtool, "--gate")
    assert (result.exit_code, "gate" in result.stderr) == (0, False)


def test_the_gate_closes_with_one_line_that_says_why(project: Path, imbtool: Imbtool) -> None:
    leak(20)
    result = look(imbtool, "--gate")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "gate: there are errors: leak-exact"
    assert Path("look/analysis.html").is_file()


def test_what_training_would_refuse_is_an_error(project: Path, imbtool: Imbtool) -> None:
    for name in ("train.csv", "validation.csv"):
        table = read_csv(Path(name))
        for row in table:
            row["labels"] = "|".join(filter(None, [row["labels"], "everywhere"]))
        table[0]["labels"] += "|arson" * (name == "validation.csv")
        write_csv(Path(name), table)
    assert imbtool("analyze", "train.csv", "-o", "table", "--gate").exit_code == 1
    result = look(imbtool, "--gate")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "gate: there are errors: label-constant"
    findings = json.loads(Path("look/analysis.json").read_text())["findings"]
    assert [each["message"] for each in findings if each["id"] == "label-constant"] == [
        "1 label has no positives in training: arson.",
        "1 label has no negatives in training: everywhere.",
    ]


def test_without_the_gate_an_error_is_only_shown(project: Path, imbtool: Imbtool) -> None:
    leak(20)
    result = look(imbtool)
    assert result.exit_code == 0
    assert result.stdout.startswith("1 error")


def test_texts_are_written_down_unless_they_are_private(project: Path, imbtool: Imbtool) -> None:
    leak(20)
    look(imbtool)
    files = [Path("look/analysis.html"), Path("look/findings/leak-exact.csv")]
    assert all("secret" in path.read_text() for path in files)
    look(imbtool, "--no-texts")
    written = [
        path for path in Path("look").rglob("*") if path.suffix in (".html", ".csv", ".json")
    ]
    assert len(written) >= 3
    assert not any("secret" in path.read_text() for path in written)


def test_the_rows_of_a_finding_read_back_whatever_their_texts_hold(
    project: Path, imbtool: Imbtool
) -> None:
    rows = read_csv(Path("train.csv"))
    rows[0]["text"] = rows[1]["text"] = "first\r=1+1"
    with TableWriter(Path("train.csv"), ".csv") as writer:
        writer.write(pd.DataFrame(rows))
    look(imbtool)
    listed = read_csv(Path("look/findings/duplicate.csv"))
    assert [row["text"] for row in listed] == ["first\r=1+1"]


@pytest.mark.parametrize(
    ("command", "name"),
    [("analyze", "analysis.json"), ("weights", "weights.json"), ("weights", "weights.png")],
)
@pytest.mark.parametrize(
    "content", ['{"mine": 1}', '{\n  "labels": {}}', '{\n  "labels": {"a": 1}}']
)
def test_a_file_of_the_same_name_that_is_not_ours_is_left_alone(
    project: Path, imbtool: Imbtool, command: str, name: str, content: str
) -> None:
    Path("look").mkdir()
    Path("look", name).write_text(content)
    refused = imbtool(command, "profile.yaml", "-o", "look")
    assert refused.exit_code == 2
    assert f"{name} that imbtool did not write" in refused.stderr
    assert {path.name: path.read_text() for path in Path("look").iterdir()} == {name: content}


def test_files_that_no_analysis_wrote_are_not_overwritten(project: Path, imbtool: Imbtool) -> None:
    Path("look").mkdir()
    Path("look/counts.png").write_text("mine")
    refused = look(imbtool)
    assert (refused.exit_code, Path("look/counts.png").read_text()) == (2, "mine")
    assert "counts.png that imbtool did not write" in refused.stderr
    Path("look/counts.png").unlink()
    assert [look(imbtool).exit_code for _ in range(2)] == [0, 0]


def test_the_json_and_the_screen_quote_no_text(project: Path, imbtool: Imbtool) -> None:
    leak(20)
    for options in ((), ("--json",)):
        result = look(imbtool, *options)
        assert "secret" not in result.stdout + result.stderr


def test_tokens_are_counted_by_the_encoder_of_the_profile(project: Path, imbtool: Imbtool) -> None:
    document = json.loads(look(imbtool, "--json").stdout)
    assert document["lengths"]["tokens"]["limit"] == 24


def test_without_its_encoder_characters_are_counted(project: Path, imbtool: Imbtool) -> None:
    result = look(imbtool, "--json", "--set", f"model.encoder={project}/absent")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["lengths"]["tokens"] is None
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Tokens")]
    assert line.startswith("Tokens are not counted: model.encoder")


def test_a_required_label_that_validation_lacks_is_an_error(
    project: Path, imbtool: Imbtool
) -> None:
    rows = read_csv(Path("validation.csv"))
    for row in rows:
        row["labels"] = "|".join(name for name in row["labels"].split("|") if name != "spying")
    write_csv(Path("validation.csv"), rows)
    asked = ("--set", "thresholds.require={spying: {recall: 0.8}}")
    assert look(imbtool, "--gate").exit_code == 0
    result = look(imbtool, "--gate", *asked)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        1,
        "gate: there are errors: label-absent",
    )


def test_wrong_labels_are_looked_for_when_asked(project: Path, imbtool: Imbtool) -> None:
    rows = read_csv(Path("train.csv"))
    for row in rows[:6]:
        row["labels"] = "spying|abuse" if "spying" not in row["labels"] else ""
    write_csv(Path("train.csv"), rows)
    plain = json.loads(look(imbtool, "--json").stdout)["findings"]
    asked = json.loads(look(imbtool, "--json", "--label-errors").stdout)["findings"]
    assert "label-error" not in [row["id"] for row in plain]
    assert "label-error" in [row["id"] for row in asked]

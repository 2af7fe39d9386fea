"""A folder of tables becomes a folder of predictions, file by file; what is done stays done."""

import gzip
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import Imbtool, read_csv, write_csv

from imbtool.data.tables import read_table
from imbtool.formats import lines
from imbtool.formats.lines import open_bytes
from imbtool.inference import output_folder, predict, predict_folder
from imbtool.inference.predict import use_gpu

RUN = "runs/first"
PREDICT = ("predict", RUN, "in", "-o", "out")
CHECKPOINT = Path(RUN, "checkpoint")
LAUNCHED = {"RANK": "0", "WORLD_SIZE": "2"}


def manifest() -> dict:
    return json.loads(Path("out", output_folder.MANIFEST).read_text())


def outputs() -> dict[str, bytes]:
    """The tables in the output folder by path."""
    tables = [path for path in Path("out").rglob("*") if path.is_file() and path.name[0] != "_"]
    return {str(path.relative_to("out")): path.read_bytes() for path in sorted(tables)}


def texts_of(name: str) -> list[str]:
    return read_table(Path("out", name))["text"].tolist()


@pytest.fixture
def shards(project: Path) -> list[dict[str, str]]:
    """A folder `in` with the test table in three parts of 10 rows; its rows."""
    rows = read_csv(Path("test.csv"))[:30]
    Path("in").mkdir()
    for number in range(3):
        write_csv(Path("in", f"part-{number}.csv"), rows[10 * number : 10 * number + 10])
    return rows


def test_each_file_becomes_one_with_the_predictions_of_that_table(
    shards: list, imbtool: Imbtool
) -> None:
    result = imbtool(*PREDICT)
    assert (result.exit_code, result.stdout) == (0, "")
    lines = result.stderr.splitlines()
    assert lines[:-1] == [
        "1/3  in/part-0.csv: 10 texts",
        "2/3  in/part-1.csv: 10 texts",
        "3/3  in/part-2.csv: 10 texts",
        "3 files: 3 done, 0 skipped, 0 failed -> out",
    ]
    assert list(outputs()) == ["part-0.csv", "part-1.csv", "part-2.csv"]
    assert imbtool("predict", RUN, "in/part-1.csv", "-o", "one.csv").exit_code == 0
    assert outputs()["part-1.csv"] == Path("one.csv").read_bytes()


def test_every_format_stays_what_it_is_or_becomes_what_is_nearest(
    shards: list, imbtool: Imbtool
) -> None:
    shutil.rmtree("in")
    Path("in").mkdir()
    frame = pd.DataFrame(shards[:3])
    frame.to_parquet("in/a.parquet")
    frame.to_csv("in/b.tsv", sep="\t", index=False)
    frame.to_json("in/c.jsonl", orient="records", lines=True)
    frame.to_json("in/d.json", orient="records")
    with gzip.open("in/e.csv.gz", "wt") as stream:
        frame.to_csv(stream, index=False)
    assert imbtool(*PREDICT).exit_code == 0
    names = ["a.parquet", "b.tsv", "c.jsonl", "d.jsonl", "e.csv"]
    assert list(outputs()) == names
    for name in names:
        assert texts_of(name) == frame["text"].tolist()


def test_the_output_folder_reads_as_one_table(shards: list, imbtool: Imbtool) -> None:
    assert imbtool(*PREDICT).exit_code == 0
    assert read_table(Path("out"))["id"].tolist() == [row["id"] for row in shards]


def test_files_of_one_name_keep_their_folders(shards: list, imbtool: Imbtool) -> None:
    for number in (0, 1):
        Path("months", str(number)).mkdir(parents=True)
        shutil.copy(f"in/part-{number}.csv", f"months/{number}/part.csv")
    assert imbtool("predict", RUN, "months/*/part.csv", "-o", "out").exit_code == 0
    assert list(outputs()) == ["0/part.csv", "1/part.csv"]
    assert texts_of("1/part.csv") == [row["text"] for row in shards[10:20]]


def test_the_same_command_does_what_is_left(shards: list, imbtool: Imbtool) -> None:
    assert imbtool(*PREDICT).exit_code == 0
    whole = outputs()
    Path("out/part-1.csv").unlink()
    Path("out/part-2.csv").write_text("stays as it is")
    again = imbtool(*PREDICT)
    assert again.exit_code == 0
    assert "3 files: 1 done, 2 skipped, 0 failed" in again.stderr
    assert outputs() == {**whole, "part-2.csv": b"stays as it is"}


def test_a_table_written_after_its_output_is_predicted_again(
    shards: list, imbtool: Imbtool
) -> None:
    assert imbtool(*PREDICT).exit_code == 0
    write_csv(Path("in", "part-1.csv"), shards[:5])
    again = imbtool(*PREDICT)
    assert "predicted again, since written after their outputs: in/part-1.csv" in again.stderr
    assert "3 files: 1 done, 2 skipped, 0 failed" in again.stderr
    assert texts_of("part-1.csv") == [row["text"] for row in shards[:5]]


def test_a_table_that_changes_while_it_is_read_has_no_output(
    shards: list, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(checkpoint, path, *options):
        yield from predict.predict(checkpoint, path, *options)
        if path.name == "part-1.csv":
            write_csv(path, shards[:5])

    with monkeypatch.context() as patch:
        patch.setattr(predict_folder, "predict", changing)
        result = imbtool(*PREDICT)
    assert result.exit_code == 2
    assert "in/part-1.csv" in result.stderr and "other content than before" in result.stderr
    assert list(outputs()) == ["part-0.csv", "part-2.csv"]
    assert imbtool(*PREDICT).exit_code == 0
    assert texts_of("part-1.csv") == [row["text"] for row in shards[:5]]


def test_a_table_that_may_not_be_read_leaves_the_others_alone(
    shards: list, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: Path):
        if path.name == "part-1.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return open_bytes(path)

    monkeypatch.setattr(lines, "open_bytes", closed)
    result = imbtool(*PREDICT)
    assert result.exit_code == 2
    assert "3 files: 2 done, 0 skipped, 1 failed" in result.stderr


def test_where_nothing_is_left_the_model_is_not_loaded(
    shards: list, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert imbtool(*PREDICT).exit_code == 0
    monkeypatch.delattr(predict_folder, "read_checkpoint")
    assert "0 done, 3 skipped" in imbtool(*PREDICT).stderr


@pytest.fixture
def heeding_ctrl_c() -> Iterator[None]:
    """Ctrl-C interrupts, also where a shell runs the tests in the background and has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_whole_files_alone(
    shards: list, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def stopped(checkpoint, path, *options):
        for frame in predict.predict(checkpoint, path, *options):
            yield frame
            if path.name == "part-1.csv":
                os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(predict_folder, "predict", stopped)
        result = imbtool(*PREDICT)
    assert result.exit_code == 128 + number
    assert sorted(path.name for path in Path("out").iterdir()) == [
        output_folder.MANIFEST,
        "part-0.csv",
    ]
    assert "2 done, 1 skipped" in imbtool(*PREDICT).stderr


@pytest.mark.usefixtures("heeding_ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_half_of_a_single_table_and_what_a_kill_left_goes(
    number: int, shards: list, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predict.predict

    def stopped(*arguments):
        yield from whole(*arguments)
        os.kill(os.getpid(), number)

    command = ("predict", RUN, "in/part-0.csv", "-o", "alone/out.csv")
    with monkeypatch.context() as patch:
        patch.setattr(predict, "predict", stopped)
        assert imbtool(*command).exit_code == 128 + number
    assert list(Path("alone").iterdir()) == []
    Path("alone", f".out.csv.{'0a' * 8}.tmp").write_text("half")
    assert imbtool(*command).exit_code == 0
    assert list(Path("alone").iterdir()) == [Path("alone/out.csv")]


@pytest.mark.parametrize("options", [("--calibrated",), ("--force",), ()])
def test_a_folder_is_filled_by_one_command_at_a_time(
    options: tuple[str, ...], shards: list, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beside(checkpoint, path, *arguments):
        refused.append(imbtool(*PREDICT, *options))
        return predict.predict(checkpoint, path, *arguments)

    refused: list = []
    with monkeypatch.context() as patch:
        patch.setattr(predict_folder, "predict", beside)
        assert imbtool(*PREDICT).exit_code == 0
    for result in refused:
        assert result.exit_code == 2
        assert "error: out\n  found     another imbtool command at work in it" in result.stderr
    assert len(refused) == 3
    assert list(outputs()) == ["part-0.csv", "part-1.csv", "part-2.csv"]
    assert manifest()["calibrated"] is False


@pytest.mark.parametrize("content", ["null", "[]", '{"calibrated": "no"}', "{"])
def test_a_manifest_that_predict_did_not_write_is_refused(
    content: str, shards: list, imbtool: Imbtool
) -> None:
    Path("out").mkdir()
    Path("out", output_folder.MANIFEST).write_text(content)
    refused = imbtool(*PREDICT, "--force")
    assert refused.exit_code == 2
    assert f"error: out/{output_folder.MANIFEST}" in refused.stderr
    assert Path("out", output_folder.MANIFEST).read_text() == content


def test_a_folder_whose_name_is_not_utf8_is_refused_and_not_made(
    shards: list, imbtool: Imbtool
) -> None:
    for command in (
        ("predict", RUN, "in", "-o", "out\udcff"),
        ("split", "train.csv", "-o", "out\udcff"),
        ("evaluate", RUN, "-o", "out\udcff"),
        ("train", "-p", "profile.yaml", "--runs", "out\udcff"),
        ("tune", "-p", "profile.yaml", "--runs", "out\udcff"),
    ):
        refused = imbtool(*command)
        assert refused.exit_code == 2, command
        assert "not UTF-8" in refused.stderr
    assert not [path for path in Path().iterdir() if path.name.startswith("out")]


def test_what_a_kill_has_left_of_a_file_is_deleted(shards: list, imbtool: Imbtool) -> None:
    assert imbtool(*PREDICT).exit_code == 0
    half = Path("out", f".part-1.csv.{'0a' * 8}.tmp")
    for path in (half, Path("out", ".mine.tmp"), Path("out", f".other.csv.{'0a' * 8}.tmp")):
        path.write_text("half")
    Path("out/part-1.csv").unlink()
    assert imbtool(*PREDICT).exit_code == 0
    assert not half.exists()
    assert len(list(Path("out").glob(".*"))) == 2


def other_threshold() -> None:
    path = CHECKPOINT / "imbtool.json"
    document = json.loads(path.read_text())
    document["labels"]["threats"]["threshold"] = 0.01
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "command", "said"),
    [
        (None, (*PREDICT, "--calibrated"), "another calibrated (false -> true)"),
        (None, (*PREDICT, "--text", "labels"), 'another text (["text"] -> ["labels"])'),
        (None, ("predict", RUN, "in/part-*.csv", "-o", "out"), "another input ("),
        (other_threshold, PREDICT, "another checkpoint ("),
    ],
    ids=["calibrated", "text", "input", "checkpoint"],
)
def test_a_folder_holds_the_outputs_of_one_checkpoint_and_one_set_of_options(
    shards: list, imbtool: Imbtool, change, command, said: str
) -> None:
    assert imbtool(*PREDICT).exit_code == 0
    before, first = outputs(), manifest()
    Path("out/part-0.csv").unlink()
    if change:
        change()
    refused = imbtool(*command)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert "--force to delete them and start over" in refused.stderr
    assert outputs() == {name: before[name] for name in before if name != "part-0.csv"}
    assert manifest() == first

    over = imbtool(*command, "--force")
    assert "3 done, 0 skipped" in over.stderr
    assert manifest() != first
    assert "0 done, 3 skipped" in imbtool(*command).stderr


def test_a_copy_of_a_checkpoint_with_the_card_of_an_evaluation_is_the_same(
    shards: list, imbtool: Imbtool
) -> None:
    assert imbtool(*PREDICT).exit_code == 0
    (CHECKPOINT / "README.md").write_text("# evaluated")
    shutil.copytree(CHECKPOINT, "copy")
    assert "3 skipped" in imbtool("predict", "copy", "in", "-o", "out").stderr


def test_outputs_with_names_that_a_folder_passes_over_are_those_of_a_job_too(
    shards: list, imbtool: Imbtool
) -> None:
    Path("in/part-0.csv").rename("in/_part-0.csv")
    globbed = ("predict", RUN, "in/*.csv", "-o", "out")
    assert imbtool(*globbed).exit_code == 0
    for name in ("part-1.csv", "part-2.csv"):
        Path("out", name).unlink()
    other_threshold()
    refused = imbtool(*globbed)
    assert refused.exit_code == 2
    assert "another checkpoint (" in refused.stderr


def test_a_folder_without_outputs_may_be_claimed_anew(shards: list, imbtool: Imbtool) -> None:
    assert imbtool(*PREDICT, "--text", "labels").exit_code == 0
    for path in Path("out").glob("*.csv"):
        path.unlink()
    assert "3 done" in imbtool(*PREDICT).stderr
    assert manifest()["text"] == ["text"]


@pytest.mark.parametrize("option", [(), ("--force",)])
def test_a_folder_of_other_files_is_left_alone(
    shards: list, imbtool: Imbtool, option: tuple[str, ...]
) -> None:
    Path("out").mkdir()
    Path("out/part-0.csv").write_text("mine")
    refused = imbtool(*PREDICT, *option)
    assert refused.exit_code == 2
    assert (
        f"files, and no {output_folder.MANIFEST} that says what made them: part-0.csv"
        in refused.stderr
    )
    assert [path.name for path in Path("out").iterdir()] == ["part-0.csv"]


def test_force_deletes_nothing_that_it_does_not_write_anew(shards: list, imbtool: Imbtool) -> None:
    assert imbtool(*PREDICT).exit_code == 0
    before = outputs()
    Path("in/part-2.csv").unlink()
    refused = imbtool(*PREDICT, "--force")
    assert refused.exit_code == 2
    assert "tables that this input does not give: out/part-2.csv" in refused.stderr
    assert outputs() == before


def test_a_file_that_cannot_be_used_costs_no_other(shards: list, imbtool: Imbtool) -> None:
    whole = Path("in/part-1.csv").read_text()
    Path("in/part-0.csv").write_text("id,text,labels\n")
    Path("in/part-1.csv").write_text(whole + "a,b\n")
    result = imbtool(*PREDICT)
    assert result.exit_code == 2
    assert "error: in/part-0.csv\n  found     no rows" in result.stderr
    assert "error: in/part-1.csv:12\n  found     2 cells" in result.stderr
    assert "3 files: 1 done, 0 skipped, 2 failed -> out" in result.stderr
    assert list(outputs()) == ["part-2.csv"]
    Path("in/part-0.csv").unlink()
    Path("in/part-1.csv").write_text(whole)
    fixed = imbtool(*PREDICT, "--json")
    assert fixed.exit_code == 0
    expected = {"output": "out", "files": 2, "done": 1, "skipped": 1, "failed": 0}
    assert json.loads(fixed.stdout) == expected


def test_what_holds_for_all_files_is_said_once_before_the_first(
    shards: list, imbtool: Imbtool
) -> None:
    path = CHECKPOINT / "imbtool.json"
    document = json.loads(path.read_text())
    for label in document["labels"].values():
        label["slope"] = label["bias"] = None
    path.write_text(json.dumps(document))
    result = imbtool(*PREDICT, "--calibrated")
    assert result.exit_code == 2
    assert result.stderr.count("no calibration") == 1
    assert not Path("out").exists()


def test_a_disk_that_is_full_ends_it(
    shards: list, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(frames, output):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(predict_folder, "write_file", full)
        result = imbtool(*PREDICT)
    assert result.exit_code == 2
    assert result.stderr.count("No space left on device") == 1


@pytest.mark.parametrize(
    ("command", "environment", "said"),
    [
        (PREDICT, LAUNCHED, "each of which would do all of the work"),
        (("predict", RUN, "test.csv", "-o", "out.csv"), LAUNCHED, "without a launcher"),
        ((*PREDICT, "--engine", "ray"), LAUNCHED, "without a launcher"),
        ((*PREDICT, "--processes", "2"), LAUNCHED, "--engine ray among machines"),
        (("predict", RUN, "test.csv", "--processes", "2"), {}, "a table is one file"),
        (("predict", RUN, "in", "-o", "out.csv", "--processes", "2"), {}, "a table is one file"),
        (PREDICT, {"RANK": "2", "WORLD_SIZE": "2"}, "RANK=2 WORLD_SIZE=2"),
        ((*PREDICT, "--engine", "ray", "--processes", "2"), {}, "Ray alone"),
        (("predict", RUN, "test.csv", "-o", "out.csv", "--engine", "ray"), {}, "a folder of"),
        ((*PREDICT, "--address", "auto"), {}, "add --engine ray"),
        (("predict", RUN, "in", "-o", "profile"), {}, "a file"),
        (("predict", RUN, "in", "-o", "out.csv.gz"), {}, "the suffix '.gz'"),
        (("predict", RUN, "test.csv", "-o", "out"), {}, "the suffix ''"),
    ],
)
def test_what_would_not_run_as_asked_is_refused(
    shards: list,
    imbtool: Imbtool,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    environment: dict[str, str],
    said: str,
) -> None:
    Path("profile").touch()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    refused = imbtool(*command)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not Path("out").exists()


def test_without_ray_it_says_how_to_install_it(
    shards: list, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    refused = imbtool(*PREDICT, "--engine", "ray")
    assert refused.exit_code == 2
    assert "pip install 'imbtool[ray]'" in refused.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize(("number", "device"), [(0, "cuda:0"), (3, "cuda:3"), (5, "cuda:1")])
def test_each_process_of_a_machine_takes_its_own_gpu(
    monkeypatch: pytest.MonkeyPatch, number: int, device: str
) -> None:
    class Fake:
        """Checkpoint, text model and model in one."""

        placed: torch.device | None = None

        @property
        def text_model(self) -> "Fake":
            return self

        model = text_model

        def to(self, device: torch.device) -> None:
            self.placed = device

    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    checkpoint = Fake()
    use_gpu(checkpoint, number)
    assert [checkpoint.placed] == chosen == [torch.device(device)]

"""With Ray, where it is installed, predictions are those of one process, whatever dies."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from conftest import Imbtool, read_csv

from imbtool import predict, read_checkpoint
from imbtool.data.tables import CHUNK_ROWS
from imbtool.inference import table_parts
from imbtool.inference.ray_engine import Unit, _Schedule
from imbtool.inference.table_parts import part_file

ray = pytest.importorskip("ray")
psutil = pytest.importorskip("psutil")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "at-scale.md"
RUN = "runs/first"
WITH_RAY = ("predict", RUN, "in", "-o", "out", "--engine", "ray")
OBJECT_STORE = 80 * 1024 * 1024
STARTS = 5
"""A node of Ray gives up where its helpers take 15 seconds to begin, as on a busy machine."""


@pytest.fixture(scope="module")
def cluster(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the trained project as the current folder, and a Ray in it."""
    folder = tmp_path_factory.mktemp("ray") / "project"
    shutil.copytree(trained, folder, symlinks=True)
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # others on the machine would come first
        start_ray(STARTS)
        yield folder
        ray.shutdown()


def start_ray(times: int) -> None:
    """Start Ray here, again if it does not come up."""
    try:
        ray.init(
            num_cpus=3,  # Ray Data reads and writes beside its actors
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            log_to_driver=False,
            logging_level="error",
        )
    except Exception:  # Ray has no class of its own for it
        if times == 1:
            raise
        start_ray(times - 1)


def test_the_program_of_the_docs_gives_what_predict_gives(cluster: Path) -> None:
    expected = pd.concat(predict(read_checkpoint(Path("runs/first")), Path("test.csv")))
    Path("shards").mkdir()
    for part in range(2):
        rows = expected[["id", "text"]][30 * part : 30 * part + 30]
        rows.to_parquet(f"shards/{part}.parquet")
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    (program,) = (each for each in programs if "import ray" in each)
    exec(compile(program.replace("runs/NAME", "runs/first"), str(PAGE), "exec"), {})
    labelled = pd.read_parquet("labelled").set_index("id").loc[expected["id"]].reset_index()
    assert list(labelled) == [name for name in expected if name != "labels"]
    assert labelled["predicted"].tolist() == expected["predicted"].tolist()
    for name in expected.columns[3:]:
        assert labelled[name].tolist() == pytest.approx(expected[name].tolist())


@pytest.fixture
def shards(cluster: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A folder `in` whose larger tables are cut into parts, and what predict alone makes of it."""
    monkeypatch.setattr(table_parts, "BLOCK_ROWS", CHUNK_ROWS)
    monkeypatch.setattr(table_parts, "TEXT_PART_BYTES", 200_000)
    for folder in ("in", "alone", "out"):
        shutil.rmtree(folder, ignore_errors=True)
    Path("in").mkdir()
    frame = pd.DataFrame(read_csv(Path("test.csv")) * 200)
    frame["id"] = range(len(frame))
    frame.to_parquet("in/large.parquet", row_group_size=5000)
    frame[:11_000].to_json("in/lines.jsonl", orient="records", lines=True)
    frame[:50].to_csv("in/small.csv", index=False)
    assert imbtool("predict", RUN, "in", "-o", "alone").exit_code == 0
    return written("alone")


def written(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name[0] != "."}


def outputs(folder: str) -> dict[str, bytes]:
    return {name: content for name, content in written(folder).items() if name[0] != "_"}


def test_ray_writes_the_bytes_that_one_process_writes(
    shards: dict[str, bytes], imbtool: Imbtool
) -> None:
    result = imbtool(*WITH_RAY, "--json")
    assert result.exit_code == 0, result.stderr
    expected = {"output": "out", "files": 3, "done": 3, "skipped": 0, "failed": 0}
    assert json.loads(result.stdout) == expected
    assert written("out") == shards
    assert not Path("out/.parts").exists()
    again = imbtool(*WITH_RAY)
    assert "0 done, 3 skipped" in again.stderr


def test_parts_that_are_stored_are_not_computed_again(
    shards: dict[str, bytes], imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: list[Unit] = []
    result_of = _Schedule._result

    def interrupted(schedule, unit, outcome):
        finished.append(unit)
        if len(finished) == 2:
            raise KeyboardInterrupt
        return result_of(schedule, unit, outcome)

    def recorded(schedule, unit, outcome):
        finished.append(unit)
        return result_of(schedule, unit, outcome)

    monkeypatch.setattr(_Schedule, "_result", interrupted)
    assert imbtool(*WITH_RAY).exit_code == 130
    stored = {path.resolve() for path in Path("out/.parts").glob("*/*.npy")}
    assert stored
    finished.clear()
    monkeypatch.setattr(_Schedule, "_result", recorded)
    assert imbtool(*WITH_RAY).exit_code == 0
    assert written("out") == shards
    computed = {
        part_file(unit.table.folder, unit.number) for unit in finished if unit.kind == "part"
    }
    assert not computed & stored


def test_a_worker_that_is_killed_costs_nothing(shards: dict[str, bytes], imbtool: Imbtool) -> None:
    killed: list[int] = []

    def kill() -> None:
        while not killed:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if process.name().startswith("ray::run_unit"):
                        process.kill()
                        killed.append(process.pid)
                        return
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    result = imbtool(*WITH_RAY)
    killer.join()
    assert result.exit_code == 0, result.stderr
    assert written("out") == shards


@pytest.mark.parametrize("parts", [1, 3])
def test_after_a_kill_the_same_command_goes_on(shards: dict[str, bytes], parts: int) -> None:
    """The command has a Ray of its own, which ends with it."""
    program = "import sys; from imbtool.inference import table_parts; {}; {}".format(
        f"table_parts.BLOCK_ROWS, table_parts.TEXT_PART_BYTES = {CHUNK_ROWS}, 200_000",
        "from imbtool.__main__ import main; main()",
    )
    command = [sys.executable, "-c", program, *WITH_RAY]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while first.poll() is None and len([*Path("out").rglob("*.npy")]) < parts:
        time.sleep(0.01)
    first.kill()
    _, said = first.communicate()
    assert first.returncode == -signal.SIGKILL, said
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert written("out") == shards
    assert not Path("out/.parts").exists()


def test_a_table_that_cannot_be_used_costs_no_other(
    shards: dict[str, bytes], imbtool: Imbtool
) -> None:
    with Path("in/lines.jsonl").open("a") as stream:
        stream.write("no object\n")
    result = imbtool(*WITH_RAY)
    assert result.exit_code == 2
    assert result.stderr.count("in/lines.jsonl:11001\n") == 1
    assert "3 files: 2 done, 0 skipped, 1 failed -> out" in result.stderr
    assert list(outputs("out")) == [name for name in outputs("alone") if name != "lines.jsonl"]


def test_a_damaged_checkpoint_ends_it(shards: dict[str, bytes], imbtool: Imbtool) -> None:
    shutil.copytree("runs/first/checkpoint", "damaged")
    Path("damaged/model.safetensors").write_bytes(b"nothing")
    result = imbtool("predict", "damaged", "in", "-o", "out", "--engine", "ray")
    assert result.exit_code == 2
    assert result.stderr.count("error:") == 1
    assert "model.safetensors" in result.stderr

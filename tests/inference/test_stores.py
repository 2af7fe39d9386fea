"""Tables, checkpoints and outputs in an object store: as on disk, and nothing half is ever seen."""

import errno
import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from conftest import Imbtool, read_csv, write_csv
from s3server import BUCKET, Bucket, free_port, in_between, s3_server

from imbtool.data.tables import CHUNK_ROWS, read_table
from imbtool.errors import UserError
from imbtool.files import stores
from imbtool.files.copies import local_copy
from imbtool.files.stores import StoreError, StorePath, location
from imbtool.files.writing import replacing

RUN = "runs/first"
STORED_RUN, IN, OUT = (f"s3://{BUCKET}/{key}" for key in ("first", "in", "out"))
MANIFEST = "out/_predict.json"
PARTS = ["out/part-0.csv", "out/part-1.csv", "out/part-2.csv"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(server: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket with the trained checkpoint and three tables, which are also in the folder `in`."""
    environment = {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(project / "cache"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stores._connected.cache_clear()
    made = Bucket(server)
    rows = read_csv(Path("test.csv"))[:30]
    Path("in").mkdir()
    for number in range(3):
        write_csv(Path("in", f"part-{number}.csv"), rows[10 * number : 10 * number + 10])
    made.put_folder("in", Path("in"))
    made.put_folder("first/checkpoint", Path(RUN, "checkpoint"))
    yield made
    stores._connected.cache_clear()
    made.empty()


@pytest.fixture
def whole(bucket: Bucket, imbtool: Imbtool) -> list[bytes]:
    """What a local prediction gives."""
    assert imbtool("predict", RUN, "in", "-o", "local").exit_code == 0
    return [Path("local", f"part-{number}.csv").read_bytes() for number in range(3)]


def outputs(bucket: Bucket) -> list[bytes]:
    return [bucket.get(key) for key in PARTS]


def test_everything_in_a_store_gives_the_bytes_of_everything_on_disk(
    bucket: Bucket, whole: list[bytes], imbtool: Imbtool
) -> None:
    result = imbtool("predict", STORED_RUN, IN, "-o", OUT)
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"note: copying {STORED_RUN}/checkpoint (")
    assert lines[1:5] == [
        f"1/3  {IN}/part-0.csv: 10 texts",
        f"2/3  {IN}/part-1.csv: 10 texts",
        f"3/3  {IN}/part-2.csv: 10 texts",
        f"3 files: 3 done, 0 skipped, 0 failed -> {OUT}",
    ]
    assert outputs(bucket) == whole
    assert bucket.keys("out") == [MANIFEST, *PARTS]
    ours = json.loads(Path("local/_predict.json").read_bytes())
    assert json.loads(bucket.get(MANIFEST)) == {**ours, "input": IN}


def test_the_same_command_does_what_is_left_and_copies_the_checkpoint_no_more(
    bucket: Bucket, whole: list[bytes], imbtool: Imbtool
) -> None:
    assert imbtool("predict", STORED_RUN, IN, "-o", OUT).exit_code == 0
    bucket.delete(PARTS[0])
    bucket.put(PARTS[1], b"")  # as Azure shows an object that is being written
    bucket.put(PARTS[2], b"stays as it is")
    result = imbtool("predict", STORED_RUN, IN, "-o", OUT)
    assert "3 files: 2 done, 1 skipped, 0 failed" in result.stderr
    assert "copying" not in result.stderr
    assert outputs(bucket) == [*whole[:2], b"stays as it is"]


def test_stores_and_disk_can_be_mixed(bucket: Bucket, whole: list[bytes], imbtool: Imbtool) -> None:
    table = f"{IN}/part-1.csv"
    assert imbtool("predict", RUN, table).stdout.encode() == whole[1]
    assert imbtool("predict", RUN, table, "-o", "one.csv").exit_code == 0
    assert Path("one.csv").read_bytes() == whole[1]
    assert imbtool("predict", STORED_RUN, "in/part-1.csv", "-o", f"{OUT}.csv").exit_code == 0
    assert bucket.get("out.csv") == whole[1]
    again = imbtool("predict", STORED_RUN, "in/part-1.csv", "-o", f"{OUT}.csv")
    assert again.exit_code == 2
    assert "--force to overwrite" in again.stderr
    assert imbtool("predict", RUN, IN, "-o", "folder").exit_code == 0
    assert Path("folder/part-2.csv").read_bytes() == whole[2]


def test_outputs_of_another_job_are_refused_and_force_begins_again(
    bucket: Bucket, whole: list[bytes], imbtool: Imbtool
) -> None:
    assert imbtool("predict", RUN, IN, "-o", OUT).exit_code == 0
    other = imbtool("predict", RUN, IN, "-o", OUT, "--calibrated")
    assert other.exit_code == 2
    assert "outputs made with another calibrated" in other.stderr
    assert outputs(bucket) == whole
    bucket.put(PARTS[0], b"of no command")
    assert imbtool("predict", RUN, IN, "-o", OUT, "--force").exit_code == 0
    assert outputs(bucket) == whole


def test_a_folder_that_predict_has_not_made_is_refused(bucket: Bucket, imbtool: Imbtool) -> None:
    bucket.put("out/report.txt", b"ours")
    result = imbtool("predict", RUN, IN, "-o", OUT)
    assert result.exit_code == 2
    assert "files, and no _predict.json that says what made them: report.txt" in result.stderr
    assert bucket.keys("out") == ["out/report.txt"]


def test_a_bad_table_is_named_by_its_uri_and_does_not_stop_the_others(
    bucket: Bucket, whole: list[bytes], imbtool: Imbtool
) -> None:
    bucket.put("in/part-1.csv", b'id,text\n1,"one"\n2\n')
    result = imbtool("predict", RUN, IN, "-o", OUT)
    assert result.exit_code == 2
    assert f"error: {IN}/part-1.csv:3" in result.stderr
    assert "2 done, 0 skipped, 1 failed" in result.stderr
    assert bucket.keys("out") == [MANIFEST, PARTS[0], PARTS[2]]


@pytest.mark.slow
def test_several_processes_share_a_folder_of_a_store(
    bucket: Bucket, whole: list[bytes], imbtool: Imbtool
) -> None:
    result = imbtool("predict", STORED_RUN, IN, "-o", OUT, "--processes", 2)
    assert result.exit_code == 0, result.stderr
    assert outputs(bucket) == whole


@pytest.mark.slow
def test_ray_gives_the_same_bytes_from_and_to_a_store(
    bucket: Bucket, whole: list[bytes], imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rows = 2 * CHUNK_ROWS + 100
    frame = pd.DataFrame({"id": range(rows), "text": ["people walk"] * rows})
    frame.to_parquet("in/large.parquet")
    bucket.put("in/large.parquet", Path("in/large.parquet").read_bytes())
    assert imbtool("predict", RUN, "in", "-o", "local").exit_code == 0
    result = imbtool("predict", STORED_RUN, IN, "-o", OUT, "--engine", "ray")
    assert result.exit_code == 0, result.stderr
    assert outputs(bucket) == whole
    assert bucket.get("out/large.parquet") == Path("local/large.parquet").read_bytes()
    assert [key for key in bucket.keys("out") if ".parts" in key] == []


@pytest.mark.slow
def test_a_kill_during_an_upload_leaves_nothing_and_the_same_command_goes_on(
    bucket: Bucket, whole: list[bytes], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes: list[subprocess.Popen] = []

    def kill_at_the_second_output(method: str, path: str) -> int | None:
        if method == "PUT" and "part-1.csv" in path:
            processes[0].kill()
            return 500
        return None

    Path("temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(Path("temporary").absolute()))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    command = [sys.executable, "-m", "imbtool", "predict", STORED_RUN, IN, "-o", OUT]
    with in_between(server, kill_at_the_second_output) as url:
        environment = {**os.environ, "AWS_ENDPOINT_URL": url}
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        assert processes[0].wait() == -9
    assert bucket.keys("out") == [MANIFEST, PARTS[0]]
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "3 files: 2 done, 1 skipped, 0 failed" in again.stderr
    assert outputs(bucket) == whole
    assert not list(Path("temporary").iterdir())


def test_an_upload_that_breaks_off_is_never_completed(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking:
        """A file of which the second block cannot be read."""

        def open(self, mode: str) -> "Breaking":
            self.blocks = iter([b"half"])
            return self

        def read(self, size: int) -> bytes:
            for block in self.blocks:
                return block
            raise KeyboardInterrupt

        def __enter__(self) -> "Breaking":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        location(f"{OUT}/half.csv").upload(Breaking())
    gc.collect()
    assert bucket.keys("out") == []


def test_a_table_that_cannot_be_written_leaves_no_object(bucket: Bucket) -> None:
    with pytest.raises(RuntimeError), replacing(location(f"{OUT}/a.csv")) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert not temporary.parent.exists()
    assert bucket.keys("out") == []


def test_a_checkpoint_that_has_changed_is_copied_anew(
    bucket: Bucket, whole: list[bytes], imbtool: Imbtool
) -> None:
    assert imbtool("predict", STORED_RUN, f"{IN}/part-0.csv").exit_code == 0
    meta = json.loads(bucket.get("first/checkpoint/imbtool.json"))
    for label in meta["labels"].values():
        label["threshold"] = 0.0
    bucket.put("first/checkpoint/imbtool.json", json.dumps(meta).encode())
    result = imbtool("predict", STORED_RUN, f"{IN}/part-0.csv")
    assert "note: copying" in result.stderr
    assert result.stdout.encode() != whole[0]


def test_a_copy_of_a_checkpoint_is_there_whole_or_not_at_all(
    bucket: Bucket, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(path: StorePath, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(StorePath, "download", download)
        result = imbtool("predict", STORED_RUN, "in/part-0.csv")
    assert result.exit_code == 2
    assert "set XDG_CACHE_HOME to another folder" in result.stderr
    assert [path.suffix for path in Path("cache/imbtool/checkpoints").iterdir()] == [".lock"]
    assert imbtool("predict", STORED_RUN, "in/part-0.csv").exit_code == 0


def test_a_key_that_leads_out_of_the_checkpoint_is_refused(
    bucket: Bucket, imbtool: Imbtool
) -> None:
    objects = location(f"{STORED_RUN}/checkpoint").objects(below=True)
    out = stores.StoredObject(objects[0].path / "../../out", 1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StorePath, "objects", lambda path, below: [*objects, out])
        result = imbtool("predict", STORED_RUN, "in/part-0.csv")
    assert result.exit_code == 2
    assert "a key that leads out of its folder" in result.stderr


def test_where_there_is_no_space_for_a_copy_it_is_said(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: StorePath, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(StorePath, "download", full)
    with (
        pytest.raises(StoreError, match=r"no space left in .*\n.*\n.*set TMPDIR"),
        local_copy(location(f"{IN}/part-0.csv")),
    ):
        pass


def test_a_uri_may_name_its_endpoint(
    bucket: Bucket, whole: list[bytes], imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    table = f"{IN}/part-0.csv?endpoint_override={endpoint}&region=eu-west-1"
    result = imbtool("predict", RUN, table, "-o", "one.csv")
    assert result.exit_code == 0, result.stderr
    assert Path("one.csv").read_bytes() == whole[0]


def refused(imbtool: Imbtool, *arguments: str) -> str:
    """What a command says that ends with exit code 2 and one message."""
    result = imbtool("predict", *arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.count("error: ") == 1
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "where", "found"),
    [
        ((RUN, "s3://none/in", "-o", "out"), "s3://none/in", "there is no bucket none"),
        ((RUN, "in", "-o", "s3://none/out"), "s3://none/out", "there is no bucket none"),
        ((RUN, f"{IN}/none.csv"), f"{IN}/none.csv", "no such object or bucket"),
        ((RUN, f"s3://{BUCKET}/none", "-o", "out"), f"s3://{BUCKET}/none", "without tables"),
        ((IN, "in", "-o", "out"), IN, "no imbtool.json in it"),
        ((RUN, IN, "-o", "out.csv"), IN, "a folder of an object store"),
        ((RUN, IN, "-o", f"{IN}/out"), f"-o {IN}/out", "a folder among the tables"),
        ((RUN, f"{IN}/*.csv", "-o", "out"), f"s3://{BUCKET}/in", "a pattern"),
        ((RUN, "s3:///in"), "s3:///in", "no bucket"),
        ((RUN, "s3://key:secret@b/x.csv"), "s3://...@b", "credentials"),
        ((RUN, f"{IN}/part-0.csv?regio=x"), f"s3://{BUCKET}", "the option regio"),
    ],
)
def test_what_a_uri_lacks_is_one_message(
    bucket: Bucket, imbtool: Imbtool, arguments: tuple[str, ...], where: str, found: str
) -> None:
    told = refused(imbtool, *arguments)
    assert told.startswith(f"error: {where}")
    assert found in told
    assert "secret@" not in told
    assert not Path("out").exists()


def test_a_store_that_refuses_says_which_credentials_it_needs(
    bucket: Bucket, server: str, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with in_between(server, lambda method, path: 403) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        told = refused(imbtool, RUN, f"{IN}/part-0.csv")
    assert f"error: {IN}/part-0.csv\n  found     no permission, or no credentials" in told
    assert "fix       set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in told


def test_an_output_that_may_not_be_written_stops_the_command(
    bucket: Bucket, server: str, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid = lambda method, path: 403 if method == "PUT" and "part-" in path else None  # noqa: E731
    with in_between(server, forbid) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        told = refused(imbtool, RUN, "in", "-o", OUT)
    assert f"error: {OUT}/part-0.csv\n  found     no permission" in told
    assert bucket.keys("out") == [MANIFEST]


def test_a_store_that_is_not_there_is_one_message(
    bucket: Bucket, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    told = refused(imbtool, RUN, f"{IN}/part-0.csv")
    assert f"error: {IN}/part-0.csv\n  found     a store that does not do as asked" in told
    assert "check the network and the URI" in told


def test_a_pyarrow_without_the_store_is_one_message(
    bucket: Bucket, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: str) -> None:
        raise ImportError("cannot import name 'S3FileSystem'")

    monkeypatch.setattr(stores, "_s3", none)
    assert "a pyarrow without this store" in refused(imbtool, RUN, f"{IN}/part-0.csv")


def test_a_container_of_azure_needs_an_account(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    told = refused(imbtool, RUN, "az://container/a.csv")
    assert "AZURE_STORAGE_ACCOUNT is not set" in told
    assert "az login" in told


def test_secrets_of_a_uri_are_never_shown() -> None:
    path = location("abfs://files@account.dfs.core.windows.net/in/a.csv?sig=secret&se=2030")
    assert "secret" not in f"{path} {path!r}"
    assert str(path) == "abfs://files@account.dfs.core.windows.net/in/a.csv"
    assert (path.name, path.suffix, path.query) == ("a.csv", ".csv", "sig=secret&se=2030")


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze", f"{IN}/part-0.csv", "-o", "analysis"),
        ("evaluate", RUN, "--data", f"{IN}/part-0.csv"),
        ("evaluate", STORED_RUN),
        ("weights", "profile.yaml", "-o", OUT),
        ("train", "profile.yaml", "--set", f"data.train={IN}/part-0.csv"),
        ("train", "profile.yaml", "--runs", OUT),
        ("find", "profile.yaml", IN, "-n", "10", "-o", "batches/01"),
    ],
)
def test_commands_that_know_no_stores_say_so(
    project: Path, imbtool: Imbtool, arguments: tuple[str, ...]
) -> None:
    result = imbtool(*arguments)
    assert result.exit_code == 2, result.output
    assert "the URI of an object store" in result.stderr
    assert "copy it to this machine first" in result.stderr
    assert not Path("s3:").exists()


def test_a_table_in_a_store_is_refused_by_the_library_too() -> None:
    with pytest.raises(UserError, match=r"s3://bucket/a.csv\n.*the URI of an object store"):
        read_table(Path("s3://bucket/a.csv"))

"""What docs/serving.md and the files beside it show can be typed, and starts the server."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from liveserver import in_thread
from typer.main import get_command

from imbtool.cli import app as commands
from imbtool.serving.access import Access
from imbtool.serving.app import PREDICT_PROBLEMS, make_app
from imbtool.serving.batching import Batching
from imbtool.serving.limits import Limits
from imbtool.serving.served_model import load_model
from imbtool.serving.service import Service

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "serving.md").read_text(encoding="utf-8")
DOCKERFILE = DOCS / "serving" / "Dockerfile"
UNIT = DOCS / "serving" / "imbtool-serve.service"
ADDRESS = "http://127.0.0.1:8000"
CURLS = re.findall(r"^    (curl .*)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def url(trained: Path) -> Iterator[str]:
    service = Service(load_model(trained / "runs" / "first"), Limits(), Batching(), print)
    with in_thread(make_app(service, Access(None))) as url:
        yield url
    service.batcher.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("line", CURLS, ids=lambda line: line.rpartition("/")[2])
def test_a_line_with_curl_is_answered(line: str, url: str) -> None:
    words = ["curl", "--silent", "--fail", *shlex.split(line.replace(ADDRESS, url))[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    if "metrics" in line:
        assert "imbtool_open_texts 0.0" in done.stdout
        return
    document = json.loads(done.stdout)
    if "predict" in line:
        assert [*document] == ["results", "model"]
        assert [[*result] for result in document["results"]] == [["labels", "probabilities"]] * 2


def test_the_table_of_refusals_has_the_statuses_that_there_are() -> None:
    stated = {int(status) for status in re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE)}
    assert stated == set(PREDICT_PROBLEMS) | {421}


def test_the_limits_of_the_page_are_those_of_the_command() -> None:
    for name, shown in (("texts", "128"), ("characters", "20,000"), ("queue", "1,024")):
        assert f"`--max-{name}` ({shown})" in PAGE
        assert f"{getattr(Limits(), name):,}" == shown
    assert "`--max-bytes` (2 MiB)" in PAGE
    assert Limits().body == 2 * 2**20
    defaults = {each.name: each.default for each in get_command(commands).commands["serve"].params}
    limits = (defaults[f"max_{name}"] for name in ("texts", "characters", "bytes", "queue"))
    assert tuple(limits) == tuple(vars(Limits()).values())
    assert defaults["batch_size"] == Batching().texts
    assert defaults["batch_wait"] / 1000 == Batching().wait


def entry_point() -> list[str]:
    (line,) = re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE.read_text(), re.MULTILINE)
    return list(json.loads(line))


def exec_start() -> list[str]:
    (line,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    return shlex.split(line)


@pytest.mark.parametrize("words", [entry_point(), exec_start()], ids=["docker", "systemd"])
def test_image_and_unit_start_a_server_with_a_token(words: list[str]) -> None:
    assert [Path(words[0]).name, words[1]] == ["imbtool", "serve"]
    serve = get_command(commands).commands["serve"]
    given = serve.make_context("serve", words[2:]).params
    assert given["host"] == "0.0.0.0"
    assert given["token_file"] is not None


def test_the_image_copies_what_it_needs() -> None:
    for names in re.findall(r"^COPY (.*) \S+$", DOCKERFILE.read_text(), re.MULTILINE):
        assert all((DOCS.parent / name).exists() for name in names.split())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(exec_start()[0], "/bin/true"))
    command = ["systemd-analyze", "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

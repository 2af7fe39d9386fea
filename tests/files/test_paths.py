"""Paths that lead in a circle, or to what never ends."""

import os
from pathlib import Path

import pytest

from imbtool.config.reader import read_profile
from imbtool.errors import UserError
from imbtool.files.json_text import append_line, read_json
from imbtool.files.paths import real_path, refuse_endless
from imbtool.files.writing import sha256


@pytest.fixture(params=["pipe", "device"])
def endless(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "endless"
    if request.param == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize(
    "use",
    [
        lambda path: refuse_endless(path, "a file"),
        lambda path: read_json(path),
        lambda path: append_line(path, {}),
        lambda path: sha256(path, "a file"),
        lambda path: read_profile(path),
    ],
    ids=["check", "read_json", "append_line", "sha256", "read_profile"],
)
def test_what_might_never_end_is_not_begun(use, endless: Path) -> None:
    with pytest.raises(UserError, match="a pipe or a device"):
        use(endless)


def test_files_folders_and_nothing_at_all_are_left_to_their_readers(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path, tmp_path / "missing"):
        refuse_endless(path, "a file")


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    assert real_path(tmp_path / "link" / "new") == real_path(tmp_path) / "folder" / "new"


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    assert real_path(tmp_path / "circle").name == "circle"

"""What is on disk is whole, always: the old content or the new, never a half."""

import json
from pathlib import Path

import pytest

from imbtool.errors import UserError
from imbtool.files import (
    append_line,
    leftovers,
    publish_folder,
    read_json,
    replacing,
    write_json,
    write_text,
)


class BrokenError(Exception):
    """Raised in the middle of writing."""


def test_replacing_puts_the_new_content_in_place(tmp_path: Path):
    target = tmp_path / "deep" / "f.txt"
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_a_block_that_raises_leaves_the_old_content_and_no_temporary_file(tmp_path: Path):
    target = tmp_path / "f.txt"
    target.write_text("old")
    with pytest.raises(BrokenError), replacing(target) as temporary:
        temporary.write_text("half")
        raise BrokenError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_block_that_raises_before_writing_leaves_nothing(tmp_path: Path):
    with pytest.raises(BrokenError), replacing(tmp_path / "f.txt"):
        raise BrokenError
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_leaves_is_known_with_the_file_that_it_was_to_be(tmp_path: Path):
    target = tmp_path / "f.tar.txt"
    (tmp_path / ".mine.tmp").touch()
    with replacing(target) as temporary:
        temporary.write_text("half")
        assert list(leftovers(tmp_path)) == [(temporary, target)]


def test_text_is_utf8_with_unix_line_ends(tmp_path: Path):
    write_text(tmp_path / "f.txt", "é\n€\n")
    assert (tmp_path / "f.txt").read_bytes() == "é\n€\n".encode()


def test_numbers_that_json_lacks_become_null(tmp_path: Path):
    document = {"a": float("nan"), "b": [1.5, float("inf"), (float("-inf"), {"c": float("nan")})]}
    write_json(tmp_path / "f.json", document)
    assert json.loads((tmp_path / "f.json").read_text()) == {
        "a": None,
        "b": [1.5, None, [None, {"c": None}]],
    }


def test_json_that_was_written_is_read_back(tmp_path: Path):
    document = {"é": [1, 2.5, None, True, "x\ny"], "3": {}}
    write_json(tmp_path / "f.json", document)
    assert read_json(tmp_path / "f.json") == document


@pytest.mark.parametrize("content", [None, b"{", b"\xff\xfe"])
def test_json_that_cannot_be_read_names_its_file(tmp_path: Path, content: bytes | None):
    path = tmp_path / "f.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_json(path)
    assert caught.value.problems[0].where == str(path)


def test_lines_are_appended_one_object_each(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    append_line(path, {"text": "a\nb", "loss": float("nan")})
    append_line(path, {"n": 2})
    lines = path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"text": "a\nb", "loss": None}, {"n": 2}]


def publish(link: Path, content: str) -> None:
    publish_folder(link, lambda folder: write_text(folder / "sub" / "f.txt", content))


def test_a_published_folder_is_reached_through_its_link(tmp_path: Path):
    link = tmp_path / "checkpoint"
    publish(link, "one")
    assert link.is_symlink()
    assert (link / "sub" / "f.txt").read_text() == "one"


def test_publishing_again_swaps_the_link_and_deletes_the_old_folder(tmp_path: Path):
    link = tmp_path / "checkpoint"
    for content in ("one", "two", "three"):
        publish(link, content)
    assert (link / "sub" / "f.txt").read_text() == "three"
    assert {path for path in tmp_path.iterdir()} == {link, link.resolve()}


def test_the_link_still_moves_with_the_folder_around_it(tmp_path: Path):
    publish(tmp_path / "run" / "checkpoint", "one")
    (tmp_path / "run").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "checkpoint" / "sub" / "f.txt").read_text() == "one"


def test_the_old_folder_stays_when_writing_the_new_one_fails(tmp_path: Path):
    link = tmp_path / "checkpoint"
    publish(link, "old")

    def write(folder: Path) -> None:
        (folder / "f.txt").write_text("half")
        raise BrokenError

    with pytest.raises(BrokenError):
        publish_folder(link, write)
    assert (link / "sub" / "f.txt").read_text() == "old"


def test_what_a_failed_writing_left_is_not_in_the_next_folder(tmp_path: Path):
    link = tmp_path / "checkpoint"
    publish(link, "old")

    def write(folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise BrokenError

    with pytest.raises(BrokenError):
        publish_folder(link, write)
    publish(link, "new")
    assert (link / "sub" / "f.txt").read_text() == "new"
    assert not (link / "half.txt").exists()
    assert {path for path in tmp_path.iterdir()} == {link, link.resolve()}


def test_a_name_of_bytes_that_are_no_text_is_kept(tmp_path: Path):
    write_json(tmp_path / "a.json", {"path": "t\udcff.csv"})
    assert read_json(tmp_path / "a.json") == {"path": "t\udcff.csv"}

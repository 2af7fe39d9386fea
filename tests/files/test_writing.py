"""What is on disk is whole, always: the old content or the new, never a half."""

from pathlib import Path

import pytest

from imbtool.errors import UserError
from imbtool.files.writing import (
    leftovers,
    lines_of,
    new_folder,
    publish_folder,
    published,
    replacing,
    sha256,
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


def test_what_a_kill_has_left_of_a_file_goes_with_its_next_writing(tmp_path: Path):
    target = tmp_path / "f.txt"
    dead, other, mine = (
        tmp_path / name
        for name in (f".f.txt.{'0a' * 8}.tmp", f".g.txt.{'0a' * 8}.tmp", ".f.txt.tmp")
    )
    for path in (dead, other, mine):
        path.write_text("half")
    with replacing(target) as alive:
        write_text(target, "by another command")
        assert alive.exists(), "what is being written is no leftover"
        alive.write_text("new")
    assert target.read_text() == "new"
    assert {path for path in tmp_path.iterdir()} == {target, other, mine}


def test_a_new_folder_is_there_with_all_that_is_in_it_or_not_at_all(tmp_path: Path):
    folder = tmp_path / "runs" / "a"
    with pytest.raises(BrokenError), new_folder(folder) as draft:
        (draft / "f").touch()
        raise BrokenError
    assert list(folder.parent.iterdir()) == []
    (tmp_path / "runs" / f".a.{'0a' * 8}.tmp" / "deep").mkdir(parents=True)
    with new_folder(folder) as draft:
        assert not folder.exists()
        (draft / "f").touch()
    assert list(folder.parent.rglob("*")) == [folder, folder / "f"]
    with pytest.raises(UserError, match="a file or folder of this name"), new_folder(folder):
        pass
    assert (folder / "f").exists()


@pytest.mark.parametrize(
    "write", [lambda path: write_text(path, "x"), lambda path: publish(path, "x")]
)
def test_a_name_that_is_not_utf8_is_refused_before_anything_is_written(write, tmp_path: Path):
    with pytest.raises(UserError, match="not UTF-8"):
        write(tmp_path / "new" / "a\udcff")
    assert list(tmp_path.iterdir()) == []


def test_text_is_utf8_with_unix_line_ends(tmp_path: Path):
    write_text(tmp_path / "f.txt", "é\n€\n")
    assert (tmp_path / "f.txt").read_bytes() == "é\n€\n".encode()
    write_text(tmp_path / "f.txt", "a\udcff")
    assert (tmp_path / "f.txt").read_text() == "a\\udcff"


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


def link_elsewhere(link: Path) -> None:
    other = link.parent / "elsewhere" / "checkpoint-7"
    publish(other, "other")
    link.symlink_to(other)


@pytest.mark.parametrize(
    "place",
    [
        lambda link: link.symlink_to("gone"),
        lambda link: link.symlink_to(link.name),
        lambda link: link.symlink_to("checkpoint-9"),
        link_elsewhere,
        lambda link: publish(link, "old"),
    ],
    ids=["nothing", "loop", "nothing of its own", "another folder", "its own"],
)
def test_whatever_stands_at_the_links_place_the_new_folder_is_reached(place, tmp_path: Path):
    link = tmp_path / "checkpoint"
    place(link)
    publish(link, "new")
    assert (link / "sub" / "f.txt").read_text() == "new"
    assert published(link) == [tmp_path / link.readlink()]
    for other in (tmp_path / "elsewhere").glob("*/sub/f.txt"):
        assert other.read_text() == "other"


def test_a_folder_copied_with_its_links_followed_is_published_to_as_before(tmp_path: Path):
    link = tmp_path / "checkpoint"
    for folder in (link, tmp_path / "checkpoint-3"):
        write_text(folder / "sub" / "f.txt", "old")

    def broken(folder: Path) -> None:
        raise BrokenError

    with pytest.raises(BrokenError):
        publish_folder(link, broken)
    assert (link / "sub" / "f.txt").read_text() == "old"
    publish(link, "new")
    assert link.is_symlink()
    assert (link / "sub" / "f.txt").read_text() == "new"
    assert published(link) == [link.resolve()]


def test_a_file_at_the_links_place_stays(tmp_path: Path):
    link = tmp_path / "checkpoint"
    link.write_text("mine")
    with pytest.raises(UserError, match="a file"):
        publish(link, "new")
    assert link.read_text() == "mine"


def test_what_is_published_can_be_read_by_those_who_may_read_new_files(tmp_path: Path):
    def write(folder: Path) -> None:
        (folder / "weights").write_bytes(b"")
        (folder / "weights").chmod(0o600)

    publish_folder(tmp_path / "link", write)
    (tmp_path / "new").touch()
    written = (tmp_path / "link" / "weights").stat().st_mode
    assert written == (tmp_path / "new").stat().st_mode


def test_a_file_that_cannot_be_digested_is_called_what_it_is(tmp_path: Path):
    (tmp_path / "f").write_bytes(b"")
    assert sha256(tmp_path / "f", "tensors").startswith("e3b0c44298fc1c14")
    with pytest.raises(UserError, match=r"cannot be read.*\n +expected +tensors"):
        sha256(tmp_path / "lost", "tensors")


def test_lines_end_at_line_ends_alone(tmp_path: Path):
    path = tmp_path / "f"
    path.write_text("a\u2028b\n\nhalf")
    lines = [(f"{path}:1", "a\u2028b\n".encode()), (f"{path}:2", b"\n"), (f"{path}:3", b"half")]
    assert list(lines_of(path)) == lines
    assert list(lines_of(tmp_path / "lost")) == []

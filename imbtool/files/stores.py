"""Objects in stores: S3, Google Cloud Storage and Azure, through pyarrow.

An object appears in a store only once its upload is completed. So an object is whole, unless it is
empty, as Azure shows one that is being written; and no rename is needed.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, urlencode

from imbtool.errors import Problem, UserError, user_error
from imbtool.wording import cut, did_you_mean

KINDS = {"s3": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
"""The stores that URIs of each scheme lead to."""
IN_STORE = re.compile(rf"({'|'.join(KINDS)}):/")
"""How they begin; a `Path` has one of their two slashes only."""
S3_OPTIONS = ("endpoint_override", "region", "scheme")
COPY_FIRST = "copy it to this machine first; only `imbtool predict` reads and writes stores"
BLOCK = 10 << 20
"""Bytes that are read or written at once, those of a part of an upload."""
CONNECT_SECONDS, ANSWER_SECONDS, TRIES = 5, 20, 3
"""How long a store may take, and how often it is asked."""
MOST_SAID = 300
"""Characters of a library's message."""
CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to an account that "
    "may list, read and write there",
    "gs": "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to "
    "the key of an account that may list, read and write there",
    "az": "run `az login`, or set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, for an account that "
    "may list, read and write there",
}
DENIED = re.compile(
    r"access.?denied|permission|unauth|forbidden|credential|\b40[13]\b|access.?key|signature|token",
    re.IGNORECASE,
)
MISSING = re.compile(r"no.?such|not.?found|does not exist|\b404\b", re.IGNORECASE)


class StoreError(UserError):
    """A store that cannot be used as a URI says: no other object of it would be spared."""


@dataclass(frozen=True)
class StoredObject:
    """An object as a store lists it.

    Attributes:
        path: of the object.
        size: in bytes.
        changed: when it was written, in nanoseconds.
    """

    path: StorePath
    size: int
    changed: int


@dataclass(frozen=True, order=True)
class StorePath:
    """The path of an object, or of all objects below it, with the methods of `Path` that it needs.

    Attributes:
        root: scheme and bucket (or container), as the URI has them.
        key: the rest, without slashes at its ends.
        query: how the store is reached; it may hold secrets, and is never shown.
    """

    root: str
    key: str
    query: str = ""

    def __str__(self) -> str:
        """The URI without its query."""
        return f"{self.root}/{self.key}".rstrip("/")

    def __repr__(self) -> str:
        return f"StorePath({str(self)!r})"

    def __truediv__(self, below: str | PurePath) -> StorePath:
        key = f"{self.key}/{PurePath(below).as_posix()}"
        return StorePath(self.root, key.strip("/"), self.query)

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """That of the name."""
        return PurePosixPath(self.name).suffix

    def with_suffix(self, suffix: str) -> StorePath:
        """The path with another suffix."""
        name = PurePosixPath(self.name).with_suffix(suffix).name
        return StorePath(self.root, self.key.removesuffix(self.name) + name, self.query)

    def relative_to(self, folder: StorePath) -> Path:
        """What stands behind a path that this one lies below."""
        return Path(self.key.removeprefix(folder.key).strip("/"))

    def absolute(self) -> StorePath:
        """The path itself, which depends on no current folder."""
        return self

    def is_file(self) -> bool:
        """Whether an object is there."""
        return bool(self._info().is_file)

    def exists(self) -> bool:
        """Whether an object is there that is not empty."""
        return bool(self._info().size)

    def version(self) -> tuple[int, int]:
        """The size of the object in bytes, and when it was written, in nanoseconds."""
        info = self._info()
        return info.size or 0, info.mtime_ns or 0

    def names(self) -> list[str]:
        """What stands directly below: the names of objects, and the next parts of others' keys."""
        return sorted({PurePosixPath(info.path).name for info in self._listed(below=False)})

    def objects(self, below: bool) -> list[StoredObject]:
        """The objects directly below, or all below, in the order of their keys."""
        infos = [info for info in self._listed(below) if info.is_file]
        with _calls(self):
            container = self._place[1].removesuffix(self.key)
        return [
            StoredObject(
                StorePath(self.root, info.path.removeprefix(container).strip("/"), self.query),
                info.size,
                info.mtime_ns or 0,
            )
            for info in sorted(infos, key=lambda each: each.path)
        ]

    def read_bytes(self) -> bytes:
        """The content of the object."""
        return b"".join(self._blocks())

    def download(self, target: Path) -> None:
        """Copy the object into a new file."""
        with target.open("xb") as stream:
            for block in self._blocks():
                stream.write(block)

    def upload(self, source: Path) -> None:
        """Copy a file into the object, which appears whole or not at all."""
        with _calls(self):
            filesystem, path = self._place
            stream = filesystem.open_output_stream(path)
        try:
            with source.open("rb") as content:
                while block := content.read(BLOCK):
                    with _calls(self):
                        stream.write(block)
            with _calls(self):
                stream.close()
        except BaseException:
            _never_close(stream)
            raise

    def open(self) -> Any:
        """The object as a file of pyarrow, which reads those bytes that it is asked for."""
        with _calls(self):
            filesystem, path = self._place
            return filesystem.open_input_file(path)

    def unlink(self) -> None:
        """Delete the object, if it is there."""
        with _calls(self):
            filesystem, path = self._place
            with suppress(FileNotFoundError):
                filesystem.delete_file(path)

    def delete_below(self) -> None:
        """Delete all objects below."""
        with _calls(self), suppress(FileNotFoundError):
            filesystem, path = self._place
            filesystem.delete_dir(path)

    def error(self, error: Exception) -> StoreError:
        """What pyarrow has raised, as what the user can do about it."""
        said = cut(" ".join(str(error).split()), MOST_SAID)
        if isinstance(error, FileNotFoundError) or MISSING.search(said):
            return _refused(self, f"no such object or bucket ({said})", "check the URI")
        if isinstance(error, PermissionError) or DENIED.search(said):
            kind = KINDS[self.root.partition(":")[0]]
            return _refused(self, f"no permission, or no credentials ({said})", CREDENTIALS[kind])
        fix = "check the network and the URI, and give the same command again"
        return _refused(self, f"a store that does not do as asked ({said})", fix)

    def _info(self) -> Any:
        with _calls(self):
            filesystem, path = self._place
            return filesystem.get_file_info(path)

    def _listed(self, below: bool) -> list[Any]:
        with _calls(self):
            from pyarrow.fs import FileSelector

            filesystem, path = self._place
            selector = FileSelector(path, allow_not_found=True, recursive=below)
            infos: list[Any] = filesystem.get_file_info(selector)
            return infos

    def _blocks(self) -> Iterator[bytes]:
        with _calls(self):
            filesystem, path = self._place
            stream = filesystem.open_input_stream(path)
        with stream:
            while True:
                with _calls(self):
                    block: bytes = stream.read(BLOCK)
                if not block:
                    return
                yield block

    @property
    def _place(self) -> tuple[Any, str]:
        """The file system of pyarrow, and what this path is called there."""
        filesystem, container = _connected(self.root, self.query)
        return filesystem, f"{container}/{self.key}".strip("/")


Location = Path | StorePath
"""Where something stands, on this machine or in a store."""


def version_of(path: Location) -> tuple[int, int]:
    """The size of a file or object in bytes, and when it was written, in nanoseconds."""
    if isinstance(path, StorePath):
        return path.version()
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def location(text: str) -> Location:
    """The path that a text names: a URI of a store leads there, anything else is a local path.

    Raises:
        UserError: the URI names no bucket.
    """
    scheme, separator, rest = text.partition("://")
    if scheme not in KINDS or not separator:
        return Path(text)
    place, _, query = rest.partition("?")
    container, _, key = place.partition("/")
    expected = f"{scheme}://BUCKET/KEY"
    if not container:
        raise user_error(text, "no bucket", expected, "name the bucket")
    if KINDS[scheme] == "s3" and "@" in container:
        where = f"{scheme}://...@{container.rpartition('@')[2]}"
        fix = "leave them out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise user_error(where, "credentials, which others could read there", expected, fix)
    if "*" in key:
        fix = "name the folder: its tables are read, and none below it"
        raise user_error(
            f"{scheme}://{place}", "a pattern", "the key of a table, or what its tables share", fix
        )
    return StorePath(f"{scheme}://{container}", key.strip("/"), query)


def refuse_store(path: object, where: str = "") -> None:
    """Refuse a URI where only paths of this machine are known.

    Args:
        path: that was given, as text or as the `Path` that it has become.
        where: it was given.

    Raises:
        UserError: it is a URI.
    """
    if IN_STORE.match(str(path)):
        uri = re.sub(":/+", "://", str(path).partition("?")[0], count=1)
        found = "the URI of an object store"
        raise user_error(f"{where} {uri}".strip(), found, "a path of this machine", COPY_FIRST)


def _never_close(stream: object) -> None:
    """Keep a stream from being closed until the process ends.

    pyarrow cannot abort an upload from Python, and closes a stream that nobody refers to: the
    object would be completed with what was written so far.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))


@contextmanager
def _calls(path: StorePath) -> Iterator[None]:
    """Turn what pyarrow raises in this block into an error that the user can fix.

    Raises:
        StoreError: it raised something.
    """
    import pyarrow as pa

    try:
        yield
    except (ImportError, NotImplementedError) as error:
        fix = "install pyarrow from PyPI, whose packages have it"
        raise _refused(path, f"a pyarrow without this store ({error})", fix) from error
    except (OSError, pa.ArrowException) as error:
        raise path.error(error) from error


def _refused(path: StorePath, found: str, fix: str) -> StoreError:
    return StoreError(Problem(str(path), found, "an object store that answers", fix))


@lru_cache
def _connected(root: str, query: str) -> tuple[Any, str]:
    """The file system behind a bucket, and what the bucket is called there."""
    scheme, _, container = root.partition("://")
    connect = {"s3": _s3, "gs": _gs, "az": _azure}[KINDS[scheme]]
    return connect(container, query)


def _s3(bucket: str, query: str) -> tuple[Any, str]:
    from pyarrow.fs import AwsStandardS3RetryStrategy, FileType, S3FileSystem, resolve_s3_region

    options = dict(parse_qsl(query))
    for name in options:
        if name not in S3_OPTIONS:
            fix = did_you_mean(name, S3_OPTIONS)
            raise user_error(f"s3://{bucket}?{name}=", f"the option {name}", str(S3_OPTIONS), fix)
    from_environment = os.environ.get("AWS_ENDPOINT_URL_S3", os.environ.get("AWS_ENDPOINT_URL", ""))
    endpoint = options.get("endpoint_override", from_environment)
    scheme, _, host = endpoint.rstrip("/").rpartition("://")
    region = options.get("region")
    if region is None and not host:
        region = resolve_s3_region(bucket)
    filesystem = S3FileSystem(
        region=region,
        scheme=options.get("scheme", scheme) or "https",
        endpoint_override=host or None,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=ANSWER_SECONDS,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=TRIES),
        # one request for a small object; and of a large one a part at a time in memory
        allow_delayed_open=True,
        background_writes=False,
    )
    if filesystem.get_file_info(bucket).type == FileType.NotFound:
        raise FileNotFoundError(f"there is no bucket {bucket}")
    return filesystem, bucket


def _gs(bucket: str, query: str) -> tuple[Any, str]:
    from pyarrow.fs import FileSystem

    options = {"retry_limit_seconds": str(ANSWER_SECONDS), **dict(parse_qsl(query))}
    filesystem, path = FileSystem.from_uri(f"gs://{bucket}?{urlencode(options)}")
    return filesystem, path


def _azure(container: str, query: str) -> tuple[Any, str]:
    from pyarrow.fs import AzureFileSystem, FileSystem

    if "@" in container or "." in container:  # names the account, too
        filesystem, path = FileSystem.from_uri(f"abfs://{container}/?{query}")
        return filesystem, path.strip("/")
    account = os.environ.get("AZURE_STORAGE_ACCOUNT")
    if account is None:
        raise PermissionError("no account: AZURE_STORAGE_ACCOUNT is not set")
    return AzureFileSystem(account, account_key=os.environ.get("AZURE_STORAGE_KEY")), container

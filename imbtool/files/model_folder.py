"""Folders that others made: what their files must be before a library reads them.

Libraries trust what they read: a null where an object is meant, or a vocabulary without its first
token, ends in an error of theirs, a panic of their Rust parts among them. `Folder.calls` is put
around calls into them alone, so that mistakes in imbtool itself stay visible.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from imbtool.errors import UserError, user_error
from imbtool.files.json_text import parse_json
from imbtool.wording import cut, shown

CONFIG = "config.json"
TOKENIZER = "tokenizer.json or tokenizer_config.json"
VOCABULARY = "tokenizer.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
OBJECTS = (CONFIG, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", INDEX)
"""Files that hold a JSON object, where they are there."""
PART = re.compile(r"[^./\\\x00][^/\\\x00]*\.safetensors")
"""The plain name of a file beside the index."""
OTHERS = re.compile(r"shard-.*\.safetensors|adapter_config\.json")
"""Files that make transformers look elsewhere for the weights."""
CONSENT = "trust_remote_code"
"""Without which code that a model brings along is not run; transformers' errors name it."""
FIX = "restore it, or train it again"
"""The fix for a damaged checkpoint."""
MOST_SAID = 400
"""Characters of a library's message."""
SPEAKING = {"OSError", "ValueError", "RuntimeError", "SafetensorError"}
"""Kinds of errors whose message says it all."""
PASSED_ON = (UserError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError)


@dataclass(frozen=True)
class Folder:
    """A folder or hub id with a model, and how to speak of it.

    Attributes:
        name: what transformers loads.
        where: what the user calls it.
        expected: what it should be.
        fix: what to do where it is not.
        consent: how to let its code run.
    """

    name: str
    where: str
    expected: str
    fix: str
    consent: str

    @property
    def path(self) -> Path | None:
        """Where it is on disk; None for a hub id."""
        return Path(self.name) if is_folder(Path(self.name)) else None

    def refused(self, found: str) -> UserError:
        """The error that says what is wrong with it."""
        return user_error(self.where, found, self.expected, self.fix)

    @contextmanager
    def calls(self, of: str) -> Iterator[None]:
        """Turn what a library raises in this block into an error that the user can fix.

        Args:
            of: the file or part that the block reads.

        Raises:
            UserError: the library raised something; a panic of its Rust parts among it.
        """
        try:
            with _nothing_printed():
                yield
        except PASSED_ON:
            raise
        except BaseException as error:
            # not to be imported: each extension module makes its own
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            fix = self.consent if CONSENT in str(error) else self.fix
            raise user_error(self.where, f"{of}: {said(error)}", self.expected, fix) from error

    def check_files(self) -> None:
        """Check the shape of the small files, and which files hold the weights.

        Raises:
            UserError: one is of another shape, or the weights are not in safetensors files there.
        """
        if (folder := self.path) is None:
            return
        self.check_objects()
        with self.calls("its files"):
            others = [path.name for path in folder.iterdir() if OTHERS.fullmatch(path.name)]
        if others:
            raise self.refused(f"{min(others)}, which names other weights than {WEIGHTS}")
        self.weight_files()

    def check_objects(self) -> None:
        """Check that each small file that should hold an object does, where it is there.

        Raises:
            UserError: one does not, or a token of the tokenizer has no number.
        """
        for name in OBJECTS:
            if self.path is not None and is_file(self.path / name):
                self._object(self.path / name)
        if self.path is not None and is_file(self.path / VOCABULARY):
            self._check_vocabulary(self._object(self.path / VOCABULARY).get("model"))

    def _check_vocabulary(self, model: object) -> None:
        """Check the numbers of tokens: libraries take `true` for 1, and read other tokens."""
        vocabulary = model.get("vocab") if isinstance(model, dict) else None
        if isinstance(vocabulary, dict):
            for token, number in vocabulary.items():
                if type(number) is not int:
                    raise self.refused(f"{VOCABULARY}: {shown(number)} as the number of {token!r}")

    def brings_code(self) -> bool:
        """Whether a small file names Python code that comes with the model.

        Raises:
            UserError: one of the files does not hold an object.
        """
        return any(
            "auto_map" in self._object(self.path / name)
            for name in OBJECTS
            if self.path is not None and is_file(self.path / name)
        )

    def weight_files(self) -> list[Path]:
        """The files that hold the weights; none of a hub id.

        Raises:
            UserError: there are none, or the index names something else than files beside it.
        """
        if (folder := self.path) is None:
            return []
        if is_file(folder / WEIGHTS):
            return [folder / WEIGHTS]
        if not is_file(folder / INDEX):
            pickles = "; pytorch_model.bin is a pickle, which is never read"
            there = is_file(folder / "pytorch_model.bin")
            raise self.refused(f"no file {WEIGHTS}" + (pickles if there else ""))
        names = self._indexed(self._object(folder / INDEX).get("weight_map"))
        for name in names:
            if not PART.fullmatch(name) or not is_file(folder / name):
                raise self.refused(f"{INDEX}: {name!r}, which is no *.safetensors file beside it")
        return [folder / name for name in names]

    def _indexed(self, weight_map: object) -> list[str]:
        if isinstance(weight_map, dict) and weight_map:
            names = list(weight_map.values())
            if all(isinstance(name, str) for name in names):
                return sorted(set(names))
        raise self.refused(f"{INDEX}: no weight_map of tensors and their files")

    def _object(self, path: Path) -> Mapping[str, object]:
        try:
            document = parse_json(path.read_bytes())
        except OSError as error:
            raise self.refused(f"{path.name}: it cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise self.refused(f"{path.name}: {error}") from None
        if not isinstance(document, dict):
            raise self.refused(f"{path.name}: {shown(document)} instead of an object")
        return document


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """Send what libraries print to stderr: stdout is for data, and Rust does not ask Python."""
    before = _duplicate(1)
    try:
        if before is not None:
            _duplicate(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if before is not None:
            os.dup2(before, 1)
            os.close(before)


def _duplicate(stream: int, onto: int | None = None) -> int | None:
    """A second number of a stream, a given one or a new one; None where the stream is closed."""
    try:
        return os.dup(stream) if onto is None else os.dup2(stream, onto)
    except OSError:
        return None


def is_file(path: Path) -> bool:
    """Whether there is a file; a path that cannot be followed leads to none."""
    try:
        return path.is_file()
    except OSError:  # too long, or not for us to see
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder; a path that cannot be followed leads to none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def said(error: BaseException) -> str:
    """The first line of a library's message, or two, with the kind of error where it says more."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = cut(" ".join(lines[:2] if lines and lines[0].endswith(":") else lines[:1]), MOST_SAID)
    kind = type(error).__name__
    return first if first and kind in SPEAKING else f"{kind}: {first}".removesuffix(": ")

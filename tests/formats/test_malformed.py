"""Three hundred malformed tables: each is read or refused, by all that read tables."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from batches import batch_of, batch_text
from conftest import Imbtool
from malformed import Malformed, malformed_tables

from imbtool.annotation.answers import BatchOf, read_answered
from imbtool.config.reader import make_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import read_corpus
from imbtool.data.tables import read_arrow, read_chunks, read_table
from imbtool.errors import UserError
from imbtool.search.pool import read_pool

PROBLEM = re.compile(r"error: \S.*\n  found     \S.*\n  expected  \S.*\n  fix       \S.*\n")
TABLES = list(malformed_tables(seed=0, count=300))


def profile(path: Path) -> Profile:
    return make_profile({"data": {"train": str(path)}})


BATCH = batch_of([batch_text("1", "we saw")])
ANSWERED = BatchOf(Path("batch"), BATCH, {text.id: text for text in BATCH.texts})
READERS: dict[str, Callable[[Path], object]] = {
    "read_table": read_table,
    "read_arrow": read_arrow,
    "read_chunks": lambda path: list(read_chunks(path)),
    "read_corpus": lambda path: read_corpus(profile(path), learnable=False),
    "read_corpus, of empty tables too": lambda path: read_corpus(profile(path), False, False),
    "read_pool": lambda path: read_pool(path, profile(path).data),
    "read_answered": lambda path: read_answered(path, [ANSWERED]),
}


def failure(read: Callable[[Path], object], path: Path) -> str | None:
    """What is raised that is no message to the user."""
    try:
        read(path)
    except UserError as error:
        texts = [text for each in error.problems for text in vars(each).values()]
        return None if all(texts) else f"an empty message: {error}"
    except OSError as error:
        # the command line makes a message of it
        return None if error.filename or error.strerror else repr(error)
    except Exception as error:
        return repr(error)[:200]
    return None


@pytest.mark.parametrize("reader", READERS)
def test_a_malformed_table_is_read_or_refused(reader: str, tmp_path: Path) -> None:
    failures = {}
    for table in TABLES:
        path = tmp_path / table.name
        path.write_bytes(table.data)
        if what := failure(READERS[reader], path):
            failures[str(table)] = what
    assert failures == {}


def test_init_ends_with_a_profile_or_one_message_each(tmp_path: Path, imbtool: Imbtool) -> None:
    failures = {}
    for number, table in enumerate(TABLES[::4]):
        # in a folder of its own: init looks for other tables beside it
        folder = tmp_path / str(number)
        folder.mkdir()
        if what := init_failure(table, folder, imbtool):
            failures[str(table)] = what
    assert failures == {}


def init_failure(table: Malformed, folder: Path, imbtool: Imbtool) -> str | None:
    path, profile = folder / table.name, folder / "profile.yaml"
    path.write_bytes(table.data)
    result = imbtool("init", path, "-o", profile)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return repr(result.exception)[:200]
    if result.exit_code == 0 and profile.is_file():
        return None
    if result.exit_code == 2 and not profile.exists() and not PROBLEM.sub("", result.stderr):
        return None
    return f"exit code {result.exit_code}: {result.stderr[-200:]}"

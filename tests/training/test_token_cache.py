"""A large set is tokenised once, into a whole file or none, and the training is the same."""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate import Accelerator
from conftest import make_row
from encoders import make_encoder

from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import ModelSection
from imbtool.data.corpus import Split
from imbtool.distributed.collectives import Ranks
from imbtool.errors import UserError
from imbtool.files import writing
from imbtool.model import tokenize
from imbtool.model.encoder import TextModel, load_encoder
from imbtool.training import token_cache
from imbtool.training.run import train
from imbtool.training.token_cache import TRAILER, encode_split

ROWS = [make_row(random.Random(number), str(number)) for number in range(50)]
TEXTS = [row["text"] for row in ROWS]
RANKS = Ranks(Accelerator())
RECORD = Path(__file__).with_name("record_losses.py")


def split_of(texts: list[str], positives: int = 7) -> Split:
    """Texts of which the first so many have the only label."""
    targets = (np.arange(len(texts)) < positives).astype(np.float32)[:, None]
    return Split.of("train", Path("train.csv"), texts, targets, range(1, len(texts) + 1))


SPLIT = split_of(TEXTS)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT."""
    return make_encoder("bert", tmp_path_factory.mktemp("encoder") / "bert", corpus=TEXTS)


@pytest.fixture
def section(encoder: Path) -> ModelSection:
    """Of the profile: the encoder, and fewer tokens than some texts have."""
    return ModelSection(encoder=str(encoder), max_length=12)


@pytest.fixture
def text_model(section: ModelSection) -> TextModel:
    """The encoder, loaded."""
    return load_encoder(section, ["a label"])


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every set is a large one, of several chunks."""
    monkeypatch.setattr(token_cache, "LEAST_CHARACTERS", 0)
    monkeypatch.setattr(token_cache, "TEXTS_AT_ONCE", 16)


@pytest.fixture
def forgetful(text_model: TextModel, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the model unable to tokenise."""

    def forget() -> None:
        monkeypatch.setattr(type(text_model), "encode", None)

    return forget


def test_a_small_set_is_kept_in_memory_and_nothing_is_written(
    text_model: TextModel, section: ModelSection, tmp_path: Path
) -> None:
    table = encode_split(text_model, section, SPLIT, tmp_path / "cache", RANKS)
    assert list(table) == text_model.encode(TEXTS)
    assert table.file is None
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("large")
def test_a_large_set_is_mapped_and_read_as_lists(
    text_model: TextModel, section: ModelSection, tmp_path: Path
) -> None:
    table = encode_split(text_model, section, SPLIT, tmp_path / "cache", RANKS)
    assert list(table) == text_model.encode(TEXTS)
    assert [table.file] == list((tmp_path / "cache").iterdir())
    assert isinstance(table.ids.base, np.memmap)


@pytest.mark.usefixtures("large")
def test_without_a_folder_nothing_is_written(text_model: TextModel, section: ModelSection) -> None:
    table = encode_split(text_model, section, SPLIT, None, RANKS)
    assert list(table) == text_model.encode(TEXTS)
    assert table.file is None


@pytest.mark.usefixtures("large")
def test_the_next_run_does_not_tokenise_again(
    text_model: TextModel, section: ModelSection, tmp_path: Path, forgetful: Callable[[], None]
) -> None:
    first = encode_split(text_model, section, SPLIT, tmp_path, RANKS)
    text_model.tokenizer(["a call"], truncation=True, max_length=5, padding=True)
    forgetful()
    again = encode_split(text_model, section, split_of(TEXTS, positives=3), tmp_path, RANKS)
    assert list(again) == list(first)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    ("texts", "changes"),
    [
        ([*TEXTS[:-1], "another text"], {}),
        (TEXTS[::-1], {}),
        (TEXTS, {"max_length": 13}),
        (TEXTS, {"long_texts": "windows"}),
    ],
    ids=["another text", "another order", "another length", "another way with long texts"],
)
def test_whatever_changes_the_tokens_has_a_file_of_its_own(
    texts: list[str],
    changes: dict[str, Any],
    text_model: TextModel,
    section: ModelSection,
    tmp_path: Path,
) -> None:
    first = encode_split(text_model, section, SPLIT, tmp_path, RANKS)
    other_section = section.model_copy(update=changes)
    other = load_encoder(other_section, ["a label"])
    table = encode_split(other, other_section, split_of(texts), tmp_path, RANKS)
    assert table.file != first.file
    assert list(table) == other.encode(texts)


@pytest.mark.usefixtures("large")
def test_a_tokenizer_that_was_changed_in_its_folder_is_another_one(
    text_model: TextModel, section: ModelSection, encoder: Path, tmp_path: Path
) -> None:
    changed = shutil.copytree(encoder, tmp_path / "encoder") / "tokenizer.json"
    settings = json.loads(changed.read_text())
    vocabulary = settings["model"]["vocab"]
    vocabulary["we"], vocabulary["saw"] = vocabulary["saw"], vocabulary["we"]
    moved = section.model_copy(update={"encoder": str(tmp_path / "encoder")})
    files_of = []
    for content in (changed.read_text(), json.dumps(settings)):
        changed.write_text(content)
        model = load_encoder(moved, ["a label"])
        table = encode_split(model, moved, SPLIT, tmp_path / "cache", RANKS)
        files_of.append(table.file)
        assert list(table) == model.encode(TEXTS)
    assert files_of[0] != files_of[1]


def cut(content: bytes) -> bytes:
    """Without its end, as a full disk or a careless copy leaves it."""
    return content[:-100]


def flipped(content: bytes) -> bytes:
    """One bit is another."""
    return bytes([content[0] ^ 1]) + content[1:]


def of_another_set(content: bytes) -> bytes:
    """A trailer that tells of one text more and one token less."""
    mark, texts, tokens, checksum = TRAILER.unpack(content[-TRAILER.size :])
    return content[: -TRAILER.size] + TRAILER.pack(mark, texts + 1, tokens - 1, checksum)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    "damaged",
    [cut, flipped, of_another_set, lambda _: b"", lambda content: content + b"more"],
    ids=["cut", "a bit flipped", "another trailer", "empty", "longer"],
)
def test_a_damaged_file_is_written_anew(
    damaged: Callable[[bytes], bytes], text_model: TextModel, section: ModelSection, tmp_path: Path
) -> None:
    file = encode_split(text_model, section, SPLIT, tmp_path, RANKS).file
    assert file is not None
    whole = file.read_bytes()
    file.write_bytes(damaged(whole))
    table = encode_split(text_model, section, SPLIT, tmp_path, RANKS)
    assert list(table) == text_model.encode(TEXTS)
    assert file.read_bytes() == whole


def full_disk(path: Path) -> None:
    """As fsync on a disk that is full."""
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


@pytest.mark.usefixtures("large")
def test_a_full_disk_leaves_the_tokens_in_memory_and_nothing_behind(
    text_model: TextModel, section: ModelSection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_sync", full_disk)
    table = encode_split(text_model, section, SPLIT, tmp_path, RANKS)
    assert list(table) == text_model.encode(TEXTS)
    assert table.file is None
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("large")
def test_a_folder_that_cannot_be_made_leaves_the_tokens_in_memory(
    text_model: TextModel, section: ModelSection, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file")
    table = encode_split(text_model, section, SPLIT, tmp_path / "cache", RANKS)
    assert list(table) == text_model.encode(TEXTS)


@pytest.mark.usefixtures("large")
def test_what_a_kill_has_left_is_deleted_and_what_is_being_written_stays(
    text_model: TextModel, section: ModelSection, tmp_path: Path
) -> None:
    dead, alive = (tmp_path / f".{name}.tokens.{'0' * 16}.tmp" for name in ("dead", "alive"))
    for half in (dead, alive):
        half.write_bytes(b"half")
    an_hour_ago = time.time() - token_cache.ABANDONED - 60
    os.utime(dead, (an_hour_ago, an_hour_ago))
    encode_split(text_model, section, SPLIT, tmp_path, RANKS)
    assert (dead.exists(), alive.exists()) == (False, True)


class Told(Ranks):
    """One of two processes; the second hears what the first has answered."""

    def __init__(self, rank: int, answers: list[Any]) -> None:
        self.rank, self.processes, self.answers, self.waits = rank, 2, answers, 0

    def from_first(self, make: Callable[[], Any]) -> Any:
        if self.first:
            self.answers.append(make())
        return self.answers[-1]

    def wait(self) -> None:
        self.waits += 1


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("fails_at", [None, 0, 32], ids=["written", "no space", "no more space"])
def test_processes_wait_equally_often_whether_or_not_the_file_can_be_written(
    fails_at: int | None,
    text_model: TextModel,
    section: ModelSection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flat = token_cache.flattened
    seen = []

    def flat_or_full(encoded: list[list[int]]) -> Any:
        if fails_at is not None and len(seen) * 16 == fails_at:
            monkeypatch.setattr(token_cache, "flattened", flat)
            full_disk(tmp_path)
        seen.append(encoded)
        return flat(encoded)

    monkeypatch.setattr(token_cache, "flattened", flat_or_full)
    answers: list[Any] = []
    both = [Told(rank, answers) for rank in (0, 1)]
    tables = [encode_split(text_model, section, SPLIT, tmp_path, ranks) for ranks in both]
    assert both[0].waits == both[1].waits > len(TEXTS) // 16
    assert [list(table) for table in tables] == 2 * [text_model.encode(TEXTS)]
    assert [table.file is None for table in tables] == 2 * [fails_at is not None]


def told(folder: Path) -> list[dict[str, Any]]:
    """What a run has told, without times."""
    events = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    return [{**event, "seconds": 0, "time": 0} for event in events]


def test_the_training_is_the_same(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str) -> tuple[list[dict[str, Any]], bytes, object]:
        overrides = [Override("training.head_first", "true", "training.head_first")]
        result = train(read_profile(Path("profile.yaml"), overrides), Path("runs") / name)
        start, *events = told(result.folder)
        weights = (result.checkpoint / "model.safetensors").read_bytes()
        return events, weights, start["token_cache"]

    small = run("small")
    monkeypatch.setattr(token_cache, "LEAST_CHARACTERS", 0)
    written, mapped = run("written"), run("mapped")
    assert small[:2] == written[:2] == mapped[:2]
    kept = sorted(map(str, (project / "runs" / "token-cache").iterdir()))
    assert len(kept) == 2  # training and validation
    assert small[2] is None
    assert written[2] == mapped[2]
    assert written[2] in kept


@pytest.mark.slow
def test_two_processes_share_a_file(pristine: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(pristine, project, ignore=shutil.ignore_patterns("runs"))
    script = tmp_path / "large.py"
    script.write_text(
        "import runpy, sys\n"
        "from imbtool.training import token_cache\n"
        "token_cache.LEAST_CHARACTERS = int(sys.argv.pop(1))\n"
        "runpy.run_path(sys.argv.pop(1), run_name='__main__')\n"
    )
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    losses = []
    for name, least in (("small", "1000000"), ("written", "0"), ("mapped", "0")):
        record = (RECORD, f"{name}.json", f"runs/{name}", "training.epochs=1")
        subprocess.run(
            [sys.executable, *torchrun, script, least, *record],
            cwd=project,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
        )
        losses.append(json.loads((project / f"{name}.json").read_text())["losses"])
    assert losses[0] == losses[1] == losses[2]
    assert len(list((project / "runs" / "token-cache").iterdir())) == 2


@pytest.mark.parametrize("least", [0, 10**9], ids=["cached", "in memory"])
def test_a_text_that_cannot_be_cut_is_named_by_its_row(
    text_model: TextModel,
    section: ModelSection,
    least: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_cache, "LEAST_CHARACTERS", least)
    monkeypatch.setattr(token_cache, "TEXTS_AT_ONCE", 16)
    monkeypatch.setattr(tokenize, "MOST_CHARACTERS", 5000)
    split = split_of([*TEXTS[:20], "x" * 60_000])
    with pytest.raises(UserError, match=r"^train\.csv: row 21\n.*60,000 characters"):
        encode_split(text_model, section, split, tmp_path, RANKS)
    assert list(tmp_path.iterdir()) == []

"""Any command after any other, each twice in a row, from any folder: it works, or says why not."""

import itertools
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from batches import batch_of, batch_text, write_answers, write_batch
from conftest import KEY_WORDS, Imbtool, make_row, write_csv
from encoders import make_encoder

from imbtool.files.locks import LOCK, locked

QUICK = (
    *("--set", "model.encoder=encoder"),
    *("--set", "model.max_length=24"),
    *("--set", "training.epochs=1"),
    *("--set", "training.precision=fp32"),
    *("--set", "tuning.budget_runs=2"),
)
RUN = "runs/profile-1"


@dataclass(frozen=True)
class Step:
    """A command, and on what its outcome depends.

    Attributes:
        words: what is typed; `{}` stands for the project's folder.
        makes: what is there once it has run.
        needs: without it the command is refused, with `missing` in its message.
        once: what is there already is not overwritten, with `again` in the message.
    """

    words: str
    makes: str = ""
    needs: str = ""
    missing: str = "no such f"  # file or folder
    again: str = ""


STEPS = {
    "init": Step("init {}train.csv -o {}profile.yaml", "profile.yaml", again="--force"),
    "split": Step("split {}train.csv -o {}parts", "parts/train.csv", again="another folder"),
    "analyze": Step("analyze {}profile.yaml -o {}analysis", needs="profile.yaml"),
    "weights": Step("weights {}profile.yaml -o {}analysis", needs="profile.yaml"),
    "train": Step("train -p {}profile.yaml --runs {}runs", RUN, needs="profile.yaml"),
    "tune": Step("tune -p {}profile.yaml --runs {}runs", RUN, needs="profile.yaml"),
    "evaluate": Step(f"evaluate {{}}{RUN}", needs=RUN),
    "predict": Step(
        f"predict {{}}{RUN} {{}}test.csv -o {{}}out.csv", "out.csv", RUN, again="--force"
    ),
    "distil": Step(f"distil {{}}{RUN} -p {{}}profile.yaml --runs {{}}runs", needs=RUN),
    "export": Step(
        f"export {{}}{RUN} -o {{}}exported", "exported/imbtool.json", RUN, again="another -o"
    ),
    "prevalence": Step(
        f"prevalence {{}}{RUN} {{}}pool.csv -o {{}}prevalence",
        "prevalence/prevalence.json",
        RUN,
        again="another -o",
    ),
    "monitor": Step(f"monitor {{}}{RUN} {{}}pool.csv -o {{}}monitored", needs=RUN),
    "queue": Step(
        f"queue {{}}{RUN} {{}}pool.csv -n 9 -o {{}}queue",
        "queue/queue.json",
        RUN,
        again="another -o",
    ),
    "find": Step(
        "find {}profile.yaml {}pool.csv -n 9 -o {}batches/02",
        "batches/02/batch.csv",
        "profile.yaml",
        again="another -o",
    ),
    "merge": Step(
        "merge {}profile.yaml {}batches/01/batch.csv -o {}merged",
        "merged/profile.yaml",
        "profile.yaml",
        again="a new name",
    ),
}
TRAINERS = {"train", "tune", "distil"}
READERS = {"export", "prevalence", "monitor", "queue"}
"""They read a run and write into a folder of their own: nothing but trainers concerns them."""
LONG = {"evaluate", "predict", "find", *TRAINERS, *READERS}
PAIRS = [
    (first, second)
    for first, second in itertools.product(STEPS, repeat=2)
    if first == second or not READERS & {first, second} or TRAINERS & {first, second}
]
"""Of the same command twice, too: it then runs four times."""
SHORT_PAIRS = [pair for pair in PAIRS if not LONG & set(pair)]
LONG_PAIRS = [pair for pair in PAIRS if LONG & set(pair)]
FROM_ELSEWHERE = [name for name in STEPS if name not in ("init", "tune", "distil", "export")]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tables, an encoder, a pool and a batch that was answered; no profile."""
    folder, rng = tmp_path_factory.mktemp("order"), random.Random(0)
    rows = [make_row(rng, f"{number}") for number in range(180)]
    others = [make_row(rng, f"p{number}") for number in range(60)]
    write_csv(folder / "pool.csv", [{"id": row["id"], "text": row["text"]} for row in others[20:]])
    batch = batch_of([batch_text(row["id"], row["text"]) for row in others[:20]], sorted(KEY_WORDS))
    write_batch(folder / "batches" / "01", batch)
    answers = [{**row, "labels": row["labels"] or "none"} for row in others[:20]]
    write_answers(folder / "batches" / "01" / "batch.csv", answers)
    for name, part in (("train", rows[:100]), ("validation", rows[100:140]), ("test", rows[140:])):
        write_csv(folder / f"{name}.csv", part)
    make_encoder("bert", folder / "encoder", corpus=[row["text"] for row in rows])
    return folder


@pytest.fixture
def fresh(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, as the current folder."""
    folder = shutil.copytree(tables, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def outcome(step: Step, folder: Path) -> str:
    """What the message of a refusal holds; empty if there is none."""
    if step.needs and not (folder / step.needs).exists():
        return step.missing
    return step.again if step.makes and (folder / step.makes).exists() else ""


def walk(imbtool: Imbtool, names: Iterator[str], folder: Path, prefix: str = "") -> None:
    """Type commands one after the other, and look at each outcome."""
    for name in names:
        step = STEPS[name]
        words = step.words.replace("{}", prefix).split()
        expected = outcome(step, folder)
        before = snapshot(folder)
        result = imbtool(*words, *(QUICK if name == "init" else ()))
        assert isinstance(result.exception, SystemExit | None), (words, result.exception)
        assert result.exit_code == (2 if expected else 0), (words, result.stderr)
        if expected:
            assert expected in result.stderr
            assert result.stderr.startswith("error: ")
            assert snapshot(folder) == before
        else:
            assert not step.makes or (folder / step.makes).exists()


def snapshot(folder: Path) -> dict[Path, int]:
    """All files, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("pair", SHORT_PAIRS, ids="-".join)
def test_quick_commands_in_any_order(fresh: Path, imbtool: Imbtool, pair: tuple[str, str]) -> None:
    first, second = pair
    walk(imbtool, iter((first, first, second, second)), fresh)
    walk(imbtool, iter(("init", second, first)), fresh)


@pytest.mark.slow
@pytest.mark.parametrize("pair", LONG_PAIRS, ids="-".join)
def test_commands_that_train_or_need_a_model_in_any_order(
    fresh: Path, imbtool: Imbtool, pair: tuple[str, str]
) -> None:
    first, second = pair
    walk(imbtool, iter((first, first, second, second)), fresh)
    walk(imbtool, iter(("init", first, first, second, second)), fresh)
    walk(imbtool, iter(("train", first, second)), fresh)


@pytest.mark.parametrize("way", ["absolute", "relative"])
def test_from_another_folder_by_either_kind_of_path(
    fresh: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    elsewhere = fresh.with_name("elsewhere")
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    prefix = f"{fresh}/" if way == "absolute" else "../project/"
    with_encoder = ("--set", f"model.encoder={fresh}/encoder")
    result = imbtool(*STEPS["init"].words.replace("{}", prefix).split(), *QUICK, *with_encoder)
    assert result.exit_code == 0, result.stderr
    walk(imbtool, iter(FROM_ELSEWHERE), fresh, prefix)
    walk(imbtool, iter(("init", "analyze", "predict", "split")), fresh, prefix)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    ["analyze profile.yaml -o busy", "weights profile.yaml -o busy", "evaluate runs/first -o busy"],
)
def test_nothing_is_written_to_a_folder_that_another_command_is_at_work_in(
    command: str, project: Path, imbtool: Imbtool
) -> None:
    with locked(Path("busy")):
        refused = imbtool(*command.split())
        assert [path.name for path in Path("busy").iterdir()] == [LOCK]
    assert refused.exit_code == 2
    assert "another imbtool command at work in it" in refused.stderr
    assert imbtool(*command.split()).exit_code == 0
    assert not Path("busy", LOCK).exists()

"""A tiny project with runs of every kind, whose files are mutated one at a time; what came of it.

Every command runs in a process of its own, forked from one that has loaded all libraries, in the
same folder each time, since a run's profile names its tables by their whole path.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from multiprocessing import get_context
from pathlib import Path

from conftest import FILLERS, KEY_WORDS, PARENTS, Imbtool, write_csv
from encoders import make_encoder
from fuzzing import Mutation, drawn, mutations_of
from fuzztrial import run_command

import imbtool as package

SECONDS = 180
"""A command that takes longer hangs; without a mutation the longest takes three."""
SIZES = {"train": 48, "validation": 24, "test": 24, "new": 12}
LABELS = ("violence", "threats", "abuse", "insults")
WORDS = {label: KEY_WORDS[label] for label in LABELS}
PROFILE = """\
data:
  train: train.csv
  validation: validation.csv
  test: test.csv
  labels: {column: labels, separator: "|"}
  id: id
labels:
  hierarchy:
    violence: [threats]
    abuse: [insults]
model:
  encoder: encoder
  max_length: 16
training:
  epochs: 2
  batch_size: 16
  learning_rate: 5e-3
  precision: fp32
  head_first: false
  save_every: 1 steps
tuning:
  budget_runs: 1
"""
STOP_AT = 4
"""The optimizer step in which the stopped run is told to stop: in its second epoch."""
PROBLEM = re.compile(
    r"^error: \S.*\n  found     \S.*\n  expected  \S.*\n  fix       \S.*\n", re.MULTILINE
)
STARTED = re.compile(r"^error: (training step|validation)", re.MULTILINE)
"""Of a training that had begun, and was right to write."""
FRAME = re.compile(r'File "(?P<file>[^"]+)", line \d+, in (?P<function>\S+)')
SAID = re.compile(
    r"events: # damaged line|Tokens are not counted: |warning: "
    r"|Ignored unknown kwarg option"
)
"""What is said of a file that is not needed for the rest, and of a training; the last by the
tokenizers library."""
LONG = 7_000
"""Characters of a message that nobody reads to its end."""
Snapshot = dict[str, tuple[object, ...]]


@dataclass(frozen=True)
class Command:
    """One use of the command line.

    Attributes:
        words: the arguments.
        results: files or folders that it makes, whose content depends on its input alone.
        writes: where it may write; nothing else may change.
        stdout: whether what it prints depends on its input alone.
        leaves: where it may write although it ends with an error.
    """

    words: tuple[str, ...]
    results: tuple[str, ...] = ()
    writes: tuple[str, ...] = ("out",)
    stdout: bool = True
    leaves: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class Outcome:
    """What came of a command.

    Attributes:
        code: its exit code; negative for a signal, None for a hang.
        stdout: what it printed.
        stderr: what it told.
        results: content of its results, if it ended well.
        touched: paths that are new, gone or changed.
    """

    code: int | None
    stdout: str
    stderr: str
    results: dict[str, object] = field(default_factory=dict)
    touched: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fault:
    """What is wrong with an outcome, and what tells it from others."""

    kind: str
    detail: str


def command(
    line: str,
    *results: str,
    writes: tuple[str, ...] = ("out",),
    stdout: bool = True,
    leaves: tuple[str, ...] = (),
) -> Command:
    """A `Command` from one line."""
    return Command(tuple(line.split()), results, writes, stdout, leaves)


PREDICT = command("predict runs/first new.csv -o out/predicted.csv", "out/predicted.csv")
CALIBRATED = command("predict runs/first new.csv --calibrated")
FOLDER = command(
    "predict runs/first shards -o out/predicted",
    "out/predicted/new.csv",
    # a claim without outputs binds nobody
    leaves=("out",),
)
NEAR = command("predict runs/near new.csv -o out/predicted.jsonl", "out/predicted.jsonl")
PREDICT_EXPORTED = command("predict exported new.csv -o out/exported.csv", "out/exported.csv")
EVALUATE_EXPORTED = command("evaluate exported --data test.csv -o out/results --json")
EVALUATE = command("evaluate runs/first -o out/results --json")
EVALUATE_NEAR = command("evaluate runs/near --data test.csv -o out/results --json")
EVALUATE_IN_PLACE = command("evaluate runs/first --json", writes=("runs/first",))
AGAINST = command("evaluate runs/first -o out/results --against runs/near --json")
TRAIN = command(
    "train -p profile.yaml --runs out --run new",
    "out/new/checkpoint/model.safetensors",
    "out/new/checkpoint/imbtool.json",
)
WEIGHTS = command("weights profile.yaml -o out/weights --json")
ANALYZE = command("analyze profile.yaml -o out/analysis --json")
DRY_RUN = command("train -p profile.yaml --dry-run --json", stdout=False)
RESUME = command(
    "train --resume runs/stopped",
    "runs/stopped/checkpoint/model.safetensors",
    "runs/stopped/checkpoint/imbtool.json",
    # a run behind a link of another name stays where it is
    writes=("runs/stopped", "runs/renamed"),
)
RESUME_DONE = command(
    "train --resume runs/first",
    "runs/first/checkpoint/model.safetensors",
    "runs/first/checkpoint/imbtool.json",
    writes=("runs/first", "runs/renamed"),
)
LOOK = command("tune --from-run runs/first --dry-run --json")
RESUME_TUNING = command(
    "tune --resume runs/tuned --json",
    writes=("runs/tuned",),
    stdout=False,
    # that it was to go on stands there before its rounds are looked at
    leaves=("runs/tuned/decisions.jsonl",),
)
INIT = command("init train.csv -o out/first.yaml --json", "out/first.yaml")

READERS: list[tuple[str, tuple[Command, ...]]] = [
    ("encoder", (TRAIN, DRY_RUN)),
    ("runs/first/checkpoint", (PREDICT, EVALUATE_IN_PLACE, RESUME_DONE)),
    ("runs/stopped/checkpoint", (RESUME,)),
    ("runs/stopped/last", (RESUME,)),
    ("runs/stopped", (RESUME,)),
    ("runs/tuned/rounds", (RESUME_TUNING,)),
    ("encoder/*", (TRAIN, DRY_RUN, DRY_RUN, ANALYZE)),
    ("profile.yaml", (TRAIN, ANALYZE, WEIGHTS, WEIGHTS, DRY_RUN, DRY_RUN)),
    ("runs/first/profile.yaml", (EVALUATE, RESUME_DONE, LOOK, LOOK)),
    ("runs/first/manifest.json", (RESUME_DONE,)),
    ("runs/first/events.jsonl", (EVALUATE_IN_PLACE, LOOK, LOOK, RESUME_DONE)),
    ("runs/first/checkpoint-*/*", (*[PREDICT] * 6, CALIBRATED, FOLDER, EVALUATE)),
    ("runs/near/checkpoint-*/imbtool.json", (*[NEAR] * 6, EVALUATE_NEAR, AGAINST)),
    ("runs/near/checkpoint-*/words.safetensors", (*[NEAR] * 6, EVALUATE_NEAR)),
    ("runs/near/checkpoint-*/neighbours.safetensors", (*[NEAR] * 6, EVALUATE_NEAR)),
    ("exported/*", (PREDICT_EXPORTED, PREDICT_EXPORTED, EVALUATE_EXPORTED)),
    ("runs/stopped/profile.yaml", (RESUME,)),
    ("runs/stopped/manifest.json", (RESUME,)),
    ("runs/stopped/events.jsonl", (RESUME,)),
    ("runs/stopped/last-*/*", (RESUME,)),
    ("runs/tuned/decisions.jsonl", (RESUME_TUNING,)),
    ("runs/tuned/rounds/1/events.jsonl", (RESUME_TUNING,)),
    ("runs/tuned/rounds/1/manifest.json", (RESUME_TUNING,)),
    ("*.csv", (WEIGHTS, INIT, PREDICT, ANALYZE)),
]
"""Which commands read which files; the ones named more often meet more mutations."""
COMMANDS = tuple(dict.fromkeys(each for _, commands in READERS for each in commands))
QUICK = (PREDICT, NEAR, WEIGHTS, LOOK, INIT)
"""Commands that take no training."""


META = "*/imbtool.json"
GONE = ("deleted", "null", "no value at all", "renamed", "empty list", "empty object")
MAY_MATTER: list[tuple[str, str, tuple[str, ...] | None, str]] = [
    (META, r"labels\.\w+\.(threshold|slope|bias)", (), "what decides, each in its range"),
    (META, r"labels\.\w+\.parent", ("null",), "a label may have no parent"),
    (META, r"validation.*|threshold_(rule|scores|recalls).*", None, "shown, not used"),
    (META, r"labels\.\w+\.(reason|rule|tier|weight|requirement|\w+tives).*", None, "shown, too"),
    (
        META,
        r"(version|encoder|separator|coherence|long_texts|max_length|data.*)",
        (),
        "how texts are read",
    ),
    ("*checkpoint-*/config.json", ".+", (), "an architecture, which its tensors fit"),
    ("*checkpoint-*/tokenizer*.json", ".+", (), "a tokenizer, as its file says"),
    ("encoder/*.json", ".+", (), "an encoder is what its files say"),
    ("encoder/model.safetensors", ".+", ("transposed",), "as many numbers, in another order"),
    ("*.csv", "", ("a flipped bit", "another file's content"), "a table like any other"),
    ("*profile.yaml", ".+", GONE, "the settings: a value that the schema allows is one of them"),
    ("*events.jsonl", ".+", (), "the record itself"),
    ("*events.jsonl", r".+\.violations", ("deleted", "renamed"), "older runs have none"),
    ("*decisions.jsonl", ".+", (), "the record itself"),
    ("*progress.json", ".+", (), "the state itself"),
    ("*manifest.json", ".+", (), "the record itself"),
]
"""Files, fields and kinds of mutation (None: all) that may change results, and why: of these any
sound value has a meaning, and nothing else in the folder tells which one was meant."""


def make_project(
    folder: Path, imbtool: Imbtool, patch: Callable[..., None], whole: bool = True
) -> None:
    """Write tables, an encoder and a profile, and train runs.

    Args:
        folder: where to; becomes the current folder.
        imbtool: the command line.
        patch: sets an attribute of a module for the time being.
        whole: train one run of every kind, else one.
    """
    rng = random.Random(0)
    for name, size in SIZES.items():
        write_csv(folder / f"{name}.csv", [_row(rng, f"{name}-{each}") for each in range(size)])
    texts = (folder / "train.csv").read_text().splitlines()
    make_encoder("bert", folder / "encoder", corpus=texts)
    (folder / "profile.yaml").write_text(PROFILE)
    (folder / "outside").mkdir()
    (folder / "outside" / "notes.txt").write_text("not to be touched")
    (folder / "shards").mkdir()
    shutil.copy(folder / "new.csv", folder / "shards" / "new.csv")
    os.chdir(folder)
    _done(imbtool("train", "-p", "profile.yaml", "--run", "first"))
    if whole:
        _done(imbtool("tune", "-p", "profile.yaml", "--run", "tuned"))
        _train_near(imbtool, patch)
        _train_stopped(imbtool, patch)
        _done(imbtool("export", "runs/first", "-o", "exported"))
    # every key, each with its value
    shutil.copy(folder / "runs" / "first" / "profile.yaml", folder / "profile.yaml")
    for plots in (folder / "runs").rglob("*.png"):
        plots.unlink()


def _row(rng: random.Random, name: str) -> dict[str, str]:
    """A text whose words give its labels away."""
    chosen = rng.sample(sorted(WORDS), rng.choice([0, 1, 2]))
    words = [WORDS[label] for label in chosen] + rng.choices(FILLERS, k=6)
    labels = {*chosen, *(PARENTS[label] for label in chosen if label in PARENTS)}
    return {"id": name, "text": " ".join(words), "labels": "|".join(sorted(labels))}


def _done(result: object) -> None:
    assert result.exit_code == 0, result.stderr  # type: ignore[attr-defined]


def _train_near(imbtool: Imbtool, patch: Callable[..., None]) -> None:
    """The run `near`, in which words and neighbours have a share whatever validation says."""
    from imbtool.training.additions import Stack

    gains = iter([0.1, 0.2] * 9)
    where = "imbtool.training.additions"
    patch(f"{where}.stacked", lambda *_: Stack(0.5, 0.0))
    patch(f"{where}.WEIGHTS", (0.0, 0.3))
    patch(f"{where}.average_precision", lambda scores, _: scores[:1, 0] * 0 + next(gains))
    _done(
        imbtool("train", "-p", "profile.yaml", "--run", "near", "--set", "training.neighbours=true")
    )


def _train_stopped(imbtool: Imbtool, patch: Callable[..., None]) -> None:
    """The run `stopped`, which got a signal in its second epoch."""
    from imbtool.training.loop import TrainingLoop

    take_step = TrainingLoop.train_step

    def stop(loop: TrainingLoop, *arguments: object) -> None:
        if loop.progress.step == STOP_AT - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return take_step(loop, *arguments)

    patch("imbtool.training.loop.TrainingLoop.train_step", stop)
    stopped = imbtool("train", "-p", "profile.yaml", "--run", "stopped")
    assert stopped.exit_code == 128 + signal.SIGTERM, stopped.stderr


def chosen(
    project: Path, seed: int, count: int, usable: Collection[Command]
) -> Iterator[tuple[Mutation, Command]]:
    """So many mutations of all files, each with one of the usable commands that read the file."""
    rng = random.Random(seed)
    commands: dict[str, list[Command]] = {}
    groups: list[list[Mutation]] = []
    for pattern, readers in READERS:
        for path in _matching(project, pattern):
            name = str(path.relative_to(project))
            commands[name] = [each for each in readers if each in usable]
            if commands[name]:
                groups.extend(mutations_of(path, name, rng))
    for mutation in drawn(groups, count, rng):
        yield mutation, rng.choice(commands[mutation.file])


def _matching(project: Path, pattern: str) -> list[Path]:
    paths = sorted(project.glob(pattern))
    return [path for path in paths if path.is_file()] if "*" in pattern else paths


class Trials:
    """Runs commands in copies of a project, all in the same place."""

    def __init__(self, project: Path) -> None:
        """Keep the project as it is, to be copied for every trial."""
        self.project = project
        self.kept = project.with_name(f"{project.name}-kept")
        self._usual: dict[Command, Outcome] = {}
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(_loaded())
        project.rename(self.kept)
        (self.kept / "tmp").mkdir(exist_ok=True)
        (self.kept / "home").mkdir(exist_ok=True)

    def run(self, how: Command, mutation: Mutation | None = None) -> Outcome:
        """Run a command in a fresh copy, in which one thing is changed first."""
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.copytree(self.kept, self.project, symlinks=True)
        if mutation is not None:
            mutation.change(self.project / mutation.file)
        before = snapshot(self.project)
        told = [self.project.with_name(name) for name in ("stdout.txt", "stderr.txt")]
        code = self._start(how.words, told)
        touched = differing(before, snapshot(self.project))
        stdout, stderr = (path.read_text("utf-8", "replace") for path in told)
        results = self._results(how, stdout) if code in (0, 1) else {}
        return Outcome(code, stdout, stderr, results, touched)

    def usual(self, how: Command) -> Outcome:
        """What comes of a command without a mutation."""
        if how not in self._usual:
            outcome = self._usual[how] = self.run(how)
            assert outcome.code == 0, outcome.stderr
        return self._usual[how]

    def _start(self, words: Sequence[str], told: Sequence[Path]) -> int | None:
        arguments = (words, str(self.project), [str(path) for path in told])
        process = self._context.Process(target=run_command, args=arguments)
        process.start()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            return None
        return process.exitcode

    def _results(self, how: Command, stdout: str) -> dict[str, object]:
        made = {name: self.project / name for name in how.results}
        found: dict[str, object] = {
            name: path.read_bytes() if path.is_file() else None for name, path in made.items()
        }
        return {**found, "stdout": stdout if how.stdout else None}


def _loaded() -> list[str]:
    """All modules that this process has needed, so that no trial loads them again."""
    roots = ("imbtool", "torch", "transformers", "matplotlib", "pandas", "sklearn", "scipy")
    return [name for name in sys.modules if name.partition(".")[0] in roots]


def snapshot(folder: Path) -> Snapshot:
    """Everything below a folder: kind, size and time of change."""
    return {
        str(path.relative_to(folder)): _looks(path.lstat()) for path in sorted(folder.rglob("*"))
    }


def _looks(status: os.stat_result) -> tuple[object, ...]:
    if stat.S_ISDIR(status.st_mode):
        return ("folder",)
    return stat.S_IFMT(status.st_mode), status.st_size, status.st_mtime_ns


def differing(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """Paths that are new, gone or other than before."""
    paths = dict.fromkeys([*before, *after])
    return tuple(path for path in paths if before.get(path) != after.get(path))


def faults(how: Command, mutation: Mutation, outcome: Outcome, usual: Outcome) -> Iterator[Fault]:
    """What is wrong with an outcome.

    Args:
        how: the command.
        mutation: what it met.
        outcome: what came of it.
        usual: and what comes of it without the mutation.
    """
    if outcome.code is None:
        yield Fault("hang", f"over {SECONDS} s")
        return
    if "Traceback" in outcome.stderr or "panicked" in outcome.stderr:
        yield Fault("traceback", _innermost(outcome.stderr))
    elif outcome.code not in (0, 1, 2) or outcome.code == 1:
        yield Fault("exit code", str(outcome.code))
    elif outcome.code == 2:
        yield from _refusal_faults(outcome)
    else:
        yield from _success_faults(mutation, outcome, usual)
        if not _same_shape(how, outcome.stdout, usual.stdout):
            yield Fault("stdout", outcome.stdout[:100])
    yield from _trace_faults(how, outcome)


def _innermost(stderr: str) -> str:
    """The exception and where it was raised, and the last line of the package above that."""
    ours = [match for match in FRAME.finditer(stderr) if "/imbtool/" in match["file"]]
    frames = list(FRAME.finditer(stderr))
    raised = re.findall(r"^(\w[\w.]*)(?::.*)?$", stderr, re.MULTILINE) or ["?"]
    name = raised[-1].rpartition(".")[2]
    return " < ".join([name, *(_place(group[-1]) for group in (frames, ours) if group)])


def _place(frame: re.Match[str]) -> str:
    root = str(Path(package.__file__).parents[1])
    path = frame["file"].removeprefix(root).partition("site-packages/")
    return f"{path[2] or path[0].strip('/')}:{frame['function']}"


def _refusal_faults(outcome: Outcome) -> Iterator[Fault]:
    problems = PROBLEM.findall(outcome.stderr)
    if not problems:
        yield Fault("no message", outcome.stderr[-300:])
    elif any(len(problem) > LONG for problem in problems):
        yield Fault("long message", f"{max(map(len, problems))} characters")
    if outcome.stdout:
        yield Fault("output beside an error", outcome.stdout[:100])


def _success_faults(mutation: Mutation, outcome: Outcome, usual: Outcome) -> Iterator[Fault]:
    other = [name for name, made in outcome.results.items() if made != usual.results.get(name)]
    known = set(_lines(usual.stderr))
    strange = [line for line in _lines(outcome.stderr) if line not in known]
    said = [line for line in strange if SAID.match(line)]
    if may_matter(mutation):
        return
    if other and not said:
        yield Fault("silent, sound" if mutation.sound else "silent", ", ".join(other))
    if set(strange) - set(said) and not other:
        yield Fault("noise", next(line for line in strange if line not in said)[:200])


def _same_shape(how: Command, stdout: str, usual: str) -> bool:
    """Whether what was printed is data alone: a JSON document, or as many lines as usual."""
    if "--json" not in how.words:
        return len(stdout.splitlines()) == len(usual.splitlines())
    try:
        json.loads(stdout)
    except ValueError:
        return False
    return True


def _lines(stderr: str) -> list[str]:
    """What was told, without its numbers."""
    return [re.sub(r"\d[\d.,e+-]*", "#", line) for line in stderr.splitlines() if line.strip()]


def _trace_faults(how: Command, outcome: Outcome) -> Iterator[Fault]:
    begun = outcome.code in (0, 1) or STARTED.search(outcome.stderr)
    allowed = how.writes if begun else how.leaves
    for path in outcome.touched:
        # an output folder may be there, empty
        inside = any(path == each or path.startswith(f"{each}/") for each in allowed)
        if path not in how.writes and not inside:
            yield Fault("written" if outcome.code == 0 else "trace of a refusal", path)
            return


def may_matter(mutation: Mutation) -> bool:
    """Whether a mutation is right to change results without a word."""
    return any(
        fnmatch(mutation.file, files)
        and re.fullmatch(fields, mutation.field)
        and (kinds is None or mutation.sound or mutation.kind in kinds)
        for files, fields, kinds, _ in MAY_MATTER
    )


@contextlib.contextmanager
def kept_folder() -> Iterator[None]:
    """Come back to the current folder."""
    folder = Path.cwd()
    try:
        yield
    finally:
        os.chdir(folder)


def describe(how: Command, mutation: Mutation, fault: Fault) -> str:
    """One line on a fault."""
    return ascii(f"{fault.kind}: {mutation} | {how} | {fault.detail}")

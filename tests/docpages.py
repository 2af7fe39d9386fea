"""The pages of the documentation, and which of their commands are run in tests, and how."""

import re
import shutil
from pathlib import Path

from commandchecks import PROGRAMS
from shellcommands import Command, shown_commands
from standins import answer_batch

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_RUN = {
    "make test": "is the test suite itself",
    "pip install rensa": "is what a benchmark alone needs",
    "hf ": "needs an account on the hub",
    ".* hf:": "needs the hub",
    # two processes on one machine are tested in tests/training/test_processes.py
    "imbtool .* --processes ": "needs several processes",
    # tests/inference/test_ray.py
    "imbtool .* --engine ray": "needs Ray",
    # tests/inference/test_stores.py
    ".* '?s3://": "needs an object store",
    "torchrun ": "needs several processes, or machines",
    "accelerate launch ": "needs several GPUs",
    "srun |imbtool .*SLURM_": "needs Slurm",
    # it is started in tests/serving/
    "imbtool serve ": "goes on until it is stopped",
    "imbtool monitor .* --adapt": "needs a stream in which labels have changed",
    "python -m benchmarks": "takes minutes to hours",
}
"""How a command begins (a pattern), and why it cannot be run in a test."""
INSTALLING = ("make", "pip")
"""Programs that need a package index."""
PLACEHOLDERS = {
    "PROFILE": "profile.yaml",
    "LABEL": "insults",
}
"""What stands for a name of the reader's; `runs/NAME` is there."""
MADE_ANEW = {
    "init": ["profile.yaml"],
    "split": ["data/*.csv", "data/split.json"],
}
"""Pages show these commands as alternatives; each begins where the other had made nothing."""
INTO_NEW = ("export", "find", "merge", "prevalence", "queue")
"""Commands that refuse a folder that is there."""


def named(page: Path) -> str:
    """`docs/train.md`."""
    return page.relative_to(ROOT).as_posix()


def shown(page: Path) -> list[Command]:
    """All commands of a page."""
    return shown_commands(page.read_text(encoding="utf-8"), PROGRAMS)


def is_left_out(command: Command) -> bool:
    """Whether a command is not run: a synopsis, or one with a reason."""
    return command.synopsis or any(re.match(begun, command.text) for begun in NOT_RUN)


def to_run(page: Path) -> list[Command]:
    """The commands of a page that are run, installation among them."""
    return [command for command in shown(page) if not is_left_out(command)]


def filled_in(text: str) -> str:
    """What is typed, with a name where the page has a placeholder."""
    return re.sub(r"\b[A-Z]+\b", lambda match: PLACEHOLDERS.get(match[0], match[0]), text)


def begin_anew(command: Command, folder: Path) -> None:
    """Remove from a folder what the command would not overwrite."""
    for pattern in MADE_ANEW.get(" ".join(command.words[1:2]), []):
        for path in folder.glob(pattern):
            path.unlink()
    if command.words[1:2] and command.words[1] in INTO_NEW:
        shutil.rmtree(folder / written_folder(command), ignore_errors=True)


def do_what_people_do(command: Command, folder: Path) -> None:
    """Between `find`, or the draw of a sample, and the next command somebody answers the batch."""
    if command.words[1:2] == ("find",) or "--sample" in command.words:
        answer_batch(folder / written_folder(command))


def written_folder(command: Command) -> str:
    """What stands after `-o`."""
    return command.words[command.words.index("-o") + 1]


def ends_well(command: Command, code: int) -> bool:
    """Whether an exit code is one that a command may have; a gate may be closed."""
    gated = {"--gate", "--require"} & set(command.words)
    return code == 0 or (code == 1 and bool(gated))

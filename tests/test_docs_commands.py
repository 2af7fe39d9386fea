"""Every command that the documentation shows can be typed so, and does what its page is about.

Options, commands, profile keys, scripts and make targets are looked at in all of them. Those of
imbtool in blocks are run too (slow), in the order of their page, on small stand-ins for the tables
and runs that the page names; test_docs_as_written.py types them into a shell as they stand.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandchecks import IMBTOOL, PROGRAMS, option_problems, problems
from conftest import Imbtool
from docpages import (
    INSTALLING,
    NOT_RUN,
    PAGES,
    begin_anew,
    do_what_people_do,
    ends_well,
    filled_in,
    named,
    shown,
    to_run,
)
from shellcommands import (
    Command,
    inline_commands,
    inline_options,
    option_names,
    shown_commands,
)
from standins import QUICK, write_stand_ins

OTHER_OPTIONS = {
    "docs/distributed.md": ["-m", "--signal"],  # of Python, of sbatch
    "docs/experiments/large-data.md": ["--train"],  # of a script
    "docs/experiments/prevalence.md": ["--quapy", "--rounds", "--seeds", "--texts"],
    "docs/experiments/speed.md": [  # of scripts
        *("--levers", "--no-process", "--products", "--rounds", "--seconds", "--texts", "--ways"),
    ],
    "docs/quick-reference.md": ["--install-completion"],  # of imbtool itself
    "docs/serving.md": ["--dtype", "--max-model-len"],  # of other servers
    "docs/share.md": ["--private"],  # of hf upload
}
"""Options in sentences that are none of imbtool's."""


def refusals(text: str) -> list[str]:
    """What is found in a page that has one indented block."""
    return [
        problem
        for command in shown_commands(f"Do:\n\n    {text}\n", PROGRAMS)
        for problem in problems(command, whole=True)
    ]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_can_be_typed_as_they_stand(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = [problem for command in shown(page) for problem in problems(command, whole=True)]
    for command in inline_commands(text, PROGRAMS):
        found += problems(command, whole=False)
    for command in inline_options(text):
        found += option_problems(command, OTHER_OPTIONS.get(named(page), []))
    assert found == []


@pytest.mark.parametrize("name", IMBTOOL)
def test_examples_in_help_can_be_typed_as_they_stand(name: str) -> None:
    examples = inline_commands(IMBTOOL[name].help or "", PROGRAMS)
    assert examples
    assert [problem for command in examples for problem in problems(command, whole=True)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_command_is_run_or_it_is_written_down_why_not(page: Path) -> None:
    programs = {stage[0] for command in to_run(page) for stage in command.stages}
    assert programs <= {"imbtool", "echo", *INSTALLING}


def test_nothing_is_written_down_that_is_no_longer_shown() -> None:
    texts = [command.text for page in PAGES for command in shown(page)]
    assert [begun for begun in NOT_RUN if not any(re.match(begun, text) for text in texts)] == []
    options = {
        named(page): {
            name
            for command in inline_options(page.read_text(encoding="utf-8"))
            for name in option_names(command.words)
        }
        for page in PAGES
    }
    assert all(set(names) <= options[page] for page, names in OTHER_OPTIONS.items())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("imbtool weigh profile.yaml", "no such command: weigh"),
        ("imbtool train --profle profile.yaml", "No such option: --profle"),
        ("imbtool train --profile", "requires an argument"),
        ("imbtool evaluate runs/NAME --errors few", "few"),
        ("imbtool weights", "Missing parameter: profile"),
        ("imbtool train -p profile.yaml --set loss.gama=2", "gama"),
        ("imbtool train -p profile.yaml --set training.epochs=many", "training.epochs"),
        ("imbtool train --profile PROFILE [--runz FOLDER]", "no such option: --runz"),
        ("echo text | imbtool predict runs/NAME --jsn", "--jsn"),
        ("imbtool init train.csv\n    imbtol weights profile.yaml", "'imbtol'"),
        ("imbtool train -p profile.yaml \\\n        --epoch 3", "--epoch"),
        ("imbtool tune -p PROFILE\n        [--budgets N]", "--budgets"),
        ("torchrun --standalon -m imbtool train -p profile.yaml", "--standalon"),
        ("srun torchrun --nnodes 2 -m imbtool train --profle profile.yaml", "--profle"),
        ("accelerate launch -m imbtool trian -p profile.yaml", "trian"),
        ("OMP_NUM_THREADS=1 imbtool predict runs/NAME --outptu x", "--outptu"),
        ("make dmeo", "no such target: dmeo"),
        ("pip install '.[bundeld]'", "no such extra: bundeld"),
        ("pip install 'imbtool[bundeld]'", "no such extra: bundeld"),
        ("pip install 'imbtool[bundled] @ .'", "pip cannot read 'imbtool[bundled] @ .'"),
        ("pip install -c constraint.txt '.[bundled]'", "no such file: constraint.txt"),
        ("python -m benchmarks.speed.kil", "no such script"),
        ("python benchmarks/speed/kill.py", "benchmarks are started by python -m"),
        (
            "python -m benchmarks.speed.throughput --data data/edos --round 3",
            "no such option: --round",
        ),
        ("hf upload USER/NAME runs/NAME/checkpoint . --privat", "--privat"),
    ],
)
def test_what_could_not_be_typed_is_told(text: str, problem: str) -> None:
    (told,) = refusals(text)
    assert problem in told


@pytest.mark.parametrize(
    "text",
    [
        "imbtool train -p profile.yaml --set loss.gamma='{LABEL: 3}'  # a comment",
        "imbtool train --profile PROFILE [--bf16|--fp32] [--set KEY=VALUE]...",
        "# a comment\n    imbtool init --schema > profile.schema.json",
        "... | imbtool predict CHECKPOINT [--json]",
        "first=$(hostname | head -n 1)\n    imbtool weights profile.yaml",
        "data:\n      train: train.csv",
        "python -m benchmarks.speed.throughput --data data/edos --rounds 3",
    ],
)
def test_what_can_be_typed_or_is_no_command_is_not_told(text: str) -> None:
    assert refusals(text) == []


def test_of_a_block_with_prompts_only_their_lines_are_commands() -> None:
    page = "```text\n$ imbtool init \\\n    a.csv\nmake of it what you will\n$ make test\n```\n"
    found = [(command.line, command.text) for command in shown_commands(page, PROGRAMS)]
    assert found == [(2, "imbtool init a.csv"), (5, "make test")]


def test_variables_pipes_and_files_of_a_command_are_understood() -> None:
    (command,) = shown_commands(
        "    A=1 B=x echo 'a | b' | imbtool init - > 'a b'  # so\n", PROGRAMS
    )
    assert command.environment == (("A", "1"), ("B", "x"))
    assert command.stages == (("echo", "a | b"), ("imbtool", "init", "-"))
    assert command.into == "a b"


def test_code_of_other_languages_is_no_shell() -> None:
    assert shown_commands("```python\nmake = 1\nimbtool train\n```\n", PROGRAMS) == []
    assert shown_commands("```bash\nlonely\n```\n", PROGRAMS)[0].words == ("lonely",)


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory, imbtool: Imbtool) -> Path:
    """The folder that pages get copies of, once it has made room for the first."""
    project = tmp_path_factory.mktemp("docs") / "project"
    project.mkdir()
    with contextlib.chdir(project):
        write_stand_ins(imbtool)
    return project.rename(project.with_name("stand-ins"))


@pytest.fixture
def in_stand_ins(stand_ins: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A copy is the current folder, by the name that its runs know their tables by."""
    folder = shutil.copytree(stand_ins, stand_ins.with_name("project"), symlinks=True)
    monkeypatch.chdir(folder)
    yield
    monkeypatch.undo()
    shutil.rmtree(folder)


def typed(command: Command) -> list[str]:
    """The words after `imbtool`, placeholders filled in, with what makes a training short."""
    name, *words = command.words[1:]
    trains = name in ("train", "tune", "distil") and any(word.endswith(".yaml") for word in words)
    short = QUICK if name == "analyze" or trains else ()
    return [name, *short, *map(filled_in, words)]


def of_imbtool(page: Path) -> list[Command]:
    return [command for command in to_run(page) if command.words[0] not in INSTALLING]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", [page for page in PAGES if of_imbtool(page)], ids=named)
def test_commands_run_in_the_order_of_their_page(
    page: Path, in_stand_ins: None, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in of_imbtool(page):
        begin_anew(command, Path.cwd())
        piped = " ".join(command.stages[0][1:]) if len(command.stages) > 1 else None
        with monkeypatch.context() as patch:
            for name, value in command.environment:
                patch.setenv(name, value)
            result = imbtool(*typed(command), stdin=piped)
        where = f"{named(page)}, line {command.line}: {command.text}"
        assert isinstance(result.exception, SystemExit | None), (where, result.exception)
        assert ends_well(command, result.exit_code), (where, result.stderr)
        do_what_people_do(command, Path.cwd())
        if command.into:
            Path(command.into).write_text(result.stdout)

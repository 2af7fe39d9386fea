"""Whether a command that the documentation shows could be typed so: programs, options, keys."""

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import distribution
from itertools import pairwise
from pathlib import Path

from accelerate.commands.launch import launch_command_parser
from click.testing import CliRunner
from packaging.requirements import InvalidRequirement, Requirement
from shellcommands import Command, option_names
from torch.distributed.run import get_args_parser
from typer.exceptions import TyperException
from typer.main import get_command

from imbtool.cli import app
from imbtool.config.reader import make_profile, overlay, parse_override
from imbtool.errors import UserError

ROOT = Path(__file__).parents[1]
IMBTOOL = get_command(app).commands
PLACEHOLDERS = ("KEY", "key", "section.key")
"""What pages write for any key of the profile."""
OF_FLAGS = ("data.labels.threshold", "data.labels.empty")
"""Keys that only a profile with one column for each label may have."""
PIP_OPTIONS = ("-c", "-e")

Words = Sequence[str]
Problems = Iterator[str]


def problems(command: Command, whole: bool) -> list[str]:
    """What is wrong with a command, in words; nothing if it could be typed.

    Args:
        command: of a block, or out of a sentence.
        whole: nothing that it needs may be missing. Of others, and of a synopsis, only what stands
            there is looked at.
    """
    whole = whole and not command.synopsis
    return [
        f"line {command.line}: {command.text}: {problem}"
        for words in command.stages
        for problem in CHECKS.get(words[0], _unknown)(words, whole)
    ]


def option_problems(command: Command, known: Sequence[str]) -> list[str]:
    """The same of options that stand alone: each is one of some command of imbtool, or known."""
    names = {name for each in IMBTOOL for name in _options_of(each)} | set(known)
    found = [*_not_among(names, command.words), *_key_problems(command.words)]
    return [f"line {command.line}: {command.text}: {problem}" for problem in found]


def _imbtool(words: Words, whole: bool) -> Problems:
    name = " ".join(words[1:2])
    if name not in IMBTOOL:
        yield f"no such command: {name}"
        return
    yield from _key_problems(words)
    if not whole:
        yield from _not_among(_options_of(name), words)
        return
    try:
        IMBTOOL[name].make_context(name, list(words[2:]))
    except TyperException as error:
        yield str(error)


def _options_of(name: str) -> set[str]:
    params = IMBTOOL[name].params
    return {"--help", *(option for each in params for option in (*each.opts, *each.secondary_opts))}


def _key_problems(words: Words) -> Problems:
    """What the schema says of the values of --set, laid over a profile of defaults."""
    plain = make_profile({"data": {"train": "train.csv"}})
    flags = make_profile({"data": {"train": "train.csv", "labels": {"columns": ["a"]}}})
    for option, value in pairwise(words):
        override = value.rstrip("]")
        key, _, text = override.partition("=")
        if option.lstrip("[") != "--set" or key in PLACEHOLDERS or text == "...":
            continue
        try:
            overlay(flags if key in OF_FLAGS else plain, [parse_override(override)])
        except UserError as error:
            yield str(error)


def _launcher(words: Words, whole: bool) -> Problems:
    """Torchrun, or accelerate launch, which start `-m imbtool COMMAND`."""
    parser = get_args_parser() if words[0] == "torchrun" else launch_command_parser()
    at = words.index("-m") if "-m" in words else len(words)
    yield from _not_among(set(parser._option_string_actions), words[:at])
    if at < len(words):
        yield from _imbtool(words[at + 1 :], whole)
    elif whole:
        yield "it starts nothing"


def _make(words: Words, whole: bool) -> Problems:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    yield from (f"no such target: {word}" for word in words[1:] if word not in targets)


def _pip(words: Words, whole: bool) -> Problems:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.findall(r"(?:imbtool|\.)\[([\w,]+)\]", " ".join(words))
    wanted = {extra for each in extras for extra in each.split(",")}
    unknown = wanted - set(project["optional-dependencies"])
    yield from (f"no such extra: {extra}" for extra in sorted(unknown))
    yield from _not_among(set(PIP_OPTIONS), words)
    for option, value in pairwise(words):
        if option == "-c" and not (ROOT / value).is_file():
            yield f"no such file: {value}"
        if option not in PIP_OPTIONS[:1] and not value.startswith(("-", ".")):
            yield from _no_requirement(value)


def _no_requirement(text: str) -> Problems:
    """What pip refuses: what is neither a folder (`.`) nor a name, with a URL that has a scheme."""
    try:
        url = Requirement(text).url
    except InvalidRequirement:
        url = ""
    if url is not None and "://" not in url:
        yield f"pip cannot read {text!r}"


def _python(words: Words, whole: bool) -> Problems:
    """A script of this project, and options that it, or a benchmark it imports from, adds."""
    name = words[2] if words[1] == "-m" else words[1]
    if name.startswith("benchmarks/"):
        yield f"benchmarks are started by python -m: {name}"
        return
    script = _benchmark(name) if words[1] == "-m" else ROOT / name
    if not script.is_file():
        yield f"no such script: {name}"
        return
    code = script.read_text()
    imported = [_benchmark(name) for name in re.findall(r"^from (benchmarks\.[\w.]+)", code, re.M)]
    codes = [code, *(path.read_text() for path in imported)]
    known = re.findall(r'add_argument\(\s*"(--[\w-]+)"', "\n".join(codes))
    yield from _not_among({"-m", *known}, words)


def _benchmark(module: str) -> Path:
    """The file of a script that is run as `python -m benchmarks.FOLDER.NAME`, from the root."""
    return ROOT / f"{module.replace('.', '/')}.py"


def _hf(words: Words, whole: bool) -> Problems:
    from huggingface_hub.cli.hf import app as hf

    # options are looked at before help is shown
    shown = CliRunner().invoke(hf, [*words[1:], "--help"])
    if shown.exit_code:
        yield " ".join(shown.output.split())


def _ray(words: Words, whole: bool) -> Problems:
    """A command of Ray, and that of imbtool behind `--` which it starts."""
    at = words.index("--") if "--" in words else len(words)
    scripts = Path(distribution("ray").locate_file("ray/scripts"))
    name = words[1].replace("-", "_")
    # importing them takes many times as long; symmetric-run has the options of start, too
    code = "".join((scripts / f"{file}.py").read_text() for file in ("scripts", "symmetric_run"))
    if f"def {name}(" not in code:
        yield f"no such command: {words[1]}"
    yield from _not_among(set(re.findall(r'"(--[\w-]+)"', code)), words[:at])
    if at < len(words):
        yield from CHECKS.get(words[at + 1], _unknown)(words[at + 1 :], whole)


def _echo(words: Words, whole: bool) -> Problems:
    yield from ()


def _unknown(words: Words, whole: bool) -> Problems:
    if words[0] != "...":
        yield f"{words[0]!r} is none of the programs that are looked at"


def _not_among(known: set[str], words: Words) -> Problems:
    yield from (f"no such option: {name}" for name in option_names(words) if name not in known)


CHECKS: dict[str, Callable[[Words, bool], Problems]] = {
    "imbtool": _imbtool,
    "torchrun": _launcher,
    "accelerate": _launcher,
    "make": _make,
    "pip": _pip,
    "python": _python,
    "hf": _hf,
    "ray": _ray,
    "echo": _echo,
}
PROGRAMS = tuple(CHECKS)

"""The shell commands that a Markdown page shows: whole ones in blocks, parts in its sentences."""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

SHELLS = ("bash", "sh", "shell")
LAUNCHERS = ("srun",)
"""They start another program, which is looked at in their place."""
FENCE = re.compile(r"\s*(?:```|~~~)(.*)")
PROMPT = re.compile(r"\s*\$ ")
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
ASSIGNMENT = re.compile(r"(\w+)=([^(]*)")

Line = tuple[int, str]
"""Numbered from 1 as in the page."""


@dataclass(frozen=True)
class Command:
    """A line of shell as it would be typed.

    Attributes:
        line: where it begins in the page.
        text: without prompt and comment, continued lines joined.
        stages: the words of each program; more than one where the output of one is piped on.
        into: the file that gets the output, if one does.
        environment: variables that are set for this command alone.
    """

    line: int
    text: str
    stages: tuple[tuple[str, ...], ...]
    into: str = ""
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Those of the last program."""
        return self.stages[-1]

    @property
    def synopsis(self) -> bool:
        """Whether it shows what may be typed, `[--json]`, rather than what is."""
        return "[-" in self.text or self.stages[0] == ("...",)


def shown_commands(page: str, programs: Collection[str]) -> list[Command]:
    """All commands in indented and fenced blocks.

    Of a block that has prompts the lines behind a prompt are commands, the others are output. Of a
    block in which a line begins with one of the programs, or whose fence names a shell, all lines
    are, whatever they begin with, but for comments and assignments.
    """
    return [
        command
        for language, lines in _blocks(page)
        for command in _of_block(language, lines, programs)
    ]


def inline_commands(page: str, programs: Collection[str]) -> list[Command]:
    """Code within sentences and tables that begins with one of the programs and goes on."""
    return [
        command
        for command in _commands(_inline(page))
        if command.words[0] in programs and len(command.words) > 1
    ]


def inline_options(page: str) -> list[Command]:
    """Code within sentences and tables that begins with an option: `--set KEY=VALUE`."""
    return [command for command in _commands(_inline(page)) if option_names(command.words[:1])]


def option_names(words: Iterable[str]) -> list[str]:
    """The options among words, the brackets and alternatives of a synopsis taken apart.

    >>> option_names(["[--bf16|--fp32]", "-o", "--set=a=-b", "-1", "[-y]..."])
    ['--bf16', '--fp32', '-o', '--set', '-y']
    """
    parts = [part for word in words for part in word.strip("[].").split("|")]
    found = [re.match(r"--?[a-zA-Z][\w-]*", part) for part in parts]
    return [match[0] for match in found if match]


def _blocks(page: str) -> Iterator[tuple[str, list[Line]]]:
    """The language (none of an indented one) and the lines of each block.

    An empty line ends an indented block: what it parts may be a synopsis and its example.
    """
    fenced, language = False, ""
    block: list[Line] = []
    for number, line in enumerate([*page.splitlines(), ""], start=1):
        fence = FENCE.match(line)
        if not fence and (fenced or line.startswith("    ")):
            block.append((number, line))
            continue
        if block:
            yield language, block
        block = []
        if fence:
            fenced = not fenced
            language = fence[1].strip() if fenced else ""


def _of_block(language: str, lines: Sequence[Line], programs: Collection[str]) -> Iterator[Command]:
    whole = list(_continued(lines))
    prompted = [(number, line) for number, line in whole if PROMPT.match(line)]
    if prompted:
        yield from _commands((number, PROMPT.sub("", line, 1)) for number, line in prompted)
    elif not language or language in SHELLS:
        commands = list(_commands(_indented(whole)))
        programs_here = {stage[0] for command in commands for stage in command.stages}
        if language or programs_here & set(programs):
            yield from commands


def _continued(lines: Iterable[Line]) -> Iterator[Line]:
    """Lines that end with a backslash, joined with the next."""
    begun: Line | None = None
    for number, line in lines:
        start, text = (begun[0], f"{begun[1]} {line.strip()}") if begun else (number, line)
        begun = (start, text[:-1]) if text.endswith("\\") else None
        if not begun:
            yield start, text


def _indented(lines: Sequence[Line]) -> list[Line]:
    """Lines further in than the first, as a synopsis has them, joined with the one before."""
    joined: list[Line] = []
    for number, line in lines:
        if joined and _indent(line) > _indent(lines[0][1]):
            joined[-1] = (joined[-1][0], f"{joined[-1][1]} {line.strip()}")
        else:
            joined.append((number, line))
    return joined


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _commands(lines: Iterable[Line]) -> Iterator[Command]:
    """Commands, but for comments, assignments and what is not shell at all."""
    for number, line in lines:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        variables = list(takewhile(bool, map(ASSIGNMENT.fullmatch, words)))
        words, into = _redirected(words[len(variables) :])
        stages = _stages(words)
        if all(stages) and not ASSIGNMENT.match(words[0]):
            text = " ".join(line.partition("  #")[0].split())
            environment = tuple((each[1], each[2]) for each in variables if each)
            yield Command(number, text, stages, into, environment)


def _redirected(words: list[str]) -> tuple[list[str], str]:
    """The words before `>`, and the file behind it."""
    at = words.index(">") if ">" in words else len(words)
    return words[:at], " ".join(words[at + 1 :])


def _stages(words: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    stages: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            stages.append([])
        elif stages[-1] or word not in LAUNCHERS:
            stages[-1].append(word)
    return tuple(map(tuple, stages))


def _inline(page: str) -> Iterator[Line]:
    """Code outside of blocks; it may be broken over two lines."""
    inside = {number for _, lines in _blocks(page) for number, _ in lines}
    prose = "\n".join(
        "" if number in inside or FENCE.match(line) else line
        for number, line in enumerate(page.splitlines(), start=1)
    )
    for code in INLINE.finditer(prose):
        if "\n\n" not in code[1]:
            yield prose.count("\n", 0, code.start()) + 1, " ".join(code[1].split())

"""YAML as the user wrote it: scalars stay text, every key knows its line, nothing is guessed.

PyYAML alone reads `1e-5` as text, `no` as false, `1.10` as 1.1, and takes the last of two equal
keys without a word. Here nodes are composed, not constructed; the schema converts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.reader import ReaderError

from imbtool.errors import Problem, UserError, user_error
from imbtool.files.writing import SURROGATE

Key = tuple[str | int, ...]
MAX_NODES = 100_000
"""Aliases can make a small file huge; no profile has as many nodes as this."""
MAX_DEPTH = 100
"""Of lists and maps in each other; an alias that holds itself has no end."""


@dataclass
class YamlText:
    """A parsed document.

    Attributes:
        value: nested dicts and lists whose leaves are text, or None where nothing was written.
        lines: 1-based line of every key, by its path.
        problems: duplicate keys and keys that are no text.
    """

    value: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def parse_yaml(text: str, where: str) -> YamlText:
    """Parse one YAML document, keeping scalars as text and lines by key.

    Raises:
        UserError: it is not YAML, is nested too deeply, or its aliases expand without end.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = YamlText()
        document.value = _Reader(document, where).read(root, ()) if root else None
    except yaml.YAMLError as error:
        raise UserError(_syntax(error, where, text)) from None
    except RecursionError:
        raise _too_deep(where) from None
    return document


def _too_deep(where: str) -> UserError:
    return user_error(
        where,
        "lists and maps nested too deeply",
        f"{MAX_DEPTH} levels at most",
        "do not let an alias (*) hold itself; a hierarchy may also be written flat, "
        "each label with those right below it",
    )


def _syntax(error: yaml.YAMLError, where: str, text: str) -> Problem:
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        found = f"the character {chr(error.character)!r}"
        return Problem(
            f"{where}:{line}", found, "text without it", 'write it as "\\x.." or delete it'
        )
    mark = getattr(error, "problem_mark", None)
    place = f"{where}:{mark.line + 1}" if mark else where
    found = getattr(error, "problem", None) or str(error).splitlines()[0]
    return Problem(place, found, "YAML", "check indentation, colons and quotes near this line")


def _joined(text: str) -> str:
    """Text in which two halves of a character, as JSON escapes them, are one character."""
    if not SURROGATE.search(text):
        return text
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return text


@dataclass
class _Reader:
    document: YamlText
    where: str
    nodes: int = 0

    def read(self, node: yaml.Node, key: Key) -> object:
        self.nodes += 1
        place = f"{self.where}:{node.start_mark.line + 1}"
        if len(key) > MAX_DEPTH:
            raise _too_deep(place)
        if self.nodes > MAX_NODES:
            raise user_error(
                place,
                f"more than {MAX_NODES:,} values once its aliases are expanded",
                "a small profile",
                "write the values out instead of repeating aliases (&, *)",
            )
        self.document.lines.setdefault(key, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*key, index)) for index, item in enumerate(node.value)]
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return None if plain and node.value in ("", "~") else _joined(node.value)

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                self._problem(line, "a key that is a list or a map", "text", "quote the key")
                continue
            name = _joined(name_node.value)
            if name in mapping:
                first = self.document.lines[(*key, name)]
                found = f"the key {name!r} a second time (first on line {first})"
                self._problem(line, found, "each key once", "delete one of the two")
                continue
            self.document.lines[(*key, name)] = line
            mapping[name] = self.read(value_node, (*key, name))
        return mapping

    def _problem(self, line: int, found: str, expected: str, fix: str) -> None:
        self.document.problems.append(Problem(f"{self.where}:{line}", found, expected, fix))

"""Profiles as files: the one reader, with line numbers, and the one writer, with comments."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from imbtool.errors import Problem, UserError, did_you_mean, fail
from imbtool.profile import Profile, Section
from imbtool.yamltext import Key, YamlText, parse_yaml

ENCODER_KEY: Key = ("model", "encoder")
PATH_KEYS: tuple[Key, ...] = (
    ("data", "train"),
    ("data", "validation"),
    ("data", "test"),
    ENCODER_KEY,
)


@dataclass(frozen=True)
class Override:
    """A value from the command line: `key` as `loss.gamma`, `origin` as the user typed it."""

    key: str
    text: str
    origin: str


def read_profile(path: Path, overrides: Sequence[Override] = ()) -> Profile:
    """Read a profile, lay the overrides over it and resolve its paths.

    Paths in the file are relative to the file's folder, those in overrides to the current one.

    Raises:
        UserError: with every problem of the file and the overrides at once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise fail(path, "no such file", "a profile", "`imbtool init` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise fail(path, str(error), "a readable UTF-8 file", "check the path") from None
    document = parse_yaml(text, str(path))
    if not isinstance(document.value, dict):
        found = "an empty file" if document.value is None else "no map at the top"
        raise fail(path, found, "sections such as `data:`", "`imbtool init` writes a profile")
    origins = {key: f"{path}:{line}" for key, line in document.lines.items()}
    _resolve_paths(document.value, path.parent, PATH_KEYS)
    return _build(document, overrides, origins, str(path))


def parse_override(text: str) -> Override:
    """Read `a.b=c` of `--set`.

    Raises:
        UserError: there is no `=` in it.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise fail(f"--set {text}", "no '='", "--set key=value", "e.g. --set loss.gamma=1.5")
    return Override(key.strip(), value, f"--set {text}")


def make_profile(values: dict[str, Any]) -> Profile:
    """Build a profile from nested values, as `init` proposes them."""
    return _build(YamlText(values), (), {}, "profile")


def overlay(profile: Profile, overrides: Sequence[Override]) -> Profile:
    """A profile with the command line laid over it."""
    values = profile.model_dump(mode="json", exclude_unset=True)
    return _build(YamlText(values), overrides, {}, "profile")


def _build(
    document: YamlText, overrides: Sequence[Override], origins: dict[Key, str], where: str
) -> Profile:
    problems = list(document.problems)
    for override in overrides:
        _lay_over(document.value, override, origins, problems)
    _drop_displaced(document.value, overrides)
    values = {name: {} if part is None else part for name, part in document.value.items()}
    try:
        profile = Profile.model_validate(values)
    except ValidationError as error:
        problems += _problems(error, origins, where)
        raise UserError(*problems) from None
    if problems:
        raise UserError(*problems)
    return profile


def _lay_over(
    values: dict[str, Any], override: Override, origins: dict[Key, str], problems: list[Problem]
) -> None:
    key = _split_key(override.key)
    parsed = parse_yaml(override.text, override.origin)
    problems += parsed.problems
    target: Any = values
    for name in key[:-1]:
        if not isinstance(target.get(name), dict):
            target[name] = {}
        target = target[name]
    target[key[-1]] = parsed.value
    origins[key] = override.origin
    if key in PATH_KEYS:
        _resolve_paths(values, Path.cwd(), [key])


def _drop_displaced(values: dict[str, Any], overrides: Sequence[Override]) -> None:
    """Another loss on the command line takes the file's gamma, which was meant for its own."""
    given = {override.key: override.text for override in overrides}
    loss = values.get("loss")
    if given.get("loss.name") == "bce" and "loss.gamma" not in given and isinstance(loss, dict):
        loss.pop("gamma", None)


def _split_key(text: str) -> tuple[str, ...]:
    """`weights.custom.1.1 threats` -> (weights, custom, 1.1 threats): labels may hold dots."""
    key: list[str] = []
    model: Any = Profile
    rest = text
    while rest:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return (*key, rest)
        name, _, rest = rest.partition(".")
        key.append(name)
        field = model.model_fields.get(name)
        model = field.annotation if field else Section
    return tuple(key)


def _resolve_paths(values: dict[str, Any], folder: Path, keys: Iterable[Key]) -> None:
    for section, name in keys:
        part = values.get(str(section))
        value = part.get(name) if isinstance(part, dict) else None
        if not isinstance(part, dict) or not isinstance(value, str):
            continue
        is_encoder = (section, name) == ENCODER_KEY
        if not is_encoder or (value != "bundled" and (folder / value).is_dir()):
            part[name] = str((folder / value).resolve())


def _problems(error: ValidationError, origins: Mapping[Key, str], where: str) -> Iterable[Problem]:
    """One problem a key: pydantic reports each member of a union on its own."""
    grouped: dict[Key, list[ErrorDetails]] = {}
    for detail in error.errors():
        grouped.setdefault(_known_part(detail["loc"], origins), []).append(detail)
    for key, details in grouped.items():
        yield _problem(key, details, origins, where)


def _known_part(location: Key, origins: Mapping[Key, str]) -> Key:
    """Cut the names of union members, which are no keys, off a pydantic location."""
    for end in range(len(location), 0, -1):
        if location[:end] in origins:
            return location[:end]
    return location


def _problem(
    key: Key, details: Sequence[ErrorDetails], origins: Mapping[Key, str], where: str
) -> Problem:
    first = details[0]
    dotted = ".".join(str(part) for part in first["loc"] if first["type"] in _WHOLE) or ".".join(
        str(part) for part in key
    )
    place = f"{_nearest(key, origins, where)}: {dotted}"
    match first["type"]:
        case "extra_forbidden":
            mend = did_you_mean(str(key[-1]), _siblings(key))
            return Problem(place, f"an unknown key {key[-1]!r}", "a key of the profile", mend)
        case "missing":
            return Problem(place, "nothing", "a value", f"add `{first['loc'][-1]}:`")
        case "imbtool":
            context = first.get("ctx", {})
            return Problem(place, context["found"], context["expected"], context["mend"])
    wanted = dict.fromkeys(_wanted(detail) for detail in details)
    found = "nothing" if first["input"] is None else repr(first["input"])
    return Problem(place, found, " or ".join(wanted), "correct the value, or delete the line")


_WHOLE = frozenset({"missing"})


def _nearest(key: Key, origins: Mapping[Key, str], where: str) -> str:
    for end in range(len(key), 0, -1):
        if key[:end] in origins:
            return origins[key[:end]]
    return where


def _siblings(key: Key) -> list[str]:
    model: Any = Profile
    for name in key[:-1]:
        field = model.model_fields.get(name)
        model = field.annotation if field else Profile
    return list(model.model_fields)


def _wanted(detail: ErrorDetails) -> str:
    return re.sub(r"^Input should be ", "", detail["msg"].partition(", unable to")[0])


def render_profile(
    profile: Profile, comments: Mapping[Key, str] | None = None, folder: Path | None = None
) -> str:
    """The profile as YAML with comments: those given by key, else the schema's descriptions.

    Args:
        profile: what to write.
        comments: by key; a comment on a map's entry stands beside the entry.
        folder: of the file, if paths shall be relative to it.
    """
    return _Renderer(comments or {}, folder).render(profile)


@dataclass(frozen=True)
class _Renderer:
    comments: Mapping[Key, str]
    folder: Path | None

    def render(self, profile: Profile) -> str:
        lines = ["# A weight profile: every key but data.train may be left out."]
        for name in type(profile).model_fields:
            lines += ["", f"{name}:", *self._section(getattr(profile, name), (name,))]
        return "\n".join(lines) + "\n"

    def _section(self, section: Section, key: Key) -> Iterable[str]:
        pad = "  " * len(key)
        for name, field in type(section).model_fields.items():
            value, here = getattr(section, name), (*key, name)
            note = self._note(here, field.description)
            if isinstance(value, Section):
                yield f"{pad}{name}:{note}"
                yield from self._section(value, here)
            elif value is None or value == {}:
                yield f"{pad}# {name}:{note}"
            elif isinstance(value, dict):
                yield f"{pad}{name}:{note}"
                yield from self._map(value, here)
            else:
                yield f"{pad}{name}: {self._flow(value)}{note}"

    def _map(self, values: Mapping[str, Any], key: Key) -> Iterable[str]:
        pad = "  " * len(key)
        for entry, value in values.items():
            if isinstance(value, list | dict):
                yield from textwrap.indent(_block({entry: value}), pad).splitlines()
            else:
                note = self._note((*key, entry), None)
                yield f"{pad}{self._flow(entry)}: {self._flow(value)}{note}"

    def _note(self, key: Key, default: str | None) -> str:
        comment = self.comments.get(key, default)
        return f"  # {comment}" if comment else ""

    def _flow(self, value: Any) -> str:
        """A value on one line, quoted where YAML would otherwise read something else."""
        if isinstance(value, Path):
            value = os.path.relpath(value, self.folder) if self.folder else str(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return _block(value, flow=True).removesuffix("\n").removesuffix("\n...")


def _block(value: Any, flow: bool = False) -> str:
    text: str = yaml.safe_dump(
        value, default_flow_style=flow, width=10**9, allow_unicode=True, sort_keys=False
    )
    return text

"""The one reader of profiles: line numbers, overrides, all problems at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from imbtool.config.data_sections import is_hub
from imbtool.config.schema import BUNDLED_ENCODERS, Profile
from imbtool.config.section import Section
from imbtool.config.yaml_text import Key, YamlText, parse_yaml
from imbtool.errors import Problem, UserError, user_error
from imbtool.files.documents import found_and_expected
from imbtool.files.paths import refuse_endless
from imbtool.files.stores import COPY_FIRST, IN_STORE
from imbtool.wording import cut, did_you_mean

ENCODER_KEY: Key = ("model", "encoder")
PATH_KEYS: tuple[Key, ...] = (
    ("data", "train"),
    ("data", "validation"),
    ("data", "test"),
    ("data", "unlabelled"),
    ("data", "answers"),
    ENCODER_KEY,
)


FORBIDDEN = re.compile("[\0\ud800-\udfff]")
"""NUL, and halves of a character: as a file's name that is not UTF-8 has them in Python."""


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

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import read_profile
        >>> read_profile(Path("profile.yaml")).loss.gamma
        2.0
    """
    return parse_profile(profile_text(path), path, overrides)


def parse_profile(text: str, path: Path, overrides: Sequence[Override] = ()) -> Profile:
    """The profile of a text that stands in a file, or is to be written to it.

    Raises:
        UserError: as `read_profile`.
    """
    document = parse_yaml(text, str(path))
    if not isinstance(document.value, dict):
        found = "an empty file" if document.value is None else "no map at the top"
        raise user_error(path, found, "sections such as `data:`", "`imbtool init` writes a profile")
    origins = {key: f"{path}:{line}" for key, line in document.lines.items()}
    document.problems += _resolve_paths(document.value, path.parent, PATH_KEYS, origins)
    return _build(document, overrides, origins, str(path))


def profile_text(path: Path) -> str:
    """The text of a profile's file.

    Raises:
        UserError: there is no such file, or it is not text in UTF-8.
    """
    if FORBIDDEN.search(str(path)):
        fix = "rename the file, or the folder it is in"
        raise user_error(path, "a path that is not UTF-8 or holds NUL", "a profile", fix)
    refuse_endless(path, "a profile")
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise user_error(path, "no such file", "a profile", "`imbtool init` writes one") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found = f"the byte {error.object[error.start]:#04x}, which is not UTF-8"
        raise user_error(f"{path}:{line}", found, "UTF-8", "save it as UTF-8") from None
    except OSError as error:
        raise user_error(
            path, error.strerror or "no access", "a profile", "check the path"
        ) from None


def parse_override(text: str) -> Override:
    """Read `a.b=c` of `--set`.

    Raises:
        UserError: there is no `=` in it.
    """
    key, equals, value = text.partition("=")
    if not equals:
        origin = f"--set {cut(text)}"
        raise user_error(origin, "no '='", "--set key=value", "e.g. --set loss.gamma=1.5")
    return Override(key.strip(), value, f"--set {cut(text)}")


def make_profile(values: dict[str, object]) -> Profile:
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
    problems += _forbidden(document.value, (), origins, where)
    values = {name: {} if part is None else part for name, part in document.value.items()}
    try:
        profile = Profile.model_validate(values)
    except ValidationError as error:
        told = {problem.where for problem in problems}
        problems += [each for each in _problems(error, origins, where) if each.where not in told]
        raise UserError(*problems) from None
    if problems:
        raise UserError(*problems)
    return profile


def _lay_over(
    values: dict[str, object], override: Override, origins: dict[Key, str], problems: list[Problem]
) -> None:
    key = _split_key(override.key)
    if not all(key) or not key:
        found, fix = f"the key {override.key!r}", "e.g. --set loss.gamma=1.5"
        problems.append(Problem(override.origin, found, "a dotted key of the profile", fix))
        return
    parsed = _override_value(override, problems)
    target: Any = values
    for name in key[:-1]:
        if not isinstance(target.get(name), dict):
            target[name] = {}
        target = target[name]
    target[key[-1]] = parsed.value
    _take_origin(origins, key, parsed, override.origin)
    if key in PATH_KEYS:
        problems += _resolve_paths(values, Path.cwd(), [key], origins)


def _override_value(override: Override, problems: list[Problem]) -> YamlText:
    """Lists, maps and quoted text are YAML; anything else is text as it stands, `|` for one."""
    text = override.text.strip()
    if not text.startswith(("[", "{", '"', "'")):
        return YamlText(text or None)
    try:
        parsed = parse_yaml(text, override.origin)
    except UserError as error:
        problems += error.problems
        return YamlText(text)
    problems += parsed.problems
    return parsed


def _take_origin(origins: dict[Key, str], key: Key, parsed: YamlText, origin: str) -> None:
    """What stands at a key, and above it if nothing did, now comes from the override."""
    for old in [old for old in origins if old[: len(key)] == key]:
        del origins[old]
    for end in range(1, len(key)):
        origins.setdefault(key[:end], origin)
    origins |= dict.fromkeys([key, *((*key, *below) for below in parsed.lines)], origin)


def _drop_displaced(values: dict[str, object], overrides: Sequence[Override]) -> None:
    """Another loss on the command line takes the file's gamma, which was meant for its own."""
    keys = {override.key for override in overrides}
    loss = values.get("loss")
    renamed = "loss.name" in keys and "loss.gamma" not in keys
    if renamed and isinstance(loss, dict) and loss.get("name") == "bce":
        loss.pop("gamma", None)


def _split_key(text: str) -> tuple[str, ...]:
    """`weights.custom.1.1 threats` -> (weights, custom, 1.1 threats): labels may hold dots."""
    key: list[str] = []
    model: object = Profile
    rest: str | None = text
    while rest is not None:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return (*key, rest)
        name, dot, after = rest.partition(".")
        key.append(name)
        field = model.model_fields.get(name)
        model = field.annotation if field else Section
        rest = after if dot else None
    return tuple(key)


def _resolve_paths(
    values: dict[str, object], folder: Path, keys: Iterable[Key], origins: Mapping[Key, str]
) -> Iterator[Problem]:
    """Make paths absolute; a problem for each that leads nowhere."""
    for section, name in keys:
        part = values.get(str(section))
        value = part.get(name) if isinstance(part, dict) else None
        if not isinstance(part, dict) or not isinstance(value, str) or is_hub(value):
            continue
        place = f"{_nearest((section, name), origins, 'profile')}: {section}.{name}"
        if IN_STORE.match(value):
            yield Problem(place, "the URI of an object store", "a path", COPY_FIRST)
            continue
        if value.strip() and (section, name) == ENCODER_KEY and not _is_folder(value, folder):
            continue
        try:
            part[name] = _resolved(value, folder)
        except ValueError as error:
            yield Problem(place, str(error), "a path", "correct the path")


def _resolved(path: str, folder: Path) -> str:
    """The absolute form of a path; characters that no path has are left to `_forbidden`.

    Raises:
        ValueError: it is empty, of a home that is not there, or leads round in a circle.
    """
    if FORBIDDEN.search(path):
        return path
    if not path.strip():
        raise ValueError("an empty path")
    try:
        expanded = folder / Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{cut(repr(path))}, a home folder that is not there") from None
    try:
        return str(expanded.resolve())
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle, before Python 3.13
        reason = error.strerror if isinstance(error, OSError) else "a circle of symbolic links"
        raise ValueError(f"{cut(repr(path))}: {reason}") from None


def _is_folder(encoder: str, folder: Path) -> bool:
    """Written as a path, or there: anything else is a bundled encoder or a hub id."""
    written = encoder.startswith((".", "/", "~"))
    try:
        return encoder not in BUNDLED_ENCODERS and (written or (folder / encoder).is_dir())
    except OSError:  # longer than a name can be
        return False


def _forbidden(
    value: object, key: Key, origins: Mapping[Key, str], where: str
) -> Iterator[Problem]:
    """A problem for each key and value that no file, table or JSON document could hold."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _forbidden(name, (*key, name), origins, where)
            yield from _forbidden(below, (*key, name), origins, where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _forbidden(item, (*key, index), origins, where)
    elif isinstance(value, str) and (match := FORBIDDEN.search(value)):
        place = f"{_nearest(key, origins, where)}: {'.'.join(map(str, key))}"
        found = f"the character {match[0]!r} in {cut(repr(value))}"
        yield Problem(place, found, "text of UTF-8 without NUL", "write it without, or rename it")


def _problems(error: ValidationError, origins: Mapping[Key, str], where: str) -> Iterable[Problem]:
    """One problem a key: pydantic reports each member of a union on its own."""
    grouped: dict[Key, list[ErrorDetails]] = {}
    for detail in error.errors():
        # a key that is missing has no origin of its own
        known = detail["type"] == "missing"
        key = detail["loc"] if known else _known_part(detail["loc"], origins)
        grouped.setdefault(key, []).append(detail)
    for key, details in grouped.items():
        place = f"{_nearest(key, origins, where)}: {'.'.join(map(str, key))}"
        yield _problem(place, key, details)


def _known_part(location: Key, origins: Mapping[Key, str]) -> Key:
    """Cut the names of union members, which are no keys, off a pydantic location."""
    for end in range(len(location), 0, -1):
        if location[:end] in origins:
            return location[:end]
    return location


def _problem(place: str, key: Key, details: Sequence[ErrorDetails]) -> Problem:
    found, expected = found_and_expected(details[0])
    match details[0]["type"]:
        case "extra_forbidden":
            fix = did_you_mean(str(key[-1]), _siblings(key))
            return Problem(place, f"an unknown key {key[-1]!r}", "a key of the profile", fix)
        case "missing":
            return Problem(place, found, expected, f"add `{key[-1]}:`")
        case "imbtool":
            return Problem(place, found, expected, details[0]["ctx"]["fix"])
    found = "nothing" if details[0]["input"] is None else cut(repr(details[0]["input"]))
    wanted = dict.fromkeys(found_and_expected(each)[1] for each in _deepest(details))
    return Problem(place, found, " or ".join(wanted), "correct the value, or leave it out")


def _deepest(details: Sequence[ErrorDetails]) -> Sequence[ErrorDetails]:
    """Of a union's reports those of the member that came furthest: the one that was meant."""
    most = max(len(detail["loc"]) for detail in details)
    meant = [detail for detail in details if len(detail["loc"]) == most]
    return meant if meant[0]["type"] not in _MISFITS else details


_MISFITS = frozenset({"float_type", "float_parsing", "dict_type", "literal_error", "list_type"})
"""Reports of a union's member that could not be the one meant."""


def _nearest(key: Key, origins: Mapping[Key, str], where: str) -> str:
    for end in range(len(key), 0, -1):
        if key[:end] in origins:
            return origins[key[:end]]
    return where


def _siblings(key: Key) -> list[str]:
    model: Any = Profile
    for name in key[:-1]:
        if get_origin(model) is dict:
            model = get_args(model)[1]
            continue
        field = model.model_fields.get(name)
        model = field.annotation if field else Profile
    return list(model.model_fields)

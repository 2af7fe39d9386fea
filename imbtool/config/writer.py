"""The one writer of profiles: YAML with a comment beside each value."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from imbtool.config.data_sections import is_hub
from imbtool.config.reader import parse_profile, profile_text
from imbtool.config.schema import Profile
from imbtool.config.section import Section
from imbtool.config.yaml_text import Key
from imbtool.errors import UserError
from imbtool.notes import tell


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


def rewrite_profile(path: Path, profile: Profile, comments: Mapping[Key, str], target: Path) -> str:
    """A profile as YAML: the text it was read from, comments included, with its custom weights.

    Args:
        path: of the file that it was read from.
        profile: what to write.
        comments: by key, beside the weights.
        target: the file to be written. Where it would say anything else than `profile`, since
            options changed other keys or its paths are relative to another folder, it is written
            anew, with the comments of `render_profile`, and a note says so.
    """
    block = _Renderer(comments, None).entries(profile.weights.custom, ("weights", "custom"))
    custom = dict(zip(profile.weights.custom, map(str.strip, block), strict=True))
    try:
        text = _replaced(profile_text(path), custom)
        if parse_profile(text, target) == profile:
            return text
    except UserError:  # two keys named weights, say, of which an option replaces one
        pass
    tell([f"{target} is written anew, without the comments of {path}, and with all its values."])
    return render_profile(profile, comments, target.parent)


def _replaced(text: str, custom: dict[str, str]) -> str:
    """A profile's text with other lines for `weights.custom`, or more of them.

    Args:
        text: of the profile.
        custom: the line of each label. One with the same weight keeps the line that it has.
    """
    lines = text.splitlines(keepends=True)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    sections = {key.value: section for key, section in root.value} if root else {}
    if "weights" not in sections:
        return "".join([*lines, "\n", "weights:\n", *_indented(custom, "  ")])
    section = sections["weights"]
    if not section.value:  # nothing behind `weights:`
        line = section.start_mark.line + 1
        return "".join([*lines[:line], *_indented(custom, "  "), *lines[line:]])
    start = end = section.start_mark.line
    for key, value in section.value:
        if key.value == "custom":
            own = value.value if isinstance(value.value, list) else []
            last = own[-1][1] if own else value
            start, end = key.start_mark.line, last.end_mark.line + 1
            custom = {**custom, **dict(_as_they_stand(custom, lines, own))}
    return "".join(
        [*lines[:start], *_indented(custom, " " * section.start_mark.column), *lines[end:]]
    )


def _as_they_stand(
    custom: Mapping[str, str], lines: Sequence[str], own: Sequence[tuple[yaml.Node, yaml.Node]]
) -> Iterator[tuple[str, str]]:
    """Entries with the lines of comments before them; one that stays the same with its own."""
    if not own:
        return
    end = own[0][0].start_mark.line
    while lines[end - 1].lstrip().startswith("#"):
        end -= 1
    for key, value in own:
        start = key.start_mark.line
        before = [line.strip() for line in lines[end:start] if line.strip()]
        end = value.end_mark.line + 1
        if key.value in custom:
            line, new = lines[start].strip(), custom[key.value]
            yield key.value, "\n".join([*before, line if _is_same(line, new) else new])


def _is_same(line: str, other: str) -> bool:
    """Whether two lines say the same, whatever their comments are."""
    try:
        return bool(yaml.safe_load(line) == yaml.safe_load(other))
    except yaml.YAMLError:  # a part of a map in braces
        return False


def _indented(custom: Mapping[str, str], pad: str) -> list[str]:
    lines = (line for entry in custom.values() for line in entry.split("\n"))
    return [f"{pad}custom:\n", *(f"{pad}{pad}{line}\n" for line in lines)]


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
        idle = section.without_effect()
        for name, field in type(section).model_fields.items():
            if name in idle:
                continue
            value, here = getattr(section, name), (*key, name)
            note = self._note(here, field.description)
            if isinstance(value, Section):
                yield f"{pad}{name}:{note}"
                yield from self._section(value, here)
            elif value is None or (
                value in ({}, []) and value == field.get_default(call_default_factory=True)
            ):
                yield f"{pad}# {name}:{note}"
            elif isinstance(value, dict) and value:
                yield f"{pad}{name}:{note}"
                yield from self.entries(value, here)
            else:
                yield f"{pad}{name}: {self._flow(value)}{note}"

    def entries(self, values: Mapping[str, object], key: Key) -> Iterable[str]:
        """The lines of a map below a key."""
        pad = "  " * len(key)
        for entry, value in values.items():
            if isinstance(value, Section):
                value = value.model_dump(exclude_none=True)
                yield f"{pad}{self._flow(entry)}: {self._flow(value)}"
            elif isinstance(value, list | dict):
                yield from textwrap.indent(_block({entry: value}), pad).splitlines()
            else:
                note = self._note((*key, entry), None)
                yield f"{pad}{self._flow(entry)}: {self._flow(value)}{note}"

    def _note(self, key: Key, default: str | None) -> str:
        comment = self.comments.get(key, default)
        return f"  # {comment}" if comment else ""

    def _flow(self, value: object) -> str:
        """A value on one line, quoted where YAML would otherwise read something else."""
        if isinstance(value, Path):
            folder = None if is_hub(value) else self.folder
            # links first, as whoever reads the file follows them
            value = str(value) if folder is None else os.path.relpath(value, folder.resolve())
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return _block(value, flow=True).removesuffix("\n").removesuffix("\n...")


class _Dumper(yaml.SafeDumper):
    """Double quotes for text with line breaks, which YAML would otherwise fold."""


def _quoted_breaks(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if text.splitlines() != [text] else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quoted_breaks)


def _block(value: object, flow: bool = False) -> str:
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=flow,
        width=10**9,
        allow_unicode=True,
        sort_keys=False,
    )
    return text

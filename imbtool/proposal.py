"""A table becomes a first profile: what was guessed, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imbtool.corpus import LIKELY_SEPARATORS, Corpus, read_corpus, separator_reuse
from imbtool.errors import counted, fail
from imbtool.imbalance import co_occurrence
from imbtool.profile import Profile
from imbtool.profilefile import make_profile
from imbtool.tables import cell_text, read_table
from imbtool.yamltext import Key

SIBLINGS = {"validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
TEXT_NAMES = ("text", "comment_text", "comment", "sentence", "message", "body", "content", "post")
LABEL_NAMES = ("labels", "label", "tags", "categories", "category", "classes", "class", "topics")
IMPLIES = 0.99
"""Share of a label's texts that have another label, from which the first seems to imply it."""
LEAST_POSITIVES = 5
"""Fewer positives prove no implication."""

Columns = dict[str, list[str]]


@dataclass(frozen=True)
class Proposal:
    """A profile and, by key, why each guessed value was chosen."""

    profile: Profile
    comments: dict[Key, str]

    @property
    def reasons(self) -> dict[str, str]:
        """The reasons by dotted key."""
        return {".".join(map(str, key)): text for key, text in self.comments.items()}


def propose_profile(train: Path) -> Proposal:
    """Guess the columns, the separator, the other splits and the hierarchy.

    Raises:
        UserError: the table cannot be read, or nothing in it looks like texts or labels.
    """
    path = train.resolve()
    columns = _columns(read_table(train))
    comments: dict[Key, str] = {}
    data: dict[str, Any] = {"train": str(path), **_siblings(path, comments)}
    data["text"], comments[("data", "text")] = _text_column(columns)
    rest = {name: cells for name, cells in columns.items() if name != data["text"]}
    identity = _id_column(rest)
    if identity:
        data["id"] = identity
        comments[("data", "id")] = "its cells differ from row to row"
        del rest[identity]
    data["labels"], comments[("data", "labels")] = _label_source(rest, train)
    flat = make_profile({"data": data})
    hierarchy, reason = _hierarchy(read_corpus(flat))
    comments[("labels", "hierarchy")] = reason
    return Proposal(make_profile({"data": data, "labels": {"hierarchy": hierarchy}}), comments)


def _columns(frame: pd.DataFrame) -> Columns:
    return {str(name): [_text(cell) for cell in frame[name]] for name in frame.columns}


def _text(cell: Any) -> str:
    is_list = isinstance(cell, list | tuple | np.ndarray)
    return "|".join(map(cell_text, cell)) if is_list else cell_text(cell)


def _siblings(train: Path, comments: dict[Key, str]) -> dict[str, str]:
    """Validation and test tables that stand beside the training table."""
    found = {}
    for split, names in SIBLINGS.items():
        candidates = (train.with_name(train.name.replace("train", name)) for name in names)
        path = next((path for path in candidates if path != train and path.is_file()), None)
        if path:
            found[split] = str(path)
            comments[("data", split)] = f"stands beside {train.name}"
        else:
            comments[("data", split)] = "none found: a tenth of train is split off"
    return found


def _text_column(columns: Columns) -> tuple[str, str]:
    named = next((name for name in TEXT_NAMES if name in columns), None)
    if named:
        return named, "by its name"
    lengths = {name: sum(map(len, cells)) / len(cells) for name, cells in columns.items()}
    longest = max(lengths, key=lambda name: lengths[name])
    return longest, f"its cells are the longest, {lengths[longest]:.0f} characters on average"


def _id_column(columns: Columns) -> str | None:
    for name, cells in columns.items():
        looks_so = name.lower() in ("id", "uid", "uuid") or name.lower().endswith("_id")
        if looks_so and len(set(cells)) == len(cells):
            return name
    return None


def _label_source(columns: Columns, train: Path) -> tuple[dict[str, Any], str]:
    flags = [name for name, cells in columns.items() if set(cells) <= {"0", "1", ""}]
    flags = [name for name in flags if "1" in columns[name]]
    if len(flags) > 1:
        return {"columns": flags}, f"{len(flags)} columns hold only 0 and 1"
    column = next((name for name in LABEL_NAMES if name in columns), None)
    why = "by its name"
    if column is None and columns:
        column = min(columns, key=lambda name: len(set(columns[name])))
        why = f"it has the fewest different cells, {len(set(columns[column]))}"
    if column is None:
        mend = "add a column of labels, or one column of 0 and 1 a label"
        raise fail(train, "no column besides text and id", "labels", mend)
    separator, reason = _separator(columns[column])
    return {"column": column, "separator": separator}, f"{why}; {reason}"


def _separator(cells: Sequence[str]) -> tuple[str, str]:
    """The mark with which labels recur most."""
    whole = {cell for cell in cells if cell}
    reuse = {mark: separator_reuse(whole, mark) for mark in LIKELY_SEPARATORS}
    best = max(reuse, key=lambda mark: reuse[mark])
    if reuse[best] <= 1:
        return "|", "no cell seems to hold more than one label"
    labels = {part.strip() for cell in whole for part in cell.split(best)}
    return best, f"{best!r} splits its cells into {len(labels)} labels"


def _hierarchy(corpus: Corpus) -> tuple[dict[str, Any], str]:
    parent_of = _implied_parents(corpus)
    if not parent_of:
        return {}, "no label implies another; primary: [secondary, ...] if you know better"
    roots = [name for name in parent_of.values() if name not in parent_of]
    tree = {root: _subtree(root, parent_of) for root in dict.fromkeys(roots)}
    found = counted(len(parent_of), "label")
    return tree, f"{found} found (nearly) only in texts that have the label above"


def _implied_parents(corpus: Corpus) -> dict[str, str]:
    """For each label the rarest other one that nearly all its texts have."""
    together = co_occurrence(corpus.train.targets)
    positives, names = together.diagonal(), corpus.labels.names
    parents = {}
    for child, name in enumerate(names):
        implied = (together[child] >= IMPLIES * positives[child]) & (positives > positives[child])
        if positives[child] >= LEAST_POSITIVES and implied.any():
            parent = int(np.argmin(np.where(implied, positives, np.inf)))
            parents[name] = names[parent]
    return parents


def _subtree(name: str, parent_of: Mapping[str, str]) -> list[Any]:
    children = [child for child, parent in parent_of.items() if parent == name]
    below = {child: _subtree(child, parent_of) for child in children}
    return [{child: below[child]} if below[child] else child for child in children]

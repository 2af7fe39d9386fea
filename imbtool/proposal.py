"""A table becomes a first profile: what was guessed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imbtool.corpus import Split, Targets, read_train
from imbtool.datasection import LabelSource, is_hub
from imbtool.errors import counted, fail
from imbtool.imbalance import co_occurrence
from imbtool.labelcells import LIKELY_SEPARATORS, flag_of, separator_reuse
from imbtool.labels import Labels
from imbtool.profile import Profile
from imbtool.profilefile import Override, make_profile, overlay
from imbtool.tables import (
    SPLIT_NAMES,
    dataset_splits,
    is_list,
    is_there,
    read_arrow,
    require_columns,
    split_among,
    split_path,
    text_cells,
)
from imbtool.yamltext import Key

TEXT_NAMES = ("text", "comment_text", "comment", "sentence", "message", "body", "content", "post")
LABEL_NAMES = ("labels", "label", "tags", "categories", "category", "classes", "class", "topics")
IMPLIES = 0.99
"""Share of a label's texts that have another label, from which the first seems to imply it."""
LEAST_POSITIVES = 5
"""Fewer positives prove no implication."""

Columns = dict[str, pa.ChunkedArray]


@dataclass(frozen=True)
class Proposal:
    """A profile and, by key, why each guessed value was chosen."""

    profile: Profile
    comments: dict[Key, str]

    @property
    def reasons(self) -> dict[str, str]:
        """The reasons by dotted key."""
        return {".".join(map(str, key)): text for key, text in self.comments.items()}


def propose_profile(train: Path, overrides: Sequence[Override] = ()) -> Proposal:
    """Guess the columns, the separator, the other splits and the hierarchy.

    Args:
        train: the training table.
        overrides: what is known; it is not guessed, and the rest is read by it.

    Raises:
        UserError: the table cannot be read, nothing in it looks like texts or labels, or an
            override does not fit.
    """
    path = train if is_hub(train) else train.resolve()
    given = overlay(make_profile({"data": {"train": str(path)}}), overrides).data
    table = read_arrow(split_path(path, "train"), given.encoding, given.quotes).data
    columns = {name: pc.fill_null(text_cells(table[name]), "") for name in table.column_names}
    lists = [name for name in columns if is_list(table[name])]
    comments: dict[Key, str] = {}
    data: dict[str, Any] = {"train": str(path), **_siblings(path, comments)}
    if "text" not in given.model_fields_set:
        texts = {name: cells for name, cells in columns.items() if name not in lists}
        data["text"], comments["data", "text"] = _text_column(texts, train)
    used = _as_list(data.get("text", given.text))
    rest = {name: cells for name, cells in columns.items() if name not in used}
    identity = given.id if "id" in given.model_fields_set else _id_column(rest)
    if identity:
        data["id"] = identity
        comments["data", "id"] = "its cells differ from row to row"
    rest = {name: cells for name, cells in rest.items() if name != identity}
    known = given.labels if "labels" in given.model_fields_set else None
    data["labels"], reason = _label_source(rest, lists, train, known)
    for name in given.model_fields_set:
        comments.pop(("data", name), None)
    if reason:
        comments["data", "labels"] = reason
    flat = overlay(make_profile({"data": data}), overrides)
    hierarchy, reason = _hierarchy(*read_train(flat))
    comments["labels", "hierarchy"] = reason
    whole = make_profile({"data": data, "labels": {"hierarchy": hierarchy}})
    return Proposal(overlay(whole, overrides), comments)


def _as_list(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def _siblings(train: Path, comments: dict[Key, str]) -> dict[str, str]:
    """Validation and test tables that stand beside the training table, or are in its data set."""
    found = {}
    own = dataset_splits(train)
    for split, names in SPLIT_NAMES.items():
        candidates = (train.with_name(train.name.replace("train", name)) for name in names)
        there = (path for path in candidates if path != train and not own and is_there(path))
        path = next(there, None)
        if split_among(own, split):
            comments[("data", split)] = "taken from the data set"
        elif path:
            found[split] = str(path)
            comments[("data", split)] = f"stands beside {train.name}"
        else:
            comments[("data", split)] = "none found: a tenth of train is split off"
    return found


def _text_column(columns: Columns, train: Path) -> tuple[str, str]:
    if not columns:
        raise fail(train, "no column of texts", "texts", "add a column of texts")
    named = next((name for name in TEXT_NAMES if name in columns), None)
    if named:
        return named, "by its name"
    lengths = {name: pc.mean(pc.utf8_length(cells)).as_py() for name, cells in columns.items()}
    longest = max(lengths, key=lambda name: lengths[name])
    return longest, f"its cells are the longest, {lengths[longest]:.0f} characters on average"


def _id_column(columns: Columns) -> str | None:
    for name, cells in columns.items():
        looks_so = name.lower() in ("id", "uid", "uuid") or name.lower().endswith("_id")
        if looks_so and pc.count_distinct(cells).as_py() == len(cells):
            return name
    return None


def _label_source(
    columns: Columns, lists: Sequence[str], train: Path, known: LabelSource | None
) -> tuple[dict[str, Any], str]:
    """The profile's `data.labels`, and why; empty where all of it is known."""
    distinct = {name: cells.unique().to_pylist() for name, cells in columns.items()}
    if known is not None:
        column, given = known.column or "", known.model_dump(exclude_unset=True)
        require_columns(distinct, known.columns or [column], train)
        if known.columns or column in lists or "separator" in given:
            return given, ""
        separator, reason = _separator(distinct[column])
        return {**given, "separator": separator}, reason
    flags = [name for name, cells in distinct.items() if _are_flags(cells)]
    if len(flags) > 1 or (flags and len(flags) == len(distinct)):
        holders = "its column holds" if len(flags) == 1 else f"{len(flags)} columns hold"
        return {"columns": flags}, f"{holders} only 0 and 1"
    if not distinct:
        mend = "add a column of labels, or one column of 0 and 1 a label"
        raise fail(train, "no column besides text and id", "labels", mend)
    among = [name for name in lists if name in distinct] or list(distinct)
    column, why = _label_column({name: distinct[name] for name in among})
    if column in lists:
        return {"column": column}, f"{why}; its cells are lists"
    separator, reason = _separator(distinct[column])
    return {"column": column, "separator": separator}, f"{why}; {reason}"


def _are_flags(cells: Iterable[str]) -> bool:
    values = [flag_of(cell) for cell in cells]
    return 1.0 in values and None not in values


def _label_column(distinct: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    named = next((name for name in LABEL_NAMES if name in distinct), None)
    if named:
        return named, "by its name"
    fewest = min(distinct, key=lambda name: len(distinct[name]))
    return fewest, f"it has the fewest different cells, {len(distinct[fewest])}"


def _separator(cells: Iterable[str]) -> tuple[str, str]:
    """The mark with which labels recur most."""
    whole = {cell for cell in cells if cell}
    reuse = {mark: separator_reuse(whole, mark) for mark in LIKELY_SEPARATORS}
    best = max(reuse, key=lambda mark: reuse[mark])
    if reuse[best] <= 1:
        return "|", "no cell seems to hold more than one label"
    labels = {part.strip() for cell in whole for part in cell.split(best)}
    return best, f"{best!r} splits its cells into {len(labels)} labels"


def _hierarchy(labels: Labels, train: Split) -> tuple[dict[str, Any], str]:
    parent_of = _implied_parents(labels.names, train.targets)
    if not parent_of:
        return {}, "no label implies another; primary: [secondary, ...] if you know better"
    roots = [name for name in parent_of.values() if name not in parent_of]
    tree = {root: _subtree(root, parent_of) for root in dict.fromkeys(roots)}
    found = counted(len(parent_of), "label")
    return tree, f"{found} found (nearly) only in texts that have the label above"


def _implied_parents(names: Sequence[str], targets: Targets) -> dict[str, str]:
    """For each label the rarest other one that nearly all its texts have."""
    together = co_occurrence(targets)
    positives = together.diagonal()
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

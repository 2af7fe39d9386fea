"""A table becomes a first profile: what was guessed, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imbtool.config.data_sections import DataSection, is_hub
from imbtool.config.hierarchy import Labels, spelled_alike
from imbtool.config.reader import Override, make_profile, overlay
from imbtool.config.schema import Profile
from imbtool.config.yaml_text import Key
from imbtool.data.corpus import Split, read_train
from imbtool.data.datasets import SPLIT_NAMES, dataset_splits, split_among, split_path
from imbtool.data.imbalance import both_known, co_known, co_occurrence, count_labels
from imbtool.data.provenance import BY_CHANCE, BY_SEARCH
from imbtool.data.tables import read_arrow
from imbtool.errors import user_error
from imbtool.files.paths import real_path
from imbtool.formats.cells import is_list, require_columns, text_cells
from imbtool.formats.sources import is_there
from imbtool.labels.cells import label_cells
from imbtool.labels.columns import Column
from imbtool.labels.guess import guess_labels
from imbtool.labels.label_sets import LabelSets
from imbtool.labels.layout import LabelGuess, read_flags, read_labels, read_named
from imbtool.notes import tell
from imbtool.wording import as_list, counted, some

TEXT_NAMES = (
    *("text", "comment_text", "comment", "sentence", "message", "body", "content", "post"),
    *("tweet", "review", "utterance", "document", "description", "abstract", "title"),
)
LEAST_TEXTS = 10
"""Of fewer it cannot be told that most stand in several rows."""
LEAST_LENGTH = 0.1
"""Of the longest cells, less than which no column of texts has: a remark on them, say."""
BY_FORMAT = "by the format of the file"
LABELS = "data.labels."
IMPLIES = 0.99
"""Share of a label's texts that have another label, from which the first seems to imply it."""
LEAST_TO_IMPLY = 5
"""Fewer positives prove no implication."""
LUCK = 0.01
"""The most likely that all texts of a label have a frequent other one that it does not imply."""


@dataclass(frozen=True)
class Proposal:
    """A profile and, by key, why each guessed value was chosen.

    Attributes:
        profile: to be read before it is used.
        comments: the reasons.
        notes: what was understood in a way that changes its meaning, one sentence each.
    """

    profile: Profile
    comments: dict[Key, str]
    notes: tuple[str, ...] = ()

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
        UserError: the table cannot be read, nothing in it looks like texts or labels, it cannot
            be told what its cells mean, or an override does not fit.
    """
    path = train if is_hub(train) else real_path(train.parent) / train.name
    known = _known_of_labels(overrides)
    others = [each for each in overrides if each.key.removeprefix(LABELS) not in known]
    given = overlay(make_profile({"data": {"train": str(path)}}), others).data
    table = read_arrow(split_path(path, "train"), given.text_format)
    columns = _columns(table.data)
    comments: dict[Key, str] = {}
    data: dict[str, Any] = {"train": str(path)}
    if "text" not in given.model_fields_set:
        data["text"], comments["data", "text"] = _text_column(columns, table.texts, train)
    used = as_list(data.get("text", given.text))
    rest = [column for column in columns if column.name not in used]
    identity = given.id if "id" in given.model_fields_set else _id_column(rest)
    if identity:
        data["id"] = identity
        comments["data", "id"] = "its cells differ from row to row"
    for column in filter(_says_how_chosen, rest):
        data["chosen_by"] = column.name
        comments["data", "chosen_by"] = "its cells say how texts were chosen for labelling"
    rest = [column for column in rest if column.name not in (identity, data.get("chosen_by"))]
    by_format = [column for column in rest if column.name in table.labels]
    guess = _labels(rest, by_format, given, train, known)
    data["labels"] = guess.source
    if guess.reason:
        comments["data", "labels"] = guess.reason
    alone = overlay(make_profile({"data": data}), overrides)
    labels, split = read_train(alone)
    if guess.source.get("column") and "labels" not in given.model_fields_set:
        _refuse_long(split)
    data |= _siblings(path, alone.data, labels, comments)
    for name in given.model_fields_set - {"labels"}:
        comments.pop(("data", name), None)
    hierarchy, comments["labels", "hierarchy"] = _hierarchy(labels, split)
    whole = make_profile({"data": data, "labels": {"hierarchy": hierarchy}})
    guessed = (*guess.notes, *_spelling_notes(labels.names))
    tell(guessed)
    return Proposal(overlay(whole, overrides), comments, (*table.notes, *guessed))


def _known_of_labels(overrides: Sequence[Override]) -> dict[str, str]:
    """What is given of `data.labels` where its columns are still to be found, by name."""
    given = {each.key: each.text for each in overrides}
    if {"data.labels", f"{LABELS}column", f"{LABELS}columns"} & given.keys():
        return {}
    names = (key for key in given if key.startswith(LABELS))
    return {name.removeprefix(LABELS): given[name] for name in names}


def _columns(table: pa.Table) -> list[Column]:
    return [
        Column(name, pc.fill_null(text_cells(table[name]), ""), is_list(table[name]))
        for name in table.column_names
    ]


def _labels(
    columns: Sequence[Column],
    by_format: Sequence[Column],
    given: DataSection,
    train: Path,
    known: dict[str, str],
) -> LabelGuess:
    """The profile's `data.labels`; what is known of it, or the file says, is not guessed."""
    if "labels" not in given.model_fields_set and by_format:
        return read_labels(by_format, train, known, BY_FORMAT)
    if "labels" not in given.model_fields_set:
        return guess_labels(columns, train, known)
    source = given.labels
    written = source.model_dump(exclude_unset=True)
    by_name = {column.name: column for column in columns}
    require_columns(by_name, source.columns or [source.column or ""], train)
    settled = {name: str(value) for name, value in written.items()}
    if source.columns is not None:
        found = read_flags([by_name[name] for name in source.columns], train, settled)
    else:
        found = read_named(by_name[source.column or ""], train, settled)
    reason = "" if found.source.keys() <= written.keys() else found.reason
    return LabelGuess({**found.source, **written}, reason, found.notes)


def _spelling_notes(names: Sequence[str]) -> list[str]:
    return [
        f"The labels {some(map(repr, alike))} differ by case, blanks or the encoding of their "
        "characters alone; make them one, unless they are meant to be two."
        for alike in spelled_alike(names)
    ]


def _refuse_long(train: Split) -> None:
    """One row a text and label, as databases have them, is not one row a text.

    Raises:
        UserError: most texts stand in several rows, with another label in each.
    """
    rows: dict[str, list[int]] = {}
    for row in np.flatnonzero(~np.isnan(train.targets).any(axis=1)).tolist():
        rows.setdefault(train.texts[row], []).append(row)
    several = [each for each in rows.values() if len(each) > 1]
    if (
        len(rows) < LEAST_TEXTS
        or 2 * len(several) < len(rows)
        or (np.nansum(train.targets, axis=1) > 1).any()
    ):
        return
    differ = [each for each in several if len(np.unique(train.targets[each], axis=0)) > 1]
    if 2 * len(differ) >= len(several):
        first, second = (train.rows[row] for row in differ[0][:2])
        found = f"the same text with different labels in rows {first} and {second}, and so for most"
        fix = "join the labels of a text, in pandas by groupby('text') and agg('|'.join)"
        raise user_error(train.source, found, "one row for each text, with all its labels", fix)


def _siblings(
    train: Path, data: DataSection, labels: Labels, comments: dict[Key, str]
) -> dict[str, str]:
    """Validation and test tables beside the training table, or in its data set; `comments` why."""
    found = {}
    own = dataset_splits(train)
    for split in SPLIT_NAMES:
        if split_among(own, split):
            comments["data", split] = "taken from the data set"
            continue
        path = None if own or split in data.model_fields_set else _sibling(train, split)
        without = _unusable(path, data) if path else ""
        if path and not without:
            found[split] = str(path)
            comments["data", split] = f"stands beside {train.name}"
            tell(_stranger_notes(path, data, labels))
        else:
            left_out = f"{path.name} is left out, {without}" if path else "none found"
            comments["data", split] = f"{left_out}: a tenth of train is split off"
    return found


def _sibling(train: Path, split: str) -> Path | None:
    candidates = (train.with_name(train.name.replace("train", name)) for name in SPLIT_NAMES[split])
    return next((path for path in candidates if path != train and is_there(path)), None)


def _unusable(path: Path, data: DataSection) -> str:
    """Why a table cannot be a split of its own; nothing where it can.

    Raises:
        UserError: it cannot be read.
    """
    table = read_arrow(path, data.text_format).data
    needed = [*data.text_columns, *(data.labels.columns or [data.labels.column or ""])]
    lacking = [repr(name) for name in needed if name not in table.column_names]
    if lacking:
        return f"since it has no column {some(lacking)}"
    cells = label_cells(table, data.labels)
    counts = count_labels(cells.label_sets(sorted(cells.names)))
    return "" if any(count.positives for count in counts) else "since none of its texts has a label"


def _stranger_notes(path: Path, data: DataSection, labels: Labels) -> list[str]:
    """Labels that only another table has: it may be written in another way."""
    names = label_cells(read_arrow(path, data.text_format).data, data.labels).names
    strangers = [repr(name) for name in sorted(names - set(labels.names))]
    if not strangers:
        return []
    told = f"{path.name} has labels that the training table lacks: {some(strangers)}."
    return [f"{told} See whether both are written alike."]


def _text_column(
    columns: Sequence[Column], by_format: Sequence[str], train: Path
) -> tuple[str | list[str], str]:
    if by_format:
        return by_format[0] if len(by_format) == 1 else list(by_format), BY_FORMAT
    texts = [column for column in columns if column.may_hold_texts]
    if not texts:
        names = some([repr(column.name) for column in columns], 8)
        fix = "add a column of texts, or name it: --set data.text=COLUMN"
        raise user_error(train, f"no column of texts; the columns are {names}", "texts", fix)
    lengths = {column.name: pc.mean(pc.utf8_length(column.cells)).as_py() for column in texts}
    longest = max(lengths, key=lambda name: lengths[name])
    by_name = {name.strip().lower(): name for name in reversed(lengths)}
    for named in (by_name[name] for name in TEXT_NAMES if name in by_name):
        if lengths[named] >= LEAST_LENGTH * lengths[longest]:
            return named, "by its name"
    return longest, f"its cells are the longest, {lengths[longest]:.0f} characters on average"


def _id_column(columns: Sequence[Column]) -> str | None:
    for column in columns:
        name = column.name.lower()
        looks_so = name in ("id", "uid", "uuid") or name.endswith("_id")
        if looks_so and len(column.distinct) == len(column.cells):
            return column.name
    return None


def _says_how_chosen(column: Column) -> bool:
    return column.name.endswith("chosen_by") and {*column.values} <= {*BY_SEARCH, BY_CHANCE}


def _hierarchy(labels: Labels, train: Split) -> tuple[dict[str, Any], str]:
    parent_of = _implied_parents(labels.names, train.label_sets)
    if not parent_of:
        return {}, "no label implies another; primary: [secondary, ...] if you know better"
    roots = [name for name in parent_of.values() if name not in parent_of]
    tree = {root: _subtree(root, parent_of) for root in dict.fromkeys(roots)}
    found = counted(len(parent_of), "label")
    return tree, f"{found} found (nearly) only in texts that have the label above"


def _implied_parents(names: Sequence[str], targets: LabelSets) -> dict[str, str]:
    """For each label the rarest other one that nearly all its texts have, where it is known."""
    together, known = co_occurrence(targets), co_known(targets)
    positives, parents = together.diagonal(), {}
    prevalence = positives / np.maximum(both_known(targets).diagonal(), 1)
    for child, name in enumerate(names):
        implied = (together[child] >= IMPLIES * known[child]) & (positives > positives[child])
        implied &= (prevalence ** known[child] < LUCK) & (known[child] >= LEAST_TO_IMPLY)
        if implied.any():
            parent = int(np.argmin(np.where(implied, positives, np.inf)))
            parents[name] = names[parent]
    return parents


def _subtree(name: str, parent_of: Mapping[str, str]) -> list[object]:
    children = [child for child, parent in parent_of.items() if parent == name]
    below = {child: _subtree(child, parent_of) for child in children}
    return [{child: below[child]} if below[child] else child for child in children]

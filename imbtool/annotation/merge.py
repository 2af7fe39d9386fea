"""Answers to batches become labelled texts of the profile's tables, with where they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imbtool.analysis.agreement import Agreement, majority, measure_agreement
from imbtool.analysis.answers_table import Ratings, write_answers
from imbtool.annotation.answers import Answer, BatchOf, batches_of, read_answered
from imbtool.annotation.batch import BatchText, text_of
from imbtool.annotation.merged_tables import MergedColumns, MergedText, TableToMerge, rows_by_id
from imbtool.annotation.ratings import rate, unknown_labels
from imbtool.config.reader import make_profile, read_profile
from imbtool.config.schema import Profile
from imbtool.config.writer import render_profile
from imbtool.data.corpus import SPLITS, split_paths
from imbtool.data.duplicates import near_duplicate_groups
from imbtool.data.imbalance import count_labels
from imbtool.data.splitting import stratified_split
from imbtool.data.tables import Table, read_arrow
from imbtool.errors import Problem, UserError, user_error
from imbtool.files.documents import Count, Typed
from imbtool.files.json_text import write_json
from imbtool.files.paths import real_path
from imbtool.files.text_format import text_codec
from imbtool.files.writing import new_folder, write_text
from imbtool.labels.cells import label_cells
from imbtool.types import Targets
from imbtool.version import __version__
from imbtool.wording import counted, cut, some

REPORT, PROFILE, ANSWERS = "merge.json", "profile.yaml", "answers.csv"
RANDOM = "random"


class MergedBatch(Typed):
    """A batch, and how many of its texts have an answer."""

    folder: str
    texts: Count
    answered: Count


class MergedLabel(Typed):
    """What the answers add to a label."""

    positives: Count
    """Before, in all tables together."""
    added: dict[str, Count]
    """Positives, by split."""
    known: Count
    """Answered texts of which it is known now."""
    tied: Count
    """Answered texts that as many annotators give it as do not."""
    is_new: bool
    """Whether no text had it, and the profile did not declare it."""


class MergeReport(Typed):
    """What was merged, as merge.json holds it."""

    imbtool: str
    """The version."""
    command: list[str]
    profile: str
    asked_only: bool
    batches: list[MergedBatch]
    texts: dict[str, Count]
    """Answered texts that were added, by split."""
    chosen: Count
    """Of these, texts that a search chose; all of them are in training."""
    unknown: Count
    """Answered texts that were left out, since annotators tie about all that they were asked."""
    labels: dict[str, MergedLabel]
    agreement: Agreement | None
    """None where no text has the answers of two annotators."""
    files: list[str]
    """What was written, in the folder."""


@dataclass(frozen=True)
class _Known:
    """What is known before the answers: the profile, its tables and its labels."""

    profile: Profile
    paths: dict[str, Path]
    tables: dict[str, Table]
    columns: MergedColumns
    labels: list[str]

    @classmethod
    def read(cls, path: Path) -> _Known:
        profile = read_profile(path)
        paths = split_paths(profile.data)
        tables = {
            name: read_arrow(each, profile.data.text_format, may_be_empty=True)
            for name, each in paths.items()
        }
        columns = MergedColumns.of(tables["train"].data.column_names, profile.data)
        names = profile.data.labels.columns
        if names is None:
            cells = (label_cells(table.data, profile.data.labels) for table in tables.values())
            names = sorted({name for each in cells for name in each.names})
        labels = list(dict.fromkeys([*names, *profile.labels.names]))
        return cls(profile, paths, tables, columns, labels)

    def taken_columns(self, labels: Sequence[str]) -> Iterator[Problem]:
        """A problem for each label that would get a column which holds something else."""
        columns = self.profile.data.labels.columns
        if columns is None:
            return
        there = self.tables["train"].data.column_names
        for label in labels:
            if label not in columns and label in (
                *there,
                self.columns.id,
                *self.columns.provenance,
            ):
                found = f"a new label {label!r}, and a column of this name that holds no labels"
                yield Problem(
                    str(self.paths["train"]), found, "a free name", "rename the label or the column"
                )

    def positives(self) -> Counter[str]:
        """Positives of each label in all tables."""
        counts: Counter[str] = Counter()
        for table in self.tables.values():
            cells = label_cells(table.data, self.profile.data.labels)
            names = [name for name in self.labels if name in cells.names]
            found = count_labels(cells.label_sets(names))
            counts.update({name: of.positives for name, of in zip(names, found, strict=True)})
        return counts


def merge_answers(
    profile_path: Path,
    answered: Sequence[Path],
    folder: Path,
    batches: Sequence[Path] = (),
    asked_only: bool = False,
    new_labels: bool = False,
    command: Sequence[str] = (),
) -> MergeReport:
    """Put answered texts behind the tables of a profile, in a new folder.

    Texts that a search chose go to training. Random ones go to validation and test, if the profile
    has tables of its own for them. Nothing that exists is changed.

    Args:
        profile_path: of the profile whose tables are extended.
        answered: filled batch.csv files, or exports of annotation tools.
        folder: for the tables, profile.yaml, merge.json and, with annotators, answers.csv.
        batches: folders of the batches, besides those that the answered files are in.
        asked_only: whether labels that a text was not chosen for stay unknown unless given.
        new_labels: whether answers may give labels that are neither declared nor in the data.
        command: that asked for it, for the report.

    Returns:
        The content of merge.json.

    Raises:
        UserError: with all that is wrong with the answers, or a table that cannot be read or
            written, or a folder that exists.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import merge_answers
        >>> report = merge_answers(
        ...     Path("profile.yaml"), [Path("batches/01/batch.csv")], Path("merged/01")
        ... )  # doctest: +SKIP
    """
    if folder.exists():
        raise user_error(folder, "a file or folder of this name", "a new name", "choose another")
    known = _Known.read(profile_path)
    found = batches_of(answered, batches)
    every = list({id(each): each for group in found.values() for each in group}.values())
    _refuse_shared_ids(every)
    answers, labels = _read_all(found, known, new_labels)
    ratings = _rated(answers, labels)
    _refuse_merged(known, ratings, answers)
    merged, ties = _merged(ratings, every, asked_only)
    parts = _shared_out(merged, known)
    report = _report(known, ratings, every, parts, ties)
    report = report.model_copy(
        update={
            "command": list(command),
            "profile": str(profile_path),
            "asked_only": asked_only,
            "unknown": len(ratings.ids) - len(merged),
        }
    )
    return _write(folder, known, ratings, parts, report)


def _read_all(
    files: Mapping[Path, Sequence[BatchOf]], known: _Known, new_labels: bool
) -> tuple[list[Answer], list[str]]:
    """The answers of all files, and all labels, new ones behind those that were known.

    Raises:
        UserError: with all problems.
    """
    answers, problems = list[Answer](), list[Problem]()
    for path, batches in files.items():
        of_file, wrong = read_answered(path, batches)
        if not any(answer.labels is not None for answer in of_file) and not wrong:
            fix = "answer some texts; a text without labels is answered with the word for none"
            wrong = [Problem(str(path), "no answer at all", "answers to texts of the batch", fix)]
        answers += of_file
        problems += wrong
    told = (label for group in files.values() for each in group for label in each.batch.labels)
    labels = list(dict.fromkeys([*known.labels, *told]))
    further, strange = unknown_labels(answers, labels)
    if not new_labels:
        problems += strange
    problems += known.taken_columns([*labels, *further])
    if problems:
        raise UserError(*problems)
    return answers, [*labels, *further]


def _refuse_shared_ids(batches: Sequence[BatchOf]) -> None:
    """Refuse batches in which one id names two texts: answers are told apart by it."""
    seen: dict[str, tuple[BatchOf, BatchText]] = {}
    for each in batches:
        for name, text in each.texts.items():
            other, before = seen.setdefault(name, (each, text))
            if before.cells != text.cells:
                found = f"the id {cut(name, 40)!r} of another text than in {other.folder}"
                fix = "merge the batches one after the other, each into the profile of the last"
                raise user_error(each.folder, found, "an id for each text", fix)


def _rated(answers: Sequence[Answer], labels: Sequence[str]) -> Ratings:
    ratings, problems = rate(answers, labels)
    if problems:
        raise UserError(*problems)
    return ratings


def _refuse_merged(known: _Known, ratings: Ratings, answers: Sequence[Answer]) -> None:
    """Refuse texts that are in a table already, as they are where a batch is merged twice."""
    wanted = {id: answer.place for answer in reversed(answers) if (id := answer.id)}
    answered = set(ratings.ids)
    problems = []
    for name, table in known.tables.items():
        column = known.columns.id
        taken = [(id, row) for id, row in rows_by_id(table, column) if id in answered]
        if taken:
            rows = some((f"{id!r} (row {table.row_text(row)})" for id, row in taken), 5)
            found = f"{counted(len(taken), 'id')} of answered texts in {column!r}: {rows}"
            fix = (
                f"merge each batch once (the first of these is answered in {wanted[taken[0][0]]}); "
                "to merge it again, start from the profile before"
            )
            where = f"{known.paths[name]}"
            problems.append(Problem(where, found, "texts that are not in a table yet", fix))
    if problems:
        raise UserError(*problems)


def _merged(
    ratings: Ratings, batches: Sequence[BatchOf], asked_only: bool
) -> tuple[list[MergedText], Targets]:
    """The answered texts with their targets, and where annotators tie [N, L]."""
    targets = majority(ratings.values)
    ties = np.isnan(targets) & ~np.isnan(ratings.values).all(axis=0)
    column = {name: place for place, name in enumerate(ratings.labels)}
    merged = []
    for id, row in zip(ratings.ids, targets, strict=True):
        batch = next(each for each in batches if id in each.texts)
        text = batch.texts[id]
        if asked_only and text.ask:  # without a label to ask for, all were asked
            asked = [column[name] for name in text.ask if name in column]
            aside = np.setdiff1d(np.arange(len(row)), asked)
            row[aside] = np.where(row[aside] == 1, 1, np.nan)
        if not np.isnan(row).all():
            merged.append(MergedText(text, real_path(batch.folder).name, row))
    return merged, ties.astype(np.float32)


def _shared_out(merged: Sequence[MergedText], known: _Known) -> dict[str, list[MergedText]]:
    """The texts of each split: random ones where they measure, all others in training."""
    parts: dict[str, list[MergedText]] = {name: [] for name in SPLITS if name in known.paths}
    measuring = [name for name in parts if name != "train"]
    drawn = [each for each in merged if each.text.chosen_by == RANDOM] if measuring else []
    taken = {each.text.id for each in drawn}
    parts["train"] = [each for each in merged if each.text.id not in taken]
    if drawn:
        targets = np.stack([each.targets for each in drawn])
        shares, seed = [1 / len(measuring)] * len(measuring), known.profile.training.seed
        together = near_duplicate_groups([text_of(each.text) for each in drawn])
        rows_of = stratified_split(targets, shares, seed, together)
        for name, rows in zip(measuring, rows_of, strict=True):
            parts[name] = [drawn[row] for row in rows]
    return parts


def _report(
    known: _Known,
    ratings: Ratings,
    batches: Sequence[BatchOf],
    parts: Mapping[str, Sequence[MergedText]],
    ties: Targets,
) -> MergeReport:
    answered = set(ratings.ids)
    several = ((~np.isnan(ratings.values)).any(axis=2).sum(axis=0) >= 2).any()
    names = [name or "(nobody named)" for name in ratings.annotators]
    return MergeReport(
        imbtool=__version__,
        command=[],
        profile="",
        asked_only=False,
        batches=[
            MergedBatch(
                folder=str(each.folder),
                texts=len(each.texts),
                answered=len(answered & each.texts.keys()),
            )
            for each in batches
        ],
        texts={name: len(rows) for name, rows in parts.items()},
        chosen=sum(each.text.chosen_by != RANDOM for rows in parts.values() for each in rows),
        unknown=0,
        labels=_merged_labels(known, ratings.labels, parts, ties),
        agreement=measure_agreement(ratings.values, names, ratings.labels) if several else None,
        files=[],
    )


def _merged_labels(
    known: _Known,
    labels: Sequence[str],
    parts: Mapping[str, Sequence[MergedText]],
    ties: Targets,
) -> dict[str, MergedLabel]:
    before = known.positives()
    targets = {
        name: np.array([each.targets for each in rows]).reshape(len(rows), len(labels))
        for name, rows in parts.items()
    }
    return {
        label: MergedLabel(
            positives=before[label],
            added={name: int((rows[:, place] == 1).sum()) for name, rows in targets.items()},
            known=sum(int((~np.isnan(rows[:, place])).sum()) for rows in targets.values()),
            tied=int(ties[:, place].sum()),
            is_new=label not in known.labels,
        )
        for place, label in enumerate(labels)
    }


def _write(
    folder: Path,
    known: _Known,
    ratings: Ratings,
    parts: Mapping[str, Sequence[MergedText]],
    report: MergeReport,
) -> MergeReport:
    """Write all files, or none."""
    new = [name for name in ratings.labels if name not in known.labels]
    declared = [*known.profile.labels.names, *new]
    all_again = not _is_plain(known.profile)
    values = known.profile.model_dump(mode="json", exclude_unset=True)
    with new_folder(folder) as draft:
        files = []
        for name, rows in parts.items():
            values["data"][name] = str(known.paths[name])
            if not (rows or name == "train" or all_again):
                continue
            table = TableToMerge(
                known.paths[name],
                known.tables[name],
                known.profile.data,
                known.columns,
                ratings.labels,
                bool(declared),
            )
            suffix = table.suffix(rows)
            table.write(draft / f"{name}{suffix}", suffix, rows)
            files.append(f"{name}{suffix}")
            values["data"][name] = _path_in(folder, f"{name}{suffix}")
        before = known.profile.data.answers
        if ratings.has_annotators or before:
            write_answers(draft / ANSWERS, ratings, before)
            values["data"]["answers"] = _path_in(folder, ANSWERS)
            files.append(ANSWERS)
        _say(values, known, ratings.labels, declared)
        profile = make_profile(values)
        text = render_profile(profile, folder=real_path(folder))
        write_text(draft / PROFILE, text)
        report = report.model_copy(update={"files": [*files, PROFILE, REPORT]})
        write_json(draft / REPORT, report)
    return report


def _is_plain(profile: Profile) -> bool:
    """Whether the tables are written as every text file of ours: UTF-8, cells in quotes."""
    return text_codec(profile.data.encoding) == "utf-8" and profile.data.quotes is None


def _path_in(folder: Path, name: str) -> str:
    return str(real_path(folder) / name)


def _say(
    values: dict[str, Any], known: _Known, labels: Sequence[str], declared: Sequence[str]
) -> None:
    """Write into a profile's values what its new tables hold."""
    data = values["data"]
    data["chosen_by"] = known.columns.chosen_by
    source = data.setdefault("labels", {})
    if known.columns.known:
        source["known"] = known.columns.known
    else:
        source["columns"] = list(labels)
    if declared:
        values.setdefault("labels", {})["names"] = list(declared)
    for key in ("encoding", "quotes"):
        data.pop(key, None)

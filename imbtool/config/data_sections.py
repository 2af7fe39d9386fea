"""The profile's sections `data` and `labels`: the tables, and what is known of the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from imbtool.config.hierarchy import hierarchy_edges
from imbtool.config.section import Section, contradiction
from imbtool.files.text_format import TextFormat, text_codec
from imbtool.wording import as_list

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
HUB = "hf:"
"""What the name of a data set on the hub begins with, where a path may stand."""


def is_hub(path: Path | str) -> bool:
    """Whether a path is the name of a data set on the hub: `hf:owner/name[:config][/split]`."""
    return str(path).startswith(HUB)


OF_COLUMN = ("column", "separator", "unknown", "known")
OF_COLUMNS = ("threshold", "empty")
"""What says something of labels in one column alone, and of those in several alone."""


class LabelSource(Section):
    """Where the labels of a text are: in one column, or in one column for each label."""

    column: str | None = Field(
        None, description="One column with all labels of a text, separated or as a list."
    )
    separator: Annotated[str, Field(min_length=1)] = Field(
        "|", description="The separator between two labels in that column."
    )
    unknown: Name | None = Field(
        None, description="The cell that means unknown labels, for example `?`. Default: none."
    )
    columns: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="Instead: one column for each label, of 0 and 1, yes and no, or scores."
    )
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="The score from which on a text has the label. Default: no scores."
    )
    empty: Literal["unknown", "negative"] = Field(
        "unknown", description="What an empty cell of these columns means."
    )
    known: Name | None = Field(
        None,
        description="A column that lists the labels that are known of a text, separated or as a "
        "list; all others are unknown. An empty cell, or a table without it: all are known.",
    )

    def without_effect(self) -> set[str]:
        """What says something of one column says nothing of several, and the other way round."""
        return set(OF_COLUMN if self.columns is not None else ("columns", *OF_COLUMNS))

    def effective(self) -> dict[str, Any]:
        """The keys that have an effect, as a profile may hold them."""
        return self.model_dump(exclude=self.without_effect(), exclude_none=True)

    @model_validator(mode="before")
    @classmethod
    def _usual_column(cls, values: object) -> Any:
        if not isinstance(values, dict):
            return values
        named = values.get("column") is not None or values.get("columns") is not None
        return values if named else {**values, "column": "labels"}

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.column is None and self.columns is None:
            raise contradiction(
                "neither 'column' nor 'columns'",
                "labels: {column: NAME} or labels: {columns: [NAME, ...]}",
                "name the column that holds the labels",
            )
        if self.column is not None and self.columns is not None:
            raise contradiction(
                "both 'column' and 'columns'",
                "labels: {column: NAME} or labels: {columns: [NAME, ...]}",
                "keep the one that your table has",
            )
        self._refuse_idle()
        return self

    def _refuse_idle(self) -> None:
        """What has no effect was meant to have one."""
        wanted = "column" if self.columns is None else "columns"
        idle = [name for name in self.without_effect() if name in self.model_fields_set]
        written = [name for name in sorted(idle) if name not in ("column", "columns")]
        if written:
            raise contradiction(
                f"{written[0]!r}, which has no effect with {wanted!r}",
                f"{wanted!r} alone",
                f"delete {written[0]!r}",
            )


class DataSection(Section):
    """The tables and their columns."""

    train: Path = Field(
        description="The training table: csv, tsv, jsonl, json or parquet, a folder or glob of "
        "them, a `datasets` folder, or hf:owner/name."
    )
    validation: Path | None = Field(
        None, description="The table to choose thresholds on; else split off from train."
    )
    test: Path | None = Field(
        None, description="The table to report on; else split off from train."
    )
    unlabelled: Path | None = Field(None, description="A table of unlabelled texts, for distil.")
    text: str | Annotated[list[str], Field(min_length=1)] = Field(
        "text", description="The text column, or a list of columns, which are joined."
    )
    labels: LabelSource = Field(default_factory=lambda: LabelSource(column="labels"))
    id: str | None = Field(None, description="A column with a unique name of each row.")
    chosen_by: str | None = Field(
        None,
        description="A column that says how a text was chosen for labelling: `score`, `similar` or "
        "`pattern` if a search chose it, `random` or nothing if not.",
    )
    answers: Path | None = Field(
        None,
        description="The table of what each annotator answered, from which agreement is computed.",
    )
    encoding: str = Field("utf-8", description="The encoding of csv, tsv, jsonl and json.")
    quotes: bool | None = Field(
        None,
        description="For csv and tsv: true if quotes enclose cells, false if they are part of the"
        " text. Default: as the file shows.",
    )

    @property
    def text_columns(self) -> list[str]:
        """The text columns, also of one alone."""
        return as_list(self.text)

    @property
    def text_format(self) -> TextFormat:
        """How the text files are written."""
        return TextFormat(self.encoding, self.quotes)

    @field_validator("text")
    @classmethod
    def _each_column_once(cls, text: str | list[str]) -> str | list[str]:
        repeated = sorted({name for name in text if text.count(name) > 1})
        if repeated and isinstance(text, list):
            found = f"the text column {repeated[0]!r} twice"
            raise contradiction(found, "each column once", "delete one")
        return text

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        if text_codec(name) is None:
            raise contradiction(
                repr(name), "the name of a text encoding", "try utf-8, cp1252 or latin-1"
            )
        return name


class LabelsSection(Section):
    """What is known about the labels besides the data."""

    names: list[Name] = Field(
        default_factory=list,
        description="Labels that no text may have yet, to search for them. One that only texts "
        "have whose `known` cell lists it, or none, is unknown of other texts, not 0.",
    )
    descriptions: dict[str, str] = Field(
        default_factory=dict,
        description="label: what it means, in a sentence or two. `find` searches by it.",
    )
    hierarchy: dict[str, Any] = Field(
        default_factory=dict, description="primary: [secondary, ...], nested to any depth."
    )

    @field_validator("names")
    @classmethod
    def _each_name_once(cls, names: list[str]) -> list[str]:
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise contradiction(
                f"the label {repeated[0]!r} twice", "each label once", "delete one of them"
            )
        return names

    @field_validator("hierarchy")
    @classmethod
    def _is_forest(cls, tree: dict[str, Any]) -> dict[str, Any]:
        try:
            hierarchy_edges(tree)
        except ValueError as error:
            raise contradiction(
                str(error),
                "a forest: every label under at most one parent, none under itself",
                "leave the label in one place of the hierarchy",
            ) from None
        return {name: _leaves(below) for name, below in tree.items()}

    @property
    def edges(self) -> list[tuple[str, str]]:
        """(child, parent) name pairs."""
        return hierarchy_edges(self.hierarchy)


def _leaves(tree: object) -> Any:
    """A hierarchy with [] where nothing stands below a label."""
    if isinstance(tree, dict):
        return {name: _leaves(below) for name, below in tree.items()}
    if isinstance(tree, list):
        return [_leaves(item) for item in tree]
    return [] if tree is None else tree

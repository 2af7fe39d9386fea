"""The profile's data section, and what all sections share."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

HUB = "hf:"
"""What the name of a data set on the hub begins with, where a path may stand."""


NO_TEXT = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
"""Encodings that Python has and no table."""


def is_hub(path: Path | str) -> bool:
    """Whether a path is the name of a data set on the hub: `hf:owner/name[:config][/split]`."""
    return str(path).startswith(HUB)


class Section(BaseModel):
    """A part of the profile: unknown keys are refused, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def without_effect(self) -> set[str]:
        """Names of fields that other fields make idle: written, they would be refused."""
        return set()


class LabelSource(Section):
    """Where the labels of a text stand: in one column, or in one 0/1 column a label."""

    column: str | None = Field(
        None, description="one column with all labels of a text, separated or as a list"
    )
    separator: Annotated[str, Field(min_length=1)] = Field(
        "|", description="what stands between two labels in that column"
    )
    unknown: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = Field(
        None, description="the cell of a text whose labels nobody knows, `?` say; default: none"
    )
    columns: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="instead: one column of 0 and 1 a label"
    )

    def without_effect(self) -> set[str]:
        """A column, its separator and its mark say nothing of 0/1 columns."""
        of_column = {"column", "separator", "unknown"}
        return of_column if self.columns is not None else {"columns"}

    @model_validator(mode="before")
    @classmethod
    def _usual_column(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        named = values.get("column") is not None or values.get("columns") is not None
        return values if named else {**values, "column": "labels"}

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.column is not None and self.columns is not None:
            raise contradiction(
                "both 'column' and 'columns'",
                "labels: {column: NAME} or labels: {columns: [NAME, ...]}",
                "keep the one that your table has",
            )
        if self.columns is not None:
            self._refuse_idle()
        return self

    def _refuse_idle(self) -> None:
        if "separator" in self.model_fields_set:
            raise contradiction(
                "a separator, which has no effect on 0/1 columns",
                "'columns' alone",
                "delete the separator",
            )
        if self.unknown is not None:
            raise contradiction(
                "a mark for unknown labels, which has no effect on 0/1 columns",
                "'columns' alone: there an empty cell is unknown",
                "delete 'unknown'",
            )


class DataSection(Section):
    """The tables and their columns."""

    train: Path = Field(
        description="csv, tsv, jsonl, json or parquet, a folder or glob of them, a `datasets` "
        "folder, or hf:owner/name"
    )
    validation: Path | None = Field(
        None, description="thresholds are chosen on it; split off from train if missing"
    )
    test: Path | None = Field(None, description="reported on; split off from train if missing")
    text: str | Annotated[list[str], Field(min_length=1)] = Field(
        "text", description="the text column, or a list of them, which are joined"
    )
    labels: LabelSource = Field(default_factory=lambda: LabelSource(column="labels"))
    id: str | None = Field(None, description="a column that names each row")
    encoding: str = Field("utf-8", description="of csv, tsv, jsonl and json")

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
        try:
            "".encode(name)
            known = codecs.lookup(name).name not in NO_TEXT
        except (LookupError, ValueError):
            known = False
        if not known:
            raise contradiction(
                repr(name), "the name of a text encoding", "try utf-8, cp1252 or latin-1"
            )
        return name


def contradiction(found: str, expected: str, mend: str) -> PydanticCustomError:
    """What a section raises where its values contradict each other."""
    return PydanticCustomError(
        "imbtool", "{found}", {"found": found, "expected": expected, "mend": mend}
    )

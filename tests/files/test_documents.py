"""What is wrong with a document is told as it stands in the file, and as what it should be."""

from pathlib import Path
from typing import Annotated, Any, Self

import pytest
from pydantic import ConfigDict, Field, model_validator

from imbtool.errors import Problem, UserError
from imbtool.files.documents import Count, Typed, read_document
from imbtool.files.json_text import to_json


class Part(Typed):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, pattern="^[a-z]*$")] = "a"


class Whole(Typed):
    count: Count
    part: Part = Part()
    odd: bool = False

    @model_validator(mode="after")
    def _odd_counts_are_said(self) -> Self:
        if self.count % 2 and not self.odd:
            raise ValueError("an odd count that is not called odd")
        return self


def refused(folder: Path, content: str) -> Problem:
    (folder / "f.json").write_text(content)
    with pytest.raises(UserError) as error:
        read_document(folder / "f.json", Whole, "write it anew")
    (problem,) = error.value.problems
    return problem


@pytest.mark.parametrize(
    ("document", "key", "found", "expected"),
    [
        ({"count": -1}, ": count", "-1", "greater than or equal to 0"),
        ({"count": None}, ": count", "null", "a valid integer"),
        ({"count": "1"}, ": count", '"1"', "a valid integer"),
        ({}, ": count", "nothing", "a value"),
        ({"count": 1}, "", "an odd count that is not called odd", "what imbtool writes"),
        ({"count": 2, "part": []}, ": part", "[]", "a map"),
        ({"count": 2, "part": {"n": 1}}, ": part.n", "1", "no such key"),
        ({"count": 2, "part": {"name": ""}}, ": part.name", '""', "a string with at least 1 char"),
        ({"count": 2, "part": {"name": "A"}}, ": part.name", '"A"', "a string of the pattern '^"),
        ([], "", "[]", "a map"),
    ],
)
def test_the_first_fault_is_told(
    document: Any, key: str, found: str, expected: str, tmp_path: Path
) -> None:
    problem = refused(tmp_path, to_json(document))
    assert problem.where == f"{tmp_path / 'f.json'}{key}"
    assert problem.found == found
    assert problem.expected.startswith(expected)
    assert problem.fix == "write it anew"


@pytest.mark.parametrize("content", ['{"count": 2, "count": 4}', '{"part": {"a": 1, "a": 2}}', "{"])
def test_what_is_no_json_or_has_a_key_twice_is_refused(content: str, tmp_path: Path) -> None:
    assert refused(tmp_path, content).fix == "write it anew"

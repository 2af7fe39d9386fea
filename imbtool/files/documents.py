"""Documents of a known shape: read from JSON and checked whole, before anything rests on them."""

from __future__ import annotations

import math
import re
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from imbtool.errors import UserError, user_error
from imbtool.files.json_text import read_json
from imbtool.files.stores import Location
from imbtool.wording import cut, printable, shown

Count = Annotated[int, Field(ge=0, le=10**12)]
Number = Annotated[float, Field(ge=-1e30, le=1e30, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
WORDS = {
    "^input should be ": "",
    r"^(\w+) should have ": r"a \1 with ",
    r"^(\w+) should match pattern ": r"a \1 of the pattern ",
    "^input is not a valid path.*": "a path",
    ", unable to.*": "",
}
"""What pydantic says, as what was expected."""


class Typed(BaseModel):
    """A document whose values have the types that they say: `"1"` is no number, nor is true."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")


class Part(Typed):
    """A part of a document of numbers: each is finite, and keys of other versions are left out."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


def _none_unless_finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


NumberOrNone = Annotated[float | None, BeforeValidator(_none_unless_finite)]
"""A number that may be undefined; what is not finite is None."""

Kind = TypeVar("Kind", bound=BaseModel)


def read_document(path: Location, kind: type[Kind], fix: str) -> Kind:
    """Read a document from a JSON file.

    Args:
        path: of the file.
        kind: what it must be.
        fix: how the user can help, where it is damaged.

    Raises:
        UserError: there is no such file, or it is damaged; the first key that is wrong is named.
    """
    document = read_json(path, fix, unique=True)
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise damaged(path, error, fix) from None


def damaged(where: object, error: ValidationError, fix: str) -> UserError:
    """What is wrong with a document, of which the first fault is told.

    Args:
        where: the document stands.
        error: of the validation.
        fix: how the user can help.
    """
    key, found, expected = first_fault(error)
    place = f"{where}: {key}" if key else where
    return user_error(printable(str(place)), found, expected, fix)


def first_fault(error: ValidationError) -> tuple[str, str, str]:
    """The first key that is wrong (empty: the whole), what was found, and what should have been."""
    first = error.errors(include_url=False)[0]
    return ".".join(map(str, first["loc"])), *found_and_expected(first)


def found_and_expected(detail: ErrorDetails) -> tuple[str, str]:
    """What pydantic found in a place, and what it expected there."""
    match detail["type"]:
        case "imbtool":
            return cut(detail["ctx"]["found"]), detail["ctx"]["expected"]
        case "value_error":
            return detail["msg"].removeprefix("Value error, "), "what imbtool writes"
        case "missing":
            return "nothing", "a value"
    return shown(detail["input"]), _expected(detail["type"], detail["msg"])


def _expected(kind: str, message: str) -> str:
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "a map"
    if kind == "extra_forbidden":
        return "no such key"
    expected = message[:1].lower() + message[1:]
    for pattern, words in WORDS.items():
        expected = re.sub(pattern, words, expected)
    return expected

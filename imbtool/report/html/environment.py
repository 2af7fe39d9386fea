"""What all pages share: the environment of their templates, with its filters."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from imbtool.report.cells import ratio_text
from imbtool.report.verdict import Name
from imbtool.wording import three_digits

UNDEFINED = "–"
MOST_LETTERS = 2_000
"""A page quotes so much of a text; the rest stands in its table."""


@cache
def make_environment() -> Environment:
    """Make the environment of the templates: it escapes everything and shows None as a dash."""
    environment = Environment(
        loader=PackageLoader("imbtool.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["most_letters"] = MOST_LETTERS
    environment.filters["decimal"] = lambda value: _shown(value, ".3f")
    environment.filters["short"] = lambda value: UNDEFINED if value is None else three_digits(value)
    environment.filters["signed"] = lambda value: _shown(value, "+.3f").replace("-", "−")
    environment.filters["thousands"] = lambda value: _shown(value, ",")
    environment.filters["percent"] = lambda value: _shown(value, ".1%")
    environment.filters["ratio"] = lambda value: UNDEFINED if value is None else ratio_text(value)
    environment.filters["sentence"] = lambda text: f"{text[:1].upper()}{text[1:]}."
    environment.tests["name"] = lambda piece: isinstance(piece, Name)
    return environment


def _shown(value: float | None, form: str) -> str:
    return UNDEFINED if value is None else format(value, form)

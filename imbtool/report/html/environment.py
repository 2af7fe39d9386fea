"""What all pages share: their templates' environment, and where points stand in a drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from imbtool.report.cells import ratio_text
from imbtool.report.verdict import Name
from imbtool.wording import three_digits

UNDEFINED = "–"
MOST_LETTERS = 2_000
"""Of a text; the rest is read in its table."""
LEFT, RIGHT, TOP, BOTTOM = 46, 500, 14, 262
"""The part of a chart's drawing, 512 wide and 308 high, that holds its points."""


@cache
def make_environment() -> Environment:
    """Templates with everything escaped, and how they show numbers; None is a dash."""
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


@dataclass(frozen=True)
class Scale:
    """Where a value between `low` and `high` stands in the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Its place, to a tenth."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def round_ticks(low: float, high: float) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`."""
    rough = (high - low or abs(high) or 1.0) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]

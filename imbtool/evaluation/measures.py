"""Numbers with intervals in documents that are dictionaries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeGuard

import numpy as np

Figure = dict[str, float]


def figure(value: float, low: float, high: float) -> Figure:
    """A number and its interval; one that is undefined has none."""
    missing = np.isnan(value)
    ends = (np.nan, np.nan) if missing else (low, high)
    return {"value": float(value), "low": float(ends[0]), "high": float(ends[1])}


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether a figure is defined: neither NaN nor null, which it is in a file."""
    return value is not None and math.isfinite(value)


def figure_text(of: Mapping[str, float | None], digits: int = 2) -> str:
    """A figure with its interval, `0.67 [.30–.90]`; a dash where it is undefined."""
    value, low, high = (of[key] for key in ("value", "low", "high"))
    if not (is_known(value) and is_known(low) and is_known(high)):
        return "–"
    ends = "–".join(f"{end:.{digits}f}".removeprefix("0") for end in (low, high))
    return f"{value:.{digits}f} [{ends}]"

"""Pairs of a text and its annotations, as spaCy's training data has them, become objects."""

from __future__ import annotations

from typing import Any


def as_object(row: Any) -> Any:
    """A pair of a text and its annotations as one object; anything else as it is."""
    if not isinstance(row, list) or len(row) != 2:
        return row
    text, annotations = row
    is_pair = isinstance(text, str) and isinstance(annotations, dict) and "cats" in annotations
    return {"text": text, **annotations} if is_pair else row

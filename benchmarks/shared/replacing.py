"""Replaces functions of imbtool in the process of one measurement."""

from __future__ import annotations

from typing import Any


def replace_in(owner: object, name: str, value: Any) -> Any:
    """Give a module or class another value for a name that it has.

    Args:
        owner: module or class.
        name: a name in it.
        value: the new one.

    Returns:
        The value before.

    Raises:
        AttributeError: if there is no such name, since the benchmark would measure nothing.
    """
    before = getattr(owner, name)
    setattr(owner, name, value)
    return before

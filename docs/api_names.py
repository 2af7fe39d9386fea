"""A hook of mkdocs: docs/api.md gets a section for each public name of imbtool."""

from __future__ import annotations

from typing import Any

import imbtool

MARK = "<!-- names -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with mkdocstrings' directive for each name."""
    names = sorted(imbtool.__all__, key=str.lower)
    return markdown.replace(MARK, "\n".join(f"::: imbtool.{name}\n" for name in names))

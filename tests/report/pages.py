"""Pages as a browser takes them, and as a reader does."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """The tags, attributes and table cells of a page, as a browser would take them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tables: list[list[list[str]]] = []
        self.by_name: dict[str, list[list[str]]] = {}
        self._region = ""
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "div":
            self._region = dict(attrs).get("aria-label") or ""
        if tag == "table":
            self.tables.append([])
            self.by_name[self._region] = self.tables[-1]
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        self._in_cell = self._in_cell or tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def table(self, name: str) -> list[list[str]]:
        """The rows below the head of the table of this name, their cells without spare space."""
        return [[" ".join(cell.split()) for cell in row] for row in self.by_name[name][1:]]

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.tables[-1][-1][-1] += data


def plain(html: str) -> str:
    text = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", text))

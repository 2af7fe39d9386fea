"""Every link, anchor and module path in the documentation leads somewhere."""

import re
from pathlib import Path

import pytest
from docpages import PAGES, ROOT, named

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
MODULE = re.compile(r"`((?:imbtool|benchmarks|tests|data)/[\w/]+\.(?:py|sh))`")


def anchors(page: Path) -> set[str]:
    """The anchors of the headings: lower case, hyphens for spaces, other marks left out."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / path) if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES[1:], ids=named)
def test_pages_of_the_site_link_to_nothing_outside_of_it(page: Path) -> None:
    targets = [(page.parent / path).resolve() for path, _ in LINK.findall(page.read_text("utf-8"))]
    assert [target for target in targets if not target.is_relative_to(ROOT / "docs")] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_module_paths_exist(page: Path) -> None:
    paths = MODULE.findall(page.read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).is_file()] == []

"""A figure as inline SVG: part of a page, in the page's fonts and colours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from io import StringIO
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from imbtool.report.figures.figure import COLOURS, FAINT, GRID, INK, figure_style

PAGE_COLOURS = {INK: "ink", FAINT: "soft", GRID: "line", "#ffffff": "page"} | {
    colour: tier for tier, colour in COLOURS.items()
}
"""What a page calls the colours of figures; it has others for dark mode."""
COLOUR = re.compile(r"#[0-9a-f]{6}")
FONT = re.compile(r"font-family: [^;]*;? ?")
LONG_NUMBER = re.compile(r"\d+\.\d{3,}")


@figure_style()
def inline_svg(
    figure: Figure, name: str, description: str, links: Mapping[str, str] | None = None
) -> Markup:
    """Write a figure as an `<svg>` element of a page; the same figure gives the same text.

    Args:
        figure: the figure.
        name: of the figure, unlike those of others on the page: it makes the ids within unique.
        description: what a screen reader says of the figure.
        links: for each link within the figure what a screen reader says of it.
    """
    written = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(written, format="svg", metadata=nothing)
    root = ElementTree.fromstring(written.getvalue())
    root.remove(root[0])  # matplotlib's style sheet, which would hold for the whole page
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = dict(_attributes(element, links or {}))
        element.tail = None
        element.text = element.text if element.tag == "text" else None
    # without links a picture is one thing; with them its parts are read, but for the axes
    root.attrib |= {"class": "chart", "role": "group" if links else "img"}
    root.set("aria-label", description)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _local(name: str) -> str:
    """A name without its namespace, which HTML has no need of."""
    return name.rpartition("}")[2]


def _attributes(
    element: ElementTree.Element, links: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for key, value in element.items():
        match _local(key), element.tag:
            case ("id", "g" | "svg" | "text") | ("target" | "version", _):
                pass  # nothing refers to these ids, and a link stays on the page
            case "style", _:
                style = FONT.sub("", value)
                yield "style", COLOUR.sub(lambda hex: _page_colour(hex[0]), style)
            case ("d" | "x" | "y" | "transform") as name, _:
                yield name, LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", value)
            case name, _:
                yield name, value
    if element.tag == "a":
        yield "aria-label", links[element.get("{http://www.w3.org/1999/xlink}href", "")]
    if element.tag == "text" and links:
        yield "aria-hidden", "true"


def _page_colour(colour: str) -> str:
    return f"var(--{PAGE_COLOURS[colour]})" if colour in PAGE_COLOURS else colour

"""A figure within a page: text that stays text, the page's colours, ids of its own, links."""

import re
from collections.abc import Mapping

from pages import Page

from imbtool.report.figures.figure import COLOURS, INK, figure_style, marker, new_figure
from imbtool.report.figures.svg import inline_svg

HOSTILE = '</text></svg><script>alert(1)</script> & "'
LINKS = {"#row-1": 'the "first" <b>', "#row-2": "the second"}


@figure_style()
def svg(name: str = "one", links: Mapping[str, str] | None = None) -> str:
    figure = new_figure(4, 3)
    axes = figure.add_subplot()
    axes.set_title(HOSTILE)
    axes.plot([1 / 3, 2], [1, 2], color=COLOURS["severe"])
    for place, link in enumerate(LINKS, start=1):
        axes.plot([place], [place], **marker(INK, hollow=True), url=link if links else None)
    return inline_svg(figure, name, "what <it> shows", links)


def attributes(text: str, name: str) -> list[str]:
    return [value or "" for key, value in Page(text).attributes if key == name]


def test_the_same_figure_gives_the_same_text() -> None:
    assert svg() == svg()


def test_it_is_one_element_and_its_texts_stay_text() -> None:
    text = svg()
    assert text.startswith("<svg ") and text.endswith("</svg>")
    assert not {"script", "style", "metadata", "image"} & set(Page(text).tags)
    assert "&lt;/text&gt;&lt;/svg&gt;&lt;script&gt;alert(1)" in text
    assert "xmlns" not in text and "://" not in text


def test_a_screen_reader_reads_the_description_and_no_parts() -> None:
    assert 'role="img" aria-label="what &lt;it&gt; shows"' in svg()
    assert "aria-hidden" not in svg(), "a picture has no parts"


def test_links_stay_on_the_page_and_say_where_they_lead() -> None:
    page = Page(svg(links=LINKS))
    assert page.tags.count("a") == 2
    assert not attributes(svg(links=LINKS), "target")
    text = svg(links=LINKS)
    assert re.findall(r'<a href="(#row-\d)" aria-label="([^"]*)"', text) == [
        ("#row-1", "the &quot;first&quot; &lt;b&gt;"),
        ("#row-2", "the second"),
    ]
    assert 'role="group"' in text
    assert text.count("<text ") == text.count('aria-hidden="true"') > 5, "the axes are not read"


def test_colours_are_the_pages_own_so_that_dark_mode_changes_them() -> None:
    styles = " ".join(attributes(svg(), "style"))
    assert not re.findall("#[0-9a-f]{6}", styles)
    assert {"ink", "soft", "page", "severe"} <= set(re.findall(r"var\(--(\w+)\)", styles))


def test_text_is_in_the_pages_font() -> None:
    assert "font-family" not in svg() and "font-size: 12px" in svg()


def test_ids_differ_between_figures_and_everything_that_is_referred_to_is_there() -> None:
    one, two = svg("one"), svg("two")
    ids = attributes(one, "id")
    assert len(ids) == len(set(ids)) > 1
    assert not set(ids) & set(attributes(two, "id"))
    referred = re.findall(r'url\(#(\w+)\)|href="#(\w+)"', one)
    assert {each for pair in referred for each in pair if each} == set(ids)


def test_coordinates_are_short() -> None:
    places = " ".join(attributes(svg(), "d") + attributes(svg(), "x"))
    assert re.search(r"\d\.\d\d ", places) and not re.search(r"\d\.\d{3}", places)

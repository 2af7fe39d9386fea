"""The pages of the server: all of their parts come from the package, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
FILES = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
}


@dataclass(frozen=True)
class Page:
    """A file that browsers read."""

    path: str
    content: str
    media_type: str


@dataclass(frozen=True)
class Endpoint:
    """A row of the reference.

    Attributes:
        method: such as `POST`.
        path: of the URL.
        summary: what it does, in a sentence.
        parameters: names and descriptions of those in the query.
        body: JSON schemas of the request's and the answer's body, where there is one.
        answers: statuses and what they mean.
    """

    method: str
    path: str
    summary: str
    parameters: list[tuple[str, str]]
    answers: list[tuple[str, str]]
    takes_body: bool


def read_pages() -> Iterator[Page]:
    """The page for people, and what belongs to it."""
    folder = files("imbtool.serving") / "page"
    for path, (name, media_type) in FILES.items():
        yield Page(path, (folder / name).read_text(encoding="utf-8"), media_type)


def render_reference(openapi: Mapping[str, Any]) -> str:
    """The reference of the routes, as a page.

    Args:
        openapi: the document that describes them.
    """
    environment = Environment(
        loader=PackageLoader("imbtool.serving", "page"), autoescape=True, undefined=StrictUndefined
    )
    template = environment.get_template("docs.html")
    return template.render(info=openapi["info"], endpoints=list(_endpoints(openapi)))


def _endpoints(openapi: Mapping[str, Any]) -> Iterator[Endpoint]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield Endpoint(
                method.upper(),
                path,
                operation["summary"],
                [(each["name"], each["description"]) for each in operation.get("parameters", [])],
                [(status, each["description"]) for status, each in operation["responses"].items()],
                "requestBody" in operation,
            )

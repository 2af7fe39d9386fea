"""A request's body: read up to a limit, and checked before a model sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from imbtool.files.json_text import parse_json
from imbtool.files.writing import SURROGATE
from imbtool.serving.limits import Limits, Refused

READ_SECONDS = 30.0
"""A body that takes longer to arrive is refused: slow clients would pile up."""
MOST_DEPTH = 8
"""Levels of lists and objects in a body; ours has two."""
TEXTS = "texts"


async def read_texts(
    headers: Mapping[str, str], chunks: AsyncIterator[bytes], limits: Limits
) -> list[str]:
    """Read the texts of a request.

    Args:
        headers: of the request, by lower-case name.
        chunks: of its body.
        limits: of what is read.

    Raises:
        Refused: it is no JSON of texts, or is beyond a limit.
    """
    _check_headers(headers, limits)
    return texts_in(await _read(chunks, limits), limits)


def texts_in(body: bytes, limits: Limits) -> list[str]:
    """The texts in a body, `{"texts": [...]}`.

    Raises:
        Refused: it is another document, or is beyond a limit.
    """
    document = _parsed(body)
    if not isinstance(document, dict) or document.keys() != {TEXTS}:
        raise Refused(422, f'The body must be an object with the one key "{TEXTS}".')
    texts = document[TEXTS]
    if not isinstance(texts, list) or not texts:
        raise Refused(422, f'"{TEXTS}" must be a list of at least one text.')
    if len(texts) > limits.texts:
        found = f"{len(texts):,} texts are more than the limit of {limits.texts:,} texts a request."
        raise Refused(422, f"{found} Send several requests.")
    for place, text in enumerate(texts):
        _check(f"{TEXTS}[{place}]", text, limits)
    return texts


def _check_headers(headers: Mapping[str, str], limits: Limits) -> None:
    kind, *parameters = (
        part.strip().lower() for part in headers.get("content-type", "").split(";")
    )
    charsets = [each.partition("=")[2].strip('"') for each in parameters if "charset" in each]
    if kind != "application/json" or charsets not in ([], ["utf-8"], ["utf8"]):
        raise Refused(415, "The body must be of the content type application/json, in UTF-8.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "The body must not be compressed.")
    declared = headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limits.body):
        raise _too_large(limits)


async def _read(chunks: AsyncIterator[bytes], limits: Limits) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in chunks:
                body += chunk
                if len(body) > limits.body:
                    raise _too_large(limits)
    except TimeoutError:
        found = f"The body did not arrive within the limit of {READ_SECONDS:.0f} seconds."
        raise Refused(408, found, {"Connection": "close"}) from None
    return bytes(body)


def _too_large(limits: Limits) -> Refused:
    found = f"The body is larger than the limit of {limits.body:,} bytes."
    return Refused(413, f"{found} Send fewer texts a request.")


def _parsed(body: bytes) -> Any:
    """The document in a body; of one that is none, the place is told and nothing is quoted."""
    try:
        return parse_json(body, unique=True, most_depth=MOST_DEPTH, constant=_refuse_constant)
    except json.JSONDecodeError as error:
        found = f"The body is no JSON (line {error.lineno}, column {error.colno})."
    except UnicodeDecodeError as error:
        found = f"The body is no UTF-8 (byte {error.start})."
    except ValueError:
        found = (
            f"The body is no JSON with at most {MOST_DEPTH} levels, each key once, and no number "
            "that is not finite."
        )
    raise Refused(400, found)


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("a number that JSON lacks")


def _check(where: str, text: object, limits: Limits) -> None:
    if not isinstance(text, str):
        raise Refused(422, f"{where} must be a text.")
    if len(text) > limits.characters:
        found = f"{where} has {len(text):,} characters"
        raise Refused(422, f"{found}, more than the limit of {limits.characters:,} a text.")
    if SURROGATE.search(text):
        raise Refused(422, f"{where} has half a character: a surrogate without its other half.")

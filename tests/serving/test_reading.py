"""What a body may be: texts within limits, and nothing of it is quoted where it is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from imbtool.serving import reading
from imbtool.serving.limits import Limits, Refused
from imbtool.serving.reading import read_texts, texts_in

LIMITS = Limits(texts=3, characters=10, body=200, queue=9)
JSON = {"content-type": "application/json"}
SECRET = "secret"


def body_of(document: Any) -> bytes:
    return json.dumps(document).encode()


async def chunked(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def read(*parts: bytes, **headers: str) -> list[str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(read_texts({**JSON, **named}, chunked(*parts), LIMITS))


def refusal(*parts: bytes, **headers: str) -> Refused:
    with pytest.raises(Refused) as refused:
        read(*parts, **headers)
    assert SECRET not in refused.value.sentence
    assert refused.value.sentence.endswith(".")
    return refused.value


@pytest.mark.parametrize(
    "texts", [["a"], ["", "b", "x" * 10], ["größe 愛 \U0001f600"], ["\x00\n\x1f"]]
)
def test_texts_are_read_as_they_are(texts: list[str]) -> None:
    assert texts_in(body_of({"texts": texts}), LIMITS) == texts
    assert texts_in(json.dumps({"texts": texts}, ensure_ascii=False).encode(), LIMITS) == texts


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8"])
def test_a_body_may_come_in_parts(kind: str) -> None:
    assert read(b'{"te', b'xts": ["a', b'"]}', content_type=kind) == ["a"]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 400, "no JSON (line 1"),
        (b'{"texts": ["secret"]', 400, "no JSON (line 1"),
        (b"{'texts': ['secret']}", 400, "no JSON (line 1"),
        (b'{"texts": ["\xff"]}', 400, "no UTF-8 (byte 12)"),
        (b'{"texts": [NaN]}', 400, "not finite"),
        (b'{"texts": ["a"], "texts": ["b"]}', 400, "each key once"),
        (b'{"texts": ' + b"[" * 9 + b"]" * 9 + b"}", 400, "8 levels"),
        (b"[" * 199, 400, "no JSON"),
        (b'"secret"', 422, "the one key"),
        (b'["secret"]', 422, "the one key"),
        (b'{"secret": ["a"]}', 422, "the one key"),
        (b'{"texts": ["a"], "secret": 1}', 422, "the one key"),
        (b'{"texts": "secret"}', 422, "a list"),
        (b'{"texts": []}', 422, "at least one text"),
        (b'{"texts": ["a", 1]}', 422, "texts[1] must be a text"),
        (b'{"texts": [null]}', 422, "texts[0] must be a text"),
        (b'{"texts": ["a", "b", "c", "secret"]}', 422, "limit of 3 texts"),
        (b'{"texts": ["secret secret"]}', 422, "limit of 10"),
        (b'{"texts": ["\\ud800"]}', 422, "texts[0] has half a character"),
        (b'{"texts": ["' + b"x" * 200 + b'"]}', 413, "limit of 200 bytes"),
    ],
)
def test_another_body_is_refused_with_what_is_allowed(body: bytes, status: int, told: str) -> None:
    refused = refusal(body)
    assert refused.status == status
    assert told in refused.sentence


def test_what_is_said_to_be_too_large_is_not_read() -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    for length in ("201", "9" * 5000):
        with pytest.raises(Refused) as refused:
            asyncio.run(read_texts({**JSON, "content-length": length}, never(), LIMITS))
        assert refused.value.status == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": ""},
        {"content_type": "application/json; charset=latin-1"},
        {"content_encoding": "gzip"},
    ],
)
def test_other_types_are_refused(headers: dict[str, str]) -> None:
    assert refusal(body_of({"texts": ["a"]}), **headers).status == 415


def test_a_body_that_does_not_arrive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b'{"texts"'
        await asyncio.sleep(60)

    monkeypatch.setattr(reading, "READ_SECONDS", 0.01)
    with pytest.raises(Refused) as refused:
        asyncio.run(read_texts(JSON, slow(), LIMITS))
    assert refused.value.status == 408

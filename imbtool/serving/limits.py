"""What a server takes in at most, and how it says no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imbtool.errors import user_error

RETRY = {"Retry-After": "1"}
"""Seconds after which a client may try again."""


@dataclass(frozen=True)
class Limits:
    """What a server takes in at most.

    Attributes:
        texts: of a request.
        characters: of a text.
        body: bytes of a request's body.
        queue: texts that wait or are being predicted, over all requests.
    """

    texts: int = 128
    characters: int = 20_000
    body: int = 2**21
    queue: int = 1_024

    def check(self) -> None:
        """Check that a request of as many texts as are allowed fits the queue.

        Raises:
            UserError: it does not.
        """
        if self.texts > self.queue:
            found = f"{self.texts:,} texts a request, and a queue of {self.queue:,}"
            fix = "raise --max-queue, or lower --max-texts"
            raise user_error("--max-texts", found, "a queue that takes a whole request", fix)


class Refused(Exception):  # noqa: N818
    """A request that gets no predictions.

    Attributes:
        status: the HTTP status, 4xx or 503.
        sentence: what is wrong and what is allowed. It quotes nothing of the request.
        headers: of the answer.
    """

    def __init__(
        self, status: int, sentence: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.sentence, self.headers = status, sentence, dict(headers or {})
        super().__init__(sentence)


def queue_full(most: int) -> Refused:
    """The answer where too many texts wait already."""
    sentence = f"{most:,} texts wait at most, and these would be more. Try again in a moment."
    return Refused(429, sentence, RETRY)


def stopping() -> Refused:
    """The answer while the server finishes what it has taken in."""
    sentence = "The server is stopping. Ask another one, or try again in a moment."
    return Refused(503, sentence, {**RETRY, "Connection": "close"})

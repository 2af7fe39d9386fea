"""Who may ask: anybody on this machine, or whoever has the token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from pathlib import Path

from starlette.datastructures import Headers

from imbtool.errors import user_error
from imbtool.serving.limits import Refused

OPEN_PATHS = frozenset(
    {"/", "/docs", "/openapi.json", "/health", "/ready", "/page.js", "/style.css"}
)
"""What needs no token: pages without data of the model, and what load balancers ask for."""
LEAST_CHARACTERS = 16
MAKE_TOKEN = "write one with `openssl rand -hex 32 > FILE`"


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(path: Path) -> str:
    """Read the token in a file; line ends after it do not count.

    Raises:
        UserError: there is no such file, or what it holds is no token.
    """
    try:
        token = path.read_text(encoding="ascii").rstrip("\r\n")
    except FileNotFoundError:
        raise user_error(path, "no such file", "a file with a token", MAKE_TOKEN) from None
    except OSError as error:
        raise user_error(path, str(error.strerror), "a file with a token", MAKE_TOKEN) from None
    except UnicodeDecodeError:
        token = ""
    if len(token) < LEAST_CHARACTERS or not token.isprintable() or " " in token:
        found = f"no token of {LEAST_CHARACTERS} characters or more"
        raise user_error(path, found, "one line of ASCII without blanks", MAKE_TOKEN)
    return token


def require_token(host: str, token: str | None) -> None:
    """Check that a host that others can reach is guarded.

    Raises:
        UserError: it is not.
    """
    if token is None and not is_loopback(host):
        found = "an address that other machines can reach, and no token"
        raise user_error(f"--host {host}", found, "--token-file FILE", MAKE_TOKEN)


class Access:
    """Decides who may ask.

    With a token, whoever sends it may. Without one only programs of this machine reach the server,
    and the name in `Host` must be local too: a page from elsewhere that makes a browser resolve its
    own name to this machine must not read texts.
    """

    def __init__(self, token: str | None) -> None:
        """Take the token; None asks for none."""
        self._digest = None if token is None else _digest(token)

    def check(self, path: str, headers: Headers) -> None:
        """Check one request.

        Raises:
            Refused: it may not ask.
        """
        if self._digest is None:
            self._check_host(headers.get("host", ""))
        elif path not in OPEN_PATHS and not self._has_token(headers):
            sentence = "This server needs its token, as `Authorization: Bearer TOKEN`."
            raise Refused(401, sentence, {"WWW-Authenticate": "Bearer"})

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # digests have one length, so that the time says nothing of the token's either
        return hmac.compare_digest(_digest(given.strip()), self._digest or b"") and (
            scheme.lower() == "bearer"
        )

    @staticmethod
    def _check_host(host: str) -> None:
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if not is_loopback(name.lower().strip("[]")):
            sentence = "This server answers to local names only. Start it with --token-file."
            raise Refused(421, sentence)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()

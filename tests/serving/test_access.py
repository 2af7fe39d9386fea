"""Tokens and addresses: what other machines can reach is guarded."""

from pathlib import Path

import pytest

from imbtool.errors import UserError
from imbtool.serving.access import is_loopback, read_token, require_token

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    require_token(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_an_address_that_others_reach_needs_one(host: str) -> None:
    require_token(host, TOKEN)
    with pytest.raises(UserError, match="--token-file"):
        require_token(host, None)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_token_is_read_without_its_line_end(tmp_path: Path, end: str) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN + end, newline="")
    assert read_token(path) == TOKEN


@pytest.mark.parametrize(
    "content", ["", "\n", TOKEN[:-1], f"{TOKEN} {TOKEN}", f"{TOKEN}\n{TOKEN}\n", f"{TOKEN}é"]
)
def test_what_is_no_token_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="no token of 16 characters") as refused:
        read_token(path)
    assert TOKEN[:8] not in str(refused.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file[\s\S]*openssl rand"):
        read_token(tmp_path / "token")
    with pytest.raises(UserError, match="a file with a token"):
        read_token(tmp_path)

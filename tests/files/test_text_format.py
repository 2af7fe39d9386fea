"""Which encodings text files may have."""

import pytest

from imbtool.files.text_format import text_codec

NONE = ["rot13", "punycode", "idna", "undefined", "hex", "zlib", "unicode_escape", "charmap"]


@pytest.mark.parametrize("name", [*NONE, "utf\x00", "\ud800", "é", "", "utf-9", "x" * 5000])
def test_what_no_file_of_text_is_in_is_no_text_encoding(name: str) -> None:
    assert text_codec(name) is None


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_encodings_of_text(name: str) -> None:
    assert text_codec(name) is not None

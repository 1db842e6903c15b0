from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.extraction.encodings import TooBig, decoded, unpacked

TEXT = "Größe: 12,5 km² – “quoted”, " + "and much that needs no letters but the English ones. " * 2
JAPANESE = '<?xml version="1.0" encoding="euc-jp"?>日本'


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (TEXT.encode(), "text/html", TEXT),
        (TEXT.encode(), "text/html; charset=iso-8859-1", TEXT),  # it says Latin-1 and is UTF-8
        (TEXT.encode("cp1252"), "text/html; charset=iso-8859-1", TEXT),  # as browsers read it
        (TEXT.encode("cp1252"), "text/html; charset=utf-8", TEXT),  # it says UTF-8 and is not
        (TEXT.encode("cp1252"), "text/html", TEXT),
        (TEXT.encode("utf-8-sig"), "text/html; charset=latin1", TEXT),
        (TEXT.encode("utf-16"), "text/html", TEXT),
        ("Привет, мир".encode("cp1251"), "text/html; charset=windows-1251", "Привет, мир"),
        ("<meta charset=koi8-r>Привет".encode("koi8-r"), "text/html", "<meta charset=koi8-r>Привет"),
        (JAPANESE.encode("euc-jp"), "", JAPANESE),
        (b"plain", "text/html; charset=nonsense", "plain"),
        (b"plain", "text/html; charset=utf-16", "plain"),
    ],
)
def test_characters(body: bytes, content_type: str, text: str) -> None:
    assert decoded(body, content_type)[0] == text


@given(st.binary(max_size=400), st.sampled_from(["", "text/html; charset=utf-8", "charset=shift_jis", "charset=rot13"]))
def test_any_bytes_have_some_reading(body: bytes, content_type: str) -> None:
    decoded(body, content_type)[0].encode("utf-8")


def test_content_encodings() -> None:
    body = b"words " * 100
    assert unpacked(body, "", 1000) == body
    assert unpacked(gzip.compress(body), "gzip", 1000) == body
    assert unpacked(gzip.compress(body) + gzip.compress(b"more"), "x-gzip", 1000) == body + b"more"
    assert unpacked(zlib.compress(body), "deflate", 1000) == body
    assert unpacked(zlib.compress(body)[2:-4], "deflate", 1000) == body
    assert unpacked(gzip.compress(gzip.compress(body)), "gzip, gzip", 1000) == body


def test_bombs_and_damage() -> None:
    with pytest.raises(TooBig):
        unpacked(gzip.compress(b"0" * 50_000_000), "gzip", 1_000_000)
    with pytest.raises(TooBig):
        unpacked(b"x" * 11, "", 10)
    cut = gzip.compress(b"x" * 100)[:20]
    for body, encoding in ((cut, "gzip"), (b"nonsense", "gzip"), (b"x", "br"), (b"??", "deflate")):
        with pytest.raises(ValueError):
            unpacked(body, encoding, 1000)

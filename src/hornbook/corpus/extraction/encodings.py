"""From bytes on the wire to characters: content encodings unpacked within a limit, character sets found out."""

from __future__ import annotations

import codecs
import re
import zlib

_CHUNK = 16_384
_HIGH = bytes(range(0x80, 0x100))
_NO_CHARACTER_SETS = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w:.-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w:.-]{2,40})[\"']", re.IGNORECASE)
_HEADER = re.compile(r"charset\s*=\s*[\"']?\s*([\w:.-]{2,40})", re.IGNORECASE)
_AS_BROWSERS_DO = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "ascii": "cp1252", "us-ascii": "cp1252",
                   "iso8859-1": "cp1252", "latin1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030",
                   "shift_jis": "cp932", "shift-jis": "cp932", "x-sjis": "cp932", "euc-kr": "cp949",
                   "ks_c_5601-1987": "cp949", "iso-8859-9": "cp1254", "tis-620": "cp874", "windows-31j": "cp932"}


class TooBig(Exception):
    """More came out than was allowed."""


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """`body` without its HTTP content encoding: "", "identity", "gzip", "x-gzip" or "deflate", or several of them.

    Raises TooBig beyond `limit` bytes (a decompression bomb costs no more than that), ValueError for what is damaged
    or encoded otherwise. What a cut-off gzip stream still gives is an error too: half a page is no page.
    """
    for name in reversed([part.strip().lower() for part in encoding.split(",") if part.strip()]):
        if name == "identity":
            continue
        if name not in ("gzip", "x-gzip", "deflate"):
            raise ValueError(f"content encoding {name!r}")
        body = _inflated(body, 47 if "gzip" in name else 15, limit)
    if len(body) > limit:
        raise TooBig
    return body


def _inflated(body: bytes, window: int, limit: int) -> bytes:
    pieces, total, at = [], 0, 0
    stream = zlib.decompressobj(window)
    while at < len(body):
        given = body[at : at + _CHUNK]  # a stream copies what it has not used: of many small members, all that follow
        try:
            piece = stream.decompress(given, limit + 1 - total)
        except zlib.error as error:
            if window == 15:
                return _inflated(body, -15, limit)  # "deflate" without its zlib header, as some servers send it
            raise ValueError(f"damaged compression ({error})") from None
        pieces.append(piece)
        total += len(piece)
        if total > limit:
            raise TooBig
        at += len(given) - len(stream.unused_data)
        if stream.eof:
            if body[at : at + 2] != b"\x1f\x8b":
                break
            stream = zlib.decompressobj(window)  # several gzip members
    if body and not stream.eof:
        raise ValueError("damaged compression (it ends too early)")
    return b"".join(pieces)


def decoded(body: bytes, content_type: str = "") -> tuple[str, str]:
    """The characters of a page and the name of their set, chosen as a browser would: byte order mark, HTTP header,
    what the page declares of itself, UTF-8 if it fits, else Windows-1252.

    A declared set that does not fit the bytes loses against UTF-8 that does. What no set can read becomes U+FFFD.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body.decode(name, errors="replace"), name
    declared = [match[1] for match in [_HEADER.search(content_type)] if match]
    head = body[:4096]
    declared += [match[1].decode("ascii") for match in (_XML.search(head), _META.search(head)) if match]
    names = [name for name in map(_codec, declared) if name is not None]
    for name in [*names[:1], "utf-8", *names[1:]]:
        text = _fits(body, name)
        if text is not None:
            return text, name
    if names and names[0] != "utf-8":
        return body.decode(names[0], errors="replace"), names[0]
    name = _guess(body, declared=bool(names))
    return body.decode(name, errors="replace"), name


def _guess(body: bytes, *, declared: bool) -> str:
    """The set of a page that is no whole UTF-8. With next to no bytes above ASCII it is UTF-8 with a few broken ones if
    its sequences say so, else Windows-1252; where nothing was declared and there are many, resiliparse looks at them.
    """
    head = body[:100_000]
    high = 1 - len(head.translate(None, _HIGH)) / max(len(head), 1)
    broken = body.decode("utf-8", errors="replace").count("\ufffd")
    if high < 0.1:
        return "utf-8" if broken * 200 <= len(body) and _has_utf8(body) else "cp1252"
    if declared:
        return "utf-8"
    from resiliparse.parse.encoding import detect_encoding

    return _codec(detect_encoding(body, max_len=100_000) or "") or "utf-8"


def _has_utf8(body: bytes) -> bool:
    return re.search(rb"[\xc3-\xf4][\x80-\xbf]", body) is not None


def _codec(name: str) -> str | None:
    name = _AS_BROWSERS_DO.get(name.lower(), name.lower())
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    if name.replace("-", "_") in _NO_CHARACTER_SETS or info.name.replace("-", "_") in _NO_CHARACTER_SETS:
        return None  # they are text to Python; the time they take is quadratic, or what they give is no text
    # a page that is read as ASCII bytes up to its <meta> cannot be UTF-16 or UTF-32
    return info.name if info._is_text_encoding and not info.name.startswith(("utf-16", "utf-32", "utf-7")) else None


def _fits(body: bytes, name: str) -> str | None:
    try:
        text = body.decode(name)
    except (UnicodeDecodeError, ValueError):
        return None
    # every byte is legal Windows-1252 or Latin-N, so a page that is UTF-8 and says otherwise is caught by its form
    if name.startswith(("cp125", "iso8859", "latin")) and not body.isascii():
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            return text
    return text


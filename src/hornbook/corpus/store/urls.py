"""One canonical form for a URL, so that a page is one row however it was linked."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.parse import unquote, urljoin, urlsplit

import idna

MAX_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}
TRACKING = re.compile(  # who sent the reader, or the reader's session: never what the page says
    r"(utm_\w*|gclid|gclsrc|dclid|gbraid|wbraid|srsltid|fbclid|msclkid|yclid|ysclid|twclid|ttclid|li_fat_id|igshid|igsh|epik"
    r"|rb_clickid|s_cid|wickedid|_openstat|mc_[ce]id|_ga|_gl|_hs\w+|hsa_\w+|hsctatracking|mkt_tok|vero_(id|conv)"
    r"|oly_(anon|enc)_id|(pk|mtm|piwik|matomo)_(campaign|kwd|keyword|source|medium|content|cid|group|placement)"
    r"|phpsessid|jsessionid|aspsessionid\w*|cfid|cftoken|sessionid|session_id|oscsid|zenid)",
    re.IGNORECASE,
)
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH = _UNRESERVED | frozenset(b"!$&'()*+,;=:@/")
_QUERY = _PATH | frozenset(b"?")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}|[\x00-\xff]", re.DOTALL)
_SESSION_IN_PATH = re.compile(r";jsessionid=[^/;?]*", re.IGNORECASE)
_BLANK = "".join(map(chr, [*range(0x21), 0x7F]))
_PLAIN = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/]*")
_NOT_IN_HOST = re.compile(r"[\x00-\x20<>\"%{}|\\^`/?#@:\[\]\x7f]")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_BEFORE_QUERY = re.compile(r"[^?#]*")
_INSIDE = dict.fromkeys([9, 10, 13])  # tabs and line ends inside a URL are dropped, as the WHATWG parser does


def canonical_url(url: str, base: str | None = None) -> str | None:
    """The canonical form of `url` (read against `base`), or None when it is no http(s) URL that can be fetched.

    Scheme and host in lower case, host in punycode (UTS 46, IDNA 2008) or as one form of address, default port and
    fragment dropped, dot segments removed, percent encoding normalised, tracking and session parameters dropped,
    parameters sorted; with a user name in it, refused. Idempotent.
    Source: RFC 3986 section 6.2, the WHATWG URL standard for what browsers forgive.

    >>> canonical_url("HTTP://Example.org:80/a/./b/../c?b=2&a=1&utm_source=x#top")
    'http://example.org/a/c?a=1&b=2'
    """
    try:
        text = url.strip(_BLANK).translate(_INSIDE)
        if base and text[:1] == "/" and text[1:2] not in ("/", "\\"):  # most links of most sites, and ten times cheaper
            return _canonical(origin_of(base) + text)
        return _canonical(urljoin(base, _slashes(text)) if base else text)
    except (ValueError, UnicodeError):
        return None


@lru_cache(maxsize=65536)
def _canonical(url: str) -> str | None:
    try:
        parts = urlsplit(_slashes(url))
        scheme, port = parts.scheme.lower(), parts.port
        if scheme not in DEFAULT_PORTS or parts.username is not None or not parts.hostname:
            return None
        host = _host(parts.hostname)
        path = _without_dots(_SESSION_IN_PATH.sub("", _encoded(parts.path, _PATH))) or "/"
        query = _query(parts.query)
    except (ValueError, UnicodeError):
        return None
    if host is None or port == 0:
        return None
    address = host if port in (None, DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    canonical = f"{scheme}://{address}{path}" + (f"?{query}" if query else "")
    return canonical if len(canonical) <= MAX_LENGTH else None


def site_of(url: str) -> str:
    """What "the same site" means: host and port of a canonical URL, whatever the scheme and with no "www."."""
    return urlsplit(url).netloc.removeprefix("www.")


def origin_of(url: str) -> str:
    """Scheme, host and port of a canonical URL: what one robots.txt speaks for."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def host_of(url: str) -> str:
    """The host alone, without brackets or port."""
    return urlsplit(url).hostname or ""


def _slashes(url: str) -> str:
    """Backslashes before the query are slashes, as the WHATWG parser has it."""
    return _BEFORE_QUERY.sub(lambda found: found[0].replace("\\", "/"), url, count=1) if "\\" in url else url


def _host(host: str) -> str | None:
    if ":" in host:
        return f"[{ipaddress.IPv6Address(host).compressed}]" if "%" not in host else None
    host = unquote(host, errors="strict")
    if not host.isascii():
        host = idna.encode(host, uts46=True, std3_rules=True, transitional=False).decode("ascii")
    host = host.lower().removesuffix(".")
    labels = host.split(".")
    if _NOT_IN_HOST.search(host) or len(host) > 253 or not all(0 < len(label) <= 63 for label in labels):
        return None
    return _ipv4(labels) if _NUMBER.fullmatch(labels[-1]) else host


def _ipv4(labels: list[str]) -> str | None:
    """An IPv4 address in any of the forms that resolvers take (0x7f.1, 2130706433, 0177.0.0.1) in the usual one."""
    if len(labels) > 4 or not all(map(_NUMBER.fullmatch, labels)):
        return None
    *first, last = (int(label[2:] or "0", 16) if label[:2] == "0x" else int(label, 8 if label[0] == "0" else 10)
                    for label in labels)  # fmt: skip
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return None
    return str(ipaddress.IPv4Address(last + sum(number << 8 * (3 - place) for place, number in enumerate(first))))


def _encoded(text: str, allowed: frozenset[int]) -> str:
    """Percent encoding in one form: unreserved characters bare, others as they came, what is illegal encoded."""
    if _PLAIN.fullmatch(text):
        return text

    def one(found: re.Match[bytes]) -> bytes:
        piece = found[0]
        if len(piece) == 3:
            byte = int(piece[1:], 16)
            return bytes([byte]) if byte in _UNRESERVED else piece.upper()
        return piece if piece[0] in allowed else b"%%%02X" % piece[0]

    return _PERCENT.sub(one, text.encode("utf-8")).decode("ascii")


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4 on an absolute path."""
    kept: list[str] = []
    segments = path.split("/")
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment in (".", ".."):
            if segment == ".." and len(kept) > 1:
                kept.pop()
            if last:
                kept.append("")
        else:
            kept.append(segment)
    if kept and kept[0] != "":
        kept.insert(0, "")
    return "/".join(kept) if len(kept) > 1 else "/"


def _query(query: str) -> str:
    pieces = [_encoded(piece, _QUERY) for piece in query.split("&") if piece]
    return "&".join(sorted(piece for piece in pieces if not TRACKING.fullmatch(piece.partition("=")[0])))

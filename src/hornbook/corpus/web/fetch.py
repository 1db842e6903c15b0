"""One request, one answer: limited in time and bytes, following no redirect, raising nothing for what a site does."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from hornbook.core.files import explained
from hornbook.corpus.store.urls import host_of
from hornbook.corpus.web.guard import AddressGuard, AddressRefused, GuardedResolver

HTML = ("text/html", "application/xhtml+xml")
TYPES = (
    *HTML, "text/plain", "text/markdown", "text/x-markdown", "text/x-rst", "application/pdf", "application/epub+zip",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
)  # fmt: skip
REDIRECTS = (301, 302, 303, 307, 308)
RETRY_STATUS = frozenset({408, 429, 500, 502, 503, 504})
TRANSIENT = frozenset({"timeout", "connection"})
CHUNK_BYTES = 65536


@dataclass(frozen=True)
class Answer:
    """What came back for one URL. `reason` says why there is no usable body; then `body` is empty."""

    url: str
    date: str
    status: int | None = None
    phrase: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    request_headers: tuple[tuple[str, str], ...] = ()
    reason: str | None = None
    detail: str = ""

    def header(self, name: str) -> str:
        """The last header of that name (lower case), or ""."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name), "")

    @property
    def media_type(self) -> str:
        """The media type alone, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def transient(self) -> bool:
        """Whether asking again may help, some time."""
        return self.reason in TRANSIENT or self.status in RETRY_STATUS

    @property
    def ask_again(self) -> bool:
        """Whether to ask again at once: not a server that is too slow already."""
        return self.transient and self.reason != "timeout"

    @property
    def retry_after(self) -> float:
        """How many seconds the server asks us to stay away, 0 where it does not. Source: RFC 9110 section 10.2.3."""
        asked = self.header("retry-after").strip()
        if asked.isdecimal():
            return float(asked[:9])
        try:
            return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError, OverflowError):  # no date; or one without a zone, which RFC 9110 knows none of
            return 0.0


class Fetcher:
    """An HTTP client that reaches no inside address. Use it as `async with Fetcher(guard, ...) as fetcher`.

    `timeout` is seconds for a whole answer, `max_bytes` the most that is read of a body.
    """

    def __init__(
        self, guard: AddressGuard, *, user_agent: str, timeout: float = 20.0, max_bytes: int = 10_000_000,
        resolver: GuardedResolver | None = None,
    ):
        self.guard, self.user_agent, self.timeout, self.max_bytes = guard, user_agent, timeout, max_bytes
        self._resolver = resolver

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=self._resolver or GuardedResolver(self.guard), limit=0, ttl_dns_cache=300
        )
        headers = {"User-Agent": self.user_agent, "Accept-Encoding": "gzip, deflate",
                   "Accept": ", ".join(TYPES) + ", */*;q=0.1"}  # fmt: skip
        self._session = aiohttp.ClientSession(
            connector=connector, headers=headers, auto_decompress=False, trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, most: int | None = None, patience: float = 1.0
    ) -> Answer:
        """The answer for a canonical URL; `patience` stretches the timeout.

        With `most`, a body of any media type is read, and no more than its first `most` bytes.
        """
        seconds = self.timeout * patience
        answer = Answer(url, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        try:
            async with self._request(url, headers, aiohttp.ClientTimeout(total=seconds)) as response:
                return await self._read(_described(answer, response), response, most)
        except Exception as error:
            return _refused(answer, *_what_broke(error, seconds))

    async def save(self, url: str, path: Path) -> Answer:
        """A whole file of any size and type into `path`, given up when nothing comes for `timeout` seconds. The answer
        has no body."""
        answer = Answer(url, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        quiet = aiohttp.ClientTimeout(total=None, sock_connect=self.timeout, sock_read=self.timeout)
        try:
            async with self._request(url, None, quiet) as response:
                if response.status == 200:
                    with open(path, "wb") as file:
                        async for chunk in response.content.iter_chunked(16 * CHUNK_BYTES):
                            _write(file, chunk, path)
                return _described(answer, response)
        except Exception as error:
            return _refused(answer, *_what_broke(error, self.timeout))

    def _request(self, url: str, headers: Mapping[str, str] | None, timeout: aiohttp.ClientTimeout):
        self.guard.check_literal(host_of(url))  # aiohttp asks no resolver for an address
        return self._session.get(URL(url, encoded=True), allow_redirects=False, headers=headers, timeout=timeout)

    async def _read(self, answer: Answer, response: aiohttp.ClientResponse, most: int | None) -> Answer:
        if response.status != 200:
            return answer
        if most is None and answer.media_type and answer.media_type not in TYPES:
            response.close()
            return _refused(answer, "type", answer.media_type)
        limit = self.max_bytes if most is None else most
        body = bytearray()
        if most is not None or (response.content_length or 0) <= limit:
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > limit:
                    break
            else:
                return replace(answer, body=bytes(body))
        response.close()
        if most is not None:
            return replace(answer, body=bytes(body[:most]))
        return _refused(answer, "too big", f"more than {limit:,} bytes")


def _write(file: BinaryIO, chunk: bytes, path: Path) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        raise explained(error, path) from error


def _described(answer: Answer, response: aiohttp.ClientResponse) -> Answer:
    return replace(
        answer, status=response.status, phrase=_printable(response.reason or ""), headers=_texts(response.headers),
        request_headers=_texts(response.request_info.headers),
    )


def _refused(answer: Answer, reason: str, detail: str) -> Answer:
    return replace(answer, reason=reason, detail=detail)


def _texts(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((_printable(name), _printable(value)) for name, value in headers.items())


def _printable(text: str) -> str:
    """Header bytes that are no UTF-8 come as lone surrogates, and a line end would end the header in the WARC."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\r", " ").replace("\n", " ")


def _what_broke(error: Exception, seconds: float) -> tuple[str, str]:
    """The reason and detail of a request that failed. What is no fault of the site is raised again."""
    match error:
        case AddressRefused():
            return "private address", str(error)
        case TimeoutError():
            return "timeout", f"no whole answer in {seconds:g} s"
        case aiohttp.ClientConnectorDNSError():
            return "connection", "the name is not known"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLError() | aiohttp.ClientSSLError():
            return "connection", "the certificate or TLS is not right"
        case aiohttp.ClientConnectorError():
            return "connection", "the connection was refused"
        case aiohttp.InvalidURL():
            return "bad url", "InvalidURL"
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return "bad answer", "the answer is no HTTP"
        case aiohttp.ClientError() | OSError():
            return "connection", "the connection broke off"
        case ValueError():
            return "bad url", type(error).__name__
    raise error

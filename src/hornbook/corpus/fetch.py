"""One request, one answer: limited in time and bytes, following no redirect, raising nothing for what a site does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from hornbook.corpus.guard import AddressGuard, AddressRefused, GuardedResolver
from hornbook.corpus.urls import host_of

HTML = ("text/html", "application/xhtml+xml")
TYPES = (*HTML, "text/plain", "text/markdown", "text/x-markdown", "application/pdf")
RETRY_STATUS = frozenset({408, 429, 500, 502, 503, 504})
TRANSIENT = frozenset({"timeout", "connection"})
MAX_WAIT_SECONDS = 30.0
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


class Fetcher:
    """An HTTP client that reaches no inside address. Use it as `async with Fetcher(guard, ...) as fetcher`.

    `timeout` is seconds for a whole answer, `max_bytes` the most that is read of a body, `retries` how often a
    transient failure is asked again, after `backoff`, 2 `backoff`, … seconds or what the server's Retry-After says.
    """

    def __init__(
        self, guard: AddressGuard, *, user_agent: str, timeout: float = 20.0, max_bytes: int = 10_000_000,
        retries: int = 2, backoff: float = 0.5, concurrency: int = 1, resolver: GuardedResolver | None = None,
    ):
        self.guard, self.timeout, self.max_bytes = guard, timeout, max_bytes
        self.retries, self.backoff = retries, backoff
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "gzip, deflate",
                         "Accept": ", ".join(TYPES) + ", */*;q=0.1"}
        self._resolver, self._concurrency = resolver, concurrency

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=self._resolver or GuardedResolver(self.guard), limit=self._concurrency, ttl_dns_cache=300
        )
        self._session = aiohttp.ClientSession(
            connector=connector, headers=self._headers, auto_decompress=False, trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(
        self, url: str, *, headers: dict[str, str] | None = None, any_type: bool = False, patience: float = 1.0
    ) -> Answer:
        """The answer for a canonical URL, asked again while it fails in passing; `patience` stretches the timeout."""
        answer = await self._once(url, headers or {}, any_type, patience)
        for attempt in range(self.retries):
            if not answer.ask_again:
                break
            await asyncio.sleep(self._wait(answer, attempt))
            answer = await self._once(url, headers or {}, any_type, patience)
        return answer

    def _wait(self, answer: Answer, attempt: int) -> float:
        asked = answer.header("retry-after")
        return min(float(asked) if asked.isdigit() else self.backoff * 2**attempt, MAX_WAIT_SECONDS)

    async def _once(self, url: str, headers: dict[str, str], any_type: bool, patience: float) -> Answer:
        seconds = self.timeout * patience
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            self.guard.check_literal(host_of(url))  # aiohttp asks no resolver for an address
            async with self._session.get(
                URL(url, encoded=True), allow_redirects=False, headers=headers,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                return await self._read(url, date, response, any_type)
        except AddressRefused as error:
            return Answer(url, date, reason="private address", detail=str(error))
        except TimeoutError:
            return Answer(url, date, reason="timeout", detail=f"no whole answer in {seconds:g} s")
        except (aiohttp.InvalidURL, ValueError) as error:
            return Answer(url, date, reason="bad url", detail=type(error).__name__)
        except (aiohttp.ClientResponseError, HttpProcessingError):
            return Answer(url, date, reason="bad answer", detail="the answer is no HTTP")
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            return Answer(url, date, reason="connection", detail=_what_broke(error))

    async def _read(self, url: str, date: str, response: aiohttp.ClientResponse, any_type: bool) -> Answer:
        answer = Answer(
            url, date, response.status, _printable(response.reason or ""),
            headers=_texts(response.headers), request_headers=_texts(response.request_info.headers),
        )
        if response.status != 200:
            return answer
        if answer.media_type and answer.media_type not in TYPES and not any_type:
            response.close()
            return _refused(answer, "type", answer.media_type)
        too_big = f"more than {self.max_bytes:,} bytes"
        if (response.content_length or 0) > self.max_bytes:
            response.close()
            return _refused(answer, "too big", too_big)
        body = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            body += chunk
            if len(body) > self.max_bytes:
                response.close()
                return _refused(answer, "too big", too_big)
        return Answer(**{**vars(answer), "body": bytes(body)})


def _refused(answer: Answer, reason: str, detail: str) -> Answer:
    return Answer(**{**vars(answer), "reason": reason, "detail": detail})


def _texts(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((_printable(name), _printable(value)) for name, value in headers.items())


def _printable(text: str) -> str:
    """Header bytes that are no UTF-8 come as lone surrogates, and a line end would end the header in the WARC."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\r", " ").replace("\n", " ")


def _what_broke(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError | aiohttp.ClientSSLError):
        return "the certificate or TLS is not right"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "the connection was refused"
    return "the connection broke off"

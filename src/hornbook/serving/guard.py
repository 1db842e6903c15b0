"""Who may ask, and how much: host name, key, scope, rate, size and time. Before anything else runs."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hornbook.serving.errors import ApiError, response
from hornbook.serving.keys import SCOPES, Key, Keys
from hornbook.serving.limits import Caller, Rates

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What needs a key, and the scope it needs; all else is for everybody: the pages, and how the server is.
SCOPED = (
    (re.compile(r"/v1/embeddings(/|\Z)"), "embeddings"), (re.compile(r"/metrics(/|\Z)"), "metrics"),
    (re.compile(r"/v1/models(/|\Z)"), ""), (re.compile(r"/(v1|tokenize|detokenize)(/|\Z)"), "chat"),
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What one request, and one caller, may take. seconds: until a body is whole."""

    bytes: int = 4 << 20
    seconds: float = 30.0
    rates: Rates = field(default_factory=Rates)


class Guard:
    """ASGI middleware; the caller it found is in the request's state.

    With keys, what answers needs one as a bearer token. Without any the server is on loopback only, and a page
    elsewhere must not reach it through the reader's browser: the host asked for must be this machine by name, and a
    body must be declared JSON, which a browser does not send across origins unasked.
    """

    def __init__(self, app: Any, keys: Keys | None, limits: Limits, draining: Callable[[], bool]):
        self.app, self._keys, self._limits, self._draining = app, keys, limits, draining
        self._anybody = Caller("anybody", SCOPES, limits.rates)
        self._callers: dict[str, Caller] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            scope.setdefault("state", {})["caller"] = self._admitted(scope)
        except ApiError as error:
            await response(error)(scope, receive, send)
            return
        await self.app(scope, self._watched(receive), send)

    def _admitted(self, scope: Any) -> Caller:
        """Who asks. Raises ApiError for what must not pass."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        needed = next((name for path, name in SCOPED if path.match(scope["path"])), None)
        caller = self._caller(headers, needed)
        if scope["method"] == "POST":
            if self._draining():
                raise ApiError(503, "The server is stopping.", retry_after=5)
            declared = headers.get(b"content-type", "").partition(";")[0].strip().lower()
            if declared != "application/json":
                raise ApiError(415, "Send the body as application/json.")
            length = headers.get(b"content-length", "0")
            if not length.isdigit() or len(length) > 18 or int(length) > self._limits.bytes:
                raise self._too_large()
            if caller.requests is not None and (wait := caller.requests.take(1)):
                message = f"{caller.name} may ask {caller.rates.requests:,} times a minute."
                raise ApiError(429, message, code="rate_limit_exceeded", retry_after=math.ceil(wait))
        return caller

    def _caller(self, headers: dict[bytes, str], needed: str | None) -> Caller:
        if self._keys is None:
            host = headers.get(b"host", "")
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
            if name.strip("[]").lower() not in LOOPBACK:
                raise ApiError(403, f"This server answers on this machine only, not as {host[:100]!r}.")
            return self._anybody
        if needed is None:
            return self._anybody
        kind, _, given = headers.get(b"authorization", "").partition(" ")
        key = self._keys.find(given.strip().encode("latin-1")) if kind.lower() == "bearer" else None
        if key is None:
            raise ApiError(401, "Give an API key that is known here as a bearer token.", code="invalid_api_key")
        if needed and needed not in key.scopes:
            raise ApiError(403, f"The key {key.name} is not for this: it has no scope {needed!r}.", code="no_scope")
        return self._known(key)

    def _known(self, key: Key) -> Caller:
        """The buckets of a key, which live as long as the server does."""
        if key.digest not in self._callers:
            common = self._limits.rates
            rates = Rates(key.requests or common.requests, key.tokens or common.tokens)
            self._callers[key.digest] = Caller(key.name, key.scopes, rates)
        return self._callers[key.digest]

    def _watched(self, receive: Any) -> Any:
        """`receive`, as long as the body is small and comes in time."""
        end = asyncio.get_running_loop().time() + self._limits.seconds
        received, whole = 0, False

        async def watched() -> Any:
            nonlocal received, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                raise ApiError(408, "The body did not come in time.") from None
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if received > self._limits.bytes:
                raise self._too_large()
            return message

        return watched

    def _too_large(self) -> ApiError:
        return ApiError(413, f"The body is larger than {self._limits.bytes:,} bytes.")

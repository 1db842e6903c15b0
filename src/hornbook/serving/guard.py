"""Who may ask: the right host name, the right key, a body of decent size. Before anything else runs."""

from __future__ import annotations

import secrets
from typing import Any

from hornbook.serving.errors import ApiError, response

MOST_BYTES = 1 << 20  # of a body
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Guard:
    """ASGI middleware.

    With a key, everything under /v1 needs it as a bearer token. Without one the server is on loopback only, and a page
    elsewhere must not reach it through the reader's browser: the host asked for must be this machine by name, and a
    body must be declared JSON, which a browser does not send across origins unasked.
    """

    def __init__(self, app: Any, key: str | None):
        self.app, self._key = app, key

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if error := self._objection(scope, headers):
            await response(error)(scope, receive, send)
            return
        received = 0

        async def counted() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MOST_BYTES:
                raise ApiError(413, f"The body is larger than {MOST_BYTES:,} bytes.")
            return message

        await self.app(scope, counted, send)

    def _objection(self, scope: Any, headers: dict[bytes, str]) -> ApiError | None:
        if self._key is None:
            host = headers.get(b"host", "")
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
            if name.strip("[]").lower() not in LOOPBACK:
                return ApiError(403, f"This server answers on this machine only, not as {host[:100]!r}.")
        elif scope["path"].startswith("/v1"):
            kind, _, given = headers.get(b"authorization", "").partition(" ")
            good = secrets.compare_digest(given.strip().encode("latin-1"), self._key.encode("utf-8"))
            if kind.lower() != "bearer" or not good:
                return ApiError(401, "Give the API key as a bearer token.", code="invalid_api_key")
        if scope["method"] == "POST":
            declared = headers.get(b"content-type", "").partition(";")[0].strip().lower()
            if declared != "application/json":
                return ApiError(415, "Send the body as application/json.")
            length = headers.get(b"content-length", "0")
            if length.isdigit() and int(length) > MOST_BYTES:
                return ApiError(413, f"The body is larger than {MOST_BYTES:,} bytes.")
        return None

"""One connection, and how long it may keep the server waiting: with its request, and with reading the answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from hornbook.serving.errors import ApiError, error_body

HEAD_SECONDS = 15.0  # from the connection's first byte, or none, to the end of a request's head
WRITE_SECONDS = 60.0  # that a reader may leave the buffers full
HEAD_BYTES = 64 << 10


class Connection(H11Protocol):
    """uvicorn's own, closed when a head does not come or an answer is not read; a slow one otherwise holds a socket,
    and an answer's memory, for ever."""

    head_seconds, write_seconds = HEAD_SECONDS, WRITE_SECONDS
    _head: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head = self.loop.call_later(self.head_seconds, self._close_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._reader):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        idle = self._idle()
        super().data_received(data)
        if idle and self._idle() and self._head is None:  # the head of a second request has begun
            self._head = self.loop.call_later(self.head_seconds, self._close_if_idle)
        elif not self._idle() and self._head is not None:
            self._head.cancel()
            self._head = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reader is None:
            self._reader = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def send_400_response(self, msg: str) -> None:
        """What was sent is no HTTP: said in OpenAI's body, if no answer has begun, and the end."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps(error_body(ApiError(400, msg))).encode()
            length = ("content-length", str(len(body)))
            headers = [("content-type", "application/json"), length, ("connection", "close")]
            for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _close_if_idle(self) -> None:
        self._head = None
        if self._idle():
            self.transport.close()

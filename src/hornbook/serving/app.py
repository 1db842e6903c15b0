"""The HTTP API: OpenAI's chat completions over one chat, and a page to use them from."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from hornbook.inference import Chunk, Completion
from hornbook.serving import errors
from hornbook.serving.bodies import ChatBody, chunk_body, completion_body, event, read_chat_body, shown, usage
from hornbook.serving.chat import Answer, Chat, Prepared
from hornbook.serving.errors import ApiError
from hornbook.serving.guard import Guard
from hornbook.serving.worker import Worker

STATIC = Path(__file__).parent / "static"
PAGES = {
    "/": ("index.html", "text/html"), "/chat.js": ("chat.js", "text/javascript"), "/chat.css": ("chat.css", "text/css"),
}  # fmt: skip
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache",
}  # fmt: skip


def create_app(chat: Chat, *, key: str | None = None) -> FastAPI:
    """The app that serves `chat`; with a `key` every request under /v1 needs it. Its engine runs from start to stop."""
    server = _Server(chat)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        server.worker = Worker(chat.engine)
        yield
        await run_in_threadpool(server.worker.close)

    app = FastAPI(title="Hornbook", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Guard, key=key)
    errors.install(app)
    app.get("/health")(server.health)
    app.get("/v1/models")(server.models)
    app.get("/v1/models/{name:path}")(server.model)
    schema = {"requestBody": {"content": {"application/json": {"schema": ChatBody.model_json_schema()}}}}
    app.post("/v1/chat/completions", openapi_extra=schema)(server.completions)
    for path, (name, kind) in PAGES.items():
        app.get(path, include_in_schema=False)(_static(name, kind))
    return app


class _Server:
    worker: Worker

    def __init__(self, chat: Chat):
        self.chat, self.name, self.started = chat, chat.settings.name, int(time.time())

    async def health(self) -> JSONResponse:
        """200 while the engine runs."""
        good = self.worker.alive
        return JSONResponse({"status": "ok" if good else "stopped"}, 200 if good else 503)

    async def models(self) -> dict[str, Any]:
        """The one model served."""
        return {"object": "list", "data": [self._card()]}

    async def model(self, name: str) -> dict[str, Any]:
        """Its card."""
        self._known(name)
        return self._card()

    async def completions(self, request: Request) -> Any:
        """Answer a conversation, in one piece or as it comes."""
        body = read_chat_body(await request.body())
        self._known(body.model)
        prepared = await run_in_threadpool(
            self.chat.prepare, body.plain_messages(), body.sampling(self.chat.settings),
            open_book=body.hornbook.open_book,
        )  # fmt: skip
        said = _Said(self, prepared)
        if body.stream:
            options = body.stream_options
            said.start()  # before the response begins, so that a refusal has its status
            events = said.events(with_usage=bool(options and options.include_usage))
            return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        said.start()
        hangs_up = asyncio.create_task(_hung_up(request))
        whole = asyncio.create_task(said.whole())
        try:
            await asyncio.wait((hangs_up, whole), return_when=asyncio.FIRST_COMPLETED)
            return await whole if whole.done() else JSONResponse({}, 499)
        finally:
            hangs_up.cancel()
            whole.cancel()
            said.stop()

    def _card(self) -> dict[str, Any]:
        return {"id": self.name, "object": "model", "created": self.started, "owned_by": "hornbook"}

    def _known(self, name: str) -> None:
        if name != self.name:
            message = f"The model `{name[:100]}` does not exist; this server has `{self.name}`."
            raise ApiError(404, message, param="model", code="model_not_found")


class _Said:
    """One answer on its way from the worker's thread to a client."""

    def __init__(self, server: _Server, prepared: Prepared):
        self._worker, self._name, self._prepared = server.worker, server.name, prepared
        message = server.chat.gate.policy.message
        self._answer = Answer(server.chat.gate, prepared.pages, message, looked=prepared.looked)
        self._heard: asyncio.Queue[Chunk | Exception] = asyncio.Queue()
        self._ticket = None
        self._head = (f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), self._name)

    def start(self) -> None:
        """Hand the request to the engine; nothing to hand over when the gate refused it."""
        if self._prepared.request is not None:
            loop = asyncio.get_running_loop()

            def heard(chunk: Chunk | Exception) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to hear
                    loop.call_soon_threadsafe(self._heard.put_nowait, chunk)

            self._ticket = self._worker.submit(self._prepared.request, heard)

    def stop(self) -> None:
        """Nobody reads any more: the engine need not go on."""
        if self._ticket is not None and self._ticket.completion is None:
            self._worker.cancel(self._ticket)

    async def whole(self) -> dict[str, Any]:
        """The answer in one piece."""
        completion = None
        async for _, done in self._pieces():
            completion = done or completion
        reason = self._answer.reason if self._prepared.request else "content_filter"
        text = self._answer.text if self._prepared.request else self._prepared.refusal
        return completion_body(*self._head, text, reason, completion, self._prepared.pages)

    async def events(self, *, with_usage: bool) -> AsyncIterator[str]:
        """The answer as server-sent events."""
        completion = None
        try:
            yield event(chunk_body(*self._head, {"role": "assistant", "content": ""}))
            async for piece, done in self._pieces():
                completion = done or completion
                if piece:
                    yield event(chunk_body(*self._head, {"content": piece}))
            reason = self._answer.reason if self._prepared.request else "content_filter"
            yield event(chunk_body(*self._head, {}, reason, hornbook=shown(self._prepared.pages)))
            if with_usage:
                yield event(chunk_body(*self._head, {}) | {"choices": [], "usage": usage(completion)})
            yield "data: [DONE]\n\n"
        except Exception as error:
            told = errors.as_api_error(error)
            yield event(errors.error_body(told.status, told.message, told.param, told.code))
        finally:
            self.stop()

    async def _pieces(self) -> AsyncIterator[tuple[str, Completion | None]]:
        """What may be shown, piece by piece; the last comes with the completion."""
        if self._prepared.request is None:
            yield self._prepared.refusal, None
            return
        while True:
            chunk = await self._heard.get()
            if isinstance(chunk, Exception):
                raise chunk
            if chunk.completion is not None:
                yield self._answer.finish(chunk.completion), chunk.completion
                return
            piece = self._answer.push(chunk.text)
            if self._answer.refused:
                self.stop()
            yield piece, None


async def _hung_up(request: Request) -> None:
    """Returns when the client has gone."""
    while not await request.is_disconnected():
        await asyncio.sleep(0.2)


def _static(name: str, kind: str) -> Any:
    async def page() -> FileResponse:
        return FileResponse(STATIC / name, media_type=kind, headers=HEADERS)

    return page

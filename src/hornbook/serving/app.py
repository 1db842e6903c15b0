"""The HTTP API: OpenAI's endpoints over one chat, and a page to use them from."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.middleware.cors import CORSMiddleware

from hornbook.serving import errors
from hornbook.serving.chat import Chat
from hornbook.serving.guard import Guard, Limits
from hornbook.serving.keys import Keys
from hornbook.serving.openai.chat import ChatBody, ChatCompletion, ChatCompletions
from hornbook.serving.openai.completions import CompletionBody, Completions, TextCompletion
from hornbook.serving.openai.embeddings import EmbeddingBody, EmbeddingList, Embeddings
from hornbook.serving.openai.models import About
from hornbook.serving.openai.responses import ResponseBody, ResponseObject, Responses
from hornbook.serving.openai.tokenise import DetokenizeBody, Detokenized, TokenizeBody, Tokenized, Tokens
from hornbook.serving.schema import Described
from hornbook.serving.service import ANSWER_SECONDS, QUEUE, Service

STATIC = Path(__file__).parent / "static"
PAGES = {
    "/": ("index.html", "text/html"), "/chat.js": ("chat.js", "text/javascript"), "/chat.css": ("chat.css", "text/css"),
    "/widget.js": ("widget.js", "text/javascript"),
}  # fmt: skip
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache",
}  # fmt: skip


def create_app(
    chat: Chat, *, keys: Keys | None = None, limits: Limits | None = None, origins: Sequence[str] = (),
    seconds: float = ANSWER_SECONDS, queue: int = QUEUE, vllm: str | None = None,
) -> FastAPI:
    """The app that serves `chat`. Its engine runs from start to stop.

    With `keys` whatever answers needs one. Pages of the `origins` may use it from a browser. An answer may take so
    many `seconds`, and so many requests may stand in the `queue`. With the address of a `vllm` that one samples. Set
    `state.draining` and the app takes nothing new; `state.under_way()` says whether anything is being answered.
    """
    service = Service(chat, seconds=seconds, queue=queue, vllm=vllm)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(title="Hornbook", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.draining = False
    app.state.under_way = lambda: service.worker.busy
    app.add_middleware(Guard, keys=keys, limits=limits or Limits(), draining=lambda: app.state.draining)
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(origins), allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"], expose_headers=["Retry-After"],
        )  # fmt: skip
    errors.install(app)
    described = Described(app, service.name)
    about = About(service, lambda: app.state.draining)
    described.get("/health", about.health, fails=(503,))
    described.get("/ready", about.ready, fails=(503,))
    described.get("/version", about.version)
    described.get("/metrics", about.metrics, is_text=True)
    described.get("/v1/models", about.models)
    described.get("/v1/models/{name}", about.model, fails=(404,))
    described.post("/v1/chat/completions", ChatCompletions(service).create, ChatBody, ChatCompletion, streams=True)
    described.post("/v1/completions", Completions(service).create, CompletionBody, TextCompletion, streams=True)
    described.post("/v1/responses", Responses(service).create, ResponseBody, ResponseObject, streams=True)
    described.post("/v1/embeddings", Embeddings(service).create, EmbeddingBody, EmbeddingList)
    tokens = Tokens(service)
    described.post("/tokenize", tokens.tokenize, TokenizeBody, Tokenized)
    described.post("/detokenize", tokens.detokenize, DetokenizeBody, Detokenized)
    for path, (name, kind) in PAGES.items():
        app.get(path, include_in_schema=False)(_static(name, kind))
    return app


def _static(name: str, kind: str) -> Any:
    # The widget is for pages elsewhere; what they may then ask, the allowed origins say.
    policy = "cross-origin" if name == "widget.js" else "same-origin"
    headers = HEADERS | {"Cross-Origin-Resource-Policy": policy}

    async def page() -> FileResponse:
        return FileResponse(STATIC / name, media_type=kind, headers=headers)

    return page

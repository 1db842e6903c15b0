"""POST /tokenize and /detokenize, in vLLM's bodies."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StrictBool, StrictStr, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from hornbook.serving.errors import ApiError
from hornbook.serving.openai.common import Strict, TokenId, read
from hornbook.serving.openai.messages import Messages
from hornbook.serving.openai.tools import Tools, chosen
from hornbook.serving.service import Service


class TokenizeBody(Strict):
    """A text, or a conversation as the chat template renders it, up to where the model answers."""

    model: StrictStr | None = None
    prompt: StrictStr | None = None
    messages: Messages | None = None
    tools: Tools | None = None
    add_special_tokens: StrictBool = True
    return_token_strs: StrictBool | None = None

    @model_validator(mode="after")
    def _is_one(self) -> TokenizeBody:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self


class Tokenized(BaseModel):
    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class DetokenizeBody(Strict):
    model: StrictStr | None = None
    tokens: Annotated[list[TokenId], Field(fail_fast=True)]


class Detokenized(BaseModel):
    prompt: str


class Tokens:
    """The endpoints."""

    def __init__(self, service: Service):
        self._service = service

    async def tokenize(self, request: Request) -> Response:
        """The ids of a text or of a conversation."""
        body = await read(TokenizeBody, request)
        self._service.known(body.model)
        ids = await run_in_threadpool(self._ids, body)
        tokenizer = self._service.engine.tokenizer
        strings = [tokenizer.decode([token], skip_special=False) for token in ids] if body.return_token_strs else None
        return JSONResponse(
            {"count": len(ids), "max_model_len": self._service.window, "tokens": ids, "token_strs": strings}
        )

    async def detokenize(self, request: Request) -> Response:
        """The text of ids."""
        body = await read(DetokenizeBody, request)
        self._service.known(body.model)
        tokenizer = self._service.engine.tokenizer
        if body.tokens and max(body.tokens) >= tokenizer.vocab_size:
            raise ApiError(400, f"Token ids lie between 0 and {tokenizer.vocab_size - 1}.", param="tokens")
        return JSONResponse({"prompt": tokenizer.decode(body.tokens, skip_special=False)})

    def _ids(self, body: TokenizeBody) -> list[int]:
        tokenizer = self._service.engine.tokenizer
        if body.messages is not None:
            messages: list[dict[str, Any]] = [message.plain() for message in body.messages]
            tools, _ = chosen([tool.function for tool in body.tools or ()], None)
            return tokenizer.prompt(messages, tools)
        beginning = tokenizer.beginning if body.add_special_tokens else ()
        return [*beginning, *tokenizer.encode(body.prompt or "")]

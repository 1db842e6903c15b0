"""POST /v1/embeddings: texts as vectors, of the served model's own last states."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StrictInt, StrictStr
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from hornbook.inference.prompts import pooled
from hornbook.serving.errors import ApiError
from hornbook.serving.openai.common import Strict, TokenIds, identifier, read
from hornbook.serving.service import Service, unless_hung_up

MOST_TEXTS = 2048  # OpenAI's
PASS_TOKENS = 4096  # read between two steps of the answers under way
Text = Annotated[StrictStr, Field(min_length=1)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS, fail_fast=True)]
ManyIds = Annotated[list[TokenIds], Field(min_length=1, max_length=MOST_TEXTS, fail_fast=True)]


class EmbeddingBody(Strict):
    """`dimensions` keeps the first so many, at length 1 again."""

    model: StrictStr
    input: Text | TokenIds | Texts | ManyIds
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[StrictInt, Field(ge=1, le=1 << 20)] | None = None
    user: StrictStr | None = None


class Embedding(BaseModel):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(BaseModel):
    """A vector for each input, in its order."""

    id: str
    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage


class Embeddings:
    """The endpoint. Nothing is said, so nothing passes the gate."""

    def __init__(self, service: Service):
        self._service = service

    async def create(self, request: Request) -> Response:
        """The mean of the model's last hidden states over each text, of length 1."""
        body = await read(EmbeddingBody, request)
        self._service.known(body.model)
        size = self._service.engine.model.config.hidden_size
        if body.dimensions is not None and body.dimensions > size:
            raise ApiError(400, f"This model's vectors have {size} dimensions.", param="dimensions")
        sequences = await run_in_threadpool(self._sequences, body)
        return await unless_hung_up(request, self._answer(body, sequences, request.state.caller))

    async def _answer(self, body: EmbeddingBody, sequences: list[list[int]], caller: Any) -> Response:
        read = sum(map(len, sequences))
        caller.take_tokens(read)
        vectors: list[Any] = [None] * len(sequences)
        for group in _passes(sequences):
            asked = [sequences[place] for place in group]
            found = await self._service.ask(lambda engine, asked=asked: pooled(engine.model, asked))
            for place, vector in zip(group, found, strict=True):
                vectors[place] = _shape(vector, body)
        data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        return JSONResponse({
            "id": identifier("embd"), "object": "list", "model": self._service.name, "data": data,
            "usage": {"prompt_tokens": read, "total_tokens": read},
        })  # fmt: skip

    def _sequences(self, body: EmbeddingBody) -> list[list[int]]:
        """The ids of each input. Raises ApiError or InputError for one that does not fit the model."""
        tokenizer, window = self._service.engine.tokenizer, self._service.window
        if isinstance(body.input, str):
            inputs: list[Any] = [body.input]
        else:
            inputs = [body.input] if isinstance(body.input[0], int) else list(body.input)
        sequences = []
        for given in inputs:
            if isinstance(given, str):
                self._service.check_size(given, "input")
                given = [*tokenizer.beginning, *tokenizer.encode(given)]
            elif max(given) >= tokenizer.vocab_size:
                raise ApiError(400, f"Token ids lie between 0 and {tokenizer.vocab_size - 1}.", param="input")
            if not 0 < len(given) <= window:
                message = f"An input has {len(given):,} tokens, and this model reads from 1 to {window:,}."
                raise ApiError(400, message, param="input", code="context_length_exceeded")
            sequences.append(given)
        return sequences


def _passes(sequences: list[list[int]]) -> list[list[int]]:
    """Places of sequences of about one length, as many as are read at a time."""
    groups: list[list[int]] = []
    for place in sorted(range(len(sequences)), key=lambda place: len(sequences[place])):
        if not groups or len(sequences[place]) * (len(groups[-1]) + 1) > PASS_TOKENS:
            groups.append([])
        groups[-1].append(place)
    return groups


def _shape(vector_D: np.ndarray, body: EmbeddingBody) -> list[float] | str:
    if body.dimensions is not None:
        vector_D = vector_D[: body.dimensions]
        vector_D = vector_D / max(float(np.linalg.norm(vector_D)), 1e-12)
    if body.encoding_format == "base64":
        return base64.b64encode(vector_D.astype("<f4").tobytes()).decode()
    return vector_D.tolist()

"""Endpoints put into the app and whole into its OpenAPI description: bodies, answers, and how they fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import JSONResponse, PlainTextResponse

from hornbook.serving.errors import ErrorBody

ALWAYS = (401, 403)  # what the guard may say to any request
ASKED = (400, 404, 408, 413, 415, 429, 500, 502, 503, 504)  # and what may become of a question
EVENT = {
    "type": "object", "properties": {"event": {"type": "string"}, "data": {"type": "string"}}, "required": ["data"]
}  # fmt: skip
WORDS = {
    400: "The request cannot be understood or done.", 401: "No key that is known here.", 403: "Not for this caller.",
    404: "No such model.", 408: "The body did not come in time.", 413: "The body is too large.",
    415: "The body is not declared as JSON.", 429: "Too much in a minute, or too many wait.",
    500: "The server failed.", 502: "vLLM failed.", 503: "The server is stopping.", 504: "The answer took too long.",
}  # fmt: skip


class Described:
    """Adds endpoints to an app. They read their bodies themselves, so the description is told what these are."""

    def __init__(self, app: FastAPI, model: str):
        self._app, self._model, self._bodies = app, model, {}
        made = app.openapi

        def openapi() -> dict[str, Any]:
            whole = made()
            whole.setdefault("components", {}).setdefault("schemas", {}).update(self._bodies)
            return whole

        app.openapi = openapi

    def get(
        self, path: str, endpoint: Callable[..., Any], *, fails: tuple[int, ...] = (), is_text: bool = False
    ) -> None:
        """An endpoint that only tells."""
        kind = PlainTextResponse if is_text else JSONResponse
        self._app.get(path, responses=_failing(ALWAYS + fails), response_class=kind)(endpoint)

    def post(
        self, path: str, endpoint: Callable[..., Any], body: type[BaseModel], answer: type[BaseModel], *,
        streams: bool = False,
    ) -> None:  # fmt: skip
        """An endpoint that reads `body` and answers with `answer`, or with events."""
        given: dict[str, Any] = {"description": "The answer.", "model": answer}
        if streams:
            given["content"] = {"text/event-stream": {"schema": EVENT}}
        schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
        named = schema["properties"].get("model", {})
        if named.get("type") == "string":
            named["enum"] = [self._model]
        self._bodies |= schema.pop("$defs", {}) | {body.__name__: schema}
        reference = {"$ref": f"#/components/schemas/{body.__name__}"}
        self._app.post(
            path, responses={200: given} | _failing(ALWAYS + ASKED), response_model=None,
            openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}},
        )(endpoint)  # fmt: skip


def _failing(statuses: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": WORDS[status], "model": ErrorBody} for status in statuses}

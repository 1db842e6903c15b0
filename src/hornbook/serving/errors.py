"""Errors over HTTP: OpenAI's body, the right status, and never a 500 for a client's mistake."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from hornbook.core.errors import BusyError, HornbookError, InputError
from hornbook.inference import PromptTooLongError

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
CLOSING = (408, 413, 415)  # the rest of such a request is not read, so no other can follow on its connection


class Problem(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """OpenAI's way to say what was wrong."""

    error: Problem


class ApiError(Exception):
    """An answer that is no answer: a status, a sentence, the field and code it is about, and in how many seconds it is
    worth asking again."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None,
        retry_after: int | None = None,
    ):  # fmt: skip
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.retry_after = retry_after


def error_body(error: ApiError) -> dict:
    """`{"error": {"message", "type", "param", "code"}}`."""
    kind = KINDS.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def as_api_error(error: Exception) -> ApiError:
    """Any exception as what a client should hear of it."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, PromptTooLongError):
        return ApiError(400, str(error), param="messages", code="context_length_exceeded")
    if isinstance(error, InputError):
        return ApiError(400, str(error))
    if isinstance(error, BusyError):
        return ApiError(429, str(error), code="server_busy", retry_after=1)
    if isinstance(error, HTTPException):
        return ApiError(error.status_code, str(error.detail))
    logging.getLogger("hornbook.serving").error("a request failed", exc_info=error)
    return ApiError(500, "The server failed at this request; its log says why.")


def response(error: ApiError) -> JSONResponse:
    """The error as a response."""
    headers: dict[str, str] = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status in CLOSING:
        headers["Connection"] = "close"
    return JSONResponse(error_body(error), error.status, headers)


def install(app: FastAPI) -> None:
    """Let the app answer every exception in OpenAI's body."""

    async def handler(_: Request, error: Exception) -> JSONResponse:
        return response(as_api_error(error))

    for kind in (ApiError, HornbookError, HTTPException, Exception):
        app.add_exception_handler(kind, handler)

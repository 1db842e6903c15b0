"""Errors over HTTP: OpenAI's body, the right status, and never a 500 for a client's mistake."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hornbook.core.errors import BusyError, HornbookError, InputError
from hornbook.inference import PromptTooLongError

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """An answer that is no answer: a status, a sentence, and the field and code it is about."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code


def error_body(status: int, message: str, param: str | None = None, code: str | None = None) -> dict:
    """`{"error": {"message", "type", "param", "code"}}`."""
    kind = KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def as_api_error(error: Exception) -> ApiError:
    """Any exception as what a client should hear of it."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, PromptTooLongError):
        return ApiError(400, str(error), param="messages", code="context_length_exceeded")
    if isinstance(error, InputError):
        return ApiError(400, str(error))
    if isinstance(error, BusyError):
        return ApiError(429, str(error), code="server_busy")
    if isinstance(error, HTTPException):
        return ApiError(error.status_code, str(error.detail))
    if not isinstance(error, HornbookError):
        logging.getLogger("hornbook.serving").error("a request failed", exc_info=error)
    return ApiError(500, "The server failed at this request; its log says why.")


def response(error: ApiError) -> JSONResponse:
    """The error as a response."""
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}.get(error.status)
    return JSONResponse(error_body(error.status, error.message, error.param, error.code), error.status, headers)


def install(app: FastAPI) -> None:
    """Let the app answer every exception in OpenAI's body."""

    async def handler(_: Request, error: Exception) -> JSONResponse:
        return response(as_api_error(error))

    for kind in (ApiError, HornbookError, HTTPException, Exception):
        app.add_exception_handler(kind, handler)

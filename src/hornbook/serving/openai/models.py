"""What the server is: its model, its version, whether it is ready, its figures."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from fastapi.responses import JSONResponse, Response

from hornbook.serving.metrics import CONTENT_TYPE
from hornbook.serving.service import Service


class About:
    """The endpoints that only tell."""

    def __init__(self, service: Service, draining: Callable[[], bool]):
        self._service, self._draining = service, draining

    async def health(self) -> JSONResponse:
        """200 while the engine runs."""
        good = self._service.worker.alive
        return JSONResponse({"status": "ok" if good else "stopped"}, 200 if good else 503)

    async def ready(self) -> JSONResponse:
        """200 while it takes new requests; 503 before it stops."""
        good = self._service.worker.alive and not self._draining()
        return JSONResponse({"status": "ready" if good else "stopping"}, 200 if good else 503)

    async def version(self) -> dict[str, str]:
        """Hornbook's version."""
        return {"version": version("hornbook")}

    async def metrics(self) -> Response:
        """The server's figures, in Prometheus' text form."""
        return Response(await self._service.figures(), headers={"Content-Type": CONTENT_TYPE})

    async def models(self) -> dict[str, Any]:
        """The one model served."""
        return {"object": "list", "data": [self._card()]}

    async def model(self, name: str) -> dict[str, Any]:
        """Its card."""
        self._service.known(name)
        return self._card()

    def _card(self) -> dict[str, Any]:
        service = self._service
        return {
            "id": service.name, "object": "model", "created": service.started, "owned_by": "hornbook",
            "max_model_len": service.window,
        }  # fmt: skip

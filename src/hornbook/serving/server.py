"""A chat on a port: loopback unless keys guard it. It ends its streams before it ends."""

from __future__ import annotations

import ipaddress
import signal
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from hornbook.core.errors import InputError, RecipeError
from hornbook.serving.connection import HEAD_BYTES, Connection
from hornbook.serving.keys import Key, Keys

LEAST_KEY = 16  # characters
DRAIN_SECONDS = 30.0
KEEP_SECONDS = 75  # an idle connection is kept longer than clients keep theirs: who closes first cuts no request off


def keys_of(file: Keys | None, secret: str | None) -> Keys | None:
    """The keys of a server: those of the file, and one more given whole; None where there is none at all.

    Raises RecipeError for a secret too short to be one, DamagedError for a file that holds no keys.
    """
    if secret is not None and len(secret) < LEAST_KEY:
        raise RecipeError(f"the API key is shorter than {LEAST_KEY} characters", where="HORNBOOK_API_KEY",
                          fix='make one: python -c "import secrets; print(secrets.token_urlsafe())"')
    fixed = () if secret is None else (Key.of(secret, "HORNBOOK_API_KEY"),)
    keys = Keys(None if file is None else file.path, fixed)
    return keys if keys.all() else None


def check_address(host: str, port: int, keys: Keys | None, origins: tuple[str, ...] = ()) -> None:
    """Raises RecipeError for an address the server must not or cannot have, before a model is loaded for it."""
    if not 0 < port < 65536:
        raise RecipeError(f"port {port} does not exist", where="--port", fix="choose one between 1 and 65535")
    if keys is None and not _is_loopback(host):
        raise RecipeError("without an API key the server answers on this machine only", where=f"--host {host}",
                          fix="set HORNBOOK_API_KEY or make keys with `hornbook keys add`, or leave --host out")
    if keys is None and "*" in origins:
        raise RecipeError("without an API key any site could use the server", where="--allow-origin *",
                          fix="name the site, or set HORNBOOK_API_KEY")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        where, reason = f"{host}:{port}", error.strerror or str(error)
        raise InputError(f"cannot listen there ({reason})", where=where, fix="choose another --port") from None


def serve(app: FastAPI, *, host: str = "127.0.0.1", port: int = 8000, drain: float = DRAIN_SECONDS) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    Server(app, host=host, port=port, drain=drain).run()


class Server(uvicorn.Server):
    """uvicorn, which on SIGTERM first lets `/ready` say 503 and refuses what is new, and leaves when the answers under
    way have ended, or `drain` seconds later. Ctrl-C leaves them a few seconds."""

    def __init__(self, app: FastAPI, *, host: str, port: int, drain: float = DRAIN_SECONDS):
        super().__init__(uvicorn.Config(
            app, host=host, port=port, http=Connection, ws="none", log_level="critical", server_header=False,
            timeout_graceful_shutdown=5, timeout_keep_alive=KEEP_SECONDS, h11_max_incomplete_event_size=HEAD_BYTES,
        ))  # fmt: skip
        self._app, self._drain, self._until = app, drain, 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come."""
        if sig == signal.SIGTERM and not self._until:
            self._app.state.draining = True
            self._until = time.monotonic() + self._drain
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Whether to leave now; asked ten times a second."""
        done = self._until and (time.monotonic() > self._until or not self._app.state.under_way())
        return await super().on_tick(counter) or bool(done)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""A chat on a port: loopback unless a key guards it."""

from __future__ import annotations

import ipaddress
import socket

from hornbook.core.errors import InputError, RecipeError
from hornbook.serving.chat import Chat

LEAST_KEY = 16  # characters


def check_address(host: str, port: int, key: str | None) -> None:
    """Raises RecipeError for an address the server must not or cannot have, before a model is loaded for it."""
    if not 0 < port < 65536:
        raise RecipeError(f"port {port} does not exist", where="--port", fix="choose one between 1 and 65535")
    if key is not None and len(key) < LEAST_KEY:
        raise RecipeError(f"the API key is shorter than {LEAST_KEY} characters", where="HORNBOOK_API_KEY",
                          fix='make one: python -c "import secrets; print(secrets.token_urlsafe())"')
    if key is None and not _is_loopback(host):
        raise RecipeError("without an API key the server answers on this machine only", where=f"--host {host}",
                          fix="set HORNBOOK_API_KEY, or leave --host out")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        where, reason = f"{host}:{port}", error.strerror or str(error)
        raise InputError(f"cannot listen there ({reason})", where=where, fix="choose another --port") from None


def serve(chat: Chat, *, host: str = "127.0.0.1", port: int = 8000, key: str | None = None) -> None:
    """Serve until interrupted; streams under way get a few seconds to end."""
    import uvicorn

    from hornbook.serving.app import create_app

    check_address(host, port, key)
    uvicorn.run(
        create_app(chat, key=key), host=host, port=port, log_level="warning", server_header=False,
        timeout_graceful_shutdown=5,
    )  # fmt: skip


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

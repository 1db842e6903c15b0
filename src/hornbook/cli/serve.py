"""`hornbook serve`: OpenAI's API and a chat page."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from hornbook.cli.deployed import BITS, Bits, Which, load_chat


def serve(
    where: Annotated[str, typer.Argument(help="A run's name, or the folder of a deployment.")],
    host: Annotated[str, typer.Option(help="Any but this machine's own needs HORNBOOK_API_KEY.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where it listens.")] = 8000,
    model: Annotated[Which | None, typer.Option(help="The model of another step.")] = None,
    slots: Annotated[int, typer.Option(min=1, help="How many are answered at once.")] = 32,
    quantise: Annotated[Bits | None, typer.Option(help=BITS)] = None,
) -> None:
    """Serve the model: OpenAI's API under /v1 and a chat page at /. Ctrl-C stops it.

    With HORNBOOK_API_KEY set, every request under /v1 needs that key as a bearer token.
    """
    from hornbook.serving import server

    key = os.environ.get("HORNBOOK_API_KEY") or None
    server.check_address(host, port, key)
    chat = load_chat(where, model, slots=slots, quantised=quantise)
    at = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"{chat.settings.name}: chat at {at}/, OpenAI's API at {at}/v1; Ctrl-C stops it", file=sys.stderr, flush=True)
    server.serve(chat, host=host, port=port, key=key)

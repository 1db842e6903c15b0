"""`hornbook serve`: OpenAI's API and a chat page."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hornbook.cli.deployed import BITS, Bits, Which, load_chat
from hornbook.cli.keys import File, key_file
from hornbook.core.errors import RecipeError

if TYPE_CHECKING:
    from hornbook.serving.chat import Chat


def serve(
    where: Annotated[str, typer.Argument(help="A run's name, or the folder of a deployment.")],
    host: Annotated[str, typer.Option(help="Any but this machine's own needs a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where it listens.")] = 8000,
    model: Annotated[Which | None, typer.Option(help="The model of another step.")] = None,
    slots: Annotated[int, typer.Option(min=1, help="How many are answered at once.")] = 32,
    quantise: Annotated[Bits | None, typer.Option(help=BITS)] = None,
    engine: Annotated[Literal["hornbook", "vllm"], typer.Option(help="Who samples; vllm is an extra.")] = "hornbook",
    keys: File = None,
    allow_origin: Annotated[list[str] | None, typer.Option(help="A site whose pages may use it.")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="The most that a key may ask in a minute.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="The most that it may read and hear in one.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="The longest that an answer may take.")] = 600,
    queue: Annotated[int, typer.Option(min=1, help="How many may wait or be answered.")] = 256,
    drain: Annotated[float, typer.Option(min=0, help="Seconds that answers have to end after SIGTERM.")] = 30,
) -> None:
    """Serve the model: OpenAI's API under /v1 and a chat page at /. Ctrl-C stops it; SIGTERM lets answers end first.

    Where there are keys, made with `hornbook keys add` or given as HORNBOOK_API_KEY, every request under /v1 needs one
    as a bearer token.
    """
    from hornbook.serving import server
    from hornbook.serving.app import create_app
    from hornbook.serving.guard import Limits
    from hornbook.serving.limits import Rates

    known = server.keys_of(key_file(keys), os.environ.get("HORNBOOK_API_KEY") or None)
    origins = tuple(allow_origin or ())
    server.check_address(host, port, known, origins)
    limits = Limits(rates=Rates(requests, tokens))
    at = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    with contextlib.ExitStack() as stack:
        if engine == "vllm":
            chat, address = _by_vllm(stack, where, model, quantise)
        else:
            chat, address = load_chat(where, model, slots=slots, quantised=quantise), None
        app = create_app(
            chat, keys=known, limits=limits, origins=origins, seconds=seconds, queue=queue, vllm=address
        )  # fmt: skip
        told = f"{chat.settings.name}: chat at {at}/, OpenAI's API at {at}/v1; Ctrl-C stops it"
        print(told, file=sys.stderr, flush=True)
        server.serve(app, host=host, port=port, drain=drain)


def _by_vllm(stack: contextlib.ExitStack, where: str, model: Which | None, quantise: Bits | None) -> tuple[Chat, str]:
    """The chat, and the address of the vLLM that samples for it until the stack is left."""
    from hornbook.serving.vllm import VllmEngine
    from hornbook.serving.vllm_process import find_vllm, running

    if quantise is not None:
        raise RecipeError("vLLM takes the weights as they are", where="--quantise", fix="leave it out")
    find_vllm()
    chat = load_chat(where, model, make=VllmEngine)  # type: ignore[arg-type]
    return chat, stack.enter_context(running(chat.engine.folder, chat.settings.name))  # type: ignore[attr-defined]

"""`hornbook conversations`: the step, or with --write a person who writes conversations in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hornbook.cli.common import RecipeArgument, Settings, Verify
from hornbook.cli.imports import append_row, beside, import_into
from hornbook.cli.run import AsJson, walk

HELP = "a line of the user, then one of the assistant, and on; an empty line ends a conversation, Ctrl-D all"


def conversations(
    recipe: RecipeArgument,
    write: Annotated[bool, typer.Option("--write", help="Write conversations yourself, to be learned from.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Do it though it is up to date.")] = False,
    settings: Settings = None,
    verify: Verify = False,
    as_json: AsJson = False,
) -> None:
    """Gather questions and answers from people, files and the pages."""
    if not write:
        walk(recipe, settings or [], as_json, only="conversations", again=again, verify=verify)
        return
    from hornbook.road.runs import open_recipe

    path = open_recipe(recipe, settings or []).path
    file = beside(path, "conversations")
    print(HELP, file=sys.stderr)
    written = write_conversations(file, _ask, lambda text: print(text, file=sys.stderr))
    if written:
        import_into(path, "conversations", file)
    print(f"{written} written to {file}" if written else "nothing was written")


def write_conversations(file: Path, ask: Callable[[str], str], say: Callable[[str], None]) -> int:
    """Ask for conversations until the input ends; each is kept as soon as it is finished. Returns how many were."""
    from hornbook.conversations.formats import conversation

    written = 0
    while True:
        messages: list[dict[str, str]] = []
        ended = False
        while True:
            role = "assistant" if len(messages) % 2 else "user"
            try:
                said = ask(f"{role}> ").strip()
            except EOFError:
                ended = True
                break
            if not said:
                break
            messages.append({"role": role, "content": said})
        if len(messages) % 2:
            say("the last words had no answer and are left out")
            messages.pop()
        if messages:
            append_row(file, conversation(messages, origin="person", kind="chat"))
            written += 1
        if ended:
            return written


def _ask(prompt: str) -> str:
    return input(prompt if sys.stdin.isatty() else "")

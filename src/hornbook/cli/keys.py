"""`hornbook keys`: who may ask the server."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hornbook.cli.common import print_json, print_table

if TYPE_CHECKING:
    from hornbook.serving.keys import Keys

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="Make, list and revoke the keys to `hornbook serve`.")
File = Annotated[Path | None, typer.Option("--keys", help="Where they are kept: HORNBOOK_KEYS, or keys.toml among "
                                                          "the runs.")]
Name = Annotated[str, typer.Argument(help="Whose it is, or what for.")]


@app.command()
def add(
    name: Name,
    scope: Annotated[list[str] | None, typer.Option(help="chat, embeddings or metrics; all without it.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36500, help="How long it is good.")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="The most in a minute.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="The most in a minute, read and said.")] = None,
    file: File = None,
) -> None:
    """Make a key, and print it: it is kept hashed and cannot be shown again."""
    from hornbook.serving.keys import SCOPES

    keys = key_file(file)
    secret = keys.add(name, scopes=tuple(scope or SCOPES), days=days, requests=requests, tokens=tokens)
    print(f"the key {name}, which is shown this once; its hash is in {keys.path}", file=sys.stderr)
    print(secret)


@app.command("list")
def list_keys(as_json: Annotated[bool, typer.Option("--json", help="A line of JSON each.")] = False,
              file: File = None) -> None:
    """Name the keys, what they are for and how long."""
    rows = [(key.name, ",".join(key.scopes), f"{key.made:%Y-%m-%d}", f"{key.until:%Y-%m-%d}" if key.until else "")
            for key in key_file(file).all()]
    if as_json:
        for row in rows:
            print_json(dict(zip(("name", "scopes", "made", "until"), row, strict=True)))
    elif rows:
        print_table(rows, ("name", "scopes", "made", "until"))


@app.command()
def revoke(name: Name, file: File = None) -> None:
    """Take a key away; a running server refuses it from then on."""
    key_file(file).revoke(name)


def key_file(named: Path | None) -> Keys:
    """The keys in the file that is named, or where they are by default."""
    from hornbook.pipeline.workspace import runs_folder
    from hornbook.serving.keys import Keys

    return Keys(named or Path(os.environ.get("HORNBOOK_KEYS") or runs_folder() / "keys.toml"))

"""`hornbook corpus`: the step, or with --judge a person who says in the terminal which pages are worth reading."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from hornbook.cli.common import RecipeArgument, Settings, Verify
from hornbook.cli.imports import beside, import_into
from hornbook.cli.run import AsJson, EngineOption, walk, with_engine

SHOWN = 1200  # characters of a page
ASKED = "How much is this page worth to the model, 0 (nothing) to 5? Enter passes it over, Ctrl-D ends. "


def corpus(
    recipe: RecipeArgument,
    judge: Annotated[bool, typer.Option("--judge", help="Judge pages yourself; Ctrl-D ends.")] = False,
    judge_name: Annotated[str, typer.Option(help="With --judge: your name.")] = "somebody",
    count: Annotated[int, typer.Option(min=1, help="With --judge: how many judgements there shall be.")] = 200,
    again: Annotated[bool, typer.Option("--again", help="Do it though it is up to date.")] = False,
    settings: Settings = None,
    engine: EngineOption = None,
    verify: Verify = False,
    as_json: AsJson = False,
) -> None:
    """Turn pages into documents worth reading: filtered, deduplicated, scored as you judge."""
    if not judge:
        walk(recipe, with_engine(settings, engine), as_json, only="corpus", again=again, verify=verify)
        return
    from hornbook.corpus.tagging.judgements import LEAST, gather_judgements
    from hornbook.road.artifacts import Corpus
    from hornbook.road.runs import open_recipe, workspace_of

    read = open_recipe(recipe, settings or [])
    documents = workspace_of(read).current("corpus", Corpus).documents()
    pages = dict(zip(documents.column("id").to_pylist(), documents.column("text").to_pylist(), strict=True))
    file = beside(read.path, "judgements")
    wanted = min(count, len(pages))
    there = gather_judgements(pages, file, terminal(input), judge=judge_name, count=wanted)
    said = f"{there} pages judged, in {file}" if there else "nothing was judged"
    if there >= LEAST and import_into(read.path, "corpus", file, key="judgements"):
        said += f"; {read.path.name} names them from now on"
    elif there < LEAST:
        said += f"; from {LEAST} on they are learned from"
    print(said)


def terminal(answer: Callable[[str], str]) -> Callable[[str, int, int], str | None]:
    """How a page is asked about: its beginning is shown, then `answer` gives a line; the end of input ends it all."""

    def ask(text: str, done: int, count: int) -> str | None:
        print(f"\n--- {done + 1} of {count} ---\n{text[:SHOWN]}\n", file=sys.stderr)
        while True:
            try:
                said = answer(ASKED).strip().lower()
            except EOFError:
                return None
            if said in ("", "0", "1", "2", "3", "4", "5", "good", "bad"):
                return said

    return ask

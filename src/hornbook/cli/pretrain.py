"""`hornbook pretrain`: the step alone, and how much it is to read."""

from __future__ import annotations

from typing import Annotated

import typer

from hornbook.cli.common import Minutes, RecipeArgument, Settings, Tokens, Verify, with_horizon
from hornbook.cli.run import AsJson, EngineOption, walk, with_engine


def pretrain(
    recipe: RecipeArgument,
    again: Annotated[bool, typer.Option("--again", help="Do it though it is up to date.")] = False,
    settings: Settings = None,
    tokens: Tokens = None,
    minutes: Minutes = None,
    engine: EngineOption = None,
    verify: Verify = False,
    as_json: AsJson = False,
) -> None:
    """Teach a base model to read the tokens; --tokens or --minutes say how much."""
    settings = with_engine(with_horizon(settings, tokens, minutes), engine)
    walk(recipe, settings, as_json, only="pretrain", again=again, verify=verify)

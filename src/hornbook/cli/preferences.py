"""`hornbook preferences`: the step, or with --rank a person who ranks the model's answers in the terminal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hornbook.cli.common import RecipeArgument, Settings, Verify
from hornbook.cli.imports import append_row, beside, import_into
from hornbook.cli.run import AsJson, walk

if TYPE_CHECKING:
    from hornbook.pipeline.workspace import Workspace
    from hornbook.road.preferences import PreferencesConfig


def preferences(
    recipe: RecipeArgument,
    rank: Annotated[bool, typer.Option("--rank", help="Rank answers yourself; Ctrl-D ends.")] = False,
    rater: Annotated[str, typer.Option(help="With --rank: your name.")] = "somebody",
    count: Annotated[int, typer.Option(min=1, help="With --rank: the most prompts to rank.")] = 50,
    again: Annotated[bool, typer.Option("--again", help="Do it though it is up to date.")] = False,
    settings: Settings = None,
    verify: Verify = False,
    as_json: AsJson = False,
) -> None:
    """Have the model's answers ranked: by people, by a file, or by a program that stands in for them."""
    if not rank:
        walk(recipe, settings or [], as_json, only="preferences", again=again, verify=verify)
        return
    from hornbook.road.runs import open_recipe, workspace_of

    read = open_recipe(recipe, settings or [])
    file = beside(read.path, "rankings")
    config = cast("PreferencesConfig", read.config(read.step("preferences")))
    ranked = _rank(workspace_of(read), config, file, rater, count)
    if ranked:
        import_into(read.path, "preferences", file)
    print(f"{ranked} ranked, in {file}" if ranked else "nothing was ranked")


def _rank(workspace: Workspace, config: PreferencesConfig, file: Path, rater: str, count: int) -> int:
    """Show the prompts that are not ranked yet, one after another. Returns how many were ranked."""
    import tempfile
    from random import Random

    from hornbook.conversations.comparisons import comparison, read_comparisons
    from hornbook.conversations.raters import rank_in_terminal
    from hornbook.core.seeds import derive
    from hornbook.pipeline.run import Run
    from hornbook.road.artifacts import Conversations, Model
    from hornbook.road.preferences import prompts_to_rank, sampled_answers

    sft, chats = workspace.current("sft", Model), workspace.current("conversations", Conversations)
    done = {str(row["prompt"]) for row in read_comparisons(file)} if file.exists() else set()
    prompts = [prompt for prompt in prompts_to_rank(config, chats, seed=0) if str(prompt) not in done][:count]
    with tempfile.TemporaryDirectory() as folder:
        answered = sampled_answers(config, sft, prompts, Run(folder, seed=len(done)))
    ranked = 0
    for number, (prompt, answers) in enumerate(zip(prompts, answered, strict=True)):
        if len(answers) < 2:
            continue
        try:
            ranking = rank_in_terminal(prompt, answers, random=Random(derive(0, "shown", number)),
                                       show=lambda text: print(text, file=sys.stderr))
        except EOFError:
            break
        if ranking is not None:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            identity = f"{rater}-{len(done) + ranked + 1:05d}"
            append_row(file, comparison(identity, prompt, answers, ranking, rater=rater, rater_kind="person", time=now))
            ranked += 1
    return ranked

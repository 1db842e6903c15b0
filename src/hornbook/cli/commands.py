"""Every command by name. What a command needs is imported when it is called, so that `--help` is quick."""

from __future__ import annotations

import importlib
from typing import Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "demo": ("hornbook.cli.demo:demo", "Walk the whole road on an invented island, and show what came of it."),
    "new": ("hornbook.cli.new:new", "Write a recipe for your own pages."),
    "plan": ("hornbook.cli.plan:plan", "Say what a run would do, why, and about how long it takes."),
    "run": ("hornbook.cli.run:run", "Walk the road; what is up to date is skipped."),
    "status": ("hornbook.cli.status:status", "Say how far a run is."),
    "report": ("hornbook.cli.report:report", "Write report.html, or print the figures."),
    "chat": ("hornbook.cli.chat:chat", "Talk with the model in the terminal."),
    "serve": ("hornbook.cli.serve:serve", "Serve the model: OpenAI's API and a chat page."),
    "keys": ("hornbook.cli.keys:app", "Make, list and revoke the keys to `serve`."),
    "import": ("hornbook.cli.import_model:import_model", "Bring in a model that others trained."),
    "export": ("hornbook.cli.export:export", "Write a model for other programs: a folder, or GGUF."),
    "list": ("hornbook.cli.list:list_artifacts", "List every artifact of every run."),
    "show": ("hornbook.cli.show:show", "Show one artifact: what it holds and how it came to be."),
    "scaling": ("hornbook.cli.scaling:scaling", "Fit scaling laws to small models, and foretell a larger one."),
    "doctor": ("hornbook.cli.doctor:doctor", "Check this machine and say what each size will cost here."),
}
STEPS = {
    "crawl": "Fetch a site politely, or read a folder.",
    "corpus": "Turn pages into documents worth reading.",
    "tokenizer": "Learn a vocabulary from the documents.",
    "tokens": "Write the documents as token shards.",
    "pretrain": "Teach a base model to read them.",
    "evaluate": "Examine the base model.",
    "conversations": "Gather questions and answers.",
    "sft": "Teach the base model to converse.",
    "evaluate_sft": "Examine the chat model.",
    "preferences": "Have answers compared.",
    "reward": "Teach a reward model what is preferred.",
    "rl": "Practise against a verifier and the reward model.",
    "evaluate_rl": "Examine the aligned model.",
    "deploy": "Make all that `serve` needs.",
}
OWN_FACE = {  # steps at which people do something in the terminal, or that have options of their own
    "corpus": "hornbook.cli.corpus:corpus",
    "pretrain": "hornbook.cli.pretrain:pretrain",
    "conversations": "hornbook.cli.conversations:conversations",
    "preferences": "hornbook.cli.preferences:preferences",
}


class LazyCommand(TyperCommand):
    """A name and a line of help; the command itself is imported when it is called."""

    def __init__(self, name: str, target: str, help: str, panel: str):
        super().__init__(name, help=help, rich_help_panel=panel)
        self._target = target

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        return self._command().make_context(*arguments, **options)

    def _command(self) -> Any:
        module, _, name = self._target.partition(":")
        if module == "hornbook.cli.run" and name != "run":
            from hornbook.cli.run import step_command

            return _made(step_command(name), str(self.name), self.help)
        return _made(getattr(importlib.import_module(module), name), str(self.name), self.help)


class LazyGroup(TyperGroup):
    """The commands of the two tables above."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *STEPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            return LazyCommand(cmd_name, *COMMANDS[cmd_name], panel="Commands")
        if cmd_name in STEPS:
            target = OWN_FACE.get(cmd_name, f"hornbook.cli.run:{cmd_name}")
            return LazyCommand(cmd_name, target, STEPS[cmd_name], panel="One step alone")
        return None


def _made(function: Any, name: str, help: str | None) -> Any:
    if isinstance(function, typer.Typer):  # of several words
        return typer.main.get_command(function)
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name=name, help=function.__doc__ or help)(function)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("hornbook"))
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    """Teach a language model from your own pages, every step on your own machine."""

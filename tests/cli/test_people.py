"""What people write and rank in the terminal lands beside the recipe, and the recipe reads it from then on."""

from __future__ import annotations

import pytest

from hornbook.cli.conversations import write_conversations
from hornbook.cli.corpus import terminal
from hornbook.cli.imports import append_row, beside, import_into
from hornbook.conversations.formats import read_conversations


class Typed:
    """Lines as a person types them; then the end of input."""

    def __init__(self, *lines: str):
        self.lines, self.prompts = list(lines), []

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        if not self.lines:
            raise EOFError
        return self.lines.pop(0)


def test_conversations_are_written_line_by_line(tmp_path):
    file, said = tmp_path / "isle-conversations.jsonl", []
    typed = Typed("Who bakes?", "Mara Tolly.", "Where?", "In Port Ellery.", "", "Hello!", "Hello.", "", "And who", "")
    assert write_conversations(file, typed, said.append) == 2
    rows = list(read_conversations(file))
    assert [len(row["messages"]) for row in rows] == [4, 2]
    assert {(row["origin"], row["kind"]) for row in rows} == {("person", "chat")}
    assert not any(row.get("simulated") for row in rows)
    assert said == ["the last words had no answer and are left out"]
    assert typed.prompts[:3] == ["user> ", "assistant> ", "user> "]


def test_what_was_written_stays_when_more_is(tmp_path):
    file = tmp_path / "chats.jsonl"
    write_conversations(file, Typed("a", "b"), print)
    write_conversations(file, Typed("c", "d"), print)
    assert [row["messages"][0]["content"] for row in read_conversations(file)] == ["a", "c"]
    assert write_conversations(file, Typed(), print) == 0


def test_a_page_is_judged_by_a_number_or_a_word(capsys):
    ask = terminal(Typed("excellent", "6", "4", "Bad", ""))
    assert [ask("A page of a mill.", done, 9) for done in range(3)] == ["4", "bad", ""]
    assert ask("Another.", 3, 9) is None
    assert "--- 4 of 9 ---\nAnother." in capsys.readouterr().err


def test_the_recipe_names_the_file_once_and_keeps_its_comments(tmp_path):
    recipe = tmp_path / "isle.toml"
    recipe.write_text('# my pages\nsize = "tiny"\n\n[conversations]  # people\nimports = ["a.jsonl"]  # by hand\n')
    file = beside(recipe, "conversations")
    assert file.name == "isle-conversations.jsonl"
    append_row(file, {"messages": []})
    assert import_into(recipe, "conversations", file)
    assert not import_into(recipe, "conversations", file)
    text = recipe.read_text()
    assert "# my pages" in text
    assert "# people" in text
    assert 'imports = ["a.jsonl", "isle-conversations.jsonl"]' in text
    assert import_into(recipe, "preferences", beside(recipe, "rankings"))
    assert '[preferences]\nimports = ["isle-rankings.jsonl"]' in recipe.read_text()


@pytest.mark.parametrize(("given", "then"), [
    ('"a.jsonl"', 'imports = ["a.jsonl", "isle-conversations.jsonl"]'),
    ('{ talk = "a.jsonl" }', 'imports = { talk = "a.jsonl", isle-conversations = "isle-conversations.jsonl"}'),
])  # fmt: skip
def test_one_file_and_a_table_of_names_take_another(given, then, tmp_path):
    recipe = tmp_path / "isle.toml"
    recipe.write_text(f"[conversations]\nimports = {given}\n")
    assert import_into(recipe, "conversations", beside(recipe, "conversations"))
    assert not import_into(recipe, "conversations", beside(recipe, "conversations"))
    assert then in recipe.read_text()


@pytest.mark.parametrize("name", ["conversations", "preferences"])
def test_the_commands_say_what_they_do(name, capsys):
    from typer.testing import CliRunner

    from hornbook.cli.commands import app

    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert ("--write" if name == "conversations" else "--rank") in shown.output

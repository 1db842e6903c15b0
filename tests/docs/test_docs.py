"""What README.md and docs/book say is so: every command parses, the cheap ones run, every key has its default."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import typer.main
from typer.testing import CliRunner

from hornbook.cli.commands import app
from hornbook.road.open_book import OpenBookConfig
from tests.docs.tables import BOOK, CONFIGS, ROOT, TABLE, table

PAGES = [ROOT / "README.md", ROOT / "docs" / "architecture.md", *sorted(BOOK.glob("*.md"))]
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
GROUP = typer.main.get_command(app)


def _lines(start: str) -> list[tuple[str, str]]:
    return [
        (page.name, line.removeprefix("$ ").partition("  #")[0].strip())
        for page in PAGES for block in CONSOLE.findall(page.read_text("utf-8"))
        for line in block.splitlines() if line.startswith(f"$ {start} ")
    ]  # fmt: skip


@pytest.mark.parametrize(("page", "line"), _lines("hornbook"))
def test_commands_parse(page: str, line: str) -> None:
    _, name, *arguments = shlex.split(line)
    with click.Context(GROUP, info_name="hornbook") as root:
        command = GROUP.get_command(root, name)
        assert command is not None, f"{page}: there is no command {name}"
        context = command.make_context(name, arguments, parent=root)  # parses, does not run
    for setting in context.params.get("settings") or ():
        section, dot, key = setting.partition("=")[0].partition(".")
        known = CONFIGS[section].model_fields if dot else ("size", "seed", "depth", *OpenBookConfig.shared)
        assert (key or section) in known, f"{page}: there is no {setting}"


def test_commands_named_in_the_text_exist() -> None:
    with click.Context(GROUP) as root:
        for page in PAGES:
            for name in re.findall(r"`hornbook ([a-z_]+)", page.read_text("utf-8")):
                assert GROUP.get_command(root, name), f"{page.name}: there is no command {name}"


def test_cheap_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "one.md").write_text("# A page\n\nIt says something.\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HORNBOOK_RUNS", str(tmp_path / "runs"))
    tiny = ["--set", "pretrain.tokens=4096"]  # no need to measure this machine
    for arguments in (["--help"], ["new", "archive", "--docs", "./pages"], ["plan", "archive", *tiny], ["list"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, (arguments, result.output)
    assert (tmp_path / "archive.toml").exists()


@pytest.mark.parametrize("section", CONFIGS)
def test_tables_show_the_keys(section: str) -> None:
    shown = [found[2] for page in PAGES for found in TABLE.finditer(page.read_text("utf-8")) if found[1] == section]
    assert shown == [table(section)], "write the tables anew: python -m tests.docs.tables"


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for page, line in _lines("make"):
        assert re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE), (page, line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths(page: Path) -> None:
    text = page.read_text("utf-8")
    assert not re.search(r"(?<![\w.])/(?:work|root|tmp|home)/", text), "a path of one machine"
    for name in re.findall(r"`([a-z]+/[a-z_]+\.py)`", text):
        assert (ROOT / "src" / "hornbook" / name).exists() or (ROOT / name).exists(), name

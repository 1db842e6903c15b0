"""Which recipe a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.core.errors import RecipeError
from hornbook.road.runs import open_recipe

TEXT = 'size = "tiny"\n[crawl]\ndocs = "."\n'


def test_a_name_means_the_recipe_here_or_in_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HORNBOOK_RUNS", "runs")
    own = tmp_path / "runs" / "isle" / "isle.toml"
    own.parent.mkdir(parents=True)
    own.write_text(TEXT)
    assert open_recipe("isle").path.resolve() == own
    (tmp_path / "isle.toml").write_text(TEXT)
    assert open_recipe("isle").path.resolve() == tmp_path / "isle.toml"


def test_what_is_no_recipe_is_not_offered_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(RecipeError, match="write one with: hornbook new"):
        open_recipe("isle")

"""`hornbook report`: a page for a reader, one JSON object for a program, one line for what is not there."""

from __future__ import annotations

import json

import pytest

from hornbook.cli.report import report
from hornbook.core.errors import InputError


def test_json_is_one_object_with_three_parts(whole_run, capsys):
    report(str(whole_run.folder), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"figures", "stages", "missing"}
    assert told["figures"]["qa_sft"] == 0.85
    assert not (whole_run.folder / "report.html").exists()


def test_the_page_is_named(made_run, capsys):
    made_run.step("tokenizer", metrics={"vocab_size": 1024})
    report(str(made_run.folder), as_json=False)
    assert capsys.readouterr().out.strip() == str(made_run.folder / "report.html")


def test_no_such_run_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("HORNBOOK_RUNS", str(tmp_path))
    with pytest.raises(InputError, match="there is no such run"):
        report("nobody")

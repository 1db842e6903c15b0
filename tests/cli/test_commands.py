"""Every command over the toy road: what it prints, and what it leaves with."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from hornbook.cli.commands import COMMANDS, STEPS


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_plan_run_status_list_show(bench):
    status, out, _ = bench.call("plan", "isle")
    assert status == 0
    assert "isle: size tiny, depth 2, seed 0" in out
    assert "[learn] steps = 5, width = 128" in out
    assert not (bench.folder / "runs" / "isle" / "fetch").exists()

    status, out, err = bench.call("run", "isle.toml")
    assert status == 0
    assert "isle: 4 of 4 steps done in" in out
    assert "examine: the toys are simulated" in err

    status, out, _ = bench.call("run", "isle.toml", "--json")
    assert [row["event"] for row in lines(out)] == ["skip"] * 4 + ["finished"]
    assert lines(out)[-1]["stages"] == 0

    status, out, _ = bench.call("status", "isle", "--json")
    assert [row.get("state") for row in lines(out)] == ["done"] * 4 + [None]

    status, out, _ = bench.call("list", "--json")
    assert [row["step"] for row in lines(out)] == ["fetch", "words", "learn", "examine"]
    status, out, _ = bench.call("list")
    assert len(out.splitlines()) == 5

    status, out, _ = bench.call("show", "isle/learn")
    assert "State, made by the stage learn (version 1)" in out
    assert "[learn] steps" in out
    status, out, _ = bench.call("show", "isle/learn", "--json")
    assert lines(out)[0]["step"] == "learn"


def test_run_tells_a_program_what_happens(bench):
    status, out, _ = bench.call("run", "isle.toml", "--json", "--until", "words", "--set", "words.lower=false")
    assert status == 0
    events = lines(out)
    assert [(row["event"], row.get("step")) for row in events] == [
        ("start", "fetch"), ("done", "fetch"), ("start", "words"), ("done", "words"), ("finished", None),
    ]  # fmt: skip
    assert events[1]["counts"] == {"outputs": 3}
    assert len(events[1]["digest"]) == 64
    status, out, _ = bench.call("plan", "isle.toml", "--json")
    assert lines(out)[1]["reason"] == "lower false -> true"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "nowhere.toml"], 2, "hornbook: nowhere.toml: there is no such recipe; the recipes here are isle.toml"),
        (["run", "isle.toml", "--set", "learn.stesp=3"], 2, "did you mean steps?"),
        (["plan", "isle.toml", "--set", "size=huge"], 2, "there is no size 'huge'; there are: tiny, laptop, gpu"),
        (["run", "isle.toml", "--from", "lern"], 2, "there is no step 'lern'; did you mean learn?"),
        (["run", "isle.toml", "--set", "examine.fail=true"], 3, "hornbook: the toys: there is nothing to examine"),
        (["status", "nowhere"], 3, "there is no such run"),
        (["show", "isle/lern"], 3, "the step lern has made nothing yet"),
        (["show", "isle"], 3, "this is a run, not an artifact; show one of: isle/fetch, isle/words"),
    ],
)
def test_what_is_wrong_is_one_line(bench, arguments, code, said):
    bench.run(until="words")
    status, out, err = bench.call(*arguments)
    assert status == code
    assert said in err.strip().splitlines()[-1]
    assert "Traceback" not in out + err


def test_a_bug_keeps_its_traceback(bench):
    (bench.folder / "broken.py").write_text("ROAD = 1 / 0\n")
    status, _, err = bench.call("plan", "isle.toml", HORNBOOK_ROAD="broken:ROAD", PYTHONPATH=str(bench.folder))
    assert status == 1
    assert "ZeroDivisionError" in err


def test_a_reader_that_leaves_early_is_no_bug(bench):
    process = bench.start("plan", "isle.toml", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.wait()


def called(folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hornbook.cli", *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_help_names_every_command_and_imports_little(tmp_path):
    heavy = "{'torch', 'pyarrow', 'pydantic', 'aiohttp', 'lancedb'}"
    code = "import sys; sys.argv = ['hornbook', '--help']\nfrom hornbook.cli import main\ntry: main()\n"
    code += f"except SystemExit: print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    made = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert made.stderr.strip().splitlines()[-1] == "[]"
    for name in (*COMMANDS, *STEPS):
        assert f" {name} " in made.stdout


@pytest.mark.parametrize(("arguments", "said"), [
    (["nosuch"], "no such command 'nosuch'; see: hornbook --help"),
    (["export"], "missing argument 'target'; see: hornbook export --help"),
    (["export", "x"], "missing option '--to'. Choose from: hf, gguf; see: hornbook export --help"),
    (["export", "x", "--to", "pdf"], "invalid value for '--to': 'pdf' is not one of 'hf', 'gguf'; see: hornbook"),
    (["chat", "x", "--nosuch"], "no such option: --nosuch; see: hornbook chat --help"),
    (["chat", "x", "--seed", "many"], "invalid value for '--seed': "),
    (["plan", "--set"], "option '--set' requires an argument; see: hornbook plan --help"),
    (["--nosuch"], "no such option: --nosuch; see: hornbook --help"),
])  # fmt: skip
def test_a_wrong_option_is_one_line(tmp_path, arguments, said):
    refused = called(tmp_path, *arguments)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"hornbook: {said}")
    assert refused.stderr.count("\n") == 1
    assert refused.stdout == ""


def test_no_words_at_all_are_answered_with_help(tmp_path):
    made = called(tmp_path)
    assert (made.returncode, made.stderr) == (2, "")
    assert "Usage: hornbook" in made.stdout


def test_new_writes_a_recipe_that_can_be_planned(tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "one.md").write_text("# One\n\nA page.")
    made = called(tmp_path, "new", "mine", "--docs", "pages", "--size", "tiny")
    assert made.returncode == 0, made.stderr
    planned = called(tmp_path, "plan", "mine", "--json")
    assert planned.returncode == 0, planned.stderr
    rows = lines(planned.stdout)
    assert rows[0]["step"] == "crawl"
    assert rows[0]["config"]["docs"] == {"pages": str(tmp_path / "pages")}
    assert called(tmp_path, "new", "mine", "--docs", "pages").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["x"], 2, "where are the pages?; give either --site URL or --docs FOLDER"),
        (["x", "--docs", ".", "--site", "https://example.org"], 2, "a site or a folder, not both"),
        (["x", "--site", "ftp://example.org"], 3, "this is no web address"),
        (["x", "--docs", "empty"], 3, "this is no folder with pages in it"),
        (["../x", "--docs", "."], 2, "cannot name a folder"),
        (["x", "--docs", ".", "--size", "huge"], 2, "there is no size 'huge'"),
    ],
)
def test_new_says_what_is_wrong(tmp_path, arguments, code, said):
    (tmp_path / "empty").mkdir()
    made = called(tmp_path, "new", *arguments)
    assert made.returncode == code
    assert said in made.stderr
    assert "Traceback" not in made.stderr
    assert os.listdir(tmp_path) == ["empty"]


def test_doctor_says_what_each_size_will_cost(tmp_path):
    made = called(tmp_path, "doctor", "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["machine"]["cores"] >= 1
    assert told["machine"]["fp32"] > 0
    assert set(told["sizes"]) == {"tiny", "laptop", "gpu"}
    assert all(cost["verdict"] for cost in told["sizes"].values())


@pytest.mark.parametrize(("section", "says"), [
    ('[crawl]\ndocs = "pages"\ninclude = "/b/"', "include = '/b/' cannot be: it must be a list, in square brackets"),
    ('[crawl]\ndocs = "pages"\n[corpus]\nthresholds = { words = [3] }', "there are too few values"),
    ('[crawl]\ndocs = "pages"\n[corpus]\nthresholds = { words = [9, 3] }', "the least of words is above its most"),
    ('[crawl]\ndocs = "pages"\n[pretrain.mixture]\na.b = 1', "a name with dots stands in quotes"),
    ('[crawl]\ndocs = "pages"\n[pretrain.mixture]\na = "three"', "write a weight, or { weight = 1, epochs = 4 }"),
    ('[crawl]\ndocs = "pagez"', "a path counts from the recipe's folder"),
])  # fmt: skip
def test_a_wrong_recipe_is_one_line_in_its_own_words(tmp_path, section, says):
    (tmp_path / "pages").mkdir()
    (tmp_path / "isle.toml").write_text(f'size = "tiny"\n{section}\n')
    refused = called(tmp_path, "plan", "isle")
    assert refused.returncode == 2
    assert says in refused.stderr
    assert refused.stderr.count("\n") == 1

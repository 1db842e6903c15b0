"""The ground floor: errors, atomic files, digests, JSON lines, seeds, bars."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.digest import canonical_json, digest_bytes, digest_file, digest_json, digest_sorted
from hornbook.core.errors import BusyError, DamagedError, HornbookError, InputError, MissingExtraError, RecipeError
from hornbook.core.files import atomic_writer, explained, sync_tree, write_bytes, write_text
from hornbook.core.jsonl import read_jsonl, write_jsonl
from hornbook.core.processes import Others, memory_limit, processor_ticks
from hornbook.core.progress import progress_bar
from hornbook.core.seeds import derive
from hornbook.core.words import counted, duration

VALUES = st.none() | st.booleans() | st.integers() | st.text()
ROWS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5)
DISK = [(errno.ENOSPC, "full"), (errno.EFBIG, "so large"), (errno.EROFS, "written")]


def test_a_name_that_is_no_unicode_has_a_digest_too():
    assert digest_json(["a\udcff"]) != digest_json(["a"])
    assert digest_sorted(["a\udcff"]) != digest_sorted(["a"])


def test_times_are_words_people_say():
    times = [duration(seconds) for seconds in (0.44, 42, 250, 7500, None)]
    assert times == ["0.4 s", "42 s", "4 min 10 s", "2 h 05 min", "?"]


def test_counts_are_words_people_say():
    assert [counted(count, "page") for count in (0, 1, 1200)] == ["0 pages", "1 page", "1,200 pages"]


def test_an_error_says_what_where_and_what_to_do():
    error = InputError("the folder is empty", where="docs/", fix="name another")
    assert str(error) == "docs/: the folder is empty; name another"
    assert str(HornbookError("no")) == "no"


def test_each_error_has_its_own_exit_code():
    kinds = [HornbookError, RecipeError, InputError, DamagedError, BusyError, MissingExtraError]
    assert [kind.exit_code for kind in kinds] == [1, 2, 3, 4, 5, 6]
    assert "pip install 'hornbook[gguf]'" in str(MissingExtraError.named("gguf", "gguf"))


def test_an_error_survives_the_way_back_from_a_worker():
    error = pickle.loads(pickle.dumps(DamagedError("cut short", where="x.bin", fix="make it again")))
    assert type(error) is DamagedError
    assert str(error) == "x.bin: cut short; make it again"


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "one")
    with pytest.raises(TypeError), atomic_writer(path) as file:
        file.write(None)
    assert path.read_text() == "one"
    assert os.listdir(path.parent) == ["file.txt"]
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    sync_tree(tmp_path)


@pytest.mark.parametrize(("number", "said"), DISK)
def test_the_disk_in_the_users_words(tmp_path, number, said):
    assert said in str(explained(OSError(number, "x"), tmp_path))
    other = OSError(errno.EIO, "x")
    assert explained(other, tmp_path) is other


@given(ROWS)
def test_json_lines_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    assert write_jsonl(path, rows) == len(rows)
    assert list(read_jsonl(path)) == rows


@pytest.mark.parametrize("line", ["{", "[1]", '"text"', "\udce9"])
def test_a_bad_line_is_named_by_its_number(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n\n' + line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(DamagedError, match=r"rows\.jsonl, line 3"):
        list(read_jsonl(path))


def test_canonical_json_is_one_text():
    assert canonical_json({"b": [1, 2.5], "a": "é"}) == '{"a":"é","b":[1,2.5]}'
    assert digest_json({"a": 1, "b": 2}) == digest_json(json.loads('{"b": 2, "a": 1}'))


@given(st.lists(st.text(st.characters(exclude_characters="\n")), max_size=6), st.randoms())
def test_a_set_has_no_order(parts, random):
    shuffled = random.sample(parts, len(parts))
    assert digest_sorted(parts) == digest_sorted(shuffled)


def test_a_file_is_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert digest_file(tmp_path / "a") == digest_bytes(b"abc" * 100_000)


def test_seeds_are_the_same_for_ever():
    assert derive(0, "crawl") == 8521850057071836596
    assert derive(0, "crawl", 1) != derive(0, "crawl", "11") != derive(1, "crawl", 1)
    assert all(0 <= derive(seed, "x") < 2**63 for seed in range(50))


def test_a_bar_in_a_pipe_is_plain(capsys, monkeypatch):
    monkeypatch.setattr("hornbook.core.progress.PLAIN_EVERY_SECONDS", 0.0)
    with progress_bar("tokens", 10, "documents") as bar:
        bar.advance(4, "loss 2.5")
    assert bar.done == 4
    said = capsys.readouterr().err
    assert said.startswith("tokens: 4/10 documents, ")
    assert said.endswith("/s loss 2.5\n")


def test_a_rate_is_that_of_what_was_done_here(capsys, monkeypatch):
    monkeypatch.setattr("hornbook.core.progress.PLAIN_EVERY_SECONDS", 0.0)
    clock = iter([0.0, 100.0, 102.0, 102.0])
    monkeypatch.setattr("hornbook.core.progress.time.monotonic", lambda: next(clock))
    with progress_bar("tokens", 1000, "tokens") as bar:
        bar.go_on_from(500)
        bar.advance(40)
    assert bar.done == 540
    assert capsys.readouterr().err == "tokens: 540/1,000 tokens, 20/s \n"


def test_what_other_machines_took_of_the_processors(tmp_path):
    statistics = tmp_path / "stat"
    statistics.write_text("cpu  100 5 20 800 10 0 5 60 7 0\ncpu0 50 5 10 400 5 0 5 30 7 0\n")
    assert processor_ticks(statistics) == (60, 1000)
    statistics.write_text("cpu  100 5\n")
    assert processor_ticks(statistics) == (0, 0)
    assert processor_ticks(tmp_path / "nowhere") == (0, 0)
    taken, total = processor_ticks()
    assert 0 <= taken <= total


def test_how_much_of_the_machine_others_took(tmp_path: Path) -> None:
    statistics, second, own = tmp_path / "stat", os.sysconf("SC_CLK_TCK"), iter([1.0, 4.0])
    statistics.write_text("cpu  0 0 0 0 0 0 0 0\n")
    with Others(statistics, lambda: next(own)) as others:
        busy, idle = 5 * second, 3 * second  # of which three were ours
        statistics.write_text(f"cpu  {busy - 4} 1 1 {idle} {2 * second} 0 1 1\n")
    assert others.share == pytest.approx(0.2)
    with Others(tmp_path / "nowhere") as others:
        sum(range(100_000))
    assert others.share == 0.0


def test_control_groups_say_how_much_memory_there_is(tmp_path: Path) -> None:
    own, groups = tmp_path / "cgroup", tmp_path / "groups"
    for name, text in {
        "memory.max": "max\n", "slurm/memory.max": "3000000\n", "slurm/job/memory.max": "4000000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/box/memory.limit_in_bytes": "2000000\n",
    }.items():  # fmt: skip
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text)
    own.write_text("0::/slurm/job\n")
    assert memory_limit(groups, own) == 3_000_000
    own.write_text("9:cpuset:/\n4:memory:/box\n0::/elsewhere\n")
    assert memory_limit(groups, own) == 2_000_000
    own.write_text("0::/\n")
    assert memory_limit(groups, own) == memory_limit(tmp_path, tmp_path / "none") > 10_000_000

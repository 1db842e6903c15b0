"""The audit log, on disks that are full too."""

from __future__ import annotations

import json
import logging
import resource
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from hornbook.core.errors import InputError
from hornbook.safety import Gate, Verdict
from hornbook.serving.audit import WHO, Audit, Who

SECRET = "My key is AKIAIOSFODNN7EXAMPLE, and on it goes."
FLAG = Verdict("flag", "hate", "x", ("hate",), 0.51234)


def lines(path: Path) -> list[dict]:
    text = path.read_text("utf-8")
    assert text.endswith("\n") or not text
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_says_all_but_the_text(tmp_path):
    audit = Audit(tmp_path / "audit.jsonl")
    token = WHO.set(Who("req-1", "ada"))
    try:
        gate = Gate(heard=audit)
        gate.check("Good morning, Mara Tolly.", "input")
        gate.check(SECRET, "input")
        gate.check(SECRET, "input")
        stream = gate.stream()
        stream.push("It is known. " + SECRET)
        stream.finish()
    finally:
        WHO.reset(token)
    first, second, third = lines(audit.path)
    assert first.pop("time") <= second.pop("time")
    assert first == second == {
        "request": "req-1", "key": "ada", "side": "input", "category": "secret", "action": "redact", "score": 1.0,
        "kinds": ["cloud key"], "digest": first["digest"],
    }  # fmt: skip
    assert (third["side"], third["action"]) == ("output", "redact")
    assert "AKIA" not in audit.path.read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_the_text_is_there_when_asked_for_and_digests_outlive_a_start(tmp_path):
    for with_text in (False, True):
        audit = Audit(tmp_path / "audit.jsonl", with_text=with_text)
        audit("input", FLAG, "né\ud800\n")
        audit.close()
    first, second = lines(audit.path)
    assert (first["digest"], "text" in first, second["text"]) == (second["digest"], False, "né?\n")
    other = Audit(tmp_path / "other.jsonl")
    other("input", FLAG, "né\ud800\n")
    assert lines(other.path)[0]["digest"] != first["digest"]


def test_files_are_turned_and_the_oldest_leaves(tmp_path):
    audit = Audit(tmp_path / "audit.jsonl", largest=600, kept=2)
    for number in range(30):
        audit("input", FLAG, str(number))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2", "audit.jsonl.key"]
    kept = [line["digest"] for name in (names[2], names[1], names[0]) for line in lines(tmp_path / name)]
    assert len(set(kept)) == len(kept) >= 5
    assert all((tmp_path / name).stat().st_size <= 600 for name in names)


def test_half_a_line_of_a_crash_is_cut_off(tmp_path):
    (tmp_path / "audit.jsonl").write_text('{"a": 1}\n{"b": ')
    Audit(tmp_path / "audit.jsonl")("input", FLAG, "x")
    assert [next(iter(line)) for line in lines(tmp_path / "audit.jsonl")] == ["a", "time"]


def test_several_threads_write_whole_lines(tmp_path):
    audit = Audit(tmp_path / "audit.jsonl", largest=20_000, kept=50)
    threads = [threading.Thread(target=lambda: [audit("page", FLAG, "x" * 50) for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(lines(path)) for path in tmp_path.glob("audit.jsonl*") if path.suffix != ".key") == 400
    assert audit.lost == 0


def _fill(audit: Audit, warned: pytest.LogCaptureFixture, text: str = "x" * 300) -> int:
    written = -1
    while not audit.lost:
        written += 1
        audit("input", FLAG, text)
    audit("input", FLAG, text)
    assert audit.lost >= 2
    assert [record.levelname for record in warned.records] == ["WARNING"]  # said once
    assert "the audit log cannot be written" in warned.text
    assert len(lines(audit.path)) == written
    return written


def test_a_limit_on_files_leaves_no_half_line_and_is_said_once(tmp_path, caplog):
    audit, before = Audit(tmp_path / "audit.jsonl", with_text=True), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))
    try:
        with caplog.at_level(logging.WARNING):
            written = _fill(audit, caplog)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    lost = audit.lost
    audit("input", FLAG, "there is room again")
    *_, told, last = lines(audit.path)
    assert (told["lost"], last["text"], len(lines(audit.path))) == (lost, "there is room again", written + 2)
    assert audit.lost == lost


def test_a_full_disk_stops_nothing(tmp_path, caplog):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        audit = Audit(disk / "audit.jsonl", with_text=True)
        with caplog.at_level(logging.WARNING):
            _fill(audit, caplog)
        assert Gate(heard=audit).check(SECRET, "input").action == "redact"
        audit.close()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_place_where_nothing_can_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match="no audit log can be written"):
        Audit(tmp_path / "no" / "audit.jsonl")
    with pytest.raises(InputError, match="no audit log can be written"):
        Audit(tmp_path)

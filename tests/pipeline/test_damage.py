"""A damaged artifact is named in one line and moved aside; the next run makes it anew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from hornbook.core.errors import DamagedError, HornbookError
from hornbook.pipeline.workspace import fault


@pytest.fixture
def walked(bench):
    bench.run()
    return bench


def spoil(path, *, keep_time: bool = False) -> None:
    """Change one byte, size kept."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    if keep_time:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("harm", ["byte", "shorter", "gone", "record gone", "record cut"])
def test_each_harm_is_found_named_and_mended(walked, harm):
    digests, folder = walked.digests(), walked.workspace.current("words").path
    harmed = folder / ("record.json" if "record" in harm else "words.jsonl")
    if harm == "byte":
        spoil(harmed)
    elif harm in ("shorter", "record cut"):
        harmed.write_bytes(harmed.read_bytes()[:-9])
    else:
        harmed.unlink()
    assert walked.plan()["words"].action == "damaged"
    with pytest.raises(DamagedError, match=r"it was moved to \.aside; run again to rebuild it") as caught:
        walked.run()
    assert str(harmed) in str(caught.value)
    assert caught.value.exit_code == 4
    assert len(list(walked.workspace.aside.iterdir())) == 1
    assert walked.did() == ["words"]
    assert walked.digests() == digests
    assert not list(walked.workspace.aside.iterdir())


def test_a_changed_byte_behind_an_old_time_is_found_by_verify(walked):
    spoil(walked.workspace.current("words").path / "words.jsonl", keep_time=True)
    assert walked.did() == []
    assert walked.plan(verify=True)["words"].action == "damaged"
    with pytest.raises(DamagedError, match="not the bytes that were written"):
        walked.run(verify=True)
    assert walked.did() == ["words"]


def test_an_artifact_is_verified_before_it_is_read(walked):
    spoil(walked.workspace.current("words").path / "words.jsonl", keep_time=True)
    with pytest.raises(DamagedError, match="not the bytes that were written"):
        walked.run("learn.steps=6")
    assert walked.did("learn.steps=6") == ["words", "learn", "examine"]


def test_a_copied_folder_is_whole(walked, tmp_path):
    folder = walked.workspace.current("words").path
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copy)
    assert fault(tmp_path / "copy", verify=False) is None


def test_a_damaged_plan_is_named(walked):
    (walked.workspace.folder / "plan.json").write_text("{")
    with pytest.raises(DamagedError, match=r"plan\.json: this is not the plan Hornbook wrote; remove it"):
        walked.run()
    (walked.workspace.folder / "plan.json").unlink()
    assert walked.did() == []


def test_a_full_disk_is_one_line_and_loses_nothing(bench):
    bench.run(until="words")
    small = "import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900)); "
    code = f"{small}import sys; from hornbook.cli import main; sys.argv = ['hornbook', 'run', 'isle.toml']; main()"
    environment = {**os.environ, "HORNBOOK_ROAD": "toys:ROAD", "PYTHONPATH": os.path.dirname(__file__)}
    (bench.folder / "docs" / "big.txt").write_text("fish " * 1000)
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=bench.folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert made.returncode == 1, made.stderr
    assert "Traceback" not in made.stderr
    assert "no file may grow so large here" in made.stderr.strip().splitlines()[-1]
    assert bench.did() == ["fetch", "words", "learn", "examine"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_small_disk(bench, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        (bench.folder / "docs" / "big.txt").write_text("fish " * 20_000)
        status, _, err = bench.call("run", "isle.toml", HORNBOOK_RUNS=str(disk))
        assert status == 1
        assert "Traceback" not in err
        assert "the disk is full; free some space and run the same command again" in err
        os.remove(bench.folder / "docs" / "big.txt")
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        assert bench.call("run", "isle.toml", HORNBOOK_RUNS=str(disk))[0] == 0
    finally:
        subprocess.run(["umount", disk], check=True)


def test_an_odd_error_of_a_library_is_still_a_full_disk(tmp_path):
    from hornbook.pipeline.attempt import _full_disk

    error = RuntimeError("I/O error: No space left on device (os error 28)")
    assert isinstance(_full_disk(error, tmp_path), HornbookError)
    assert _full_disk(RuntimeError("something else"), tmp_path) is None

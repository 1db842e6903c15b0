"""kill -9 at any moment loses at most the last unit of work, and the result is the same to the last byte."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from hornbook.core.processes import cores


def wait_for(bench, what: str, process) -> None:
    """Until the unit of work `what` has begun."""
    for _ in range(3000):
        if what in bench.noted():
            return
        if process.poll() is not None:
            raise AssertionError(process.communicate())
        time.sleep(0.01)
    raise AssertionError(f"{what} never came")


def test_killed_in_every_stage(bench, tmp_path):
    moments = ["fetch 1.txt", "words", "learn 0", "learn 3", "examine"]
    for moment in moments:
        process = bench.start("run", "isle.toml", nap=0.15)
        wait_for(bench, moment, process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    status, _, err = bench.call("run", "isle.toml", "--json")
    assert status == 0, err
    noted = bench.noted()
    assert noted.count("fetch 0.txt") == 1  # a half-done map skips its finished shards
    assert noted.count("learn 1") == noted.count("learn 2") == 1  # a loop goes on from its checkpoint
    assert noted.count("learn 3") == 2  # the unit in which it was killed is done again
    resumed = bench.workspace.current("examine").record
    assert resumed.attempts == 2
    digests = bench.digests()
    os.rename(bench.folder / "runs", tmp_path / "killed")
    bench.run()
    assert bench.digests() == digests


def test_killed_between_the_record_and_the_rename(bench):
    bench.run()
    artifact, planned = bench.workspace.current("learn"), bench.plan()["learn"]
    planned.partial.mkdir(parents=True)
    inputs = {name: entry.model_dump() for name, entry in artifact.record.inputs.items()}
    state = {"identity": planned.identity, "inputs": inputs, "threads": 2, "count": 1, "began": time.time()}
    (planned.partial / "attempt.json").write_text(json.dumps(state))
    os.rename(artifact.path, planned.partial / "out")
    before = bench.noted()
    assert bench.plan()["learn"].action == "resume"
    assert bench.did() == ["learn"]
    assert bench.noted() == before
    assert not planned.partial.exists()


def test_resume_uses_the_threads_of_the_first_attempt(bench):
    """Also where it was made on a machine with more of them than there are here."""
    process = bench.start("run", "isle.toml", "--set", "run.threads=1", nap=0.15)
    wait_for(bench, "learn 1", process)
    process.kill()
    process.communicate()
    path = bench.plan()["learn"].partial / "attempt.json"
    begun = json.loads(path.read_text())
    assert begun["threads"] == 1
    path.write_text(json.dumps({**begun, "threads": cores() + 1}))
    bench.run()
    assert bench.workspace.current("learn").record.machine["threads"] == cores() + 1
    assert bench.workspace.current("examine").record.machine["threads"] != cores() + 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_resumable_run_and_says_how_to_go_on(bench, sent):
    process = bench.start("run", "isle.toml", "--set", "words.lower=false", nap=0.15)
    wait_for(bench, "learn 1", process)
    process.send_signal(sent)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    said = "hornbook: stopped in the step learn; what is done is kept; go on with: hornbook run isle.toml"
    assert last == f"{said} --set words.lower=false"
    bench.run("words.lower=false")
    assert bench.noted().count("learn 0") == 1


def test_two_runs_at_once(bench):
    first = bench.start("run", "isle.toml", nap=0.5)
    wait_for(bench, "fetch 0.txt", first)
    status, _, err = bench.call("run", "isle.toml")
    assert status == 5
    assert f"process {first.pid} is at work here" in err
    assert len(err.strip().splitlines()) == 1
    first.kill()
    first.communicate()
    assert bench.call("run", "isle.toml")[0] == 0

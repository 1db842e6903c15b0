"""A stage in a process of its own does what it does here; two processes under torchrun make one artifact."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import ClassVar

import pytest

from hornbook.core.errors import HornbookError
from hornbook.core.files import write_text
from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.config import StageConfig
from hornbook.pipeline.execute import execute
from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import Step, stage
from hornbook.pipeline.workspace import Workspace


class Sum(Artifact):
    contents: ClassVar = ("sum.json",)


class TogetherConfig(StageConfig):
    most: float = 1e9


@stage(version=1, torchrun=True)
def together(config: TogetherConfig, run: Run) -> Sum:
    """Each rank brings its number plus one; rank 0 writes the sum."""
    import torch
    from torch import distributed

    distributed.init_process_group("gloo")
    number = torch.tensor([distributed.get_rank() + 1.0])
    distributed.all_reduce(number)
    if distributed.get_rank() == 0:
        write_text(run.out / "sum.json", json.dumps([number.item(), distributed.get_world_size()]))
        run.metric(sum=number.item())
    distributed.barrier()
    distributed.destroy_process_group()
    return Sum(run.out)


@pytest.mark.timeout(900)  # three processes import torch, on a machine that may be at work
def test_two_processes_under_torchrun(tmp_path):
    recipe = tmp_path / "pair.toml"
    recipe.write_text('[run]\nlauncher = "torchrun"\nprocesses = 2\nthreads = 1\n')
    read = Recipe.read(recipe, [Step("together", together)], {"tiny": 1})
    done = execute(read, Workspace(tmp_path / "runs" / "pair"))
    made = done[0].planned.folder / "sum.json"
    assert json.loads(made.read_text()) == [3.0, 2]
    assert done[0].record is not None
    assert done[0].record.metrics == {"sum": 3.0}


def test_a_process_a_stage_gives_the_same(bench):
    bench.run("run.launcher=local")
    apart = bench.digests()
    record = bench.workspace.current("examine").record
    assert (record.warnings, record.notes) == (["the toys are simulated"], ["toys are small"])
    bench.run(start="fetch")
    assert bench.digests() == apart


def test_an_error_comes_home_as_it_was(bench):
    with pytest.raises(HornbookError, match=r"the toys: there is nothing to examine; set examine\.fail") as caught:
        bench.run("examine.fail=true", "run.launcher=local")
    assert caught.value.exit_code == 3


def test_a_process_dies_with_the_run_that_started_it(bench):
    run = bench.start("run", "isle.toml", "--set", "run.launcher=local", nap=0.1)
    for _ in range(1000):
        if "learn 1" in bench.noted():
            break
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    time.sleep(0.2)
    noted = bench.noted()
    time.sleep(0.4)
    assert bench.noted() == noted
    bench.run()
    assert bench.noted().count("learn 0") == 1


def test_the_peak_of_a_child_counts():
    import subprocess
    import sys

    from hornbook.core.processes import PeakMemory

    hold = "data = bytearray(120_000_000); data[::4096] = b'x' * len(data[::4096]); import time; time.sleep(1.2)"
    with PeakMemory() as without:
        pass
    with PeakMemory() as peak:
        subprocess.run([sys.executable, "-c", hold], check=True)
    assert peak.bytes > without.bytes + 100_000_000
    assert Path(f"/proc/{os.getpid()}").exists()

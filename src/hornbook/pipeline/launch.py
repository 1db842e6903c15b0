"""Where a stage's command runs: on this machine, as one process or under torchrun. Slurm and Ray would be two more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hornbook.core.processes import die_with_parent


@dataclass(frozen=True)
class Resources:
    """What a stage asks for."""

    processes: int = 1
    threads: int = 1


class Launcher(Protocol):
    """`run(command, resources)` starts `python ...command` and returns its exit status when all of it has ended."""

    def run(self, command: Sequence[str], resources: Resources) -> int: ...


class Local:
    """One process on this machine."""

    def run(self, command: Sequence[str], resources: Resources) -> int:
        return _wait([sys.executable, *command])


class Torchrun:
    """As many processes on this machine as asked, under torch.distributed.run, which sets RANK and WORLD_SIZE."""

    def run(self, command: Sequence[str], resources: Resources) -> int:
        options = ["--standalone", f"--nproc-per-node={resources.processes}"]
        return _wait([sys.executable, "-m", "torch.distributed.run", *options, *command])


def _wait(command: list[str]) -> int:
    process = subprocess.Popen(command, preexec_fn=die_with_parent)
    try:
        return process.wait()
    except BaseException:  # Ctrl-C reached it too; give it the time to write what it has
        process.terminate()
        process.wait()
        raise

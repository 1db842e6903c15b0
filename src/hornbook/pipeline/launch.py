"""Where a stage's command runs: on this machine, as one process or under torchrun; on Slurm or Ray.

None of them changes what comes out, and none bears identity.
"""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hornbook.core.cluster import join
from hornbook.core.errors import HornbookError, MissingExtraError
from hornbook.core.files import write_text
from hornbook.core.processes import die_with_parent

FAILED = 70  # EX_SOFTWARE: the worker's own traceback has been shown
SETTINGS = {
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # processes started again must not find the dead ones' addresses
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # advice to programmers of DDP is not for those who train
}
LEAST_PORT, PORTS = 20_000, 20_000  # where the processes of a Slurm job meet: two on a machine rarely share one


@dataclass(frozen=True)
class Resources:
    """What a stage asks for. `fewest` machines are enough to go on with when others are lost; a worker that dies is
    started again, with all the others, `restarts` times."""

    processes: int = 1  # a machine
    threads: int = 1  # a process
    machines: int = 1
    fewest: int | None = None
    restarts: int = 0
    gpus: bool = False  # one a process

    @property
    def torchrun(self) -> list[str]:
        """torch.distributed.run's options for it."""
        nodes = str(self.machines) if self.fewest is None else f"{self.fewest}:{self.machines}"
        return [f"--nnodes={nodes}", f"--nproc-per-node={self.processes}", f"--max-restarts={self.restarts}"]


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
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", *resources.torchrun]
        return _wait([*torchrun, *command], SETTINGS | os.environ)


class Slurm:
    """A job of so many machines, torchrun on each, written to `folder/job.sbatch` and submitted; Ctrl-C cancels it.

    `options` are lines for sbatch, such as "--partition=gpu". Slurm may stop the job and start it again elsewhere: it
    goes on from its last checkpoint. The folder must be seen by all machines. Raises HornbookError where there is no
    sbatch.
    """

    def __init__(self, folder: Path, options: Sequence[str] = ()):
        self.folder, self.options = Path(folder), options

    def run(self, command: Sequence[str], resources: Resources) -> int:
        script = self.folder / "job.sbatch"
        write_text(script, self.script(command, resources))
        try:
            submitted = subprocess.Popen(
                ["sbatch", "--parsable", "--wait", str(script)], stdout=subprocess.PIPE, text=True
            )
        except FileNotFoundError:
            what, fix = "there is no sbatch here", "start from a machine on which Slurm jobs are submitted"
            raise HornbookError(what, fix=fix) from None
        assert submitted.stdout is not None
        number = submitted.stdout.readline().strip().partition(";")[0]
        try:
            print(f"Slurm job {number}: its output is in {self.folder}/slurm-{number}.out", file=sys.stderr)
            return submitted.wait()
        except BaseException:
            subprocess.run(["scancel", number], check=False)
            submitted.wait()
            raise

    def script(self, command: Sequence[str], resources: Resources) -> str:
        """What sbatch is given."""
        asked = [
            "--job-name=hornbook", f"--nodes={resources.machines}", "--ntasks-per-node=1", "--requeue",
            f"--cpus-per-task={resources.processes * resources.threads}", f"--output={self.folder}/slurm-%j.out",
            *([f"--gpus-per-node={resources.processes}"] if resources.gpus else []), *self.options,
        ]  # fmt: skip
        meeting = ["--rdzv-backend=c10d", "--rdzv-id=$SLURM_JOB_ID", "--rdzv-endpoint=$(hostname):$port"]
        words = [shlex.quote(word) for word in (sys.executable, "-m", "torch.distributed.run", *resources.torchrun)]
        return "\n".join([
            "#!/bin/bash", *(f"#SBATCH {line}" for line in asked), "",
            *(f"export {name}={value}" for name, value in SETTINGS.items()),
            f"port=$(({LEAST_PORT} + SLURM_JOB_ID % {PORTS}))",
            " ".join(["srun", *words, *meeting, *map(shlex.quote, command)]), "",
        ])  # fmt: skip


class Ray:
    """As many workers of a Ray cluster as asked, met by Ray Train: the one that RAY_ADDRESS names, else one made here.

    `folder` must be seen by all machines. Raises MissingExtraError where Ray is not installed, HornbookError where no
    cluster answers.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def run(self, command: Sequence[str], resources: Resources) -> int:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported: it would report home
        try:
            ray, train = importlib.import_module("ray"), importlib.import_module("ray.train")
            with_torch = importlib.import_module("ray.train.torch")
            wrong = importlib.import_module("ray.train.v2.api.exceptions")
        except ImportError:
            raise MissingExtraError.named("ray", "ray") from None
        trainer = with_torch.TorchTrainer(
            _in_ray,
            train_loop_config={"command": list(command)},
            torch_config=with_torch.TorchConfig(backend="cpu:gloo,cuda:nccl" if resources.gpus else "gloo"),
            scaling_config=train.ScalingConfig(
                num_workers=resources.processes * resources.machines, use_gpu=resources.gpus,
                resources_per_worker={"CPU": resources.threads, "GPU": int(resources.gpus)},
            ),
            run_config=train.RunConfig(
                storage_path=str(self.folder.absolute() / "ray"),
                failure_config=train.FailureConfig(max_failures=resources.restarts),
            ),
        )  # fmt: skip
        joined = join(ray)
        try:
            trainer.fit()
        except wrong.TrainingFailedError as error:
            print(error, file=sys.stderr)
            return FAILED
        finally:
            if joined:
                ray.shutdown()
        return 0


def _in_ray(given: Mapping[str, Any]) -> None:
    """A worker's part: `python -m MODULE WORDS` in this process, which has met the others already."""
    import runpy

    _, module, *words = given["command"]
    before, sys.argv = sys.argv, [module, *words]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"the worker ended with status {ended.code}") from None
    finally:
        sys.argv = before


def _wait(command: list[str], environment: Mapping[str, str] | None = None) -> int:
    process = subprocess.Popen(command, preexec_fn=die_with_parent, env=environment)
    try:
        return process.wait()
    except BaseException:  # Ctrl-C reached it too; give it the time to write what it has
        process.terminate()
        process.wait()
        raise

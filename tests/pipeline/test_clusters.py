"""Torchrun, Slurm and Ray start the same training; a worker that is killed costs the steps since its last checkpoint.

Slurm's two programs are stood in for by scripts that run what they are given, twice where two machines are asked for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from benchmarks.pretrain.crew import together
from benchmarks.pretrain.kills import learn

from hornbook.core.errors import HornbookError, MissingExtraError
from hornbook.pipeline.launch import Ray, Resources, Slurm, Torchrun

ROOT = Path(__file__).parents[2]
STEPS, WAY = 6, {"shard": True}
LAST = ("4", "2")  # the checkpoint before a kill at step 5; of step 4's the last file may not have been written yet
COURSE = """
    import os, signal, sys
    from pathlib import Path
    import torch
    from benchmarks.pretrain.kills import learn
    from hornbook.training import fit

    folder, whom, steps, way = Path(sys.argv[1]), sys.argv[2], 6, {"shard": True}
    torch.set_num_threads(1)
    log = fit._Loop._log

    def struck(loop):
        log(loop)
        mark = folder / "struck"
        chosen = os.environ["FAKE_MACHINE"] if whom == "machine" else os.environ["RANK"]
        if loop.step == 5 and chosen == "1" and whom != "nobody" and not mark.exists():
            mark.touch()
            os.kill(os.getppid() if whom == "machine" else os.getpid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    fit._Loop._log = struck
    found = learn(folder, way, steps)
    if os.environ["RANK"] == "0":
        world = os.environ["WORLD_SIZE"]
        (folder / "said").write_text(f"{found['digest']} {found['resumed_from']} {world}")
"""
SBATCH = """#!/bin/bash
# prints the job's number, does the job, ends as it ended
echo "${@: -1}" > "$FAKE/submitted"
echo 42
export SLURM_JOB_ID=42
bash "${@: -1}" > "$FAKE/output" 2>&1
"""
SRUN = """#!/bin/bash
# the first machine is where they meet: it is the one that must not be lost
port=$(grep -o 'rdzv-endpoint=[^ ]*' <<< "$*" | grep -o '[0-9]*$')
for ((i = 0; i < ${FAKE_MACHINES:-1}; i++)); do
  [ $i = 0 ] || until (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do sleep 0.2; done
  FAKE_MACHINE=$i "$@" &
done
status=0
for job in $(jobs -p); do wait $job || status=$?; done
exit $status
"""
pytestmark = pytest.mark.timeout(900)  # processes meet and part, on a machine that may be at work


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> str:
    """The digest of what two processes learn."""
    return together(2, learn, tmp_path_factory.mktemp("undisturbed"), WAY, STEPS)[0]["digest"]


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to train in; the training is the module `course`."""
    (tmp_path / "course.py").write_text(textwrap.dedent(COURSE))
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT), str(tmp_path)]))
    return tmp_path / "run"


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs called as Slurm's are, first on the path."""
    fake = tmp_path / "slurm"
    fake.mkdir()
    for name, text in {"sbatch": SBATCH, "srun": SRUN}.items():
        (fake / name).write_text(text)
        (fake / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(fake))
    return fake


def test_torchrun_starts_a_killed_worker_again(course: Path, undisturbed: str) -> None:
    status = Torchrun().run(["-m", "course", str(course), "worker"], Resources(processes=2, restarts=1))
    assert status == 0
    assert (course / "struck").exists()
    digest, resumed_from, size = (course / "said").read_text().split()
    assert (digest, size) == (undisturbed, "2")
    assert resumed_from in LAST


def test_slurm_is_given_a_job_of_two_machines(course: Path, slurm: Path, monkeypatch, undisturbed: str) -> None:
    monkeypatch.setenv("FAKE_MACHINES", "2")
    launcher = Slurm(course, ["--partition=long"])
    status = launcher.run(["-m", "course", str(course), "nobody"], Resources(machines=2, threads=3))
    assert status == 0, (slurm / "output").read_text()
    assert (course / "said").read_text().split() == [undisturbed, "None", "2"]
    script = Path((slurm / "submitted").read_text().strip()).read_text()
    assert "#SBATCH --nodes=2\n" in script
    assert "#SBATCH --cpus-per-task=3\n" in script
    assert "#SBATCH --partition=long\n" in script
    assert f"{sys.executable} -m torch.distributed.run --nnodes=2 --nproc-per-node=1 --max-restarts=0" in script


def test_slurm_says_how_a_job_ended_and_where_there_is_none(course: Path, slurm: Path, monkeypatch) -> None:
    (slurm / "srun").write_text("#!/bin/bash\nexit 9\n")
    assert Slurm(course).run(["-m", "course"], Resources()) == 9
    monkeypatch.setenv("PATH", str(course))
    with pytest.raises(HornbookError, match="there is no sbatch here"):
        Slurm(course).run(["-m", "course"], Resources())


def test_a_job_is_cancelled_with_the_run(course: Path, slurm: Path) -> None:
    (slurm / "srun").write_text("#!/bin/bash\nsleep 60\n")
    (slurm / "scancel").write_text(f'#!/bin/bash\necho "$1" > "{slurm}/cancelled"\nkill $(cat "{slurm}/pid")\n')
    (slurm / "sbatch").write_text(f'#!/bin/bash\necho $$ > "{slurm}/pid"\necho 42\nexec sleep 60\n')
    (slurm / "scancel").chmod(0o755)
    run = subprocess.Popen(
        [sys.executable, "-c", "import signal; from hornbook.pipeline.launch import Slurm, Resources;"
         "signal.signal(signal.SIGINT, signal.default_int_handler);"  # what nohup started ignores it
         f"Slurm({str(course)!r}).run(['-m', 'course'], Resources())"], stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert run.stderr is not None
    assert "Slurm job 42" in run.stderr.readline()
    run.send_signal(signal.SIGINT)
    run.wait(60)
    assert (slurm / "cancelled").read_text() == "42\n"


@pytest.mark.slow
def test_a_lost_machine_leaves_the_rest_to_go_on(course: Path, slurm: Path, monkeypatch, undisturbed: str) -> None:
    monkeypatch.setenv("FAKE_MACHINES", "2")
    Slurm(course).run(
        ["-m", "course", str(course), "machine"], Resources(machines=2, fewest=1, restarts=3)
    )  # ends as the lost one did
    _, resumed_from, size = (course / "said").read_text().split()
    assert (resumed_from in LAST, size) == (True, "1"), (slurm / "output").read_text()


@pytest.mark.slow
def test_ray_starts_a_killed_worker_again(course: Path, undisturbed: str) -> None:
    pytest.importorskip("ray")
    status = Ray(course).run(["-m", "course", str(course), "worker"], Resources(processes=2, restarts=1))
    assert status == 0
    assert (course / "struck").exists()
    digest, resumed_from, size = (course / "said").read_text().split()
    assert (digest, size) == (undisturbed, "2")
    assert resumed_from in LAST


def test_ray_must_be_installed(course: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"hornbook\[ray\]"):
        Ray(course).run(["-m", "course"], Resources())

"""What the operating system knows of our processes: memory at its peak, children that must not outlive us, the
programs that it has."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
SAMPLE_SECONDS = 0.5


def die_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it dies, `kill -9` included.

    Give it to a pool as its initializer, or call it first thing in a worker; elsewhere than on Linux it does nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_ticks(statistics: Path = Path("/proc/stat")) -> tuple[int, int]:
    """(what other virtual machines took of our processors, all there was) since the system began, in ticks.

    A machine that is shared is slow by other people's work: the difference of two looks says by how much. Zeros where
    the system does not tell.
    """
    try:
        fields = statistics.read_text(encoding="ascii").splitlines()[0].split()
        ticks = [int(field) for field in fields[1:9]]  # user, nice, system, idle, iowait, irq, softirq, steal
        return ticks[7], sum(ticks)
    except (OSError, ValueError, IndexError):
        return 0, 0


def compiler() -> str | None:
    """The C++ compiler: $CXX alone where it is set, else g++ or clang++."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    return next((found for name in names if (found := shutil.which(name))), None)


class PeakMemory:
    """The most memory this process and its children held within the block, in bytes: `with PeakMemory() as peak:`.

    Our own peak is the kernel's (VmHWM, reset through /proc/self/clear_refs where Linux allows it; else the peak since
    the process began). Children are looked at twice a second, pages shared between processes counted once.
    """

    def __enter__(self) -> PeakMemory:
        self._children = 0
        self._ended = threading.Event()
        with suppress(OSError):  # refused: then the peak since the process began is an honest upper bound
            Path("/proc/self/clear_refs").write_text("5")
        self._watch = threading.Thread(target=self._sample, name="peak-memory", daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watch.join()
        self.bytes = _own_peak() + self._children

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._children = max(self._children, sum(_proportional(pid) for pid in _descendants(os.getpid())))


def _own_peak() -> int:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # no /proc here
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _descendants(pid: int) -> list[int]:
    try:
        texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []  # it ended while we looked
    children = [int(child) for text in texts for child in text.split()]
    return children + [below for child in children for below in _descendants(child)]


def _proportional(pid: int) -> int:
    """The process's memory with each shared page divided among those that share it."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # it ended while we looked, or is not ours
    return 0

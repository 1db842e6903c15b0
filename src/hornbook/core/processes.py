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
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
SAMPLE_SECONDS = 0.2


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
    ticks = _ticks(statistics)
    return ticks[7], sum(ticks)


class Others:
    """How much of the machine's processors others took within the block: `with Others() as others:`, then
    `others.share`, 0 to 1, of all that were neither idle nor ours. 0 where the system does not tell."""

    def __init__(self, statistics: Path = Path("/proc/stat"), own: Callable[[], float] = time.process_time):
        self._statistics, self._own = statistics, own

    def __enter__(self) -> Others:
        self._before, self._began = _ticks(self._statistics), self._own()
        return self

    def __exit__(self, *_: object) -> None:
        passed = [now - then for now, then in zip(_ticks(self._statistics), self._before, strict=True)]
        ours = (self._own() - self._began) * os.sysconf("SC_CLK_TCK")
        others = sum(passed) - passed[3] - passed[4] - ours
        self.share = min(1.0, max(0.0, others / max(1, sum(passed))))


def _ticks(statistics: Path) -> list[int]:
    """user, nice, system, idle, iowait, irq, softirq, steal; zeros where the system does not tell."""
    try:
        fields = statistics.read_text(encoding="ascii").splitlines()[0].split()
        ticks = [int(field) for field in fields[1:9]]
        return ticks if len(ticks) == 8 else [0] * 8
    except (OSError, ValueError, IndexError):
        return [0] * 8


def memory_limit(groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """The most memory this process may hold, in bytes: the machine's, or less where a control group (a container's,
    Slurm's) says so. Of both kinds of groups all above ours count; swap does not."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []  # no control groups here
    for line in lines:
        _, kinds, name = line.split(":", 2)
        if kinds == "" or "memory" in kinds.split(","):
            top, key = (groups, "memory.max") if kinds == "" else (groups / "memory", "memory.limit_in_bytes")
            group = top / name.strip("/")
            for folder in (group, *group.parents):
                with suppress(OSError, ValueError):  # "max", or a group that is not seen from here
                    limits.append(int((folder / key).read_text()))
                if folder == top:
                    break
    return min(limits)


def compiler() -> str | None:
    """The C++ compiler: $CXX alone where it is set, else g++ or clang++."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    return next((found for name in names if (found := shutil.which(name))), None)


@cache
def glibc() -> ctypes.CDLL | None:
    """The C library, where it is glibc: others have no such settings as its allocator's, and need none."""
    library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return library if hasattr(library, "malloc_trim") else None


def release_memory() -> None:
    """Give freed memory back to the system: for the ends of work after which other sizes are asked for."""
    library = glibc()
    if library is not None:
        library.malloc_trim(0)


class PeakMemory:
    """The most memory this process and its children held at once within the block, in bytes:
    `with PeakMemory() as peak:`.

    All are looked at together five times a second, pages shared between processes counted once; it is never less than
    our own peak, which the kernel keeps (VmHWM, reset through /proc/self/clear_refs where Linux allows it; else the
    peak since the process began).
    """

    def __enter__(self) -> PeakMemory:
        self._together = 0
        self._ended = threading.Event()
        with suppress(OSError):  # refused: then the peak since the process began is an honest upper bound
            Path("/proc/self/clear_refs").write_text("5")
        self._watch = threading.Thread(target=self._sample, name="peak-memory", daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watch.join()
        self.bytes = max(_own_peak(), self._together)

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            children = sum(_proportional(pid) for pid in _descendants(os.getpid()))
            self._together = max(self._together, children + _own())


def _own() -> int:
    """What this process holds now."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0  # no /proc here


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

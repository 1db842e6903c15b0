"""What is wrong with a page, and how long one may take to find out."""

from __future__ import annotations

import time
from collections.abc import Callable

Check = Callable[[], None]


class PageFault(Exception):
    """A page that cannot become a document: `fault` is the reason it is counted under, `detail` says more."""

    def __init__(self, fault: str, detail: str = ""):
        super().__init__(f"{fault}: {detail}")
        self.fault, self.detail = fault, detail


def cpu_budget(seconds: float) -> Check:
    """A function that raises PageFault "cpu time" once this thread has used that much more processor time.

    It counts the thread's own time, not the wall clock (a busy machine refuses nothing) and not the process's (other
    threads may be at work on other pages), and needs no signal, so it holds in any thread. Whoever works on a page
    calls it between steps; what cannot be interrupted, such as a parser in C, is held short by limits on its input.
    """
    until = time.thread_time() + seconds

    def check() -> None:
        if time.thread_time() > until:
            raise out_of_time(seconds)

    return check


def out_of_time(seconds: float) -> PageFault:
    """The fault of a page that takes longer than these seconds of processor time."""
    return PageFault("cpu time", f"more than {seconds:g} s")

"""A reader in a process of its own: what it unpacks, how long it takes and where it crashes costs one page."""

from __future__ import annotations

import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from hornbook.core.processes import die_with_parent
from hornbook.corpus.extraction.faults import Check, PageFault, cpu_budget, out_of_time

MEMORY = 1 << 30  # bytes of address space, the program's own among them
_HEAD = struct.Struct("<dQ")  # seconds, bytes of the document


class Apart:
    """Runs the module `module`, which calls `serve`, and gives it one document after another; `kind` is what an error
    calls them. It is started at the first document, and again after one that ended it."""

    def __init__(self, module: str, kind: str):
        self.module, self.kind = module, kind
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._turn = threading.Lock()

    def read(self, body: bytes, seconds: float) -> tuple[str, str]:
        """Title and text of a document, for which it may take so many `seconds` of processor time and MEMORY. Raises
        PageFault for one that takes more, that ends the process, or that the reader refuses."""
        with self._turn:
            fresh = self._process is None or self._owner != os.getpid()
            answer, ended_by = self._ask(body, seconds)
            if not answer and not fresh and ended_by != -signal.SIGXCPU:  # what came before it shall not decide
                answer, ended_by = self._ask(body, seconds)
        if answer:
            said = json.loads(answer)
            if "fault" in said:
                raise PageFault(said["fault"], said["detail"])
            return said["title"], said["text"]
        if ended_by == -signal.SIGXCPU:
            raise out_of_time(seconds)
        why = f"its reader crashed, or needed over {MEMORY:,} bytes"
        raise PageFault("damaged", f"the {self.kind} cannot be read ({why})")

    def _ask(self, body: bytes, seconds: float) -> tuple[bytes, int]:
        """The line it answers with; where it ended instead, nothing and how it ended."""
        if self._process is None or self._owner != os.getpid():
            command = [sys.executable, "-m", self.module]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             stderr=subprocess.DEVNULL)  # fmt: skip
            self._owner = os.getpid()
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(_HEAD.pack(seconds, len(body)))
            process.stdin.write(body)
            process.stdin.flush()
        answer = process.stdout.readline()
        if answer.endswith(b"\n"):
            return answer, 0
        self._process = None
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        return b"", process.wait()


def serve(read: Callable[[bytes, Check], tuple[str, str]]) -> None:
    """Answer with what `read` makes of each document that comes, within the limits, until no more come."""
    import resource

    die_with_parent()
    with suppress(ValueError, OSError):  # a system without such a limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    given, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := given.read(_HEAD.size):
        seconds, size = _HEAD.unpack(head)
        body = given.read(size)
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        # `check` comes first; this is for what does not call it
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds) + 1, most))
        try:
            title, text = read(body, cpu_budget(seconds))
            answer = {"title": title, "text": text}
        except PageFault as fault:
            answer = {"fault": fault.fault, "detail": fault.detail}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()

"""A stranger's chat template, rendered where it can do no harm: jinja2's sandbox, in a process of its own.

The sandbox keeps a template from Python's insides; it does not keep it from looping for ever, nor from doubling a text
until the memory is full. So a process with little memory renders it, and is ended when it takes too long. It stays for
the next turn of the talk.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from hornbook.core.errors import InputError

SECONDS = 2  # of processor time, whatever others do beside: a template takes thousandths of one
PATIENCE = 60.0  # seconds until a process that neither works nor answers is given up
MEMORY = 512 << 20  # bytes of address space: Python and jinja2 take a tenth of it
PROCESS = Path(__file__).with_name("rendering_process.py")


class Renderer:
    """One template. `render` may be called from several threads; `close` ends the process."""

    def __init__(self, template: str, where: object):
        self._template, self._where = template, where
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        atexit.register(self.close)

    def render(self, **variables: Any) -> str:
        """The text. Raises InputError with what the template says against it, or where it does not come to an end."""
        return self._answered(variables, "write the conversation as it asks, or take another model")

    def demand_readable(self) -> None:
        """Raises InputError for a template that is none, whatever it is given."""
        self._answered(None, "mend the template, or take another model")

    def _answered(self, variables: dict[str, Any] | None, fix: str) -> str:
        with self._lock:
            answer = self._asked(json.dumps(variables))
            if "status" in answer:
                self._end()
        if "text" in answer:
            return answer["text"]
        if answer.get("status", -1) >= 0:  # not ended by a signal: it never began
            raise RuntimeError(f"{PROCESS} left with {answer['status']}")
        what = answer.get("error") or "does not come to an end, or takes all memory"
        raise InputError(f"the model's chat template {what}", where=self._where, fix=fix)

    def close(self) -> None:
        """End the process; the next `render` starts another."""
        with self._lock:
            self._end()

    def _asked(self, variables: str) -> dict[str, Any]:
        """Its `text`, the `error` the template made, or the `status` with which the process left."""
        process = self._process or self._started()
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        try:
            line = _told(process, variables)
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        return json.loads(line) if line else {"status": process.wait()}

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", str(PROCESS), str(SECONDS), str(MEMORY)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        _told(self._process, json.dumps(self._template))
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(BrokenPipeError), process:  # which closes the pipes and waits
                pass


def _told(process: subprocess.Popen[str], line: str) -> str:
    """The line with which the process answers one; empty where it is gone."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline()

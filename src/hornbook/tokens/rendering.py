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
import time
from contextlib import suppress
from datetime import datetime
from typing import Any

from hornbook.core.errors import InputError

SECONDS = 2  # of processor time, whatever others do beside: a template takes thousandths of one
PATIENCE = 60.0  # seconds until a process that neither works nor answers is given up
MEMORY = 512 << 20  # bytes of address space: Python and jinja2 take a tenth of it
LONGEST = 16 << 20  # characters rendered


class Renderer:
    """One template. `render` may be called from several threads; `close` ends the process."""

    def __init__(self, template: str, where: object):
        self._template, self._where = template, where
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        atexit.register(self.close)

    def render(self, **variables: Any) -> str:
        """The text. Raises InputError with what the template says against it, or where it does not come to an end."""
        with self._lock:
            try:
                answer = self._asked(json.dumps(variables))
            except (OSError, ValueError):
                answer = {}
            if "text" not in answer:
                self._end()
        if "text" in answer:
            return answer["text"]
        what = answer.get("error") or "does not come to an end, or takes all memory"
        raise InputError(f"the model's chat template {what}", where=self._where,
                         fix="write the conversation as it asks, or take another model")

    def close(self) -> None:
        """End the process; the next `render` starts another."""
        with self._lock:
            self._end()

    def _asked(self, variables: str) -> dict[str, str]:
        if self._process is None:
            command = [sys.executable, "-m", "hornbook.tokens.rendering"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                             stderr=subprocess.DEVNULL)
            self._write(json.dumps(self._template))
        self._write(variables)
        timer = threading.Timer(PATIENCE, self._process.kill)
        timer.start()
        try:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        return json.loads(line) if line else {}

    def _write(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError, ValueError):  # what it was still to be told, it will not hear
                process.__exit__(None, None, None)


def serve() -> None:
    """The other process: a template, then lines of variables, each answered by a line."""
    import resource

    from hornbook.core.processes import die_with_parent

    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    source, made = json.loads(sys.stdin.readline()), None
    for line in sys.stdin:
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + SECONDS, resource.RLIM_INFINITY))
        try:
            made = made or environment().from_string(source)
            text = made.render(**json.loads(line))
            answer = {"text": text} if len(text) <= LONGEST else {"error": "makes a text without end"}
        except Exception as error:
            said = " ".join(str(error).split())[:160]
            answer = {"error": f"refuses this ({said})" if said else f"fails ({type(error).__name__})"}
        print(json.dumps(answer), flush=True)


def environment() -> Any:
    """jinja2 as transformers sets it up for chat templates: its sandbox, its blanks, its functions."""
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks what an assistant said; rendering leaves it as it is."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    def refuse(message: str) -> None:
        raise TemplateError(message)

    def as_json(value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None,
                sort_keys: bool = False) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    made.filters["tojson"] = as_json
    made.globals |= {"raise_exception": refuse, "strftime_now": lambda form: datetime.now().strftime(form)}
    return made


if __name__ == "__main__":
    serve()

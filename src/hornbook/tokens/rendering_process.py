"""The process in which `rendering.py` has a template rendered. It knows no Hornbook: its arguments are the seconds and
the bytes it may take, its first line of input the template, every other one its variables, or null for none: then it
is only read. Each gets a line in answer.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from datetime import datetime
from typing import Any

LONGEST = 16 << 20  # characters rendered


def serve(seconds: int, memory: int) -> None:
    """Answer until the input ends, each time within `seconds` of processor time, all of it within `memory` bytes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    source, made = json.loads(sys.stdin.readline()), None
    print(flush=True)
    for line in sys.stdin:
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds), resource.RLIM_INFINITY))
        try:
            made = made or environment().from_string(source)
            variables = json.loads(line)
            text = "" if variables is None else made.render(**variables)
            answer = {"text": text} if len(text) <= LONGEST else {"error": "makes a text without end"}
        except Exception as error:
            said = " ".join(str(error).split())[:160]
            does = "cannot be read" if made is None else "refuses this" if said else "fails"
            answer = {"error": f"{does} ({said or type(error).__name__})"}
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
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"],
        optimized=False,  # 'x' * 100000000 is never a part of the compiled template
    )  # fmt: skip
    made.filters["tojson"] = as_json
    made.globals |= {"raise_exception": refuse, "strftime_now": lambda form: datetime.now().strftime(form)}
    return made


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:]))

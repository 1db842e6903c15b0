"""vLLM's server as a child process on loopback, for as long as it is needed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from hornbook.core.errors import HornbookError, MissingExtraError

START_SECONDS = 900.0  # a large model is long in coming
STOP_SECONDS = 30.0
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}  # it would tell its makers otherwise


def find_vllm() -> str:
    """The program: HORNBOOK_VLLM, one beside this Python, or one on the path. It brings a torch of its own, so it may
    well live in an environment of its own. Raises MissingExtraError where there is none."""
    named = os.environ.get("HORNBOOK_VLLM")
    beside = shutil.which("vllm", path=str(Path(sys.executable).parent))
    found = shutil.which(named) if named else beside or shutil.which("vllm")
    if found is None:
        raise MissingExtraError.named("vllm", "vllm")
    return found


@contextlib.contextmanager
def running(folder: Path, name: str) -> Iterator[str]:
    """The address of a vLLM that serves the folder's model as `name`; it stops at the end of the block.

    Raises MissingExtraError where there is no vLLM, HornbookError where it does not come up.
    """
    program = find_vllm()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [program, "serve", str(folder), "--served-model-name", name, "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=sys.stderr, env={**os.environ, **QUIET}, start_new_session=True)
    try:
        _wait(process, address)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen, address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise HornbookError(f"vLLM ended with status {process.returncode}", fix="what it said is above")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5):
            return
        time.sleep(0.5)
    raise HornbookError(f"vLLM did not come up within {START_SECONDS:,.0f} seconds", fix="what it said is above")

"""The island's site over HTTP on loopback, misbehaving exactly as its manifest says."""

from __future__ import annotations

import asyncio
import hashlib
import json
import mimetypes
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hornbook.core.errors import BusyError, InputError

HOST = "127.0.0.1"
LOWEST_PORT, PORTS = 20_000, 20_000


class SiteServer:
    """Serves `folder` (the island's `site/`) on `port` from a thread of its own. `asked` counts requests by address.

    A file's answer carries an ETag, and If-None-Match is honoured. What manifest.json names answers otherwise:
    `redirect` (302), `status`, `delay` seconds before the answer, `content_type` as it claims to be.
    """

    def __init__(self, folder: Path, port: int):
        manifest = folder / "manifest.json"
        if not manifest.exists():
            raise InputError("here is no island's site", where=folder, fix="write one with: hornbook demo")
        self.folder, self.port = folder.resolve(), port
        self.special: dict[str, dict] = json.loads(manifest.read_text())
        self.asked: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._serve, name="island", daemon=True)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Begin to answer. Raises BusyError when somebody else has the port."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise BusyError(
                f"the island's port cannot be had ({self._error.strerror})", where=self.address,
                fix="stop the other program, or run the demo with another --name",
            )  # fmt: skip

    def stop(self) -> None:
        """Stop at once; answers still being delayed are dropped."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        from aiohttp import web

        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(runner.setup())
        try:
            self._loop.run_until_complete(web.TCPSite(runner, HOST, self.port, reuse_address=True).start())
        except OSError as error:
            self._error = error
            self._ready.set()
        else:
            self._ready.set()
            self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _answer(self, request):
        from aiohttp import web

        path = request.path_qs
        self.asked[path] += 1
        rule = self.special.get(path, {})
        if "delay" in rule:
            await asyncio.sleep(rule["delay"])
        if "redirect" in rule:
            raise web.HTTPFound(rule["redirect"])
        if "status" in rule:
            return web.Response(status=rule["status"], text="This did not work.")
        body = self._read(request.path)
        if body is None:
            return web.Response(status=404, text="There is no such page.")
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        kind = rule.get("content_type") or mimetypes.guess_type(request.path)[0] or "text/html"
        return web.Response(body=body, headers={"ETag": tag, "Content-Type": kind})

    def _read(self, path: str) -> bytes | None:
        target = (self.folder / (path.lstrip("/") or "index.html")).resolve()
        if target.is_dir():
            target /= "index.html"
        inside = target.is_relative_to(self.folder) and target.name != "manifest.json"
        return target.read_bytes() if inside and target.is_file() else None


@contextmanager
def serving(folder: Path, port: int) -> Iterator[SiteServer]:
    """The site served for the length of the block.

    with serving(island / "site", free_port(seed)) as server:
        crawl(server.address)
    """
    server = SiteServer(folder, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def free_port(seed: int) -> int:
    """The port of this seed, or the next that nobody listens on: the same address on every machine, if it can be."""
    for step in range(PORTS):
        port = LOWEST_PORT + (seed * 101 + step) % PORTS
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise BusyError("no port is free", where=HOST, fix="stop some programs that listen")

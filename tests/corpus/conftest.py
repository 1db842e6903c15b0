"""A real HTTP server on loopback, in a thread of its own, for tests that fetch."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from hornbook.corpus.store.frontier import Frontier
from hornbook.corpus.store.pages import read_pages
from hornbook.corpus.web.crawl import crawl_site
from hornbook.corpus.web.fetch import Fetcher
from hornbook.corpus.web.guard import AddressGuard
from hornbook.corpus.web.limits import CrawlLimits

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """Answers by path; `asked` counts requests. A str is an HTML page, a Response or a handler is itself."""

    def __init__(self):
        self.answers: dict[str, str | bytes | Handler] = {}
        self.asked: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        server = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(server.start())
        self.port = server._server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path_qs] += 1
        answer = self.answers.get(request.path_qs, self.answers.get(request.path))
        if answer is None:
            return web.Response(status=404, text="nothing here")
        if callable(answer):
            return await answer(request)
        body = answer.encode() if isinstance(answer, str) else answer
        return web.Response(body=body, headers={"Content-Type": "text/html; charset=utf-8"})


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    yield served
    served.stop()


def page(title: str, *links: str, text: str = "") -> str:
    """A small page with links."""
    anchors = " ".join(f'<a href="{link}">{link}</a>' for link in links)
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p>{anchors}</body></html>"


def crawl(
    start: str | list[str], folder: Path, *, limits: dict | None = None, resolver=None, allow=("127.0.0.1",),
    blocked=lambda url: None, on_wait=lambda host, seconds: None, **options,
):  # fmt: skip
    """Crawl on loopback without delays; the rows by path (by URL elsewhere)."""
    settings = {"user_agent": "hornbook/test", "timeout": 5.0, "resolver": resolver} | options
    fetcher = Fetcher(AddressGuard(allow), **settings)
    chosen = CrawlLimits(**({"delay": 0.0, "concurrency": 4, "backoff": 0.01} | (limits or {})))
    frontier = Frontier(folder / "work" / "frontier.sqlite")

    async def run() -> None:
        async with fetcher:
            await crawl_site(start, folder / "out", frontier, fetcher, chosen, previous=folder / "previous",
                             blocked=blocked, on_wait=on_wait)  # fmt: skip

    try:
        asyncio.run(run())
    finally:
        frontier.close()
    site = start if isinstance(start, str) else start[0]
    return {row.url.removeprefix(site.rstrip("/")): row for row in read_pages(folder / "out" / "pages.parquet")}

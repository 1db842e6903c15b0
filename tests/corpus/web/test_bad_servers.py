"""What servers do that no framework would let a test do: bytes on a socket."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.corpus.conftest import crawl, page

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"  # so that no request meets the closing


def sends(*pieces: bytes, pause: float = 0.0, times: int = 1) -> Answering:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(pieces[0])
        for _ in range(times):
            for piece in pieces[1:]:
                await asyncio.sleep(pause)
                writer.write(piece)
                await writer.drain()

    return answer


def whole(body: bytes, *headers: bytes) -> Answering:
    lines = b"".join(header + b"\r\n" for header in headers)
    return sends(OK + b"Content-Length: %d\r\n" % len(body) + lines + b"\r\n" + body)


FOREVER = 10**9
ANSWERS: dict[str, tuple[Answering, str | None]] = {
    "/drip": (sends(OK + b"\r\n", b"x", pause=0.02, times=FOREVER), "timeout"),
    "/drip-header": (sends(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", pause=0.05, times=FOREVER), "timeout"),
    "/silence": (sends(b"", b"", pause=30, times=1), "timeout"),
    "/headers": (sends(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000, times=FOREVER), "bad answer"),
    "/long-header": (sends(OK + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n"), "bad answer"),
    "/gigabyte": (sends(OK + b"\r\n", b"<p>x" * 16_000, times=FOREVER), "too big"),
    "/claims-a-gigabyte": (sends(OK + b"Content-Length: 1000000000\r\n\r\n", b"x"), "too big"),
    "/short": (sends(OK + b"Content-Length: 1000\r\n\r\n<p>ten</p>"), "connection"),
    "/long": (sends(OK + b"Content-Length: 10\r\n\r\n<p>ten</p><p>and more</p>"), "bad answer"),
    "/length": (sends(OK + b"Content-Length: minus\r\n\r\n<p>x</p>"), "bad answer"),
    "/bad-chunk": (sends(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n<p>x</p>\r\n0\r\n\r\n"), "bad answer"),
    "/cut-chunk": (sends(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n<p>x</p>"), "connection"),
    "/bomb": (whole(gzip.compress(b"0" * 30_000_000), b"Content-Encoding: gzip"), "too big"),
    "/half-gzip": (whole(gzip.compress(b"<p>x</p>" * 999)[:40], b"Content-Encoding: gzip"), "bad answer"),
    "/brotli": (whole(b"x", b"Content-Encoding: br"), "bad answer"),
    "/no-http": (sends(b"\x15\x03\x01\x00\x02\x02\x16"), "bad answer"),
    "/nothing": (sends(b""), "connection"),
    "/odd-location": (sends(b"HTTP/1.1 302 Found\r\nLocation: http://[oops\r\n\r\n"), "bad redirect"),
    "/odd-header": (whole(b"<p>x</p>", b"X-Odd: \xff\xfe caf\xe9"), None),
    "/binary": (whole(bytes(range(256)) * 20), None),
    "/charset": (sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>caf\xe9</p>"), None),
    "/no-type": (sends(b"HTTP/1.1 200 OK\r\n\r\n<p>x</p><a href=/found>x</a>"), None),
    "/found": (whole(b"<p>found</p>"), None),
}


@pytest.fixture
def bad_site() -> Iterator[str]:
    """The address of a server that answers each path above in its way."""
    loop, ready, address = asyncio.new_event_loop(), threading.Event(), []
    start = page("start", *ANSWERS).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            answer = whole(start) if path == "/" else ANSWERS.get(path, (sends(b"HTTP/1.1 404 No\r\n\r\n"), None))[0]
            await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # the crawler went away, or the test is over
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        ready.set()
        await server.serve_forever()

    def run() -> None:
        asyncio.set_event_loop(loop)
        task = loop.create_task(main())
        address.append(task)
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            left = asyncio.all_tasks(loop)
            for each in left:
                each.cancel()
            loop.run_until_complete(asyncio.wait(left))
            loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    yield address[-1] if isinstance(address[-1], str) else address[0]
    loop.call_soon_threadsafe(next(each for each in address if not isinstance(each, str)).cancel)
    thread.join()


def test_every_page_that_is_no_page_is_refused_with_its_reason(bad_site, tmp_path) -> None:
    limits = {"concurrency": 16, "retries": 0}
    rows = crawl(bad_site, tmp_path, limits=limits, timeout=0.7, max_bytes=1_000_000)
    assert {path: row.reason for path, row in rows.items()} == {"/": None} | {
        path: reason for path, (_, reason) in ANSWERS.items()
    }
    assert all(row.detail for row in rows.values() if row.reason)

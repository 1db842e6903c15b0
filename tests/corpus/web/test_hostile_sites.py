"""Sites that mean harm: answers that no program sends, files without end, ways that lead out of the web."""

from __future__ import annotations

import asyncio
import gzip
import io
import random
import socketserver
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from aiohttp import web

from hornbook.core.errors import InputError
from hornbook.corpus.web.guard import AddressGuard, GuardedResolver
from hornbook.corpus.web.robots import Robots
from hornbook.corpus.web.sitemaps import MAX_BYTES, MAX_SITEMAPS, read_sitemap
from tests.corpus.conftest import crawl, page
from tests.corpus.web.test_guard import Names

ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nETag: \"x\"\r\nTransfer-Encoding: chunked\r\n"
          b"Content-Encoding: gzip\r\nLocation: /b\r\nX-Robots-Tag: noarchive\r\n\r\n")  # fmt: skip
PACKED = gzip.compress(page("title", "/0", "/good").encode(), mtime=0)
PIECES = (
    b"\r\n", b"\n", b"\r", b": ", b"\0", b"\xff\xfe", b"Content-Length: -1\r\n", b"Content-Length: 5\r\n",
    b"HTTP/1.1 302 Found\r\n", b"HTTP/1.1 304 Not Modified\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/9.9 999 \xed\xa0\x80\r\n",
    b"Location: http://[::1\r\n", b"Location: \xff//\r\n", b"Content-Type: text/html; charset=\xed\xa0\x80\r\n",
    b"Content-Encoding: gzip, gzip\r\n", b"Set-Cookie: a=b\r\n", b"Retry-After: \xd9\xa3\r\n", b" folded\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffffffff\r\n", b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"Trailer: x\r\n",
)  # fmt: skip


def mutated(number: int) -> bytes:
    rng = random.Random(number)
    answer = bytearray(ANSWER + b"%x\r\n" % len(PACKED) + PACKED + b"\r\n0\r\n\r\n")
    for _ in range(rng.choice((1, 1, 2, 4, 12))):
        at = rng.randrange(len(answer) if rng.random() < 0.3 else len(ANSWER)) % len(answer)
        match rng.randrange(5):
            case 0:
                answer[at] ^= 1 << rng.randrange(8)
            case 1:
                del answer[at : at + rng.choice((1, 9, 90))]
            case 2:
                answer[at:at] = rng.choice(PIECES)
            case 3:
                answer[at : at + 6] = rng.choice(PIECES)
            case 4:
                at = answer.find(b"\r\n", at) + 2
                answer[at:at] = rng.choice(PIECES)
        answer = answer or bytearray(b"x")
    return bytes(answer)


class Mutating(socketserver.StreamRequestHandler):
    """`/7` is answered with mutation 7; a good page lies between each two bad ones."""

    def handle(self) -> None:
        path = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        number = path.strip("/")
        if number.isdecimal():
            self.wfile.write(mutated(int(number)))
            return
        links = [f"/{number}" for number in range(self.server.count)] if path == "/" else ()
        body = page(path, *links, *(f"/good-{number}" for number in range(20))).encode()
        known = path == "/" or path.startswith("/good")
        self.wfile.write((b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" if known else b"HTTP/1.1 404 No\r\n")
                         + b"Content-Length: %d\r\n\r\n" % len(body) + body)  # fmt: skip


@pytest.fixture
def mutating(request) -> Iterator[str]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mutating)
    server.daemon_threads, server.count = True, request.param
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("mutating", [150, pytest.param(3000, marks=pytest.mark.slow)], indirect=True)
def test_mutated_answers_are_pages_or_have_their_reason(mutating, tmp_path) -> None:
    rows = crawl(mutating, tmp_path, limits={"concurrency": 16, "retries": 0, "sitemaps": False}, timeout=2.0)
    assert all(rows[f"/good-{number}"].outcome == "taken" for number in range(20))
    reasons = {row.reason for row in rows.values()}
    assert reasons <= {None, "timeout", "connection", "bad answer", "status", "redirect", "bad redirect", "type",
                       "redirect loop", "redirect off site", "private address", "too many redirects"}  # fmt: skip
    assert {None, "connection", "bad answer", "status"} <= reasons


def test_a_robots_file_of_ten_megabytes(site, tmp_path) -> None:
    """What is read of it is obeyed, the rest is not even fetched."""
    rules = b"User-agent: *\nDisallow: /no\n" + b"Disallow: /x\n" * 800_000
    site.answers |= {"/robots.txt": rules, "/": page("start", "/no", "/yes"), "/yes": page("yes"), "/no": page("no")}
    rows = crawl(site.url, tmp_path)
    assert {path: row.reason for path, row in rows.items()} == {"/": None, "/yes": None, "/no": "robots"}
    assert site.asked["/no"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"User-agent: a{n}\n" for n in range(15_000)) + "Disallow: /x\n" * 20_000,
        "".join(f"User-agent: h{'*' * (n % 90)}o{'*' * (n // 90)}\n" for n in range(5000)) + "Disallow: /x\n" * 20_000,
        "".join(f"useragent a{n}\n" for n in range(15_000)) + "Allow: /x$\n" * 20_000,
        "User-agent: *\n" + "Disallow: /" + "*a" * 100_000 + "\n",
        "User-agent: *\n" + "".join(f"Disallow: /{n}*a\n" for n in range(30_000)),
    ],
)
def test_no_robots_file_takes_long(text: str) -> None:
    started = time.process_time()
    robots = Robots.from_answer(200, text.encode())
    for path in ("", "a" * 2000, "x", "b/c"):
        robots.allows(f"http://x.org/{path}")
    assert time.process_time() - started < 5


def test_rules_for_others_are_not_for_us_whatever_they_are_called() -> None:
    text = (b"User-agent: Otherbot\nUser-agent: another\nDisallow: /\n\nUSERAGENT: HornBook # ours\nuser-agent: x*\n"
            b"Disallow: /ours\n\nuser agent: *\nDisallow: /all\n")  # fmt: skip
    robots = Robots.from_answer(200, text)
    assert robots.allows("http://x.org/")
    assert robots.allows("http://x.org/all")
    assert not robots.allows("http://x.org/ours")
    assert not Robots.from_answer(200, b"User-agent: a\nUser-agent: *\nDisallow: /\n").allows("http://x.org/")
    assert Robots.from_answer(200, b"User-agent: a\nDisallow: /\nUser-agent: b\nDisallow: /\n").allows("http://x.org/")


def test_a_rest_without_end_is_a_no(site, tmp_path) -> None:
    slow = Robots.from_answer(200, b"User-agent: *\nCrawl-delay: 1000000\nSitemap: /map.xml\n")
    assert slow.endless == "Crawl-delay: 1,000,000"
    assert not slow.allows("http://x.org/")
    site.answers |= {"/robots.txt": b"User-agent: *\nCrawl-delay: 3601\n", "/": page("start")}
    with pytest.raises(InputError, match="Crawl-delay: 3,601"):
        crawl(site.url, tmp_path)
    assert dict(site.asked) == {"/robots.txt": 1}


def test_sitemaps_that_lead_round_burst_or_never_end(site, tmp_path) -> None:
    index = "<sitemapindex>{}</sitemapindex>"
    entry = "<sitemap><loc>{}</loc></sitemap>"

    async def endless(request: web.Request) -> web.Response:
        """Names two more each time it is asked."""
        number = int(request.query.get("n", "1"))
        more = "".join(entry.format(f"{site.url}/endless?n={next}") for next in (2 * number, 2 * number + 1))
        return web.Response(text=index.format(more), content_type="application/xml")

    site.answers |= {
        "/": page("start"), "/listed": page("listed"),
        "/sitemap.xml": index.format("".join(entry.format(f"{site.url}/{name}") for name in (
            "sitemap.xml", "a.xml", "bomb.xml.gz", "bombs.xml.gz", "endless?n=1", "good.xml"))),
        "/a.xml": index.format(entry.format(f"{site.url}/b.xml")),
        "/b.xml": index.format(entry.format(f"{site.url}/a.xml")),
        "/bomb.xml.gz": gzip.compress(b"<urlset>" + b" " * (MAX_BYTES + 1)),
        "/bombs.xml.gz": gzip.compress(gzip.compress(b"<urlset>" + b" " * (MAX_BYTES + 1))),
        "/endless": endless,
        "/good.xml": f"<urlset><url><loc>{site.url}/listed</loc></url><url><loc>file:///etc/passwd</loc></url></urlset>",
    }  # fmt: skip
    rows = crawl(site.url, tmp_path)
    assert {path: row.outcome for path, row in rows.items()} == {"/": "taken", "/listed": "taken"}
    asked = [path for path in site.asked if "xml" in path or "endless" in path]
    assert len(asked) <= MAX_SITEMAPS + 1
    assert max(site.asked[path] for path in asked) == 1


def test_slow_sitemaps_do_not_outlast_the_time_there_is(site, tmp_path) -> None:
    async def slowly(request: web.Request) -> web.Response:
        await asyncio.sleep(0.2)
        return web.Response(text="<urlset></urlset>", content_type="application/xml")

    many = "".join(f"<loc>{site.url}/{number}.xml</loc>" for number in range(200))
    site.answers |= {"/": page("start"), "/sitemap.xml": f"<sitemapindex>{many}</sitemapindex>"}
    site.answers |= {f"/{number}.xml": slowly for number in range(200)}
    with pytest.raises(InputError, match="time limit"):
        crawl(site.url, tmp_path, limits={"max_minutes": 1 / 60})
    assert sum(count for path, count in site.asked.items() if path.endswith(".xml")) < 20


@pytest.mark.parametrize("count", [50_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_sitemap_of_many_addresses(count) -> None:
    packed = io.BytesIO()
    with gzip.open(packed, "wb", compresslevel=1) as file:
        for number in range(count):
            file.write(b"<url><loc>http://x.org/%d</loc></url>" % number)
    started = time.process_time()
    tracemalloc.start()
    found = read_sitemap(packed.getvalue())
    assert tracemalloc.get_traced_memory()[1] < 500 * count
    tracemalloc.stop()
    assert len(found.pages) == count
    assert time.process_time() - started < 120


def test_ways_out_of_the_web_are_not_taken(site, tmp_path) -> None:
    (tmp_path / "secret").write_text("the secret")
    ways = [
        f"file://{tmp_path}/secret", "data:text/html,<p>x</p>", "javascript:alert(1)", "ftp://x.org/", "//", "http:///",
        "http://user:word@127.0.0.1/", "gopher://127.0.0.1/", "http://127.0.0.1:99999/", "\u0000", "http://[::1]/",
    ]  # fmt: skip

    def leads_to(way: str):
        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": way.replace("\0", "%00")})

        return answer

    site.answers |= {f"/{number}": leads_to(way) for number, way in enumerate(ways)}
    anchors = "".join(f"<a href='{way}'>x</a><iframe src='{way}'></iframe>" for way in ways)
    site.answers["/"] = page("start", *(f"/{number}" for number in range(len(ways))), text=anchors)
    rows = crawl(site.url, tmp_path, limits={"retries": 0})
    reasons = {row.reason for path, row in rows.items() if path != "/"}
    assert rows["/"].outcome == "taken"
    assert reasons <= {"bad redirect", "private address", "redirect off site", "status", "redirect", "redirect loop"}
    assert not any("secret" in path for path in rows)


def test_no_cookie_is_kept_and_none_is_sent(site, tmp_path) -> None:
    sent: list[str] = []

    async def with_cookie(request: web.Request) -> web.Response:
        sent.append(request.headers.get("Cookie", ""))
        response = web.Response(text=page("start", "/next"), content_type="text/html")
        response.set_cookie("session", "1")
        return response

    site.answers |= {"/": with_cookie, "/next": with_cookie}
    assert len(crawl(site.url, tmp_path)) == 2
    assert sent == ["", ""]


@pytest.mark.parametrize("inward", ["http://127.0.0.1:{port}/secret", "http://inner.example:{port}/secret"])
def test_robots_and_sitemaps_that_lead_inside_are_not_followed(inward, site, tmp_path) -> None:
    """By an address as by a name: what a redirect leads to is looked up and checked like all else."""
    where = inward.format(port=site.port)

    async def leads_inside(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": where})

    index = f"<sitemapindex><loc>http://site.example:{site.port}/moved.xml</loc></sitemapindex>"
    site.answers |= {"/": page("start"), "/secret": "User-agent: *\nDisallow: /", "/moved.xml": leads_inside,
                     "/sitemap.xml": index}  # fmt: skip
    names = GuardedResolver(AddressGuard(["site.example"]), Names("127.0.0.1"))
    options = {"allow": ("site.example",), "resolver": names}
    rows = crawl(f"http://site.example:{site.port}", tmp_path / "sitemap", **options)
    assert [row.outcome for row in rows.values()] == ["taken"]
    assert site.asked["/moved.xml"] == 1
    site.answers["/robots.txt"] = leads_inside
    with pytest.raises(InputError, match=r"is an address of the inside, so nothing is fetched"):
        crawl(f"http://site.example:{site.port}", tmp_path / "robots", **options)
    assert site.asked["/secret"] == 0

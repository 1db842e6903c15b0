from __future__ import annotations

import asyncio
import gzip
import sqlite3
import time
from typing import Any

import pytest
from aiohttp import web
from warcio.archiveiterator import ArchiveIterator

from hornbook.core.errors import InputError
from hornbook.corpus.store.frontier import Frontier
from hornbook.corpus.store.pages import read_pages
from hornbook.corpus.store.warc import Place, read_at, read_warc
from tests.corpus.conftest import Site, crawl, page


def answer(status: int = 200, body: bytes = b"", kind: str | None = "text/html", **headers: str):
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=({"Content-Type": kind} if kind else {}) | headers)

    return handler


def redirect(to: str, status: int = 302):
    return answer(status, Location=to)


def test_every_url_has_its_outcome(site, tmp_path) -> None:
    async def slow(request):
        await asyncio.sleep(30)
        return web.Response(text="late")

    async def late(request):  # too late at first, and in time when everything else is done
        await asyncio.sleep(2)
        return web.Response(text="late", content_type="text/html")

    async def huge(request):
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        sent = 0
        while sent < 1 << 30 and request.transport is not None:  # a gigabyte, if anybody would read it
            await response.write(b"x" * 65536)
            sent += 65536
            huge.sent = sent
        return response

    bomb = gzip.compress(b"0" * 40_000_000)
    site.answers |= {
        "/robots.txt": answer(200, b"User-agent: *\nDisallow: /private/\n", "text/plain"),
        "/": page("start", "/a", "/private/x", "/slow", "/huge", "/missing", "/gone", "/teapot", "/loop1", "/self",
                  "/end", "/elsewhere", "/image", "/pdf", "/text", "/noindex", "/bomb", "/mail",
                  "mailto:x@y.z", "/away", "/nowhere", "/late"),
        "/a": page("a", "/"),
        "/slow": slow, "/late": late, "/huge": huge, "/gone": answer(410), "/teapot": answer(500),
        "/loop1": redirect("/loop2"), "/loop2": redirect("/loop3"), "/loop3": redirect("/loop1"),
        "/self": redirect("/self"),
        "/end": redirect("/end/?n=1"), "/elsewhere": redirect("http://other.example/"),
        "/image": answer(200, b"\x89PNG", "image/png"), "/pdf": answer(200, b"%PDF-1.4", "application/pdf"),
        "/text": answer(200, b"plain words", "text/plain"), "/away": redirect("/a"), "/nowhere": answer(302),
        "/noindex": '<html><head><meta name="robots" content="noindex"></head><body><a href="/linked">x</a></body>',
        "/linked": page("linked"), "/bomb": answer(200, bomb, **{"Content-Encoding": "gzip"}),
        "/mail": answer(200, b"<a href='/hidden' rel=nofollow>x</a>"),
    }  # fmt: skip

    async def endless(request):
        raise web.HTTPFound(f"/end/?n={int(request.query['n']) + 1}")

    site.answers["/end/"] = endless
    rows = crawl(site.url, tmp_path, timeout=1.5, max_bytes=1_000_000, limits={"retries": 1})
    reasons = {path: row.reason for path, row in rows.items()}
    assert reasons == {
        "/": None, "/a": None, "/private/x": "robots", "/slow": "timeout", "/huge": "too big", "/missing": "status",
        "/gone": "status", "/teapot": "status", "/loop1": "redirect loop", "/loop2": "redirect loop",
        "/loop3": "redirect loop", "/self": "redirect loop", "/end": "redirect", "/end/?n=1": "redirect",
        "/end/?n=2": "redirect", "/end/?n=3": "redirect", "/end/?n=4": "redirect", "/end/?n=5": "too many redirects",
        "/elsewhere": "redirect off site", "/image": "type", "/pdf": None, "/text": None, "/noindex": "noindex",
        "/linked": None, "/bomb": "too big", "/mail": None, "/away": "redirect", "/nowhere": "bad redirect",
        "/late": None,
    }  # fmt: skip
    assert site.asked["/private/x"] == 0
    assert site.asked["/teapot"] == 2  # asked again once
    assert site.asked["/slow"] == 2  # and what was too slow had a second chance at the end
    assert all(count == 1 for path, count in site.asked.items() if path not in ("/teapot", "/slow", "/late"))
    assert rows["/gone"].detail == "410"
    assert huge.sent < 50_000_000
    assert read_pages(tmp_path / "out" / "pages.parquet") == sorted(rows.values(), key=lambda row: row.url)


def test_warc_is_read_by_warcio_and_fastwarc(site, tmp_path) -> None:
    body = page("Grüße", text="Zahlen: 1,5 und 2²").encode("latin-1", "replace")
    site.answers |= {"/": page("start", "/l", "/z"), "/l": answer(200, body, "text/html; charset=latin-1", ETag='"x"'),
                     "/z": answer(200, gzip.compress(b"<p>packed</p>"), **{"Content-Encoding": "gzip"})}  # fmt: skip
    rows = crawl(site.url, tmp_path)
    path = tmp_path / "out" / rows["/l"].warc_file
    with open(path, "rb") as file:
        records = ((r.rec_type, r.rec_headers["WARC-Target-URI"], r) for r in ArchiveIterator(file))
        read = [(kind, url, record.content_stream().read()) for kind, url, record in records]
    assert [kind for kind, _, _ in read] == ["warcinfo", *["response", "request"] * 3]
    assert (("response", f"{site.url}/l", body)) in read
    assert (("response", f"{site.url}/z", b"<p>packed</p>")) in read
    assert {stored.url for stored in read_warc(path)} == {f"{site.url}{p}" for p in ("/", "/l", "/z")}
    row = rows["/l"]
    stored = read_at(tmp_path / "out", Place(row.warc_file, row.warc_offset, row.warc_length))
    assert (stored.body, stored.status, stored.headers["etag"]) == (body, 200, '"x"')
    assert rows["/z"].bytes == len(b"<p>packed</p>")


def test_robots_delay_is_obeyed_and_zero_is_for_named_hosts_alone(site, tmp_path) -> None:
    site.answers |= {"/robots.txt": answer(200, b"User-agent: *\nCrawl-delay: 0.2\n", "text/plain"),
                     "/": page("start", "/a", "/b", "/c")} | {path: page("x") for path in ("/a", "/b", "/c")}
    started = time.monotonic()
    crawl(site.url, tmp_path / "slow", limits={"delay": 0.01})
    assert time.monotonic() - started >= 0.6  # three waits between four pages
    asked: list[float] = []

    async def noted(request):
        asked.append(time.monotonic())
        return web.Response(text=page("x"), content_type="text/html")

    site.answers |= {"/a": noted, "/b": noted, "/c": noted}
    crawl(site.url, tmp_path / "quick", limits={"delay": 0.0})
    assert max(asked) - min(asked) < 0.4


def slow(seconds: float, paths: list[str]) -> dict[str, Any]:
    """A start that links pages which take so long."""
    async def answer(request):
        await asyncio.sleep(seconds)
        return web.Response(text=page("slow"), content_type="text/html")

    return {"/": page("start", *paths)} | dict.fromkeys(paths, answer)


def test_slow_answers_do_not_hold_up_the_others(site, tmp_path) -> None:
    site.answers |= slow(0.5, [f"/s{number}" for number in range(8)])
    started = time.monotonic()
    rows = crawl(site.url, tmp_path, limits={"concurrency": 8})
    assert len(rows) == 9
    assert time.monotonic() - started < 8 * 0.5


def test_sitemaps_lead_where_no_link_does(site, tmp_path) -> None:
    def listed(*paths: str) -> bytes:
        urls = "".join(f"<url><loc>{site.url}{path}</loc></url>" for path in paths)
        return f"<urlset>{urls}</urlset>".encode()

    index = f"<sitemapindex><sitemap><loc>{site.url}/one.xml.gz</loc></sitemap></sitemapindex>".encode()
    site.answers |= {
        "/robots.txt": answer(200, f"Sitemap: {site.url}/index.xml".encode(), "text/plain"),
        "/index.xml": answer(200, index, "application/xml"),
        "/one.xml.gz": answer(200, gzip.compress(listed("/hidden")), "application/gzip"),
        "/sitemap.xml": answer(200, listed("/other", "http://else.example/x"), "text/xml"),
        "/": page("start"), "/hidden": page("hidden"), "/other": page("other"),
    }  # fmt: skip
    assert set(crawl(site.url, tmp_path)) == {"/", "/hidden", "/other"}
    assert set(crawl(site.url, tmp_path / "off", limits={"sitemaps": False})) == {"/"}


def test_depth_and_page_limits_leave_out_the_same_pages_each_time(site, tmp_path) -> None:
    site.answers |= {"/": page("start", "/a0", "/a1", "/a2", "/a3", "/a4", "/a5")}
    site.answers |= {f"/a{n}": page("a", f"/b{n}") for n in range(6)} | {f"/b{n}": page("b", "/c") for n in range(6)}
    taken = []
    for attempt in range(3):
        rows = crawl(site.url, tmp_path / str(attempt), limits={"max_pages": 4, "concurrency": attempt + 1})
        taken.append(sorted(path for path, row in rows.items() if row.outcome == "taken"))
        assert {row.reason for path, row in rows.items() if row.outcome != "taken"} == {"page limit"}
    assert taken[0] == taken[1] == taken[2]
    assert len(taken[0]) == 4
    rows = crawl(site.url, tmp_path / "depth", limits={"max_depth": 1})
    assert {path for path, row in rows.items() if row.outcome == "taken"} == {"/", *(f"/a{n}" for n in range(6))}
    assert rows["/b0"].reason == "depth"


def test_only_the_same_site_and_what_may_be_followed(site, tmp_path) -> None:
    site.answers |= {
        "/": page("start", "http://other.example/", "/a?utm_source=x", "/a#part", "/A/../a", "style.css", "/dir/"),
        "/a": '<html><head><link rel="canonical" href="/real"><meta name="robots" content="nofollow"></head>'
              '<body><a href="/never">x</a></body></html>',
        "/real": page("real"), "/dir/": '<base href="/deep/"><a href="in">x</a>', "/deep/in": page("in"),
    }  # fmt: skip
    rows = crawl(site.url, tmp_path)
    assert set(rows) == {"/", "/a", "/real", "/dir/", "/deep/in"}
    assert rows["/a"].canonical == f"{site.url}/real"
    assert rows["/a"].inlinks == 1
    assert rows["/"].inlinks == 0


def test_what_a_304_leaves_behind(site, tmp_path) -> None:
    """A revisit record with its request for archives, the page itself for whoever reads on, and newer validators."""
    asked: list[dict[str, str]] = []

    async def dated(request):
        names = ("If-None-Match", "If-Modified-Since")
        asked.append({name: request.headers[name] for name in names if name in request.headers})
        if "If-Modified-Since" in request.headers:
            return web.Response(status=304, headers={"ETag": 'W/"2"'})
        return web.Response(text=page("same"), content_type="text/html",
                            headers={"ETag": 'W/"1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})  # fmt: skip

    site.answers |= {"/": dated}
    folder = tmp_path / "0"
    crawl(site.url, folder)
    for number in (1, 2):
        later = tmp_path / str(number)
        later.mkdir()
        (folder / "out").rename(later / "previous")
        rows, folder = crawl(site.url, later), later
    since = {"If-Modified-Since": "Thu, 01 Jan 2026 00:00:00 GMT"}
    assert asked == [{}, {"If-None-Match": 'W/"1"', **since}, {"If-None-Match": 'W/"2"', **since}]
    with open(folder / "out" / rows["/"].warc_file, "rb") as file:
        kept = {(each.rec_type, each.rec_headers["WARC-Profile"]): each.rec_headers for each in ArchiveIterator(file)}
    profile = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
    assert set(kept) == {("warcinfo", None), ("revisit", profile), ("request", None), ("response", None)}
    revisit, response, request = kept["revisit", profile], kept["response", None], kept["request", None]
    assert revisit["WARC-Refers-To-Target-URI"] == f"{site.url}/"
    assert revisit["WARC-Refers-To-Date"] == response["WARC-Date"]
    assert revisit["WARC-Payload-Digest"] == response["WARC-Payload-Digest"]
    assert request["WARC-Concurrent-To"] == revisit["WARC-Record-ID"]


def test_the_same_bytes_are_kept_once(site, tmp_path) -> None:
    long = page("same", text="The same words again. " * 200)
    site.answers |= {"/": page("start", "/a", "/b", "/c"), "/a": long, "/b": long,
                     "/c": answer(200, long.encode(), "text/html; charset=latin-1")}  # fmt: skip
    rows = crawl(site.url, tmp_path, limits={"concurrency": 1})
    path = tmp_path / "out" / rows["/a"].warc_file
    with open(path, "rb") as file:
        heads = [each.rec_headers for each in ArchiveIterator(file) if each.rec_type == "revisit"]
    revisits = [(head["WARC-Profile"], head["WARC-Target-URI"]) for head in heads]
    assert [profile for profile, _ in revisits] == ["http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"]
    assert revisits[0][1] in (f"{site.url}/a", f"{site.url}/b")
    places = {path: Place(row.warc_file, row.warc_offset, row.warc_length) for path, row in rows.items()}
    assert places["/a"] == places["/b"] != places["/c"]  # another character set is another page
    assert all(read_at(tmp_path / "out", place).body == long.encode() for path, place in places.items() if path != "/")


def test_a_second_crawl_asks_only_for_what_changed(site, tmp_path) -> None:
    async def tagged(request):
        if request.headers.get("If-None-Match") == '"v1"':
            return web.Response(status=304, headers={"ETag": '"v1"'})
        return web.Response(text=page("same", "/deep"), content_type="text/html", headers={"ETag": '"v1"'})

    site.answers |= {"/": page("start", "/same", "/new"), "/same": tagged, "/new": page("old"), "/deep": page("deep")}
    first = crawl(site.url, tmp_path / "first")
    site.answers["/new"] = page("changed")
    (tmp_path / "second").mkdir()
    (tmp_path / "first" / "out").rename(tmp_path / "second" / "previous")
    second = crawl(site.url, tmp_path / "second")
    assert second["/same"].sha256 == first["/same"].sha256
    assert second["/new"].sha256 != first["/new"].sha256
    assert set(second) == set(first)
    kinds = [stored.kind for path in (tmp_path / "second" / "out").glob("*.warc.gz") for stored in read_warc(path)]
    assert sorted(kinds) == ["response"] * 4 + ["revisit"]
    row = second["/same"]  # the artifact holds the page itself, not a pointer to a folder that may go
    assert b"same" in read_at(tmp_path / "second" / "out", Place(row.warc_file, row.warc_offset, row.warc_length)).body


def test_retry_after_a_failure_in_passing(site, tmp_path) -> None:
    async def flaky(request):
        if site.asked["/flaky"] < 3:
            return web.Response(status=503, headers={"Retry-After": "0"})
        return web.Response(text=page("well"), content_type="text/html")

    site.answers |= {"/": page("start", "/flaky"), "/flaky": flaky}
    assert crawl(site.url, tmp_path, limits={"retries": 2})["/flaky"].outcome == "taken"


def test_robots_are_asked_for_once_a_day_over_all_attempts(site, tmp_path) -> None:
    def older() -> None:
        with sqlite3.connect(tmp_path / "work" / "frontier.sqlite") as kept:
            kept.execute("UPDATE robots SET asked_at = asked_at - 86401")

    rules = answer(200, b"User-agent: *\nDisallow: /private\n", "text/plain")
    site.answers |= {"/robots.txt": rules, "/": answer(500), "/private": page("private")}
    for expected in (1, 1, 2):
        with pytest.raises(InputError, match="answers only 500"):
            crawl(site.url, tmp_path, limits={"retries": 0})
        assert site.asked["/robots.txt"] == expected
        if expected == site.asked["/"] - 1:
            older()
    older()
    site.answers |= {"/robots.txt": answer(503), "/": page("start", "/private", "/a"), "/a": page("a")}
    rows = crawl(site.url, tmp_path, limits={"retries": 0})
    assert {path: row.reason for path, row in rows.items()} == {"/": None, "/a": None, "/private": "robots"}
    assert site.asked["/private"] == 0  # yesterday's rules stand while today's cannot be had


def test_a_robots_file_that_fails_in_passing_is_waited_for(site, tmp_path) -> None:
    async def flaky(request):
        if site.asked["/robots.txt"] < 3:
            return web.Response(status=503)
        return web.Response(text="User-agent: *\nDisallow: /no")

    site.answers |= {"/robots.txt": flaky, "/": page("start", "/no")}
    assert crawl(site.url, tmp_path, limits={"retries": 0})["/no"].reason == "robots"
    assert site.asked["/robots.txt"] == 3


def test_robots_that_redirect(site, tmp_path) -> None:
    site.answers |= {"/": page("start", "/no"), "/no": page("no")}
    site.answers |= {"/robots.txt": redirect("/r/1")} | {f"/r/{n}": redirect(f"/r/{n + 1}") for n in range(1, 5)}
    site.answers["/r/5"] = answer(200, b"User-agent: hornbook\nDisallow: /no", "text/plain")
    assert crawl(site.url, tmp_path / "five")["/no"].reason == "robots"
    site.answers |= {"/r/5": redirect("/r/6"), "/r/6": answer(200, b"User-agent: *\nDisallow: /", "text/plain")}
    assert crawl(site.url, tmp_path / "six")["/no"].outcome == "taken"


def test_blocklists_and_traps_are_not_fetched(site, tmp_path) -> None:
    site.answers |= {"/": page("start", "/casino/a", "/d/d/d/x", "/hop"), "/hop": redirect("/casino/b"),
                     "/casino/a": page("a"), "/casino/b": page("b"), "/d/d/d/x": page("x")}  # fmt: skip
    rows = crawl(site.url, tmp_path, blocked=lambda url: "gambling" if "/casino/" in url else None)
    assert (rows["/casino/a"].reason, rows["/casino/a"].detail) == ("blocklist", "gambling")
    assert (rows["/casino/b"].reason, rows["/d/d/d/x"].reason) == ("blocklist", "trap")
    assert not {"/casino/a", "/casino/b", "/d/d/d/x"} & set(site.asked)


def test_an_endless_calendar_ends(site, tmp_path) -> None:
    async def month(request):
        number = int(request.query["m"])
        text = page(f"month {number}", f"/cal?m={number + 1}", f"/cal?m={number - 1}")
        return web.Response(text=text, content_type="text/html")

    site.answers |= {"/": page("start", "/cal?m=0"), "/cal": month}
    rows = crawl(site.url, tmp_path, limits={"max_depth": 6})
    assert sum(row.outcome == "taken" for row in rows.values()) == 1 + 1 + 2 * 5
    assert {row.reason for row in rows.values()} == {None, "depth"}


def test_several_sites_in_one_crawl(site, tmp_path) -> None:
    other = Site()
    try:
        site.answers |= {"/": page("one", f"{other.url}/deep", "/a"), "/a": page("a")}
        other.answers |= {"/": page("two", "/b"), "/b": page("b"), "/deep": page("deep")}
        rows = crawl([site.url, other.url], tmp_path / "both")
        assert {url.removeprefix(other.url) for url in rows} == {"/", "/a", "/b", "/deep"}
        assert len(rows) == 5
    finally:
        other.stop()
    rows = crawl([site.url, other.url], tmp_path / "one", limits={"retries": 0})  # one of them does not answer
    assert {url.removeprefix(other.url): row.reason for url, row in rows.items() if row.reason} == {
        "/": "robots unreachable", "/deep": "robots unreachable",
    }  # fmt: skip
    with pytest.raises(InputError, match="does not answer"):
        crawl([other.url, "http://127.0.0.1:9"], tmp_path / "none", limits={"retries": 0})


def test_one_of_several_sites_that_goes_away_holds_up_nobody(site, tmp_path) -> None:
    other = Site()
    paths = [f"/{number}" for number in range(50)]

    async def leaves(request):
        request.transport.close()
        return web.Response()

    site.answers |= {"/": page("one", *paths)} | {path: page("p") for path in paths}
    other.answers |= {"/": page("two", *paths)} | {path: leaves for path in paths}
    try:
        rows = crawl([site.url, other.url], tmp_path, limits={"retries": 0})
    finally:
        other.stop()
    theirs = [row for url, row in rows.items() if url.startswith(other.url)]
    assert sum(row.outcome == "taken" for row in rows.values()) == 51 + 1
    assert {row.reason for row in theirs} == {None, "connection", "gone"}
    assert sum(row.reason == "connection" for row in theirs) < 40


def test_budgets_of_pages_and_time_by_host_and_in_all(site, tmp_path) -> None:
    site.answers |= slow(0.1, [f"/{number}" for number in range(20)])
    both = [site.url, f"http://localhost:{site.port}"]
    limits = {"max_host_pages": 3, "concurrency": 2}
    rows = crawl(both, tmp_path / "pages", limits=limits, allow=("127.0.0.1", "localhost"))
    taken = [url for url, row in rows.items() if row.outcome == "taken"]
    assert sum(url.startswith("http") for url in taken) == 3
    assert len(taken) == 6
    assert {(row.reason, row.detail) for row in rows.values() if row.reason} == {("page limit", "of its host")}
    for name, whose in (("max_minutes", "the crawl"), ("max_host_minutes", "127.0.0.1")):
        rows = crawl(site.url, tmp_path / name, limits={name: 0.01, "concurrency": 1})
        assert 2 <= sum(row.outcome == "taken" for row in rows.values()) <= 8
        assert {(row.reason, row.detail) for row in rows.values() if row.reason} == {("time limit", f"of {whose}")}


def test_a_wait_longer_than_the_time_left_is_not_begun(site, tmp_path) -> None:
    site.answers |= {"/": page("start", "/busy", "/p"), "/p": page("p", "/a"), "/a": page("a"),
                     "/busy": answer(503, **{"Retry-After": "1000"})}  # fmt: skip
    started = time.monotonic()
    rows = crawl(site.url, tmp_path, limits={"delay": 0.01, "retries": 0, "max_minutes": 0.5})
    assert time.monotonic() - started < 10
    assert rows["/busy"].reason == "status"
    assert "time limit" in {row.reason for row in rows.values()}  # of what came after, whichever was asked first


def test_a_killed_second_chance_keeps_its_patience(site, tmp_path) -> None:
    """Stopped while slow pages have their second chance, a crawl gives them the same time when it goes on."""

    async def late(request):
        await asyncio.sleep(0.6)
        return web.Response(text=page("late"), content_type="text/html")

    site.answers |= {"/": page("start", "/late"), "/late": late}
    frontier = Frontier(tmp_path / "work" / "frontier.sqlite")
    frontier.add([f"{site.url}/"], 0)
    frontier.note("seeded", "yes")
    frontier.note("second chance", "yes")
    frontier.close()
    assert crawl(site.url, tmp_path, timeout=0.3)["/late"].outcome == "taken"
    assert site.asked["/late"] == 1


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        ({"/": answer(500)}, "answers only 500"),
        ({"/robots.txt": answer(503), "/": page("x")}, "robots.txt answers 503"),
        ({"/robots.txt": answer(200, b"User-agent: *\nDisallow: /", "text/plain")}, "robots.txt allows us nothing"),
        ({"/": redirect("/")}, "redirects in a loop"),
        ({"/": redirect("http://elsewhere.example/")}, "elsewhere.example"),
        ({"/": answer(404)}, "status 404"),
        ({"/": answer(200, b"\0\1\2", "application/octet-stream")}, "application/octet-stream"),
    ],
)
def test_a_site_that_gives_nothing_is_one_line(site, tmp_path, answers, line) -> None:
    site.answers |= answers
    with pytest.raises(InputError, match=line):
        crawl(site.url, tmp_path, limits={"retries": 0})


def test_a_site_that_does_not_answer_and_then_does(site, tmp_path) -> None:
    with pytest.raises(InputError, match="does not answer"):
        crawl("http://127.0.0.1:9", tmp_path / "nobody", limits={"retries": 0})
    with pytest.raises(InputError, match="name is not known"):
        crawl("http://nobody.invalid", tmp_path / "unknown", limits={"retries": 0})
    site.answers |= {"/": answer(500)}
    with pytest.raises(InputError):
        crawl(site.url, tmp_path, limits={"retries": 0})
    site.answers |= {"/": page("back", "/a"), "/a": page("a")}
    assert set(crawl(site.url, tmp_path)) == {"/", "/a"}


def test_a_site_that_goes_away_keeps_what_there_was(site, tmp_path) -> None:
    paths = [f"/p{number}" for number in range(60)]
    site.answers |= {"/": page("start", *paths)}

    async def drops(request):
        if sum(site.asked[path] for path in paths) > 12:
            request.transport.close()
        return web.Response(text=page("p"), content_type="text/html")

    site.answers |= {path: drops for path in paths}
    with pytest.raises(InputError, match=r"stopped answering after 1[0-9] pages"):
        crawl(site.url, tmp_path, limits={"retries": 0})
    before = dict(site.asked)
    site.answers |= {path: page("p") for path in paths}
    rows = crawl(site.url, tmp_path, limits={"retries": 0})
    assert all(row.outcome == "taken" for row in rows.values())
    assert len(rows) == 61
    fetched_twice = [path for path in paths if before.get(path) and site.asked[path] > before[path]]
    assert len(fetched_twice) <= 60 - 12  # those that failed, none that was there
    assert site.asked["/"] == 1


def test_a_full_disk_is_one_line(site, tmp_path, monkeypatch) -> None:
    import errno

    from hornbook.core.errors import HornbookError
    from hornbook.corpus.store import warc_writer

    def full(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    site.answers["/"] = page("start")
    monkeypatch.setattr(warc_writer.WarcWriter, "_open", full)
    with pytest.raises(HornbookError, match="the disk is full"):
        crawl(site.url, tmp_path)
    monkeypatch.undo()
    assert set(crawl(site.url, tmp_path)) == {"/"}

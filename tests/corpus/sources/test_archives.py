"""WARC and WET files of others, on this disk and behind Common Crawl's lists of paths."""

from __future__ import annotations

import gzip
import io
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from hornbook.core.errors import DamagedError, InputError
from hornbook.corpus.sources.archives import archive_parts
from hornbook.corpus.web.fetch import Fetcher
from hornbook.corpus.web.guard import AddressGuard
from tests.corpus.sources.test_sources import body, take

HTML = ("Content-Type", "text/html")


def parts(source: Path, base: str = "", *, allow=("127.0.0.1",), max_bytes: int = 1_000_000):
    def connect() -> Fetcher:
        return Fetcher(AddressGuard(allow), user_agent="test", timeout=1.0)

    return archive_parts(source, max_bytes, base, source.parent, connect)


def warc(*pages: tuple[str, bytes], status: str = "200 OK", header: tuple[str, str] = HTML) -> bytes:
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=True)
    for url, content in pages:
        http = StatusAndHeaders(status, [header], protocol="HTTP/1.1")
        writer.write_record(writer.create_warc_record(url, "response", payload=io.BytesIO(content), http_headers=http))
    return file.getvalue()


def wet(url: str, text: bytes) -> bytes:
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=True)
    record = writer.create_warc_record(url, "conversion", payload=io.BytesIO(text), warc_content_type="text/plain")
    writer.write_record(record)
    return file.getvalue()


def test_files_of_others(tmp_path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    tagged = b"<html><head><META\nNAME=robots content=noindex></head>"
    content = [
        warc(("http://X.org/a?utm_source=y", b"<p>a</p>")), warc(("http://x.org/b", b"gone"), status="404 Not Found"),
        warc(("http://x.org/c", b"x"), header=("Content-Type", "image/png")), warc(("http://x.org/d", tagged)),
        warc(("http://x.org/a", b"<p>the same again</p>")), warc(("http://x.org/f", b"x" * 3000)),
        warc(("http://x.org/g", b"<p>talks of noindex and robots</p>")),
        warc(("http://x.org/h", tagged.decode().encode("utf-16")), header=("Content-Type", "text/html;charset=utf-16")),
    ]  # fmt: skip
    (source / "x.warc.gz").write_bytes(b"".join(content))
    (source / "y.wet.gz").write_bytes(wet("http://x.org/e", b"words"))
    found = take(out, parts(source, max_bytes=2000))
    reasons = {url: row.reason for url, row in found.items() if not url.startswith("folder:")}
    assert reasons == {
        "http://x.org/a": None, "http://x.org/b": "status", "http://x.org/c": "type", "http://x.org/d": "noindex",
        "http://x.org/e": None, "http://x.org/f": "too big", "http://x.org/g": None, "http://x.org/h": "noindex",
    }  # fmt: skip
    assert [(row.reason, row.detail) for url, row in found.items() if url not in reasons] == [
        ("same url", "http://x.org/a")
    ]
    assert body(out, found["http://x.org/a"]) == b"<p>a</p>"
    assert found["http://x.org/e"].content_type == "text/plain"


def test_damaged_records_are_rows_too(tmp_path) -> None:
    content = [warc((f"http://x.org/{number}", b"<p>page</p>" * 99)) for number in range(5)]
    content[2] = content[2][:200] + b"\0\1\2\3" + content[2][204:]
    (tmp_path / "x.warc.gz").write_bytes(b"".join(content)[:-20])
    found = take(tmp_path / "out", parts(tmp_path / "x.warc.gz"))
    assert sorted(row.reason or "" for row in found.values()) == ["", "", "", "damaged", "damaged"]
    (tmp_path / "y.warc.gz").write_bytes(b"\x1f\x8b nonsense")
    with pytest.raises(InputError, match=r"none of its 1 pages can be read .damaged"):
        take(tmp_path / "none", parts(tmp_path / "y.warc.gz"))
    for name in ("empty.warc", "empty.warc.gz"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(InputError, match="there is nothing here"):
            take(tmp_path / name[:-5] / "out", parts(tmp_path / name))


PAGES = [(f"http://x.org/{number}", b"<p>page</p>" * 9) for number in range(4)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(packed=st.booleans(), noise=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=9)), min_size=1, max_size=9))
def test_whatever_lies_in_a_file_is_rows_or_one_line(tmp_path, packed, noise) -> None:
    data = bytearray(warc(*PAGES) if packed else gzip.decompress(warc(*PAGES)))
    for share, some in noise:
        at = int(share * len(data))
        data[at : at + len(some)] = some
    path = tmp_path / ("x.warc.gz" if packed else "x.warc")
    path.write_bytes(bytes(data))
    with tempfile.TemporaryDirectory() as out:
        try:
            found = take(Path(out), parts(path))
        except InputError as error:
            assert "damaged" in str(error) or "nothing here" in str(error)  # noqa: PT017
            return
        for url, row in found.items():
            urlsplit(url)
            assert row.outcome == "refused" or body(Path(out), row)


def test_a_list_of_files_on_this_disk(tmp_path) -> None:
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / "one.warc.gz").write_bytes(warc(("http://x.org/1", b"<p>1</p>")))
    (tmp_path / "warc.paths").write_text("crawl/one.warc.gz\n\ncrawl/two.warc.gz\n")
    found = take(tmp_path / "out", parts(tmp_path / "warc.paths"))
    assert {url: row.reason for url, row in found.items()} == {
        "http://x.org/1": None, "folder:///crawl/two.warc.gz": "unreadable",
    }  # fmt: skip
    (tmp_path / "warc.paths").write_text("one.warc.gz")
    assert len(take(tmp_path / "base", parts(tmp_path / "warc.paths", "crawl"))) == 1
    (tmp_path / "warc.paths.gz").write_bytes(b"\x1f\x8b nonsense")
    with pytest.raises(DamagedError, match="no list of paths"):
        take(tmp_path / "bad", parts(tmp_path / "warc.paths.gz"))


def test_a_list_of_common_crawls_is_fetched_file_by_file(site, tmp_path) -> None:
    """Three of five files come, one moved; one is gone; one fails and comes when asked another day, and it alone."""
    files = {f"/cc/segments/{n}.warc.gz": warc((f"http://x.org/{n}", f"<p>{n}</p>".encode() * 9)) for n in range(4)}
    site.answers |= files
    site.answers["/cc/segments/4.wet.gz"] = wet("http://x.org/4", b"words")

    async def failing(request):
        return web.Response(status=503, headers={"Retry-After": "0"})

    async def moved(request):
        raise web.HTTPFound(f"{site.url}/elsewhere.gz")

    async def cut(request):
        site.answers["/cc/segments/1.warc.gz"] = files["/cc/segments/1.warc.gz"]  # whole at the second attempt
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"\x1f\x8b\x08")
        request.transport.close()
        return response

    site.answers |= {"/elsewhere.gz": files["/cc/segments/2.warc.gz"], "/cc/segments/2.warc.gz": moved,
                     "/cc/segments/3.warc.gz": failing, "/cc/segments/1.warc.gz": cut}  # fmt: skip
    listed = "\n".join([*(name.removeprefix("/cc/") for name in files), "segments/4.wet.gz", "segments/5.warc.gz"])
    (tmp_path / "warc.paths.gz").write_bytes(gzip.compress(listed.encode()))
    with pytest.raises(InputError, match=r"1 of its files did not come \(.*3.warc.gz: 503\)"):
        take(tmp_path / "out", parts(tmp_path / "warc.paths.gz", f"{site.url}/cc/"))
    site.answers["/cc/segments/3.warc.gz"] = files["/cc/segments/3.warc.gz"]
    before = site.asked.copy()
    found = take(tmp_path / "out", parts(tmp_path / "warc.paths.gz", f"{site.url}/cc/"))
    assert {path: count - before[path] for path, count in site.asked.items() if count != before[path]} == {
        "/cc/segments/3.warc.gz": 1
    }
    gone = f"{site.url}/cc/segments/5.warc.gz"
    reasons = {url: row.reason for url, row in found.items()}
    assert reasons == {f"http://x.org/{n}": None for n in range(5)} | {gone: "status"}
    assert not list(tmp_path.glob("fetched*"))


def test_a_list_leads_to_no_inside_address(site, tmp_path) -> None:
    (tmp_path / "warc.paths").write_text(f"{site.url}/x.warc.gz")
    with pytest.raises(InputError, match="private address"):
        take(tmp_path / "out", parts(tmp_path / "warc.paths", allow=()))
    assert not site.asked

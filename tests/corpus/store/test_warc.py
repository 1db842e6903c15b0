from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator as FastwarcIterator
from fastwarc.warc import WarcRecordType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from hornbook.corpus.store.warc import read_at, read_warc
from hornbook.corpus.store.warc_writer import Request, WarcWriter

DATE = "2026-01-01T00:00:00Z"
HTML = [("Content-Type", "text/html")]
ASKED = Request("GET / HTTP/1.1", [("Host", "x.org")])


def written(folder: Path, count: int = 20) -> Path:
    writer = WarcWriter(folder)
    for number in range(count):
        writer.exchange(f"http://x.org/{number}", DATE, "200 OK", HTML, f"<p>page {number}</p>".encode() * 50, ASKED)
    writer.close()
    return folder / "pages-00000.warc.gz"


def test_what_is_written_is_read_in_order_and_by_place(tmp_path) -> None:
    writer = WarcWriter(tmp_path)
    place = writer.exchange("http://x.org/a", DATE, "200 OK", [("Transfer-Encoding", "chunked")], b"\0\xff", ASKED)
    places = [
        place,
        writer.resource("folder:///b.md", DATE, "text/markdown", b"# b"),
        writer.revisit("http://x.org/c", DATE, "304 Not Modified", [("ETag", "x")], read_at(tmp_path, place), ASKED),
        writer.resource("folder:///d", DATE, "text/plain", b"d", kind="conversion"),
    ]
    writer.close()
    found = list(read_warc(tmp_path / "pages-00000.warc.gz"))
    assert [(s.kind, s.url, s.body) for s in found] == [
        ("response", "http://x.org/a", b"\0\xff"), ("resource", "folder:///b.md", b"# b"),
        ("revisit", "http://x.org/c", b""), ("conversion", "folder:///d", b"d"),
    ]  # fmt: skip
    assert [read_at(tmp_path, place).body for place in places] == [stored.body for stored in found]
    assert [stored.position for stored in found] == [place.offset for place in places]
    assert "transfer-encoding" not in found[0].headers  # the chunks are undone, so it must not say so


def test_warcio_and_fastwarc_read_every_field_of_it(tmp_path) -> None:
    writer = WarcWriter(tmp_path, about={"operator": "me@example.org"})
    writer.exchange("http://x.org/a", DATE, "200 OK", [*HTML, ("X-Odd", "ü")], b"<p>a</p>", ASKED)
    writer.close()
    path = tmp_path / "pages-00000.warc.gz"
    with open(path, "rb") as file:
        records = [(r.rec_type, r.rec_headers, r.http_headers, r.content_stream().read()) for r in
                   ArchiveIterator(file, check_digests="raise")]  # fmt: skip
    (kind, head, _, body), (_, response, http, page), (_, request, asked, _) = records
    assert (kind, head["WARC-Filename"]) == ("warcinfo", path.name)
    assert b"operator: me@example.org\r\n" in body
    assert b"format: WARC File Format 1.1\r\n" in body
    assert response.protocol == request.protocol == "WARC/1.1"
    assert page == b"<p>a</p>"
    assert request["WARC-Concurrent-To"] == response["WARC-Record-ID"]
    assert response["WARC-Payload-Digest"].startswith("sha1:")
    assert request["WARC-Target-URI"] == response["WARC-Target-URI"] == "http://x.org/a"
    assert (http.get_statuscode(), asked.get_header("Host")) == ("200", "x.org")
    again = [(each.record_type, each.verify_block_digest()) for each in FastwarcIterator(str(path), parse_http=False)]
    kinds = (WarcRecordType.warcinfo, WarcRecordType.response, WarcRecordType.request)
    assert again == [(kind, True) for kind in kinds]
    members = path.read_bytes().split(b"\x1f\x8b\x08")
    assert len(members) == 1 + 3  # gzip a record


def test_a_torn_tail_is_cut_off_and_writing_goes_on(tmp_path) -> None:
    writer = WarcWriter(tmp_path)
    place = writer.resource("folder:///a", DATE, "text/plain", b"a")
    tail = writer.tail
    assert tail == (place.file, place.offset + place.length)
    writer.resource("folder:///torn", DATE, "text/plain", b"b")
    writer.close()
    writer = WarcWriter(tmp_path, dict([tail]))
    writer.resource("folder:///c", DATE, "text/plain", b"c")
    writer.close()
    assert [s.url for s in read_warc(tmp_path / place.file)] == ["folder:///a", "folder:///c"]


def test_a_new_file_each_so_many_bytes_each_with_its_own_info(tmp_path) -> None:
    writer = WarcWriter(tmp_path, file_bytes=1)
    files = {writer.resource(f"folder:///{n}", DATE, "text/plain", b"x").file for n in range(3)}
    writer.close()
    assert files == {f"pages-0000{n}.warc.gz" for n in range(3)}
    for name in files:
        with open(tmp_path / name, "rb") as file:
            assert next(iter(ArchiveIterator(file))).rec_headers["WARC-Filename"] == name


def test_plain_and_empty_files(tmp_path) -> None:
    path = written(tmp_path, 3)
    plain = tmp_path / "plain.warc"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    assert [s.url for s in read_warc(plain)] == [s.url for s in read_warc(path)]
    plain.write_bytes(b"")
    assert list(read_warc(plain)) == []


def test_what_others_write(tmp_path) -> None:
    """Chunks kept as they came, no digests, WARC 1.0, a whole file in one gzip member: as warcio and as wget write."""
    block = (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
             b"3\r\n<p>\r\n5\r\nchunk\r\n0\r\n\r\n")  # fmt: skip
    record = (b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <http://x.org/a>\r\n"
              b"WARC-Date: 2026-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
              b"Content-Type: application/http;msgtype=response\r\n"
              b"Content-Length: %d\r\n\r\n" % len(block)) + block + b"\r\n\r\n"  # fmt: skip
    for name, content in (("a.warc", record * 2), ("b.warc.gz", gzip.compress(record * 2))):
        (tmp_path / name).write_bytes(content)
        found = list(read_warc(tmp_path / name))
        assert [(s.url, s.body) for s in found] == [("http://x.org/a", b"<p>chunk")] * 2
        (tmp_path / name).write_bytes(content[:-40])
        assert [s.kind for s in read_warc(tmp_path / name)][-1] == "damaged"


def test_a_long_body_is_read_no_further_than_asked(tmp_path) -> None:
    with open(tmp_path / "x.warc.gz", "wb") as file:
        writer = WARCWriter(file, gzip=True)
        for url, body in (("http://x.org/long", b"0" * 5_000_000), ("http://x.org/short", b"<p>x</p>")):
            http = StatusAndHeaders("200 OK", HTML, protocol="HTTP/1.1")
            writer.write_record(writer.create_warc_record(url, "response", payload=io.BytesIO(body), http_headers=http))
    assert [len(stored.body) for stored in read_warc(tmp_path / "x.warc.gz", max_bytes=1000)] == [1001, 8]


def read(path: Path) -> tuple[set[str], int]:
    """The URLs read, each of them whole, and how many places were damaged. Headers of plain files have no check."""
    found = list(read_warc(path))
    for stored in found:
        if stored.kind != "damaged" and path.suffix == ".gz":
            number = int(stored.url.rpartition("/")[2])
            assert stored.body == f"<p>page {number}</p>".encode() * 50
    return {stored.url for stored in found} - {""}, sum(stored.kind == "damaged" for stored in found)


@pytest.mark.parametrize("packed", [True, False])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_damage_costs_the_damaged_records_alone_and_is_told(tmp_path, packed, data) -> None:
    path = tmp_path / ("pages-00000.warc.gz" if packed else "plain.warc")
    whole = written(tmp_path).read_bytes()
    whole = whole if packed else gzip.decompress(whole)
    damaged = bytearray(whole)
    flips = data.draw(st.lists(st.floats(0, 0.9999), min_size=1, max_size=3))
    for share in flips:
        damaged[int(share * len(whole))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(damaged))
    urls, told = read(path)
    lost = {f"http://x.org/{number}" for number in range(20)} - urls
    assert len(lost) <= 2 * len(flips)
    assert told <= len(flips)
    assert told >= bool(lost and packed)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(share=st.floats(0, 0.9999), noise=st.binary(max_size=300))
def test_what_is_cut_off_is_told_and_noise_never_raises(tmp_path, share, noise) -> None:
    path = written(tmp_path, 4)
    whole = path.read_bytes()
    cut = max(1, int(share * len(whole)))
    path.write_bytes(whole[:cut])
    urls, told = read(path)
    assert told == 1 or whole[cut : cut + 3] == b"\x1f\x8b\x08"
    assert urls <= {f"http://x.org/{number}" for number in range(4)}
    path.write_bytes(whole[:cut] + noise)
    list(read_warc(path))
    path.write_bytes(noise)
    list(read_warc(path))

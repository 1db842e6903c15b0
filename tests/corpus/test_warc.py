from __future__ import annotations

import gzip
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbook.corpus.warc import WarcWriter, read_at, read_warc

DATE = "2026-01-01T00:00:00Z"


def written(folder: Path, count: int = 20) -> Path:
    writer = WarcWriter(folder)
    for number in range(count):
        body = f"<p>page {number}</p>".encode() * 50
        kind = [("Content-Type", "text/html")]
        writer.exchange(f"http://x.org/{number}", DATE, "200 OK", kind, body, "GET / HTTP/1.1")
    writer.close()
    return folder / "pages-00000.warc.gz"


def test_what_is_written_is_read_in_order_and_by_place(tmp_path) -> None:
    writer = WarcWriter(tmp_path)
    places = [
        writer.exchange("http://x.org/a", DATE, "200 OK", [("Transfer-Encoding", "chunked")], b"\0\xff", "GET /a"),
        writer.resource("folder:///b.md", DATE, "text/markdown", b"# b"),
        writer.revisit("http://x.org/c", DATE, [("ETag", "x")], DATE),
        writer.resource("folder:///d", DATE, "text/plain", b"d", kind="conversion"),
    ]  # fmt: skip
    writer.close()
    found = list(read_warc(tmp_path / "pages-00000.warc.gz"))
    assert [(s.kind, s.url, s.body) for s in found] == [
        ("response", "http://x.org/a", b"\0\xff"), ("resource", "folder:///b.md", b"# b"),
        ("revisit", "http://x.org/c", b""), ("conversion", "folder:///d", b"d"),
    ]  # fmt: skip
    assert [read_at(tmp_path, place) for place in places] == found
    assert "transfer-encoding" not in found[0].headers  # the chunks are undone, so it must not say so


def test_a_torn_tail_is_cut_off_and_writing_goes_on(tmp_path) -> None:
    writer = WarcWriter(tmp_path)
    place = writer.resource("folder:///a", DATE, "text/plain", b"a")
    writer.resource("folder:///torn", DATE, "text/plain", b"b")
    writer.close()
    writer = WarcWriter(tmp_path, {place.file: place.offset + place.length})
    writer.resource("folder:///c", DATE, "text/plain", b"c")
    writer.close()
    assert [s.url for s in read_warc(tmp_path / place.file)] == ["folder:///a", "folder:///c"]


def test_a_new_file_each_so_many_bytes(tmp_path) -> None:
    writer = WarcWriter(tmp_path, file_bytes=1)
    files = {writer.resource(f"folder:///{n}", DATE, "text/plain", b"x").file for n in range(3)}
    writer.close()
    assert files == {f"pages-0000{n}.warc.gz" for n in range(3)}


def test_plain_and_empty_files(tmp_path) -> None:
    path = written(tmp_path, 3)
    plain = tmp_path / "plain.warc"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    assert [s.url for s in read_warc(plain)] == [s.url for s in read_warc(path)]
    plain.write_bytes(b"")
    assert list(read_warc(plain)) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(data=st.data())
def test_damage_costs_the_damaged_records_alone(tmp_path, data) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    for share in data.draw(st.lists(st.floats(0, 0.9999), min_size=1, max_size=3)):
        damaged[int(share * len(whole))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(damaged))
    urls = [stored.url for stored in read_warc(path)]
    assert len(set(urls) & {f"http://x.org/{number}" for number in range(20)}) >= 20 - 6
    assert len(urls) <= 20


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(cut=st.integers(0, 2000), noise=st.binary(max_size=300))
def test_cut_off_and_noise_never_raise(tmp_path, cut, noise) -> None:
    path = written(tmp_path, 4)
    path.write_bytes(path.read_bytes()[:cut] + noise)
    list(read_warc(path))
    path.write_bytes(noise)
    list(read_warc(path))

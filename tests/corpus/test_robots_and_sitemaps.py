from __future__ import annotations

import gzip

from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.robots import Robots
from hornbook.corpus.sitemaps import read_sitemap


def test_rules_of_our_agent() -> None:
    robots = Robots.from_answer(200, b"\xef\xbb\xbfUser-agent: *\nDisallow: /p/\nAllow: /p/ok\nCrawl-delay: 2.5\n"
                                     b"Disallow: /*?print=\nSitemap: http://x.org/s.xml\n")  # fmt: skip
    assert robots.allows("http://x.org/a")
    assert not robots.allows("http://x.org/p/a")
    assert robots.allows("http://x.org/p/ok")
    assert not robots.allows("http://x.org/a?print=1")
    assert robots.delay == 2.5
    assert robots.sitemaps == ["http://x.org/s.xml"]


def test_a_group_of_our_own_wins() -> None:
    robots = Robots.from_answer(200, b"User-agent: *\nDisallow: /\n\nUser-agent: Hornbook\nDisallow: /no\n")
    assert robots.allows("http://x.org/a")
    assert not robots.allows("http://x.org/no")


def test_what_an_absent_file_means() -> None:
    assert Robots.from_answer(404, b"").allows("http://x.org/")
    assert Robots.from_answer(403, b"User-agent: *\nDisallow: /").allows("http://x.org/")
    assert not Robots.from_answer(503, b"").allows("http://x.org/")
    assert not Robots.from_answer(None, b"").allows("http://x.org/")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_robots_file(body: bytes) -> None:
    Robots.from_answer(200, body).allows("http://x.org/a")


def test_sitemaps() -> None:
    xml = b'<?xml version="1.0"?><urlset><url><loc> http://x.org/a?b=1&amp;c=2 </loc></url><url><loc>http://x.org/b</loc>'
    assert read_sitemap(xml).pages == ["http://x.org/a?b=1&c=2", "http://x.org/b"]
    assert read_sitemap(gzip.compress(xml)).pages == ["http://x.org/a?b=1&c=2", "http://x.org/b"]
    index = b"<sitemapindex><sitemap><loc>http://x.org/s2.xml</loc></sitemap></sitemapindex>"
    assert read_sitemap(index).sitemaps == ["http://x.org/s2.xml"]
    assert read_sitemap(b"http://x.org/a\nhttp://x.org/b\n").pages == ["http://x.org/a", "http://x.org/b"]
    assert read_sitemap(b"<html><body>not found</body></html>").pages == []
    assert read_sitemap(gzip.compress(xml)[:40]).pages == []


def test_entities_are_not_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>http://x/&b;</loc></url></urlset>'
    assert read_sitemap(bomb).pages == ["http://x/&b;"]

from __future__ import annotations

import gzip
import time

from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.web.links import directives, read_links
from hornbook.corpus.web.robots import MAX_BYTES, Robots
from hornbook.corpus.web.sitemaps import read_sitemap


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
    assert Robots.from_answer(429, b"").allows("http://x.org/")
    assert Robots.from_answer(302, b"").allows("http://x.org/")  # more redirects than anybody need follow
    assert Robots.from_answer(204, b"").allows("http://x.org/")
    assert not Robots.from_answer(503, b"").allows("http://x.org/")
    assert not Robots.from_answer(None, b"").allows("http://x.org/")


def test_at_least_500_kib_are_read_and_no_half_rule() -> None:
    filler = b"# " + b"x" * 97 + b"\n"
    robots = Robots.from_answer(200, b"User-agent: *\n" + filler * 5119 + b"Disallow: /far\n")
    assert not robots.allows("http://x.org/far")
    start = b"User-agent: *\nDisallow: /a\n" + b"#" * (MAX_BYTES - 27 - 15) + b"\n"
    robots = Robots.from_answer(200, start + b"Disallow: /bcdef\n")
    assert not robots.allows("http://x.org/a")
    assert robots.allows("http://x.org/bx")


def test_a_crawl_delay_is_a_number_of_seconds() -> None:
    for text, delay in ((b"2.5", 2.5), (b"inf", 0.0), (b"nan", 0.0), (b"-3", 0.0), (b"soon", 0.0)):
        assert Robots.from_answer(200, b"User-agent: *\nCrawl-delay: " + text).delay == delay


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


def test_pictures_in_a_sitemap_are_no_pages() -> None:
    xml = b"<urlset><url><loc><![CDATA[http://x.org/a]]></loc><image:image><image:loc>http://x.org/a.jpg</image:loc>"
    assert read_sitemap(xml).pages == ["http://x.org/a"]
    prefixed = b"<ns0:urlset><ns0:loc>http://x.org/b</ns0:loc><loc>http://x.org/cut"
    assert read_sitemap(prefixed).pages == ["http://x.org/b"]


def test_a_sitemap_of_open_tags_takes_no_time() -> None:
    started = time.process_time()
    assert read_sitemap(b"<loc>" * 400_000).pages == []
    assert time.process_time() - started < 5


def test_directives_for_others_are_not_for_us() -> None:
    assert directives("noindex") == {"noindex"}
    assert directives("otherbot: noindex, nofollow, hornbook: none") == {"none"}
    assert directives("unavailable_after: 25 Jun 2030 15:00:00 PST, NOFOLLOW") >= {"nofollow"}


def test_frames_and_refreshes_lead_somewhere() -> None:
    html = (b'<html><head><meta http-equiv="Refresh" content="0; URL=\'/next\'"></head><body>'
            b'<iframe src="/in"></iframe><iframe></iframe><a href="/no" rel="nofollow ugc">x</a></body>')  # fmt: skip
    assert read_links(html, "http://x.org/", "text/html").links == ("http://x.org/next", "http://x.org/in")
    html = b'<html><frameset><frame src="/left.html"></frameset></html>'
    assert read_links(html, "http://x.org/", "text/html").links == ("http://x.org/left.html",)


@given(st.binary(max_size=300), st.sampled_from(["text/html", "text/html; charset=utf-16", "text/html; charset=huh"]))
def test_any_bytes_are_a_page(body: bytes, kind: str) -> None:
    read_links(b"<a href='" + body, "http://x.org/", kind)


def test_a_page_a_million_deep_and_one_of_many_links() -> None:
    assert read_links(b"<div>" * 1_000_000 + b"<a href='/x'>x</a>", "http://x.org/", "text/html").index
    many = b"".join(b"<a href=/%d>x</a>" % number for number in range(50_000))
    assert len(read_links(many, "http://x.org/", "text/html").links) == 10_000

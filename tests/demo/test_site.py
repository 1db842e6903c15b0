"""The site as served, against its truth."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.errors import BusyError, InputError
from hornbook.demo.html import FOOTERS
from hornbook.demo.personal import luhn_digit
from hornbook.demo.server import SiteServer, serving


@pytest.fixture(scope="module")
def answers(tiny):
    """address -> (status, headers, body, where it points) of every fault and good page, redirects not followed."""
    folder, _, port = tiny
    truth = json.loads((folder / "truth" / "faults.json").read_text())
    manifest = json.loads((folder / "site" / "manifest.json").read_text())

    async def fetch_all(urls):
        async with aiohttp.ClientSession() as session:
            async def fetch(url):
                async with session.get(url, allow_redirects=False) as answer:
                    return answer.status, dict(answer.headers), await answer.read()
            return dict(zip(urls, await asyncio.gather(*map(fetch, urls)), strict=True))

    with serving(folder / "site", port) as server:
        urls = [*truth["faults"], *truth["good"], f"{server.address}/sitemap.xml", f"{server.address}/robots.txt"]
        slow = [url for url, kind in truth["faults"].items() if kind == "slow"]
        got = asyncio.run(fetch_all([url for url in urls if url not in slow]))
    return truth, manifest, got


def test_faults_are_served_as_the_truth_says(answers, tiny):
    truth, manifest, got = answers
    site = f"http://127.0.0.1:{tiny[2]}"
    assert len(set(truth["faults"].values())) == 11
    for url, kind in truth["faults"].items():
        rule = manifest.get(url.removeprefix(site), {})
        if kind == "redirect loop":
            assert got[url][0] == 302
            assert truth["faults"][site + got[url][1]["Location"]] == "redirect loop"
        elif kind == "error":
            assert got[url][0] == rule["status"] >= 400
        elif kind == "slow":
            assert rule["delay"] > 10
        else:
            assert got[url][0] == 200
    for url in truth["good"]:
        status, headers, body = got[url]
        assert status == 200
        assert headers["Content-Type"].startswith("text/html")
        assert b"<h1" in body


def test_copies_have_their_originals(answers):
    truth, _, got = answers
    footers = {footer.encode() for footer in FOOTERS}
    for copy, original in truth["copies"].items():
        assert original in truth["good"]
        ours, theirs = (sorted(re.findall(rb"<(?:p|li|dd)>([^<]{60,})</", got[url][2])) for url in (copy, original))
        if truth["faults"][copy] == "exact copy":
            assert set(theirs) - footers == set(ours) - footers
        else:
            words, others = (Counter(b" ".join(part).split()) for part in (ours, theirs))
            assert (words & others).total() / others.total() > 0.8
            assert set(theirs) - footers != set(ours) - footers


def test_personal_data_stands_on_its_page(answers):
    truth, _, got = answers
    assert truth["personal"]
    for url, items in truth["personal"].items():
        assert url in truth["good"]
        for item in items:
            assert item.encode() in got[url][2]


def test_disallowed_pages_are_forbidden_by_robots(answers):
    from protego import Protego

    truth, _, got = answers
    robots = Protego.parse(next(got[url][2] for url in got if url.endswith("robots.txt")).decode())
    for url, kind in truth["faults"].items():
        assert robots.can_fetch(url, "hornbook") == (kind != "disallowed")
    assert all(robots.can_fetch(url, "hornbook") for url in truth["good"])
    assert robots.crawl_delay("hornbook") is None
    assert robots.crawl_delay("GreedyBot") == 30


def test_a_page_that_has_not_changed_is_not_sent_again(tiny):
    folder, _, port = tiny

    async def twice(url):
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as first:
                tag = first.headers["ETag"]
            async with session.get(url, headers={"If-None-Match": tag}) as second:
                return second.status, await second.read()

    with serving(folder / "site", port) as server:
        assert asyncio.run(twice(server.address)) == (304, b"")


def test_nothing_outside_the_site_is_served(tiny):
    folder, _, port = tiny

    async def raw(path):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        line = await reader.readline()
        writer.close()
        return int(line.split()[1])

    with serving(folder / "site", port):
        for path in ("/../truth/faults.json", "/%2e%2e/truth/faults.json", "/manifest.json", "//etc/passwd"):
            assert asyncio.run(raw(path)) in (400, 404)


def test_a_port_in_use_and_a_folder_that_is_no_site(tiny, tmp_path):
    folder, _, port = tiny
    with serving(folder / "site", port), pytest.raises(BusyError, match="port"):
        SiteServer(folder / "site", port).start()
    with pytest.raises(InputError, match="no island"):
        SiteServer(tmp_path, port)



@given(st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_the_check_digit_is_luhns(digits):
    whole = [*digits, luhn_digit(digits)]
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(whole))]
    assert sum(doubled) % 10 == 0

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from aiohttp import web

from hornbook.corpus.web.fetch import Answer, Fetcher
from hornbook.corpus.web.guard import AddressGuard
from hornbook.corpus.web.limits import CrawlLimits
from hornbook.corpus.web.politeness import Politeness
from tests.corpus.conftest import crawl, page


def polite(site, ask, *, on_wait=lambda host, seconds: None, **limits):
    """What `ask(politeness)` gives, on loopback."""

    async def run():
        async with Fetcher(AddressGuard(["127.0.0.1"]), user_agent="test", timeout=5) as fetcher:
            return await ask(Politeness(fetcher, CrawlLimits(**limits), on_wait))

    return asyncio.run(run())


@pytest.fixture
def times(site) -> list[tuple[float, float]]:
    """When each request to /NUMBER began and was answered; it answers after `site.slow` seconds, with `site.status`."""
    noted: list[tuple[float, float]] = []
    site.slow, site.status, site.headers = 0.0, 200, {}

    async def answer(request):
        began = time.monotonic()
        await asyncio.sleep(site.slow)
        noted.append((began, time.monotonic()))
        return web.Response(status=site.status, text=page("x"), content_type="text/html", headers=site.headers)

    site.answers |= {f"/{number}": answer for number in range(10)}
    return noted


def rests(times) -> list[float]:
    return [following[0] - before[1] for before, following in pairwise(times)]


def test_a_host_is_asked_one_thing_at_a_time_and_rests_in_between(site, times) -> None:
    async def ask(politeness):
        await asyncio.gather(*(politeness.get(f"{site.url}/{number}") for number in range(5)))

    polite(site, ask, delay=0.1, concurrency=8)
    assert min(rests(times)) >= 0.095


def test_the_rest_grows_with_what_an_answer_takes(site, times) -> None:
    site.slow = 0.12

    async def ask(politeness):
        for number in range(3):
            await politeness.get(f"{site.url}/{number}")

    polite(site, ask, delay=0.01)
    assert min(rests(times)) >= 0.22


def test_a_host_of_ones_own_is_asked_as_many_things_as_one_likes(site, times) -> None:
    site.slow = 0.3

    async def ask(politeness):
        await asyncio.gather(*(politeness.get(f"{site.url}/{number}") for number in range(8)))

    began = time.monotonic()
    polite(site, ask, delay=0, concurrency=4)
    assert 0.55 <= time.monotonic() - began < 8 * 0.3
    assert max(rests(times)) < 0.3


def test_too_many_requests_double_the_rest_which_falls_back_slowly(site, times) -> None:
    async def ask(politeness):
        for number, status in enumerate((429, 503, 200, 200)):
            site.status = status
            await politeness.get(f"{site.url}/{number}")

    polite(site, ask, delay=0.1, retries=0)
    first, second, third = rests(times)
    assert first >= 0.19
    assert second >= 0.39
    assert third >= 0.35


def test_retry_after_is_obeyed_by_all_that_is_asked_of_the_host(site, times) -> None:
    async def ask(politeness):
        site.status, site.headers = 503, {"Retry-After": "1"}
        await politeness.get(f"{site.url}/1")
        site.status, site.headers = 200, {}
        return await politeness.get(f"{site.url}/2")

    assert polite(site, ask, delay=0.01, retries=0).status == 200
    assert rests(times)[0] >= 0.99


def test_a_long_wait_is_told(site, times) -> None:
    told = []

    async def ask(politeness):
        site.status, site.headers = 429, {"Retry-After": "100"}
        await politeness.get(f"{site.url}/1")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(politeness.get(f"{site.url}/2"), 0.1)

    polite(site, ask, delay=0.01, retries=0, on_wait=lambda host, seconds: told.append((host, round(seconds))))
    assert told == [("127.0.0.1", 100)]
    assert len(times) == 1


def test_what_the_recipe_and_robots_ask_for_is_never_cut_short(site, times) -> None:
    async def ask(politeness):
        politeness.ask_for("127.0.0.1", asked)
        await politeness.get(f"{site.url}/1")
        return politeness.rest("127.0.0.1")

    for delay, asked, least in ((100.0, 0.0, 99), (1.0, 90.0, 89), (2.0, 1.0, 1.9)):
        assert least <= polite(site, ask, delay=delay) <= max(delay, asked)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("", 0), ("soon", 0), ("-3", 0), ("9" * 50, 999_999_999), ("1e3", 0),
     ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)  # fmt: skip
def test_retry_after_in_seconds(header: str, seconds: float) -> None:
    assert Answer("http://x/", "", 503, headers=(("Retry-After", header),)).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < Answer("http://x/", "", 503, headers=(("Retry-After", date),)).retry_after <= 60


def test_sitemaps_and_robots_are_asked_for_politely_too(site, tmp_path) -> None:
    noted: list[float] = []

    async def note(request):
        noted.append(time.monotonic())
        return web.Response(status=404)

    site.answers |= {"/robots.txt": note, "/sitemap.xml": note, "/": page("start")}
    crawl(site.url, tmp_path, limits={"delay": 0.2})
    assert noted[1] - noted[0] >= 0.19

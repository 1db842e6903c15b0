from __future__ import annotations

import asyncio
import socket
from itertools import cycle

import pytest
from aiohttp.abc import AbstractResolver

from hornbook.core.errors import InputError
from hornbook.corpus.fetch import Fetcher
from hornbook.corpus.guard import AddressGuard, AddressRefused, GuardedResolver
from tests.corpus.conftest import crawl, page

INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::127.0.0.1",
    "2002:7f00:1::", "64:ff9b::7f00:1", "fe80::1%eth0",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_inside_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        AddressGuard().check("example.org", address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_outside_is_allowed(address: str) -> None:
    AddressGuard().check("example.org", address)


def test_named_hosts_may_lie_inside() -> None:
    guard = AddressGuard(["localhost", "[::1]", "Intranet"])
    guard.check("localhost", "127.0.0.1")
    guard.check_literal("::1")
    guard.check("intranet", "10.0.0.1")
    with pytest.raises(AddressRefused):
        guard.check("intranet", "169.254.169.254")  # a cloud's metadata must be named itself
    AddressGuard(["169.254.169.254"]).check_literal("169.254.169.254")
    with pytest.raises(AddressRefused):
        guard.check_literal("127.0.0.1")


class Names(AbstractResolver):
    """Gives the next address each time it is asked for any name, as a rebinding attacker's server does."""

    def __init__(self, *addresses: str):
        self.addresses = cycle(addresses)

    async def resolve(self, host, port=0, family=socket.AF_INET):
        found = {"hostname": host, "host": next(self.addresses), "port": port, "family": socket.AF_INET,
                 "proto": 0, "flags": 0}  # fmt: skip
        return [found]

    async def close(self) -> None: ...


def test_rebinding_is_refused_at_the_connection(site) -> None:
    """The name first means a public address, then loopback: what is connected to is what was checked."""
    guard = AddressGuard()
    resolver = GuardedResolver(guard, Names("127.0.0.1"))
    site.answers["/"] = page("secret")

    async def ask() -> str | None:
        async with Fetcher(guard, user_agent="test", resolver=resolver, retries=0) as fetcher:
            return (await fetcher.get(f"http://rebind.example:{site.port}/")).reason

    assert asyncio.run(ask()) == "private address"
    assert not site.asked


def test_address_literals_need_no_resolver_to_be_refused(site) -> None:
    guard = AddressGuard()

    async def ask(url: str) -> str | None:
        async with Fetcher(guard, user_agent="test", retries=0) as fetcher:
            return (await fetcher.get(url)).reason

    for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "127.1", "0x7f000001", "2130706433"):
        assert asyncio.run(ask(f"http://{host}:{site.port}/")) in ("private address", "bad url"), host
    assert not site.asked


def test_a_site_inside_is_refused_in_one_line(site, tmp_path) -> None:
    with pytest.raises(InputError, match=r"inside.*allow_private"):
        crawl(site.url, tmp_path, allow=())
    assert not site.asked


def test_redirect_to_the_inside_is_never_followed(site, tmp_path) -> None:
    from aiohttp import web

    async def inward(request):
        raise web.HTTPFound(f"http://127.0.0.1:{site.port}/secret")

    async def metadata(request):
        raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")

    site.answers |= {"/": page("start", "/in", "/meta"), "/in": inward, "/meta": metadata, "/secret": page("secret")}
    guard_names = GuardedResolver(AddressGuard(["site.example"]), Names("127.0.0.1"))
    rows = crawl(f"http://site.example:{site.port}", tmp_path, allow=("site.example",), resolver=guard_names)
    assert rows["/in"].reason == "private address"
    assert rows["/meta"].reason == "private address"
    assert site.asked["/secret"] == 0

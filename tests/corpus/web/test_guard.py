from __future__ import annotations

import asyncio
import ipaddress
import socket
from itertools import cycle

import pytest
from aiohttp.abc import AbstractResolver
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.errors import InputError
from hornbook.corpus.web.fetch import Fetcher
from hornbook.corpus.web.guard import AddressGuard, AddressRefused, GuardedResolver
from tests.corpus.conftest import crawl, page

INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::127.0.0.1",
    "2002:7f00:1::", "64:ff9b::7f00:1", "fe80::1%eth0", "64:ff9b:1::808:808", "fec0::1", "2001:0:4136:e378::1",
    "::ffff:169.254.169.254", "2002:a9fe:a9fe::", "64:ff9b::a9fe:a9fe", "::ffff:0:127.0.0.1", "198.18.0.1", "192.0.0.8",
    "192.88.99.1", "168.63.129.16", "100::1", "2001:db8::1", "3fff::1", "5f00::1", "240.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_inside_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        AddressGuard().check("example.org", address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_outside_is_allowed(address: str) -> None:
    AddressGuard().check("example.org", address)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_alike_however_it_is_embedded(number: int) -> None:
    """And never more kindly than Python's own registry judges it, in any version."""
    address = ipaddress.IPv4Address(number)
    plain = allowed(str(address))
    for form in (f"::ffff:{address}", str(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + number)),
                 str(ipaddress.IPv6Address((0x2002 << 112) + (number << 80) + 1))):  # fmt: skip
        assert allowed(form) == plain
    assert address.is_global or not plain


@given(st.integers(0, 2**128 - 1))
def test_no_more_of_ipv6_than_python_calls_global(number: int) -> None:
    address = ipaddress.IPv6Address(number)
    assert address.is_global or not allowed(str(address))


def allowed(address: str) -> bool:
    try:
        AddressGuard().check("example.org", address)
    except AddressRefused:
        return False
    return True


def test_named_hosts_may_lie_inside() -> None:
    guard = AddressGuard(["localhost", "[::1]", "Intranet"])
    guard.check("localhost", "127.0.0.1")
    guard.check_literal("::1")
    guard.check("intranet", "10.0.0.1")
    with pytest.raises(AddressRefused):
        guard.check("intranet", "169.254.169.254")  # a cloud's metadata must be named itself
    with pytest.raises(AddressRefused):
        guard.check("intranet", "::ffff:169.254.169.254")  # in whatever form
    AddressGuard(["169.254.169.254"]).check_literal("169.254.169.254")
    AddressGuard(["0:0:0:0:0:0:0:1"]).check_literal("::1")
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
        async with Fetcher(guard, user_agent="test", resolver=resolver) as fetcher:
            return (await fetcher.get(f"http://rebind.example:{site.port}/")).reason

    assert asyncio.run(ask()) == "private address"
    assert not site.asked


def test_a_name_that_turns_inward_while_it_is_crawled(site) -> None:
    """Asked twice on two connections, a name that means the outside at first is refused when it means the inside."""
    guard = AddressGuard()
    resolver = GuardedResolver(guard, Names("203.0.113.9", "127.0.0.1"))  # one that never answers, then us
    site.answers["/"] = page("secret")

    async def ask() -> list[str | None]:
        async with Fetcher(guard, user_agent="test", resolver=resolver, timeout=0.2) as fetcher:
            return [(await fetcher.get(f"http://{name}.example:{site.port}/")).reason for name in ("a", "b")]

    assert set(asyncio.run(ask())) <= {"private address", "timeout", "connection"}
    assert not site.asked


def test_one_inside_address_among_many_refuses_the_name(site) -> None:
    class Both(Names):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            return [found for address in ("8.8.8.8", "127.0.0.1") for found in await Names(address).resolve(host, port)]

    guard = AddressGuard()

    async def ask() -> str | None:
        async with Fetcher(guard, user_agent="test", resolver=GuardedResolver(guard, Both())) as fetcher:
            return (await fetcher.get(f"http://both.example:{site.port}/")).reason

    assert asyncio.run(ask()) == "private address"
    assert not site.asked


def test_address_literals_need_no_resolver_to_be_refused(site) -> None:
    guard = AddressGuard()

    async def ask(url: str) -> str | None:
        async with Fetcher(guard, user_agent="test") as fetcher:
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

    async def mapped(request):
        raise web.HTTPFound(f"http://[::ffff:7f00:1]:{site.port}/secret")

    async def number(request):
        raise web.HTTPFound(f"http://2130706433:{site.port}/secret")

    inwards = {"/in": inward, "/meta": metadata, "/mapped": mapped, "/number": number}
    site.answers |= {"/": page("start", *inwards), "/secret": page("secret"), **inwards}
    guard_names = GuardedResolver(AddressGuard(["site.example"]), Names("127.0.0.1"))
    rows = crawl(f"http://site.example:{site.port}", tmp_path, allow=("site.example",), resolver=guard_names)
    assert {rows[path].reason for path in inwards} == {"private address"}
    assert site.asked["/secret"] == 0

"""No address of the inside is ever connected to: every connection is checked after DNS, on the address it will use."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# Where clouds keep a machine's secrets: AWS, Azure, Google, Alibaba, Oracle. Some look like addresses of the internet.
METADATA = frozenset(map(ipaddress.ip_address, (
    "169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192",
    "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
)))  # fmt: skip
_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that was ever given out for the internet
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
# IANA's registries of special-purpose addresses, by hand: what Python's own `is_global` knows differs by its version.
_SPECIAL = tuple(map(ipaddress.ip_network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20",
)))  # fmt: skip


class AddressRefused(Exception):
    """A host resolves to an address of the inside. No OSError, so that aiohttp does not retry it."""


class AddressGuard:
    """Which addresses may be reached: those of the public internet, and those of hosts the recipe names.

    `allow` are host names or addresses as they stand in URLs. A cloud's metadata address must be named itself.
    """

    def __init__(self, allow: Iterable[str] = ()):
        self.allow = frozenset(_one_form(host) for host in allow)

    def check(self, host: str, address: str) -> None:
        """Raises AddressRefused when `host`, found at `address`, may not be reached."""
        found = _reached(ipaddress.ip_address(address.partition("%")[0]))
        if _one_form(host) in self.allow and (found not in METADATA or str(found) in self.allow):
            return
        if found in METADATA or not _public(found):
            where = address if host == address else f"{host} ({address})"
            raise AddressRefused(f"{where} is an address of the inside")

    def check_literal(self, host: str) -> None:
        """The same for a host that is itself an address, which no resolver sees. Names pass."""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return
        self.check(host, host)


class GuardedResolver(AbstractResolver):
    """Resolves, and checks each address it gives; aiohttp connects to these very addresses, so rebinding gains nothing.

    `inner` is the resolver that asks; tests give their own.
    """

    def __init__(self, guard: AddressGuard, inner: AbstractResolver | None = None):
        self.guard, self.inner = guard, inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises AddressRefused if any one is refused."""
        results = await self.inner.resolve(host, port, family)
        for result in results:
            self.guard.check(host, result["host"])
        return results

    async def close(self) -> None:
        """Close the resolver that asks."""
        await self.inner.close()


def _one_form(host: str) -> str:
    name = host.lower().strip("[]").removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _reached(address: IPAddress) -> IPAddress:
    """The IPv4 address that IPv4-mapped, 6to4 and NAT64 forms of IPv6 lead to; any other address as it is."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _public(address: IPAddress) -> bool:
    """Global unicast. Teredo, private prefixes of NAT64 and the old IPv4-compatible form are not: no site is there."""
    if any(address in network for network in _SPECIAL):
        return False
    return isinstance(address, ipaddress.IPv4Address) or address in _UNICAST

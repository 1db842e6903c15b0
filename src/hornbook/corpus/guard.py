"""No address of the inside is ever connected to: every connection is checked after DNS, on the address it will use."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "100.100.100.200", "fd00:ec2::254")))


class AddressRefused(Exception):
    """A host resolves to an address of the inside. No OSError, so that aiohttp does not retry it."""


class AddressGuard:
    """Which addresses may be reached: those of the public internet, and those of hosts the recipe names.

    `allow` are host names or addresses as they stand in URLs. A cloud's metadata address must be named itself.
    """

    def __init__(self, allow: Iterable[str] = ()):
        self.allow = frozenset(host.lower().strip("[]") for host in allow)

    def check(self, host: str, address: str) -> None:
        """Raises AddressRefused when `host`, found at `address`, may not be reached."""
        found = ipaddress.ip_address(address.partition("%")[0])
        if host.lower() in self.allow and (found not in METADATA or host == address):
            return
        if not _public(found):
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


def _public(address: IPAddress) -> bool:
    """Global unicast, also behind IPv4-mapped, 6to4, Teredo and NAT64 (RFC 6052) forms of IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and int(address) >> 32 == 0:  # the old IPv4-compatible form
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved

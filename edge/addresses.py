"""Whose address a request comes from, also through proxies. Pure.

Rules:
1. It is the peer's, unless the peer is a proxy of ours: one on this machine, or in a network of
   `trusted_proxies`. Then it is the last one in X-Forwarded-For that is no such proxy: one of ours
   wrote it, and what stands before it may be anybody's invention.
2. What a proxy says of nobody, or of itself, is UNKNOWN: all of these are counted as one, and as
   nobody's neighbour.
3. Of an IPv6 address the first 64 bits are told: so much, at the least, belongs to one customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Protocol

LOOPBACK: Final = ("127.", "::1", "::ffff:127.")
UNKNOWN: Final = "unknown"
FORWARDED: Final = "X-Forwarded-For"
_HOST_BITS: Final = 64


class Headers(Protocol):
    """Of a request; a name may be there several times."""

    def getall(self, key: str, default: tuple[str, ...], /) -> Sequence[str]: ...


class Asked(Protocol):
    """A request, as far as it matters here."""

    @property
    def remote(self) -> str | None: ...

    @property
    def headers(self) -> Headers: ...


class Addresses:
    """Args: trusted: networks and addresses of proxies beside this machine's own. Raises ValueError
    if one is none."""

    __slots__ = ("_networks",)

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(text) for text in trusted]

    def of_request(self, request: Asked) -> str:
        """Whose a request is; empty if its connection is gone."""
        return self.of(request.remote or "", ",".join(request.headers.getall(FORWARDED, ())))

    def of(self, peer: str, forwarded: str) -> str:
        """Args: forwarded: what X-Forwarded-For says, empty if it is not there."""
        if not forwarded or not self._is_proxy(_parsed(peer)):
            return _told(_parsed(peer), peer)
        for text in reversed(forwarded.split(",")):
            address = _parsed(text.strip())
            if address is None:
                break
            if not self._is_proxy(address):
                return _told(address, "")
        return UNKNOWN

    def _is_proxy(self, address: IPv4Address | IPv6Address | None) -> bool:
        if address is None:
            return False
        return address.is_loopback or any(address in network for network in self._networks)


NO_PROXIES: Final = Addresses()


def is_here(address: str) -> bool:
    """Whether it is this machine's own, which is counted nowhere."""
    return address.startswith(LOOPBACK)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address; an IPv4 one behind an IPv6 socket as what it is. With a port it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _told(address: IPv4Address | IPv6Address | None, text: str) -> str:
    if isinstance(address, IPv6Address) and not address.is_loopback:
        network = int(address) >> _HOST_BITS << _HOST_BITS
        return f"{IPv6Address(network)}/{_HOST_BITS}"
    return text if address is None else str(address)

"""Which addresses indications may be sent to: whoever subscribes makes the server connect to them.

A name is no address: what is judged is what it was resolved to, and that is what is connected to.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

__all__ = ["ANYWHERE", "ForbiddenAddressError", "ListenerNetworks"]

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

_LOOPBACK: tuple[_Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
# Addresses of IPv4 in the last bits of those of IPv6 (RFC 6052).
_TRANSLATED = ip_network("64:ff9b::/96")
# Addresses of loopback, of links, and of no single machine (RFC 6890).
_SPECIAL: tuple[_Network, ...] = (
    *_LOOPBACK,
    *map(ip_network, ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")),
    *map(ip_network, ("::/96", "fe80::/10", "fec0::/10", "ff00::/8")),
    # Where clouds tell a machine its secrets, as far as that is no address of a link.
    *map(ip_network, ("100.100.100.200", "168.63.129.16", "192.0.0.192")),
    *map(ip_network, ("fd00:ec2::254", "fd20:ce::254")),
)


class ForbiddenAddressError(OSError):
    """Nothing is sent to an address; the text says so."""

    def __init__(self, host: str, address: str) -> None:
        named = host if host.strip("[]") == address else f"{host} ({address})"
        super().__init__(f"{named} is in no network that indications may be sent to")


class ListenerNetworks:
    """The networks in which listeners may be; never changed.

    Without ``allowed`` that is everywhere but at special addresses: loopback unless
    ``takes_loopback``, those of a link, and those of no single machine. Raises ValueError for what
    is no network.
    """

    def __init__(self, allowed: Iterable[str] = (), *, takes_loopback: bool = False) -> None:
        self._allowed = tuple(ip_network(text) for text in allowed)
        self._takes_loopback = takes_loopback

    def with_loopback(self) -> ListenerNetworks:
        """The same, with loopback addresses unless networks were named."""
        return ListenerNetworks(map(str, self._allowed), takes_loopback=True)

    def check(self, host: str, address: str) -> None:
        """Raise ForbiddenAddressError unless a host may be reached at an address."""
        judged = _unmapped(ip_address(address.partition("%")[0]))
        if self._allowed:
            is_allowed = _is_in(judged, self._allowed)
        elif self._takes_loopback and _is_in(judged, _LOOPBACK):
            is_allowed = True
        else:
            is_allowed = not any(_is_in(one, _SPECIAL) for one in (judged, *_embedded(judged)))
        if not is_allowed:
            raise ForbiddenAddressError(host, address)

    def check_url(self, url: str) -> None:
        """As ``check``, for a URL that names an address; one with a name is checked later."""
        host = urlsplit(url).hostname or ""
        try:
            address = ip_address(host)
        except ValueError:
            return
        self.check(host, str(address))


ANYWHERE = ListenerNetworks(("0.0.0.0/0", "::/0"))
"""For whoever decides himself what is sent where."""


def _is_in(address: _Address, networks: Iterable[_Network]) -> bool:
    return any(address in network for network in networks)


def _unmapped(address: _Address) -> _Address:
    """The address that is meant: a socket for IPv6 takes those of IPv4 in a form of its own."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _embedded(address: _Address) -> Iterable[_Address]:
    """The addresses of IPv4 that gateways may send on to."""
    if isinstance(address, IPv6Address):
        if address in _TRANSLATED:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
        if address.sixtofour is not None:
            yield address.sixtofour

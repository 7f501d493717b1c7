"""Who a client is: an authenticated user, else the address that the requests come from."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

__all__ = ["address_of", "client_of"]

_MOST_REMEMBERED = 4096


@lru_cache(_MOST_REMEMBERED)
def address_of(peer: str) -> str:
    """What one client can have many of is one address: the first half of an IPv6 address."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv4Address):
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)).network_address)


def client_of(user: str, peer: str) -> str:
    """Whose request this is: the user's where he has proved who he is, else that of his address.

    A user is no address of the same name.
    """
    return f"user {user}" if user else address_of(peer)

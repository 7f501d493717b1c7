"""The parts of a URI (RFC 3986), encoded."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote

__all__ = ["QUERY_CHARACTERS", "is_uri", "uri_host", "uri_path", "uri_value"]

_SUB_DELIMITERS = "!$&'()*+,;="
# pchar and "/"; a query may hold "?" as well.
_PATH_CHARACTERS = f"/:@{_SUB_DELIMITERS}"
QUERY_CHARACTERS = f"{_PATH_CHARACTERS}?"

_URI = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_uri(location: str) -> bool:
    """Whether a location is a URI, not a path on this host."""
    return _URI.match(location) is not None


def uri_host(host: str) -> str:
    """Give a host, an IPv6 address in brackets; never a user or password before it."""
    host = host.rpartition("@")[2]
    address, percent, zone = host.removeprefix("[").removesuffix("]").partition("%")
    try:
        IPv6Address(address)
    except AddressValueError:
        return quote(host, safe=_SUB_DELIMITERS)
    # RFC 6874: the zone of an address follows an encoded percent sign.
    return f"[{address}%25{quote(zone)}]" if percent else f"[{address}]"


def uri_path(text: str) -> str:
    """Encode a path, or a part of one."""
    return quote(text, safe=_PATH_CHARACTERS)


def uri_value(text: str) -> str:
    """Encode a value in a query."""
    return quote(text, safe="/:@")

"""The parts of a URI (RFC 3986), encoded."""

from __future__ import annotations

import re
from urllib.parse import quote

__all__ = ["QUERY_CHARACTERS", "is_uri", "uri_host", "uri_path", "uri_value"]

# pchar and "/"; a query may hold "?" as well.
_PATH_CHARACTERS = "/:@!$&'()*+,;="
QUERY_CHARACTERS = f"{_PATH_CHARACTERS}?"

_URI = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_uri(location: str) -> bool:
    """Whether a location is a URI, not a path on this host."""
    return _URI.match(location) is not None


def uri_host(host: str) -> str:
    """Give a host, an IPv6 address in brackets; never a user or password before it."""
    host = host.rpartition("@")[2]
    if ":" in host:
        # RFC 6874: the zone of an address follows an encoded percent sign.
        return f"[{host.strip('[]').replace('%', '%25')}]"
    return quote(host)


def uri_path(text: str) -> str:
    """Encode a path, or a part of one."""
    return quote(text, safe=_PATH_CHARACTERS)


def uri_value(text: str) -> str:
    """Encode a value in a query."""
    return quote(text, safe="/:@")

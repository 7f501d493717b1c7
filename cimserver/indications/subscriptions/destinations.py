"""The addresses of listeners: what is accepted, and what they say."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from urllib.parse import SplitResult, urlsplit

__all__ = ["MOST_CHARACTERS", "DestinationError", "read_destination"]

MOST_CHARACTERS = 2048
_SCHEMES = ("http", "https")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")
_UNREADABLE = re.compile(r"[^\x21-\x7e]")
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class DestinationError(ValueError):
    """An address cannot be used; the text says why, and never what may be a password."""


@lru_cache(maxsize=1024)
def read_destination(text: str) -> str:
    """The URL that indications are posted to. Raises DestinationError.

    One without a scheme is of HTTP, as CIM_ListenerDestinationCIMXML says.
    """
    if len(text) > MOST_CHARACTERS:
        raise DestinationError(f"a URL has at most {MOST_CHARACTERS} characters")
    if _UNREADABLE.search(text):
        raise DestinationError("a URL has neither blanks nor characters beyond ASCII")
    url = text if _HAS_SCHEME.match(text) else f"http://{text}"
    parts, port = _split(url)
    if "@" in parts.netloc:
        raise DestinationError("a user or password cannot be sent to a listener")
    scheme = parts.scheme.lower()
    if scheme not in _SCHEMES:
        raise DestinationError(f"the scheme is http or https, not {scheme[:40]}")
    if "#" in url:
        raise DestinationError("a URL of a listener has no fragment")
    if "\\" in url:
        raise DestinationError("a URL has no backslash")
    host = _host(parts)
    if port == 0 or (port is None and parts.netloc.endswith(":")):
        raise DestinationError("the port is 1 to 65535")
    place = host if port is None else f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{place}{parts.path or '/'}{query}"


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError as exc:
        # A colon within a password is taken for that before a port.
        said = "a user or password cannot be sent to a listener" if "@" in url else str(exc)
        raise DestinationError(said) from None


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if parts.netloc.startswith("[") and "%" not in host:
        try:
            return f"[{IPv6Address(host)}]"
        except ValueError:
            raise DestinationError("the host is no IPv6 address") from None
    # Also for an IPv6 address with a zone, which means something on one machine only.
    if not _HOST.fullmatch(host):
        raise DestinationError("the URL names no host that could be")
    return host

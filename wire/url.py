"""Where a management API is found: ``xapi+unix:///PATH``, ``xapi+https://HOST``, ``xend+http://HOST``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

__all__ = ["Dialect", "EndpointUrl", "parse_endpoint_url"]

Dialect = Literal["xapi", "xend"]

# xend's own defaults: xend-tcp-xmlrpc-server-port 8006, every path answered, /RPC2 by custom.
_DEFAULT_PORTS = {("xapi", "http"): 80, ("xapi", "https"): 443, ("xend", "http"): 8006}
_DEFAULT_PATHS = {"xapi": "/", "xend": "/RPC2"}
_ACCEPTED = (
    "xapi+unix:///PATH, xapi+http://HOST, xapi+https://HOST, xend+unix:///PATH, xend+http://HOST"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointUrl:
    """A parsed endpoint URL; it never holds credentials.

    ``path`` is the HTTP path; ``socket_path`` the Unix socket, empty for TCP.
    """

    dialect: Dialect
    transport: Literal["unix", "http", "https"]
    host: str = ""
    port: int = 0
    socket_path: str = ""
    path: str = "/"

    def __str__(self) -> str:
        if self.transport == "unix":
            return f"{self.dialect}+unix://{self.socket_path}"
        path = "" if self.path == _DEFAULT_PATHS[self.dialect] else self.path
        return f"{self.dialect}+{self.transport}://{self.authority}{path}"

    @property
    def authority(self) -> str:
        """``HOST:PORT`` as HTTP writes it; "localhost" for a Unix socket."""
        if self.transport == "unix":
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def http_url(self) -> str:
        """The URL that the HTTP request is made for."""
        scheme = "https" if self.transport == "https" else "http"
        return f"{scheme}://{self.authority}{self.path}"


def parse_endpoint_url(text: str) -> EndpointUrl:
    """Parse the URL of a management API.

    Raises ValueError with one sentence; credentials in the URL are refused, and not repeated.
    """
    scheme, _, _rest = text.partition("://")
    if "@" in text:
        raise ValueError(
            "credentials do not belong into the URL, where every user of the machine can read them"
        )
    match = re.fullmatch(r"(xapi|xend)\+(unix|http|https)", scheme)
    if not match or scheme == "xend+https":
        raise ValueError(f"{text!r} is no endpoint URL; use one of {_ACCEPTED}")
    dialect: Dialect = "xapi" if match[1] == "xapi" else "xend"
    parts = urlsplit(text)
    if parts.query or parts.fragment:
        raise ValueError(f"{text!r}: an endpoint URL has no query and no fragment")
    if match[2] == "unix":
        if parts.netloc or len(parts.path) < 2:
            raise ValueError(f"{text!r}: a Unix socket is written {scheme}:///PATH")
        return EndpointUrl(
            dialect=dialect,
            transport="unix",
            socket_path=parts.path,
            path=_DEFAULT_PATHS[dialect],
        )
    try:
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ValueError(f"{text!r}: {exc}") from exc
    if not host:
        raise ValueError(f"{text!r} names no host")
    transport: Literal["http", "https"] = "https" if match[2] == "https" else "http"
    return EndpointUrl(
        dialect=dialect,
        transport=transport,
        host=host,
        port=port or _DEFAULT_PORTS[dialect, transport],
        path=parts.path if parts.path not in ("", "/") else _DEFAULT_PATHS[dialect],
    )

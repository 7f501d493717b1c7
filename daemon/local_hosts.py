"""Requests that mean this machine: for daemons that ask nobody who they are.

A page of any web site can make a browser on this machine send requests to a loopback address: by a
name of its own that it lets point there (DNS rebinding), or as they are. The first has another
Host, the second an Origin.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable
from functools import lru_cache
from urllib.parse import urlsplit

from virtcim.daemon.asgi import ASGIApp, Receive, Scope, Send

__all__ = ["only_local_hosts"]

_HEADERS = frozenset({b"host", b"origin"})
_MOST_REMEMBERED = 256


def only_local_hosts(app: ASGIApp) -> ASGIApp:
    """Refuse what comes over TCP with a Host or an Origin other than this machine: 421 and 403."""

    def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and _is_tcp(scope):
            for name, value in scope["headers"]:
                if name in _HEADERS and not _is_here(value, origin=name == b"origin"):
                    return _refuse(send, name, value)
        return app(scope, receive, send)

    return serve


def _is_tcp(scope: Scope) -> bool:
    server = scope.get("server")
    return server is not None and server[1] is not None


@lru_cache(_MOST_REMEMBERED)
def _is_here(value: bytes, *, origin: bool) -> bool:
    text = value.decode("latin-1")
    try:
        host = urlsplit(text if origin else f"//{text}").hostname or ""
    except ValueError:
        return False
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost") or name == socket.gethostname().lower():
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _refuse(send: Send, name: bytes, value: bytes) -> None:
    header = name.decode().capitalize()
    shown = ascii(value[:80].decode("latin-1"))
    text = (
        f"the {header} {shown} is not this machine, and without authentication only this machine "
        "is served; use a loopback address, or --auth basic\n"
    )
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    status = 421 if header == "Host" else 403
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})

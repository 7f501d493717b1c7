"""Without authentication nobody is served who means another machine."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from virtcim.daemon.local_hosts import only_local_hosts

_TCP, _UNIX = ("127.0.0.1", 80), ("/run/x.sock", None)


def _status(*headers: tuple[str, str], server: tuple[str, int | None] = _TCP) -> int:
    sent: list[Any] = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is to be received")

    scope = {
        "type": "http",
        "server": server,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    asyncio.run(only_local_hosts(application)(scope, receive, send))
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:5988", "127.1.2.3", "localhost", "LocalHost.:1", "a.localhost"),
        *("[::1]", "[::1]:5988", socket.gethostname(), f"{socket.gethostname()}:5988"),
    ],
)
def test_a_host_that_is_this_machine_is_served(host: str) -> None:
    assert _status(("host", host)) == 200
    assert _status(("host", host), ("origin", f"http://{host}")) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("example.org", "example.org:5988", "localhost.example.org", "127.0.0.1.example.org"),
        *("192.0.2.1", "0.0.0.0", "[::]", "[2001:db8::1]:80", "localhost@example.org", "", "\xff"),
        *("[::1", "127.0.0.1, example.org", "2130706433", "0x7f.1"),
    ],
)
def test_any_other_host_is_refused(host: str) -> None:
    assert _status(("host", host)) == 421


@pytest.mark.parametrize("origin", ["http://example.org", "https://localhost.example.org", "null"])
def test_what_a_page_of_another_site_sends_is_refused(origin: str) -> None:
    assert _status(("host", "127.0.0.1"), ("origin", origin)) == 403


def test_one_host_of_several_that_is_another_machine_is_enough() -> None:
    assert _status(("host", "127.0.0.1"), ("host", "example.org")) == 421


def test_no_browser_reaches_a_unix_socket() -> None:
    assert _status(("host", "example.org"), server=_UNIX) == 200


def test_a_client_without_host_is_no_browser() -> None:
    assert _status() == 200

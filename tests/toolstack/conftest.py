"""A toolstack over libvirt's test driver, and a session of the official XenAPI module on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import XenAPI

from tests.toolstack.host import Host, Switch, running_host, switchable_server, write_host


@pytest.fixture
def host_uri(tmp_path: Path) -> str:
    """A host of libvirt's test driver that belongs to this test alone."""
    return write_host(tmp_path / "host.xml")


@pytest.fixture(scope="session")
def server() -> Iterator[Switch]:
    with switchable_server() as serving:
        yield serving


@pytest.fixture
def host(host_uri: str, server: Switch) -> Iterator[Host]:
    with running_host(host_uri, server) as running:
        yield running


@pytest.fixture
def session(host: Host) -> Iterator[XenAPI.Session]:
    opened = host.login()
    yield opened
    opened("close")()


@pytest.fixture
def api(session: XenAPI.Session) -> Any:
    """What carries the classes of the API."""
    return session.xenapi


@pytest.fixture
def login(host: Host) -> Iterator[Callable[[], XenAPI.Session]]:
    """More sessions on the same toolstack."""
    opened: list[XenAPI.Session] = []

    def make() -> XenAPI.Session:
        opened.append(host.login())
        return opened[-1]

    yield make
    for one in opened:
        one("close")()

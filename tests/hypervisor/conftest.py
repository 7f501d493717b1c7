"""An endpoint over a small XenAPI server; a module that needs others has its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hypervisor.xenapi_server import XenApiServer, endpoint_of
from virtcim.hypervisor import XenApiEndpoint


@pytest.fixture
def server() -> XenApiServer:
    server = XenApiServer()
    server.furnish()
    return server


@pytest.fixture
def endpoint(server: XenApiServer) -> Iterator[XenApiEndpoint]:
    with server.running() as port, endpoint_of(port) as endpoint:
        yield endpoint

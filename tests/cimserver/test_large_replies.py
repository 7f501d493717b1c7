"""Replies that are sent while they are being written."""

from __future__ import annotations

import httpx
import pytest

from tests.cim.everything import system
from tests.cimserver.interposed import Interposed
from tests.cimserver.population import populate
from tests.cimserver.serving import intrinsic, served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.cimserver import CimServer, Limits
from virtcim.mof import Schema

_SYSTEMS = 600
_ALL = intrinsic("EnumerateInstances", ClassName='<CLASSNAME NAME="VirtCIM_ComputerSystem"/>')


@pytest.fixture
def endpoint(endpoint: SimulatedEndpoint) -> SimulatedEndpoint:
    populate(endpoint, range(_SYSTEMS))
    return endpoint


def _server(providers: Interposed, schema: Schema, *, held_bytes: int) -> CimServer:
    limits = Limits(held_reply_bytes=held_bytes)
    return CimServer(providers, schema, authenticate=None, limits=limits, host="host")


def test_a_reply_is_the_same_however_it_is_sent(providers: Interposed, schema: Schema) -> None:
    with served(_server(providers, schema, held_bytes=2**30)) as server:
        whole = server.post(_ALL)
    assert int(whole.headers["Content-Length"]) == len(whole.content) > 2**20
    with served(_server(providers, schema, held_bytes=2**19)) as server:
        chunked = server.post(_ALL)
        with server.pywbem() as cim:
            assert len(cim.EnumerateInstances("VirtCIM_ComputerSystem")) == _SYSTEMS
        names = server.wbemcli("ei", "VirtCIM_ComputerSystem").stdout
    assert "Content-Length" not in chunked.headers
    assert chunked.headers["Transfer-Encoding"] == "chunked"
    assert chunked.content == whole.content
    assert len(names.splitlines()) == _SYSTEMS


def test_a_reply_that_cannot_be_completed_breaks_off_and_is_no_shorter_list(
    providers: Interposed, schema: Schema
) -> None:
    providers.also.append(system(_SYSTEMS, NoSuchProperty="x"))
    with served(_server(providers, schema, held_bytes=2**19)) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            server.post(_ALL)
        assert server.ask(intrinsic("GetClass", ClassName='<CLASSNAME NAME="CIM_Error"/>'))
    with served(_server(providers, schema, held_bytes=2**30)) as server:
        assert server.ask(_ALL).status == 1

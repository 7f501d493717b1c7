"""The connection to a XenAPI server: lost, refused, referred, expired, and found again."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from queue import SimpleQueue

import pytest

from tests.hypervisor.xenapi_server import (
    Refusal,
    XenApiServer,
    endpoint_of,
    eventually,
    failing,
)
from tests.wire.serving import DEADLINE_S, tcp_listener
from virtcim.errormap import ErrorCode, translate
from virtcim.hypervisor import (
    Credentials,
    XenApiEndpoint,
)


def test_a_server_that_is_not_there_is_an_error_not_an_empty_list(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with ExitStack() as parts:
        # Bound, and so nobody else's, but not listening.
        unused = parts.enter_context(socket.socket())
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        endpoint = parts.enter_context(endpoint_of(port))
        error = failing(endpoint)
        assert endpoint.wait_attempted(DEADLINE_S)
        error = failing(endpoint)
    assert error.fault.code == "ECONNREFUSED"
    assert translate(error.fault).code is ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED
    (warning,) = (one for one in caplog.records if one.levelname == "WARNING")
    assert f"127.0.0.1:{port}: no connection yet" in warning.getMessage()


def test_a_server_that_goes_away_is_noticed_and_one_that_comes_back_is_read_anew(
    server: XenApiServer,
) -> None:
    with ExitStack() as client, ExitStack() as first_life:
        port = first_life.enter_context(server.running())
        endpoint = client.enter_context(endpoint_of(port))
        assert "one" in endpoint.inventory().virtual_systems
        started = time.monotonic()
        first_life.close()
        error = failing(endpoint)
        # Long before an answer would be given up.
        assert time.monotonic() - started < DEADLINE_S / 2
        assert translate(error.fault).code is ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED
        server.sessions.clear()  # another life: it knows no sessions
        server.remove("VM", "OpaqueRef:one")
        server.put_vm("new")
        with server.running(tcp_listener(port=port)):
            now = eventually(endpoint, lambda now: "new" in now.virtual_systems)
            assert set(now.virtual_systems) == {"new"}


def test_a_hypervisor_that_fails_below_the_server_is_an_error_with_its_reason(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    libvirt = ["LIBVIRT_ERROR", "38", "VIR_ERR_SYSTEM_ERROR", "VIR_FROM_RPC"]

    def refuse(*_params: object) -> object:
        raise Refusal(*libvirt, "Failed to connect socket to 'x': Connection refused", "", "111")

    server.orders["event.from"] = refuse
    server.put_vm("wakes the poll")
    error = failing(endpoint)
    assert error.fault.code == "LIBVIRT_ERROR"
    assert error.fault.cause is not None
    assert error.fault.cause.code == "38"
    del server.orders["event.from"]
    eventually(endpoint, lambda now: "one" in now.virtual_systems)


def test_each_attempt_that_fails_gives_its_session_back(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def refuse(*_params: object) -> object:
        raise Refusal("HOST_OFFLINE", "OpaqueRef:host")

    logins = server.calls["session.login_with_password"]
    server.orders["event.from"] = refuse
    server.put_vm("wakes the poll")
    deadline = time.monotonic() + DEADLINE_S
    while server.calls["session.login_with_password"] < logins + 3:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert len(server.sessions) <= 1
    del server.orders["event.from"]
    eventually(endpoint, lambda now: "one" in now.virtual_systems)


def test_an_expired_session_is_renewed(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    logins = server.calls["session.login_with_password"]
    server.sessions.clear()
    server.put_vm("after")
    # A poll that was under way already is answered; the next one has no session any more.
    eventually(endpoint, lambda _: server.calls["session.login_with_password"] == logins + 1)
    eventually(endpoint, lambda now: "after" in now.virtual_systems)


def test_a_wrong_password_is_said_and_not_shown() -> None:
    server = XenApiServer()
    server.password = "right"
    credentials = Credentials(username="root", password="swordfish")
    with server.running() as port, endpoint_of(port, credentials=credentials) as endpoint:
        error = failing(endpoint)
    assert translate(error.fault).code is ErrorCode.ERR_UNACCEPTED_CREDENTIALS
    assert "swordfish" not in f"{error} {error.fault!r} {credentials!r}"


def test_a_pool_that_chose_another_master_is_found_again_through_its_member(
    server: XenApiServer,
) -> None:
    member = XenApiServer()
    master_address = "127.0.0.2"

    def refer(_user: str, _password: str) -> None:
        raise Refusal("HOST_IS_SLAVE", master_address)

    member.orders["session.login_with_password"] = refer
    with ExitStack() as rest, ExitStack() as first_master:
        port = rest.enter_context(member.running())
        first_master.enter_context(server.running(tcp_listener("127.0.0.2", port)))
        endpoint = rest.enter_context(endpoint_of(port))
        assert "one" in endpoint.inventory().virtual_systems
        first_master.close()
        failing(endpoint)
        master_address = "127.0.0.3"
        second = XenApiServer()
        second.put_vm("kept")
        rest.enter_context(second.running(tcp_listener("127.0.0.3", port)))
        eventually(endpoint, lambda now: set(now.virtual_systems) == {"kept"})


def test_a_pool_member_refers_to_its_master(server: XenApiServer) -> None:
    member = XenApiServer()

    def refer(_user: str, _password: str) -> None:
        raise Refusal("HOST_IS_SLAVE", "127.0.0.2")

    member.orders["session.login_with_password"] = refer
    with member.running() as port:
        master = tcp_listener("127.0.0.2", port)
        with server.running(master), endpoint_of(port) as endpoint:
            assert "one" in endpoint.inventory().virtual_systems
            assert endpoint.url == f"xapi+http://127.0.0.1:{port}"


@pytest.mark.parametrize("value", [{}, {"events": []}, "x", {"events": [], "token": 1}])
def test_an_event_batch_of_unknown_form_is_an_error(
    server: XenApiServer, endpoint: XenApiEndpoint, value: object
) -> None:
    server.orders["event.from"] = lambda *_params: value
    server.put_vm("wakes the poll")
    assert "event.from" in failing(endpoint).fault.operation


def test_closing_waits_for_no_time_limit_and_gives_the_session_back(server: XenApiServer) -> None:
    with server.running() as port:
        with endpoint_of(port):
            assert server.sessions
            started = time.monotonic()
        assert time.monotonic() - started < DEADLINE_S / 2
        assert not server.sessions


def test_whoever_made_the_endpoint_is_told_when_everything_has_been_read(
    server: XenApiServer,
) -> None:
    readings: SimpleQueue[None] = SimpleQueue()
    with (
        server.running() as port,
        endpoint_of(port, on_resynchronised=lambda: readings.put(None)) as endpoint,
    ):
        readings.get(timeout=DEADLINE_S)
        # Changes alone are no new reading.
        server.put_vm("later")
        eventually(endpoint, lambda inventory: "later" in inventory.virtual_systems)
    assert readings.empty()

"""Where indications may be sent: judged by the address, at each connection, and only there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from tests.cimserver.indications.exported import ACCEPTED
from tests.cimserver.indications.listening import RawListener, answer, listening
from tests.cimserver.indications.parties import written
from tests.cimserver.indications.subscribing import Subscribing, refusal, subscribing
from virtcim.cim.cimxml.exports import export_request
from virtcim.cim.records import StatusCode
from virtcim.cimserver.indications.delivery.connection import (
    DeliveryError,
    ListenerConnection,
    Timeouts,
)
from virtcim.cimserver.indications.delivery.tls import ListenerTls
from virtcim.cimserver.indications.networks import ForbiddenAddressError, ListenerNetworks
from virtcim.cli.listeners import listener_networks, reachable_networks
from virtcim.daemon.listener import Listen

_REQUEST = export_request(
    written("1"), message_id="1", filter_name="virtcim:f", context="c", number=1
)
_PATIENT = Timeouts(connect_s=60.0, attempt_s=60.0)
_ONE = ListenerNetworks(("127.0.0.1",))


def _may(networks: ListenerNetworks, address: str) -> bool:
    try:
        networks.check("h", address)
    except ForbiddenAddressError:
        return False
    return True


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "::127.0.0.1"),
        *("169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fe80::1%lo", "fd00:ec2::254"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2002:a9fe:a9fe::"),
        *("224.0.0.1", "255.255.255.255", "ff02::1", "168.63.129.16", "100.100.100.200"),
    ],
)
def test_what_is_near_this_machine_is_no_listener_unless_it_is_allowed(address: str) -> None:
    assert not _may(ListenerNetworks(), address)
    assert _may(ListenerNetworks(("0.0.0.0/0", "::/0")), address)


@pytest.mark.parametrize(
    "address",
    [
        *("10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.51.100.7", "::ffff:10.0.0.1"),
        *("fd12::1", "2001:db8::1", "64:ff9b::a00:1", "2002:a00:1::1"),
    ],
)
def test_other_machines_are_listeners_inside_a_network_too(address: str) -> None:
    assert _may(ListenerNetworks(), address)


def test_what_is_allowed_is_all_that_is() -> None:
    networks = ListenerNetworks(("10.0.0.0/8", "fd12::/16")).with_loopback()
    expected = {"10.255.0.1": True, "::ffff:10.0.0.1": True, "fd12::5": True, "11.0.0.1": False}
    expected |= {"127.0.0.1": False, "::1": False, "::ffff:11.0.0.1": False, "2001:db8::1": False}
    assert {each: _may(networks, each) for each in expected} == expected


def test_a_server_that_only_this_machine_reaches_sends_to_this_machine() -> None:
    here, everywhere = (Listen(kind="http", host=host, port=0) for host in ("127.0.0.1", "0.0.0.0"))
    unix = Listen(kind="unix", path="/x")
    usual = listener_networks(None)
    assert _may(reachable_networks(usual, [here, unix]), "127.0.0.1")
    assert not _may(reachable_networks(usual, [here, unix]), "169.254.169.254")
    assert not _may(reachable_networks(usual, [here, everywhere]), "127.0.0.1")
    assert _may(reachable_networks(listener_networks(["127.0.0.0/8"]), [everywhere]), "127.0.0.1")


@pytest.fixture
def listener() -> Iterator[RawListener]:
    with listening() as listener:
        yield listener


def _connection(url: str, networks: ListenerNetworks) -> ListenerConnection:
    return ListenerConnection(url, ListenerTls(), _PATIENT, networks=networks)


def _why(connection: ListenerConnection) -> str:
    with pytest.raises(DeliveryError) as caught:
        connection.send(_REQUEST)
    connection.close()
    assert not caught.value.is_refusal
    return str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1"])
def test_an_address_that_is_not_allowed_sees_no_connection_however_it_is_spelled(
    listener: RawListener, host: str
) -> None:
    url = f"http://{host}:{listener.port}/"
    said = _why(_connection(url, ListenerNetworks(("127.0.0.2", "10.0.0.0/8"))))
    assert said.startswith(host)
    assert said.endswith("is in no network that indications may be sent to")
    allowed = _connection(url, _ONE)
    allowed.send(_REQUEST)
    allowed.close()
    assert listener.connections == 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the name ``moving.example`` leads to each time it is asked for; the first goes first."""
    answers: list[list[str]] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **named: int) -> list[object]:
        assert host == "moving.example"
        return [one for address in answers.pop(0) for one in real(address, port, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


def test_a_name_that_leads_elsewhere_later_is_judged_by_each_connection(
    listener: RawListener, asked: list[list[str]]
) -> None:
    listener.behave = lambda *_: answer(ACCEPTED, "200 OK", "Connection: close")
    connection = _connection(f"http://moving.example:{listener.port}/", _ONE)
    asked[:] = [["127.0.0.1"], ["127.0.0.2"]]
    connection.send(_REQUEST)
    assert _why(connection).startswith("moving.example (127.0.0.2) is in no network")
    assert (listener.connections, asked) == (1, [])


def test_what_was_judged_is_what_is_connected_to(
    listener: RawListener, asked: list[list[str]]
) -> None:
    """A name is asked for once: what it leads to afterwards is nobody's concern."""
    asked[:] = [["127.0.0.2", "127.0.0.1"], ["127.0.0.2"]]
    connection = _connection(f"http://moving.example:{listener.port}/", _ONE)
    connection.send(_REQUEST)
    connection.close()
    assert (listener.texts, asked) == (["1"], [["127.0.0.2"]])


def test_what_was_tried_in_vain_says_more_than_what_was_not_tried(asked: list[list[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asked[:] = [["127.0.0.1", "127.0.0.2"]]
    assert "Connection refused" in _why(_connection(f"http://moving.example:{port}/", _ONE))


@pytest.fixture
def elsewhere() -> Iterator[Subscribing]:
    with subscribing(networks=ListenerNetworks()) as running:
        yield running


def test_a_destination_with_an_address_that_is_not_allowed_is_refused_at_once(
    elsewhere: Subscribing,
) -> None:
    expected = "ERR_BAD_PARAMETER: Destination: {} is in no network that indications may be sent to"
    # Versions of Python write the second in two ways.
    for url, host in (
        ("http://127.0.0.1:80", "127.0.0.1"),
        ("[::ffff:7f00:1]", str(ip_address("::ffff:7f00:1"))),
    ):
        code, said = refusal(elsewhere.destination, Destination=url)
        assert code == StatusCode.INVALID_PARAMETER
        assert said.startswith(expected.format(host))
    path = elsewhere.destination(Destination="http://localhost:80")
    assert refusal(elsewhere.modify, path, Destination="169.254.169.254/latest")[0] == (
        StatusCode.INVALID_PARAMETER
    )
    elsewhere.modify(path, Destination="http://10.0.0.1")

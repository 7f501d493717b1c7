"""A client subscribes, a machine changes, and the client's listener is told."""

from __future__ import annotations

import itertools
import queue
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import pywbem
from daemons import Daemon

from tests.system.cim import NAMESPACE, request_state
from tests.system.stack import wait_until_connected
from tests.system.waiting import DEADLINE_S

_STATE_CHANGED = (
    "SELECT * FROM CIM_InstModification WHERE SourceInstance ISA CIM_ComputerSystem "
    "AND SourceInstance.EnabledState <> PreviousInstance.EnabledState"
)
_ENABLED, _DISABLED = 2, 3


class Listener:
    """pywbem's own listener, on a free port; with certificate and key over HTTPS."""

    def __init__(self, *certificate: Path) -> None:
        self._certificate = certificate
        self._told: queue.Queue[pywbem.CIMInstance] = queue.Queue()
        self._server = self._started()

    def _started(self) -> pywbem.WBEMListener:
        while True:
            with closing(socket.create_server(("127.0.0.1", 0))) as free:
                self.port = free.getsockname()[1]
            server = self._on(self.port)
            server.add_callback(lambda indication, _: self._told.put(indication))
            try:
                server.start()
            except pywbem.ListenerPortError:  # somebody was faster
                continue
            return server

    def _on(self, port: int) -> pywbem.WBEMListener:
        if not self._certificate:
            return pywbem.WBEMListener("127.0.0.1", http_port=port)
        certificate, key = map(str, self._certificate)
        return pywbem.WBEMListener("127.0.0.1", https_port=port, certfile=certificate, keyfile=key)

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}"

    def next(self) -> pywbem.CIMInstance:
        return self._told.get(timeout=DEADLINE_S)

    def stop(self) -> None:
        self._server.stop()

    def close(self) -> None:
        """Nothing else was told."""
        assert self._told.empty()
        self.stop()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with closing(Listener()) as listening:
        yield listening


@pytest.fixture
def server(
    simulated_host_uri: Callable[[int], str],
    start_toolstack: Callable[[str], tuple[Daemon, str]],
    start_cim_server: Callable[..., Daemon],
) -> Daemon:
    _, url = start_toolstack(simulated_host_uri(1))
    return start_cim_server(url)


@contextmanager
def client(server: Daemon) -> Iterator[pywbem.WBEMConnection]:
    with pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE) as connection:
        yield connection


def change(server: Daemon, state: str) -> None:
    with client(server) as connection:
        [system] = connection.EnumerateInstanceNames("VirtCIM_ComputerSystem")
        request_state(connection, system["Name"], state)


def subscribe(server: Daemon, listener: Listener, query: str = _STATE_CHANGED) -> None:
    with client(server) as connection:
        manager = pywbem.WBEMSubscriptionManager("console")
        at = manager.add_server(pywbem.WBEMServer(connection))
        destination = manager.add_destination(at, listener.url, owned=False, name="listener")
        filtered = manager.add_filter(
            at, [NAMESPACE], query, query_language="DMTF:CQL", owned=False, name="filter"
        )
        manager.add_subscriptions(at, filtered.path, destination.path, owned=False)


def states(indication: pywbem.CIMInstance) -> tuple[int, int]:
    return (
        indication["PreviousInstance"]["EnabledState"],
        indication["SourceInstance"]["EnabledState"],
    )


def test_a_listener_is_told_of_each_change_in_order(server: Daemon, listener: Listener) -> None:
    subscribe(server, listener)
    change(server, "switch off")
    change(server, "run")
    told = [listener.next(), listener.next()]
    assert [states(one) for one in told] == [(_ENABLED, _DISABLED), (_DISABLED, _ENABLED)]
    assert {one.classname for one in told} == {"VirtCIM_InstModification"}
    assert {one["IndicationFilterName"] for one in told} == {"filter"}
    first, second = (one["SequenceNumber"] for one in told)
    assert second == first + 1


def test_a_subscription_outlives_the_death_of_its_server(
    server: Daemon, listener: Listener
) -> None:
    subscribe(server, listener)
    server.kill()
    server.start()
    wait_until_connected(server)
    change(server, "switch off")
    assert states(listener.next()) == (_ENABLED, _DISABLED)
    with client(server) as connection:
        [path] = connection.EnumerateInstanceNames(
            "CIM_IndicationSubscription", namespace="root/interop"
        )
        connection.DeleteInstance(path)
    server.kill()
    server.start()
    wait_until_connected(server)
    change(server, "run")
    with client(server) as connection:
        assert not connection.EnumerateInstanceNames(
            "CIM_IndicationSubscription", namespace="root/interop"
        )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of 127.0.0.1, that only its own file vouches for, and its key."""
    directory = tmp_path_factory.mktemp("listener")
    files = directory / "listener.crt", directory / "listener.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=listener", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", str(files[0]), "-keyout", str(files[1])),
        ],
        check=True,
        capture_output=True,
    )
    return files


@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS:DeprecationWarning")  # pywbem's listener
@pytest.mark.parametrize("option", ["--listener-ca", "--listener-unverified"])
def test_a_listener_over_https_is_told_once_it_is_trusted(
    simulated_host_uri: Callable[[int], str],
    start_toolstack: Callable[[str], tuple[Daemon, str]],
    start_cim_server: Callable[..., Daemon],
    certificate: tuple[Path, Path],
    option: str,
) -> None:
    _, url = start_toolstack(simulated_host_uri(1))
    trusted = str(certificate[0]) if option == "--listener-ca" else "127.0.0.1"
    server = start_cim_server(url, option, trusted)
    with closing(Listener(*certificate)) as listener:
        subscribe(server, listener)
        change(server, "switch off")
        assert states(listener.next()) == (_ENABLED, _DISABLED)


def test_no_acknowledged_subscription_is_lost_when_the_server_dies(server: Daemon) -> None:
    acknowledged: list[str] = []
    enough = threading.Event()

    def create_until_it_dies() -> None:
        with client(server) as connection, suppress(pywbem.Error):
            for number in itertools.count():
                destination = pywbem.CIMInstance(
                    "CIM_ListenerDestinationCIMXML",
                    {"Name": str(number), "Destination": "http://127.0.0.1:1"},
                )
                connection.CreateInstance(destination, namespace="root/interop")
                acknowledged.append(str(number))
                if number == 50:
                    enough.set()

    with ThreadPoolExecutor(1) as creating:
        creating.submit(create_until_it_dies)
        assert enough.wait(DEADLINE_S)
        server.kill()
    server.start()
    wait_until_connected(server)
    with client(server) as connection:
        kept = {
            one["Name"]
            for one in connection.EnumerateInstanceNames(
                "CIM_ListenerDestinationCIMXML", namespace="root/interop"
            )
        }
    assert kept >= set(acknowledged)
    # What was being created may be there, too.
    assert len(kept) <= len(acknowledged) + 1

"""A client subscribes, a machine changes, and the client's listener is told."""

from __future__ import annotations

import itertools
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

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
    """pywbem's own listener, on a free port."""

    def __init__(self) -> None:
        self._told: queue.Queue[pywbem.CIMInstance] = queue.Queue()
        self._server = self._started()

    def _started(self) -> pywbem.WBEMListener:
        while True:
            with closing(socket.create_server(("127.0.0.1", 0))) as free:
                self.port = free.getsockname()[1]
            server = pywbem.WBEMListener("127.0.0.1", http_port=self.port)
            server.add_callback(lambda indication, _: self._told.put(indication))
            try:
                server.start()
            except pywbem.ListenerPortError:  # somebody was faster
                continue
            return server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

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

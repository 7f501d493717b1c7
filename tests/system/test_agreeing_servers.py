"""After a write at one server the next read at another one shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import pywbem
from daemons import Daemon

from tests.system.cim import NAMESPACE, system_path
from tests.system.machines import machine_uuid
from tests.system.stack import wait_until_connected

_MACHINES = 2
_MACHINE = machine_uuid(1)
_ENABLED, _DISABLED = 2, 3
_OTHER = {_ENABLED: _DISABLED, _DISABLED: _ENABLED}
_TURNS = 25


@dataclass(frozen=True, slots=True)
class Two:
    """Two servers over one hypervisor, and a client of each."""

    servers: tuple[Daemon, Daemon]
    clients: tuple[pywbem.WBEMConnection, pywbem.WBEMConnection]

    def in_turn(self) -> Iterator[tuple[pywbem.WBEMConnection, pywbem.WBEMConnection]]:
        """Who writes and who reads then, now this way and now the other."""
        for turn in range(_TURNS):
            writer, reader = self.clients[:: 1 if turn % 2 else -1]
            yield writer, reader


@pytest.fixture
def two(
    simulated_host_uri: Callable[[int], str],
    start_toolstack: Callable[..., tuple[Daemon, str]],
    start_cim_server: Callable[..., Daemon],
    postgresql_url: str,
) -> Iterator[Two]:
    _, url = start_toolstack(simulated_host_uri(_MACHINES))
    first, second = (start_cim_server(url, "--state", postgresql_url) for _ in range(2))
    with ExitStack() as stack:
        for server in (first, second):
            wait_until_connected(server)
        clients = tuple(
            stack.enter_context(
                pywbem.WBEMConnection(one.url, None, default_namespace=NAMESPACE, timeout=60)
            )
            for one in (first, second)
        )
        yield Two((first, second), clients)


def request(cim: pywbem.WBEMConnection, state: int) -> None:
    status, _ = cim.InvokeMethod(
        "RequestStateChange", system_path(_MACHINE), RequestedState=pywbem.Uint16(state)
    )
    assert status == 0


def state(cim: pywbem.WBEMConnection) -> int:
    return int(cim.GetInstance(system_path(_MACHINE))["EnabledState"])


def test_a_change_of_state_at_one_is_in_the_next_read_at_the_other(two: Two) -> None:
    wanted = state(two.clients[0])
    for writer, reader in two.in_turn():
        wanted = _OTHER[wanted]
        request(writer, wanted)
        assert state(reader) == wanted

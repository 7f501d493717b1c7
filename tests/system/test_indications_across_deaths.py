"""A CIM server dies again and again while machines change: its listener hears all of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

from daemons import Daemon

from tests.cimserver.indications.listening import answer, listening
from tests.system.stack import wait_until_connected
from tests.system.told_states import (
    MACHINES,
    assert_unbroken,
    change_all_the_time,
    last_told,
    states,
    subscribe,
)
from tests.system.waiting import wait_for

KILLS = 3


def test_a_listener_is_told_an_unbroken_story_whenever_the_server_dies(
    simulated_host_uri: Callable[[int], str],
    start_toolstack: Callable[[str], tuple[Daemon, str]],
    start_cim_server: Callable[..., Daemon],
) -> None:
    _, hypervisor_url = start_toolstack(simulated_host_uri(MACHINES))
    server = start_cim_server(hypervisor_url)
    requests: list[bytes] = []

    def take(_: socket.socket, request: bytes) -> bytes:
        requests.append(request)
        return answer()

    with listening() as listener:
        listener.behave = take
        initial = states(server)
        subscribe(server, listener.url)
        socket_path = Path(hypervisor_url.removeprefix("xapi+unix://"))
        changing = threading.Thread(target=change_all_the_time, args=(socket_path,))
        changing.start()
        for _ in range(KILLS):
            heard = len(requests)
            wait_for(
                lambda: len(requests) - heard,  # noqa: B023 - called at once
                lambda more: more > 0 or not changing.is_alive(),
                "something to be told",
            )
            server.kill()
            server.start()
            wait_until_connected(server)
        changing.join()
        final = states(server)
        wait_for(
            lambda: last_told(initial, requests), lambda told: told == final, "the last states"
        )
        server.stop()
    assert_unbroken(initial, requests)

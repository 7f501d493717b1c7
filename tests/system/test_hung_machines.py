"""Machines whose emulators do not answer delay no other one, whoever asks for what."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import libvirt
import pytest
import pywbem
from boot_sectors import IDLE
from daemons import Daemon
from private_libvirt import PrivateLibvirt

from tests.system.cim import (
    CHANGE_STATE,
    NAMESPACE,
    define,
    request_state,
    system_path,
    wait_for_system,
)
from tests.system.machines import domain_xml
from tests.system.qemu_processes import qemu_process
from tests.system.stack import Stack

_HUNG = 4
#: More requests than libvirtd works on at a time on one connection.
_REQUESTS_EACH = 3
_RUNNING, _OFF, _PAUSED = 2, 3, 9


@pytest.fixture
def hang(shared_libvirt: PrivateLibvirt) -> Iterator[Callable[[str], None]]:
    """`hang(uuid)` stops an emulator; calling what it yields, or the test's end, lets it go on."""
    stopped: list[int] = []

    def stop(uuid: str) -> None:
        stopped.append(qemu_process(shared_libvirt, uuid))
        os.kill(stopped[-1], signal.SIGSTOP)

    yield stop
    for process in stopped:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def test_requests_for_others_are_served_while_machines_hang(
    stack: Stack,
    cim: pywbem.WBEMConnection,
    make_disk: Callable[..., Path],
    shared_libvirt: PrivateLibvirt,
    hang: Callable[[str], None],
) -> None:
    *hung, other = [
        define(cim, f"machine-{number}", disks=[make_disk(IDLE)]) for number in range(_HUNG + 1)
    ]
    for uuid in (*hung, other):
        request_state(cim, uuid, "run")

    def pause(uuid: str) -> int:
        with stack.connect() as client:
            status, _ = client.InvokeMethod(
                "RequestStateChange",
                system_path(uuid),
                RequestedState=pywbem.Uint16(CHANGE_STATE["pause"]),
            )
            return int(status)

    processes = [qemu_process(shared_libvirt, uuid) for uuid in hung]
    with ThreadPoolExecutor(_HUNG * _REQUESTS_EACH) as clients:
        for uuid in hung:
            hang(uuid)
        waiting = [clients.submit(pause, uuid) for uuid in hung for _ in range(_REQUESTS_EACH)]
        try:
            for uuid in hung:
                wait_for_system(cim, uuid, TransitioningToState=CHANGE_STATE["pause"])
            request_state(cim, other, "pause")
            assert cim.GetInstance(system_path(other))["EnabledState"] == _PAUSED
            request_state(cim, other, "run")
            # By ordering, not by time: the others still wait.
            assert not any(request.done() for request in waiting)
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)
        # Who finds the machine paused by another request has what was asked for.
        assert {request.result() for request in waiting} == {0}
    assert cim.GetInstance(system_path(other))["EnabledState"] == _RUNNING


def test_a_hung_machine_that_is_asked_to_shut_down_is_stuck_and_can_be_switched_off(
    shared_libvirt: PrivateLibvirt,
    qemu: libvirt.virConnect,
    start_toolstack: Callable[..., tuple[Daemon, str]],
    start_cim_server: Callable[..., Daemon],
    make_disk: Callable[..., Path],
    hang: Callable[[str], None],
) -> None:
    uuids = []
    for name in ("hung", "other"):
        domain = qemu.defineXML(domain_xml(name, disks=(make_disk(IDLE),)))
        domain.create()
        uuids.append(domain.UUIDString())
    uuid, other = uuids
    _, url = start_toolstack(shared_libvirt.uri, "--shutdown-timeout", "1")
    server = start_cim_server(url, "--job-after", "300")
    with pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE) as cim:
        hang(uuid)
        with pytest.raises(pywbem.CIMError) as caught:
            request_state(cim, uuid, "shut down")
        assert caught.value.status_description.startswith("ERR_VM_STUCK: ")
        assert cim.GetInstance(system_path(uuid))["EnabledState"] == _RUNNING
    with (
        ThreadPoolExecutor(1) as client,
        pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE, timeout=60) as cim,
        pywbem.WBEMConnection(server.url, None, default_namespace=NAMESPACE) as others,
    ):
        ending = client.submit(request_state, cim, uuid, "switch off")
        wait_for_system(others, uuid, TransitioningToState=CHANGE_STATE["switch off"])
        request_state(others, other, "pause")
        assert not ending.done()
        # The emulator is not let go on: libvirt kills it.
        ending.result()
        assert others.GetInstance(system_path(uuid))["EnabledState"] == _OFF

"""Destroying virtual machines, whatever state they are in by then."""

from __future__ import annotations

import pytest

from tests.hypervisor.xenapi_server import (
    XenApiServer,
)
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import (
    PowerState,
    XenApiEndpoint,
)

ONE = "OpaqueRef:one"


def _code(error: HypervisorError) -> ErrorCode:
    return translate(error.fault).code


def test_a_machine_that_may_not_be_destroyed_is_not_stopped_either(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.put("VM", ONE, power_state="Running", blocked_operations={"destroy": "precious"})
    with pytest.raises(HypervisorError) as raised:
        endpoint.destroy("one")
    assert raised.value.fault.arguments == (ONE, "precious")
    assert server.tables["VM"][ONE]["power_state"] == "Running"


def test_a_machine_that_was_stopped_and_could_not_be_destroyed_is_said_to_be_stopped(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def shut_down(task: str, ref: str) -> None:
        server.put("VM", ref, power_state="Halted")
        server.end_task(task)

    server.put("VM", ONE, power_state="Running")
    server.task("VM.hard_shutdown", shut_down)
    server.task("VM.destroy", lambda task, ref: server.end_task(task, "VM_HAS_VUSBS", ref))
    with pytest.raises(HypervisorError) as raised:
        endpoint.destroy("one")
    cause = raised.value.fault.cause
    assert cause is not None
    assert _code(raised.value) is translate(cause).code
    assert "it has been stopped" in translate(raised.value.fault).message
    assert endpoint.inventory().virtual_systems["one"].power_state is PowerState.HALTED


def test_a_machine_that_goes_with_its_run_is_destroyed(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def shut_down(task: str, ref: str) -> None:
        server.remove("VM", ref)
        server.end_task(task)

    server.put("VM", ONE, power_state="Running")
    server.task("VM.hard_shutdown", shut_down)
    server.task("VM.destroy", lambda task, ref: server.end_task(task, "HANDLE_INVALID", "VM", ref))
    endpoint.destroy("one")
    assert "one" not in endpoint.inventory().virtual_systems


def test_a_machine_that_halts_by_itself_before_it_is_stopped_is_destroyed(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def too_late(task: str, ref: str) -> None:
        server.put("VM", ref, power_state="Halted")
        server.end_task(task, "VM_BAD_POWER_STATE", ref, "running, paused", "halted")

    def destroy(task: str, ref: str) -> None:
        server.remove("VM", ref)
        server.end_task(task)

    server.put("VM", ONE, power_state="Running")
    server.task("VM.hard_shutdown", too_late)
    server.task("VM.destroy", destroy)
    endpoint.destroy("one")
    assert "one" not in endpoint.inventory().virtual_systems


def test_a_machine_that_is_started_before_it_is_destroyed_is_stopped(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def shut_down(task: str, ref: str) -> None:
        server.put("VM", ref, power_state="Halted")
        server.end_task(task)

    def destroy(task: str, ref: str) -> None:
        if server.tables["VM"][ref]["power_state"] == "Halted" and destroy_asked:
            server.remove("VM", ref)
            server.end_task(task)
            return
        destroy_asked.append(ref)
        server.put("VM", ref, power_state="Running")
        server.end_task(task, "VM_BAD_POWER_STATE", ref, "halted", "running")

    destroy_asked: list[str] = []
    server.put("VM", ONE, power_state="Halted")
    server.task("VM.hard_shutdown", shut_down)
    server.task("VM.destroy", destroy)
    endpoint.destroy("one")
    assert "one" not in endpoint.inventory().virtual_systems

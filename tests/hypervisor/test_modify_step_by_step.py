"""Changing virtual machines by single calls: what goes wrong between them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hypervisor.xenapi_server import GIB, Refusal, XenApiServer, endpoint_of
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import (
    DiskSpec,
    RolledBackError,
    VirtualSystem,
    VirtualSystemChange,
    XenApiEndpoint,
)


def _system(endpoint: XenApiEndpoint, uuid: str) -> VirtualSystem:
    return endpoint.inventory().virtual_systems[uuid]


def _machine_of(server: XenApiServer) -> str:
    """The halted machine of a simulated server, with everything that a change reads."""
    server.furnish()
    minima = {"memory_static_min": str(GIB), "memory_dynamic_min": str(GIB)}
    return server.put("VM", "OpaqueRef:one", name_description="", **minima)


def test_what_cannot_be_taken_back_is_told_with_what_failed() -> None:
    server = XenApiServer()
    _machine_of(server)
    descriptions: list[str] = []

    def describe(_ref: str, text: str) -> str:
        if descriptions:
            raise Refusal("OTHER_OPERATION_IN_PROGRESS", "VM", "OpaqueRef:one")
        descriptions.append(text)
        return ""

    def refuse(*_params: object) -> str:
        raise Refusal("DEVICE_ALREADY_EXISTS", "vda")

    server.orders["VM.set_name_description"] = describe
    server.orders["VBD.create"] = refuse
    change = VirtualSystemChange(name_description="kept", added_disks=(DiskSpec(path="/x"),))
    server.orders["VDI.introduce"] = lambda *_: server.put("VDI", "OpaqueRef:x", SR="paths")
    server.orders["VDI.forget"] = lambda ref: server.remove("VDI", ref) or ""
    with (
        server.running() as port,
        endpoint_of(port) as endpoint,
        pytest.raises(HypervisorError) as raised,
    ):
        endpoint.modify("one", change)
    assert not isinstance(raised.value, RolledBackError)
    error = translate(raised.value.fault)
    assert (error.code, raised.value.fault.code) == (
        ErrorCode.ERR_UNABLE_TO_VERIFY_STATE,
        "ROLLBACK_FAILED",
    )
    for named in (
        "VM.set_name_description",
        "OTHER_OPERATION_IN_PROGRESS",
        "DEVICE_ALREADY_EXISTS",
    ):
        assert named in error.message
    assert "OpaqueRef:x" not in server.tables["VDI"]


def test_a_step_whose_end_is_not_known_is_not_called_taken_back() -> None:
    server = XenApiServer()
    _machine_of(server)

    def lose(task: str, *_params: object) -> None:
        server.tables["task"].pop(task)

    def lost(*_params: object) -> object:
        raise Refusal("LIBVIRT_ERROR", "38", "VIR_ERR_SYSTEM_ERROR", "VIR_FROM_RPC", "gone")

    server.task("VM.set_memory_limits", lose)
    # It may have taken effect, and is taken back as well.
    server.orders["VM.set_memory_limits"] = lambda *_: ""
    server.orders["VM.set_name_description"] = lambda *_: ""
    change = VirtualSystemChange(name_description="x", memory_dynamic_max_bytes=GIB)
    with server.running() as port, endpoint_of(port) as endpoint:
        server.orders["event.from"] = lost
        with pytest.raises(HypervisorError) as raised:
            endpoint.modify("one", change)
    assert not isinstance(raised.value, RolledBackError)
    assert translate(raised.value.fault).code is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    assert server.calls["VM.set_name_description"] == 2
    assert server.calls["VM.set_memory_limits"] == 1


def test_processors_that_xapi_keeps_for_the_next_start_itself_are_not_set_again() -> None:
    server = XenApiServer()
    _machine_of(server)
    server.put("VM", "OpaqueRef:one", power_state="Running", VCPUs_at_startup="1")

    def set_live(task: str, ref: str, number: str) -> None:
        server.put("VM", ref, VCPUs_at_startup=number)
        server.end_task(task)

    server.task("VM.set_VCPUs_number_live", set_live)
    with server.running() as port, endpoint_of(port) as endpoint:
        endpoint.modify("one", VirtualSystemChange(vcpus_at_startup=2))
        assert _system(endpoint, "one").vcpus_at_startup == 2
    assert server.calls["VM.set_VCPUs_at_startup"] == 0


@pytest.mark.parametrize(
    "refusal",
    [
        ("DEVICE_ALREADY_DETACHED", "OpaqueRef:new"),
        ("VM_BAD_POWER_STATE", "OpaqueRef:one", "running, paused", "halted"),
    ],
)
def test_what_a_machine_that_was_switched_off_meanwhile_lost_is_taken_back(
    refusal: tuple[str, ...],
) -> None:
    server = XenApiServer()
    _machine_of(server)
    server.put("VM", "OpaqueRef:one", power_state="Running")
    plugged: list[str] = []

    def plug(task: str, ref: str) -> None:
        if plugged:
            server.end_task(task, "VM_BAD_POWER_STATE", "OpaqueRef:one", "running", "halted")
        else:
            plugged.append(ref)
            server.end_task(task)

    def create(record: dict[str, Any]) -> str:
        ref = f"OpaqueRef:new-{record['userdevice']}"
        return server.put("VBD", ref, **record, currently_attached=False)

    def unplug(*_params: object) -> str:
        raise Refusal(*refusal)

    server.task("VBD.plug", plug)
    server.orders["VBD.create"] = create
    server.orders["VBD.unplug"] = unplug
    disks = tuple(DiskSpec(id=target, image_uuid="vdi") for target in ("vdb", "vdc"))
    with (
        server.running() as port,
        endpoint_of(port) as endpoint,
        pytest.raises(RolledBackError) as raised,
    ):
        endpoint.modify("one", VirtualSystemChange(added_disks=disks))
    assert translate(raised.value.fault).code is ErrorCode.ERR_WRONG_STATE_FOR_OP
    assert plugged == ["OpaqueRef:new-vdb"]
    assert set(server.tables["VBD"]) == {"OpaqueRef:vbd"}

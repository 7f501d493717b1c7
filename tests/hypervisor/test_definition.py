"""Definitions by single calls: whole and seen at once, or nothing of them remains."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hypervisor.xenapi_server import (
    GIB,
    NULL,
    Refusal,
    XenApiServer,
    eventually,
)
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import (
    DiskSpec,
    NetworkPortSpec,
    VirtualSystemSpec,
    XenApiEndpoint,
)
from virtcim.hypervisor.xenapi.assembly import Assembly
from virtcim.hypervisor.xenapi.define import UnfinishedNames
from virtcim.hypervisor.xenapi.records import PARTS

ONE = "OpaqueRef:one"


def _code(error: HypervisorError) -> ErrorCode:
    return translate(error.fault).code


def _define_calls(server: XenApiServer) -> None:
    """Let the server make what a definition needs."""

    def create(class_name: str) -> Any:
        def make(record: dict[str, Any]) -> str:
            ref = f"OpaqueRef:{class_name}-{server.token}"
            return server.put(class_name, ref, **record)

        return make

    for class_name in ("VM", "VBD", "VIF"):
        server.orders[f"{class_name}.create"] = create(class_name)
    server.task(
        "VDI.create",
        lambda task, record: server.end_task(
            task, result=f"<value>{create('VDI')(record)}</value>"
        ),
    )

    def introduce(*params: Any) -> str:
        return create("VDI")({"SR": params[3], "location": params[8], "virtual_size": "0"})

    def destroy(ref: str) -> str:
        for class_name in ("VBD", "VIF"):
            for device, record in list(server.tables[class_name].items()):
                if record["VM"] == ref:
                    server.remove(class_name, device)
        server.remove("VM", ref)
        return ""

    def forget(ref: str) -> str:
        if any(record["VDI"] == ref for record in server.tables["VBD"].values()):
            raise Refusal("VDI_IN_USE", ref, "forget")
        server.remove("VDI", ref)
        return ""

    server.orders["VDI.introduce"] = introduce
    server.orders["VM.destroy"] = destroy
    server.orders["VDI.destroy"] = server.orders["VDI.forget"] = forget


def _full_spec() -> VirtualSystemSpec:
    disks = (
        DiskSpec(id="vda", path="/elsewhere/boot.img", format="raw", bootable=True),
        DiskSpec(id="vdb", image_uuid="vdi", read_only=True),
        DiskSpec(sr_uuid="sr", size_bytes=5 * GIB, format="qcow2"),
        DiskSpec(path="/store/disk.qcow2"),
    )
    ports = (
        NetworkPortSpec(network_uuid="net", id="0", mac_address="52:54:00:00:00:01"),
        NetworkPortSpec(network_uuid="net", model="e1000"),
    )
    return VirtualSystemSpec(
        name_label="fresh",
        memory_static_max_bytes=2 * GIB,
        memory_dynamic_max_bytes=GIB,
        vcpus_max=2,
        vcpus_at_startup=1,
        auto_start=True,
        disks=disks,
        network_ports=ports,
    )


def test_a_definition_makes_everything_and_is_seen_at_once(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    _define_calls(server)
    uuid = endpoint.define(_full_spec())
    inventory = endpoint.inventory()
    system = inventory.virtual_systems[uuid]
    assert (system.name_label, system.auto_start) == ("fresh", True)
    assert (system.memory_static_max_bytes, system.memory_dynamic_max_bytes) == (2 * GIB, GIB)
    disks = {disk.image.location: disk for disk in system.disks if disk.image}
    assert disks["/elsewhere/boot.img"].id == "vda"
    assert disks["/elsewhere/boot.img"].bootable
    assert {disk.image.uuid for disk in system.disks if disk.read_only and disk.image} == {"vdi"}
    assert any(image.virtual_size_bytes == 5 * GIB for image in inventory.disk_images.values())
    assert [port.id for port in system.network_ports] == ["0", "1"]
    assert system.network_ports[1].model == "e1000"
    for class_name in ("VM", "VBD", "VIF"):
        for record in server.tables[class_name].values():
            # What marked them while they were being made is gone.
            assert "virtcim-unfinished" not in record.get("other_config", {})


@pytest.mark.parametrize("failing", ["VBD.create", "VIF.create", "VDI.introduce"])
def test_a_definition_that_fails_half_way_leaves_nothing(
    server: XenApiServer, endpoint: XenApiEndpoint, failing: str
) -> None:
    _define_calls(server)
    before = {name: set(table) for name, table in server.tables.items() if name != "task"}

    def refuse(*_params: object) -> object:
        raise Refusal("DEVICE_ALREADY_EXISTS", "vda")

    server.orders[failing] = refuse
    with pytest.raises(HypervisorError) as raised:
        endpoint.define(_full_spec())
    assert raised.value.fault.code == "DEVICE_ALREADY_EXISTS"
    assert _code(raised.value) is ErrorCode.ERR_ALREADY_EXIST
    after = {name: set(table) for name, table in server.tables.items() if name != "task"}
    assert after == before


def test_a_new_disk_that_fails_leaves_nothing(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    _define_calls(server)
    machines = set(server.tables["VM"])
    full = ("SR_BACKEND_FAILURE_44", "", "There is insufficient space", "")
    server.task("VDI.create", lambda task, *_: server.end_task(task, *full))
    with pytest.raises(HypervisorError) as raised:
        endpoint.define(_full_spec())
    assert _code(raised.value) is ErrorCode.ERR_OUT_OF_DISK_SPACE
    assert set(server.tables["VM"]) == machines


def test_a_rollback_that_fails_is_said_beside_what_failed_first(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    _define_calls(server)

    def refuse(*_params: object) -> object:
        raise Refusal("DEVICE_ALREADY_EXISTS", "vda")

    def stuck(ref: str) -> object:
        raise Refusal("OTHER_OPERATION_IN_PROGRESS", "VM", ref)

    server.orders["VBD.create"] = refuse
    server.orders["VM.destroy"] = stuck
    with pytest.raises(HypervisorError) as raised:
        endpoint.define(_full_spec())
    fault = raised.value.fault
    assert fault.cause is not None
    assert fault.cause.code == "DEVICE_ALREADY_EXISTS"
    assert _code(raised.value) is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    message = translate(fault).message
    assert "VM.destroy" in message
    assert "OTHER_OPERATION_IN_PROGRESS" in message
    assert "DEVICE_ALREADY_EXISTS" in message


def test_a_path_without_a_place_for_paths_is_refused(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    _define_calls(server)
    server.remove("SR", "OpaqueRef:paths")
    eventually(endpoint, lambda now: "paths" not in now.storage_repositories)
    machines = set(server.tables["VM"])
    with pytest.raises(HypervisorError) as raised:
        endpoint.define(_full_spec())
    assert _code(raised.value) is ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE
    assert "/elsewhere/boot.img" in str(raised.value)
    assert set(server.tables["VM"]) == machines


def test_an_empty_drive_has_no_image(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    _define_calls(server)
    seen: list[dict[str, Any]] = []
    create = server.orders["VBD.create"]

    def remember(record: dict[str, Any]) -> str:
        seen.append(record)
        return str(create(record))

    server.orders["VBD.create"] = remember
    endpoint.define(
        VirtualSystemSpec(
            name_label="x",
            memory_static_max_bytes=GIB,
            memory_dynamic_max_bytes=GIB,
            vcpus_max=1,
            vcpus_at_startup=1,
            disks=(DiskSpec(id="sda", read_only=True),),
        )
    )
    assert [(one["VDI"], one["empty"], one["mode"]) for one in seen] == [(NULL, True, "RO")]


@pytest.mark.parametrize("state", ["Running", "Paused", "Suspended"])
def test_destroying_a_machine_that_is_not_halted_stops_it_first(
    server: XenApiServer, endpoint: XenApiEndpoint, state: str
) -> None:
    def shut_down(task: str, ref: str) -> None:
        server.put("VM", ref, power_state="Halted")
        server.end_task(task)

    def destroy(task: str, ref: str) -> None:
        assert server.tables["VM"][ref]["power_state"] == "Halted"
        server.remove("VM", ref)
        server.end_task(task)

    server.put("VM", ONE, power_state=state)
    server.task("VM.hard_shutdown", shut_down)
    server.task("VM.destroy", destroy)
    endpoint.destroy("one")
    assert "one" not in endpoint.inventory().virtual_systems
    assert "vdi" in endpoint.inventory().disk_images


def test_a_machine_is_shown_when_it_is_whole(server: XenApiServer) -> None:
    refs = {name: server.put_vm(name) for name in ("fresh", "unrelated", "earlier")}
    parts = {name: PARTS["VM"](ref, server.tables["VM"][ref]) for name, ref in refs.items()}
    names = UnfinishedNames()
    assembly = Assembly(names)
    assembly.put("VM", refs["earlier"], parts["earlier"])
    assembly.inventory()
    with names.making("fresh"), names.making("earlier"):
        assembly.replace_class("VM", {refs[name]: part for name, part in parts.items()})
        assert set(assembly.inventory().virtual_systems) == {"earlier", "unrelated"}
    assert set(assembly.inventory().virtual_systems) == {"earlier", "unrelated", "fresh"}

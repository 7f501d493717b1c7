"""Virtual systems are changed by CIM clients: over pywbem, toolstack and real QEMU."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import libvirt
import pytest
import pywbem
from boot_sectors import IDLE

from tests.system.cim import (
    NAMESPACE,
    associated,
    define,
    destroy,
    find_system,
    request_state,
    resource_settings,
    service_path,
    system_path,
    system_settings,
)
from tests.system.parts import parts_by_system
from tests.system.stack import Stack

MIB = 1 << 20
VSSD = "VirtCIM_VirtualSystemSettingData"
DISK = "VirtCIM_DiskResourceAllocationSettingData"
_CLIENTS, _ROUNDS = 20, 3
_COMPLETE = ["disk", "disk", "memory", "processor"]


def settings_path(uuid: str) -> pywbem.CIMInstanceName:
    return pywbem.CIMInstanceName(VSSD, {"InstanceID": f"VirtCIM:{uuid}"}, namespace=NAMESPACE)


def invoke(cim: pywbem.WBEMConnection, method: str, **parameters: Any) -> Any:
    status, output = cim.InvokeMethod(method, service_path(cim), **parameters)
    assert status == 0, output
    return output


def allocation(cim: pywbem.WBEMConnection, uuid: str, part: str) -> pywbem.CIMInstance:
    """A setting of a resource of a virtual system, as a client reads it."""
    settings = associated(cim, settings_path(uuid), "VirtCIM_VirtualSystemSettingDataComponent")
    return next(each for each in settings if each["InstanceID"] == f"VirtCIM:{uuid}/{part}")


def new_disk(disk: Path, **values: Any) -> pywbem.CIMInstance:
    return pywbem.CIMInstance(
        DISK,
        {"ResourceType": pywbem.Uint16(31), "HostResource": [str(disk)], "BusType": "scsi"}
        | values,
    )


@pytest.fixture
def running(cim: pywbem.WBEMConnection, make_disk: Callable[..., Path]) -> str:
    """A running virtual system that boots from a virtio disk."""
    made = define(cim, f"changing-{uuid.uuid4().hex[:8]}", disks=[make_disk(IDLE)])
    request_state(cim, made, "run")
    return made


def restart(cim: pywbem.WBEMConnection, uuid: str) -> None:
    request_state(cim, uuid, "switch off")
    request_state(cim, uuid, "run")


def live_targets(qemu: libvirt.virConnect, uuid: str) -> set[str]:
    """The targets of the disks of the running domain, as libvirt itself says."""
    xml = qemu.lookupByUUIDString(uuid).XMLDesc()
    return {target for target in ("vda", "vdb", "sda", "sdb") if f"<target dev='{target}'" in xml}


def test_a_disk_is_added_to_a_running_system_and_removed_again(
    cim: pywbem.WBEMConnection,
    qemu: libvirt.virConnect,
    running: str,
    make_disk: Callable[..., Path],
) -> None:
    output = invoke(
        cim,
        "AddResourceSettings",
        AffectedConfiguration=settings_path(running),
        ResourceSettings=[new_disk(make_disk(IDLE), AddressOnParent="sda")],
    )
    [added] = output["ResultingResourceSettings"]
    assert added["InstanceID"] == f"VirtCIM:{running}/disk/sda"
    assert cim.GetInstance(added)["BusType"] == "scsi"
    assert live_targets(qemu, running) == {"vda", "sda"}
    restart(cim, running)
    assert live_targets(qemu, running) == {"vda", "sda"}
    invoke(cim, "RemoveResourceSettings", ResourceSettings=[added])
    assert live_targets(qemu, running) == {"vda"}
    restart(cim, running)
    assert live_targets(qemu, running) == {"vda"}
    with pytest.raises(pywbem.CIMError) as gone:
        cim.GetInstance(added)
    assert gone.value.status_code == pywbem.CIM_ERR_NOT_FOUND


def test_what_was_read_is_changed_and_sent_back(cim: pywbem.WBEMConnection, running: str) -> None:
    memory = allocation(cim, running, "memory")
    memory["VirtualQuantity"] = pywbem.Uint64(24 * MIB)
    processors = allocation(cim, running, "processor")
    output = invoke(cim, "ModifyResourceSettings", ResourceSettings=[memory, processors])
    assert [each["InstanceID"] for each in output["ResultingResourceSettings"]] == [
        memory["InstanceID"],
        processors["InstanceID"],
    ]
    restart(cim, running)
    assert allocation(cim, running, "memory")["VirtualQuantity"] == 24 * MIB
    settings = cim.GetInstance(settings_path(running))
    settings["Description"] = "changed <by> a client"
    settings["BootDevices"] = ["network", "hd"]
    settings["AutomaticStartupAction"] = pywbem.Uint16(4)
    invoke(cim, "ModifySystemSettings", SystemSettings=settings)
    changed = cim.GetInstance(settings_path(running))
    for name in ("Description", "BootDevices", "AutomaticStartupAction"):
        assert changed[name] == settings[name]
    assert cim.GetInstance(system_path(running))["Description"] == "changed <by> a client"


def test_a_running_system_is_not_renamed_and_a_halted_one_is(
    cim: pywbem.WBEMConnection, running: str
) -> None:
    settings = cim.GetInstance(settings_path(running))
    settings["ElementName"] = f"renamed-{running[:8]}"
    settings["Description"] = "together"
    with pytest.raises(pywbem.CIMError) as refused:
        invoke(cim, "ModifySystemSettings", SystemSettings=settings)
    assert refused.value.status_description.startswith("ERR_WRONG_STATE_FOR_OP: ")
    assert "nothing of what was asked for remains" in refused.value.status_description
    assert cim.GetInstance(settings_path(running))["Description"] is None
    request_state(cim, running, "switch off")
    invoke(cim, "ModifySystemSettings", SystemSettings=settings)
    found = find_system(cim, f"renamed-{running[:8]}")
    assert found is not None
    assert (found["Name"], found["Description"]) == (running, "together")


def test_media_are_put_in_and_taken_out_of_a_running_system(
    cim: pywbem.WBEMConnection, running: str, make_disk: Callable[..., Path]
) -> None:
    request_state(cim, running, "switch off")
    drive = pywbem.CIMInstance(DISK, {"ResourceType": pywbem.Uint16(15), "AddressOnParent": "sdb"})
    invoke(
        cim,
        "AddResourceSettings",
        AffectedConfiguration=settings_path(running),
        ResourceSettings=[drive],
    )
    request_state(cim, running, "run")
    medium = make_disk(IDLE)
    for resources, address in (([f"file://{medium}"], str(medium)), ([], None)):
        setting = allocation(cim, running, "disk/sdb")
        setting["HostResource"] = pywbem.CIMProperty("HostResource", resources, type="string")
        invoke(cim, "ModifyResourceSettings", ResourceSettings=[setting])
        assert allocation(cim, running, "disk/sdb")["Address"] == address


def test_of_two_disks_none_is_added_where_one_cannot_be(
    cim: pywbem.WBEMConnection,
    qemu: libvirt.virConnect,
    running: str,
    make_disk: Callable[..., Path],
) -> None:
    good = new_disk(make_disk(IDLE), AddressOnParent="sda")
    bad = new_disk(Path("/nowhere/at/all.img"), AddressOnParent="sdb")
    with pytest.raises(pywbem.CIMError) as refused:
        invoke(
            cim,
            "AddResourceSettings",
            AffectedConfiguration=settings_path(running),
            ResourceSettings=[good, bad],
        )
    assert refused.value.status_description.startswith("ERR_CANNOT_ACCESS_DISK_FILE: ")
    assert "/nowhere/at/all.img" in refused.value.status_description
    assert live_targets(qemu, running) == {"vda"}
    disks = [
        each["InstanceID"]
        for each in cim.EnumerateInstanceNames(DISK)
        if f"VirtCIM:{running}/" in each["InstanceID"]
    ]
    assert disks == [f"VirtCIM:{running}/disk/vda"]


def test_a_running_system_is_copied_and_destroyed(cim: pywbem.WBEMConnection, running: str) -> None:
    [pool] = (
        pool
        for pool in cim.EnumerateInstances("VirtCIM_StoragePool")
        if pool["ElementName"] == "default"
    )
    like = pywbem.CIMInstance(
        DISK,
        {
            "ResourceType": pywbem.Uint16(31),
            "AddressOnParent": "sda",
            "BusType": "scsi",
            "PoolID": pool["PoolID"],
            "VirtualQuantity": pywbem.Uint64(MIB),
            "VirtualQuantityUnits": "byte",
        },
    )
    own_disk = pywbem.CIMInstance(
        DISK,
        {"ResourceType": pywbem.Uint16(31), "AddressOnParent": "vda", "Address": "/images/a.img"},
    )
    invoke(
        cim,
        "AddResourceSettings",
        AffectedConfiguration=settings_path(running),
        ResourceSettings=[like],
    )
    with pytest.raises(pywbem.CIMError) as refused:
        _copy(cim, running, [])
    assert refused.value.status_description.startswith("ERR_OPERATION_FAILED: ")
    assert "AddressOnParent" in refused.value.status_description
    # Its number stands for the same place.
    numbered = pywbem.CIMInstance(own_disk.classname, {**own_disk, "AddressOnParent": "0"})
    copy = _copy(cim, running, [numbered])
    assert allocation(cim, copy, "disk/vda")["Address"] == "/images/a.img"
    destroy(cim, copy)
    copy = _copy(cim, running, [own_disk])
    assert allocation(cim, copy, "disk/vda")["Address"] == "/images/a.img"
    own, other = (allocation(cim, each, "disk/sda") for each in (running, copy))
    assert own["Address"] != other["Address"]
    for name in ("VirtualQuantity", "BusType", "PoolID", "ResourceSubType"):
        assert own[name] == other[name]
    for each in (running, copy):
        destroy(cim, each)
    assert cim.EnumerateInstanceNames("VirtCIM_ComputerSystem") == []


def _copy(cim: pywbem.WBEMConnection, uuid: str, resources: list[pywbem.CIMInstance]) -> str:
    output = invoke(
        cim,
        "DefineSystem",
        SystemSettings=system_settings("copy"),
        ResourceSettings=resources,
        ReferenceConfiguration=settings_path(uuid),
    )
    return str(output["ResultingSystem"]["Name"])


def _read_until(url: str, finished: Event) -> int:
    """Read and check all the time; gives how many systems were seen."""
    seen = 0
    with pywbem.WBEMConnection(url, None, default_namespace=NAMESPACE, timeout=120) as cim:
        while not finished.is_set():
            settings = cim.EnumerateInstanceNames("CIM_ResourceAllocationSettingData")
            parts = parts_by_system(each["InstanceID"] for each in settings)
            for system, kinds in parts.items():
                assert kinds == _COMPLETE, system
            seen += len(parts)
    return seen


def _define_and_destroy(stack: Stack, number: int, disks: Sequence[Path]) -> None:
    with stack.connect() as cim:
        service = service_path(cim)
        for turn in range(_ROUNDS):
            status, output = cim.InvokeMethod(
                "DefineSystem",
                service,
                SystemSettings=system_settings(f"client-{number}-{turn}"),
                ResourceSettings=resource_settings(disks=disks),
            )
            assert status == 0
            made = output["ResultingSystem"]
            assert cim.GetInstance(made)["ElementName"] == f"client-{number}-{turn}"
            status, _ = cim.InvokeMethod("DestroySystem", service, AffectedSystem=made)
            assert status == 0
            with pytest.raises(pywbem.CIMError):
                cim.GetInstance(made)


def test_twenty_clients_define_and_destroy_and_readers_see_whole_systems_only(
    stack: Stack, cim: pywbem.WBEMConnection, make_disk: Callable[..., Path]
) -> None:
    disks = [make_disk(IDLE), make_disk(IDLE)]
    finished = Event()
    # Another server on the same toolstack knows of a definition what events tell it.
    with (
        stack.another_server() as other,
        ThreadPoolExecutor(max_workers=_CLIENTS + 2) as pool,
    ):
        urls = (stack.server.url, other.url)
        readers = [pool.submit(_read_until, url, finished) for url in urls]
        writers = [
            pool.submit(_define_and_destroy, stack, number, disks) for number in range(_CLIENTS)
        ]
        try:
            for writer in writers:
                writer.result()
        finally:
            finished.set()
        assert all(reader.result() > 0 for reader in readers)
    assert cim.EnumerateInstanceNames("VirtCIM_ComputerSystem") == []

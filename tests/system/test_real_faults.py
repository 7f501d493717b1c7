"""What real QEMU refuses reaches a CIM client as the code that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest
import pywbem
from boot_sectors import IDLE
from private_libvirt import PrivateLibvirt

from tests.system.cim import (
    NAMESPACE,
    define,
    find_system,
    request_state,
    service_path,
    system_path,
)
from tests.system.machines import domain_xml
from tests.system.waiting import wait_for

_TIB = 1 << 40
_FAILED = 1
_ALREADY_EXISTS = 11

pytestmark = pytest.mark.usefixtures("qemu")
MakeDisk = Callable[..., Path]


def refusal(cim: pywbem.WBEMConnection, uuid: str, change: str = "run") -> pywbem.CIMError:
    before = cim.GetInstance(system_path(uuid))["EnabledState"]
    with pytest.raises(pywbem.CIMError) as caught:
        request_state(cim, uuid, change)
    assert cim.GetInstance(system_path(uuid))["EnabledState"] == before
    return caught.value


def code_of(error: pywbem.CIMError) -> str:
    return str(error.status_description).partition(":")[0]


def test_starting_with_a_missing_disk_file_names_the_file(
    cim: pywbem.WBEMConnection, shared_libvirt: PrivateLibvirt
) -> None:
    missing = shared_libvirt.images / "removed.img"
    error = refusal(cim, define(cim, "no-disk", disks=[missing]))
    assert code_of(error) == "ERR_CANNOT_ACCESS_DISK_FILE"
    assert error.status_code == _FAILED
    assert str(missing) in error.status_description


def test_starting_with_a_disk_file_that_qemu_may_not_read_is_the_same_kind_of_failure(
    cim: pywbem.WBEMConnection, make_disk: MakeDisk
) -> None:
    disk = make_disk(IDLE)
    disk.chmod(0)
    error = refusal(cim, define(cim, "unreadable-disk", disks=[disk]))
    assert code_of(error) == "ERR_CANNOT_ACCESS_DISK_FILE"
    assert "Permission denied" in error.status_description


def giant(cim: pywbem.WBEMConnection, qemu: libvirt.virConnect) -> str:
    """A machine that somebody else gave more memory than the host has: CIM would refuse it."""
    uuid = qemu.defineXML(domain_xml("giant", memory_bytes=10 * _TIB)).UUIDString()
    wait_for(lambda: find_system(cim, "giant"), lambda found: found is not None, "the giant")
    return str(uuid)


def test_starting_with_more_memory_than_the_host_has_is_out_of_memory(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    error = refusal(cim, giant(cim, qemu))
    assert code_of(error) == "ERR_OUT_OF_MEMORY"
    assert error.status_code == _FAILED


def test_starting_on_a_disk_that_a_running_machine_has_locked_is_file_in_use(
    cim: pywbem.WBEMConnection, make_disk: MakeDisk
) -> None:
    disk = make_disk(IDLE)
    first = define(cim, "first-user", disks=[disk])
    second = define(cim, "second-user", disks=[disk])
    request_state(cim, first, "run")
    error = refusal(cim, second)
    assert code_of(error) == "ERR_FILE_IN_USE"
    assert error.status_code == _FAILED
    request_state(cim, first, "switch off")
    request_state(cim, second, "run")


def test_defining_a_taken_name_already_exists_and_changes_nothing(
    cim: pywbem.WBEMConnection,
) -> None:
    uuid = define(cim, "taken")
    with pytest.raises(pywbem.CIMError) as caught:
        define(cim, "taken", memory_bytes=64 << 20)
    assert code_of(caught.value) == "ERR_ALREADY_EXIST"
    assert caught.value.status_code == _ALREADY_EXISTS
    systems = cim.EnumerateInstances("VirtCIM_ComputerSystem")
    assert [system["Name"] for system in systems] == [uuid]


@pytest.mark.parametrize(
    ("change", "state"),
    [("pause", "halted"), ("suspend", "halted"), ("switch off", "halted"), ("reset", "halted")],
)
def test_a_change_that_the_state_does_not_allow_is_refused(
    cim: pywbem.WBEMConnection, change: str, state: str
) -> None:
    error = refusal(cim, define(cim, f"{change} {state}"), change)
    assert code_of(error) == "ERR_WRONG_STATE_FOR_OP"
    assert state in error.status_description.lower()


def test_what_vanished_behind_our_back_is_not_found(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    uuid = define(cim, "vanishing")
    qemu.lookupByUUIDString(uuid).undefine()
    with pytest.raises(pywbem.CIMError) as caught:
        request_state(cim, uuid, "run")
    assert caught.value.status_code == pywbem.CIM_ERR_NOT_FOUND


def test_a_definition_that_fails_half_way_leaves_nothing(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect, shared_libvirt: PrivateLibvirt
) -> None:
    with pytest.raises(pywbem.CIMError) as caught:
        define(cim, "x" * 251, disks=[shared_libvirt.images / "a.img"])
    assert code_of(caught.value) in ("ERR_NAME_TOO_LONG", "ERR_BAD_PARAMETER")
    assert qemu.listAllDomains() == []
    assert find_system(cim, "x" * 251) is None


def test_an_error_carries_its_fault_as_an_instance(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    error = refusal(cim, giant(cim, qemu))
    [instance] = error.instances
    assert instance["OwningEntity"] == "virtcim"
    assert instance["MessageID"] == "ERR_OUT_OF_MEMORY"
    assert instance["Message"] == error.status_description
    assert instance["CIMStatusCode"] == _FAILED
    assert "LIBVIRT_ERROR" in instance["MessageArguments"][0] or instance["MessageArguments"]


def test_memory_that_no_state_lets_change_is_not_refused_for_the_state(
    cim: pywbem.WBEMConnection, qemu: libvirt.virConnect
) -> None:
    numa = "<numa><cell id='0' cpus='0' memory='65536'/></numa>"
    domain = qemu.defineXML(
        "<domain type='qemu'><name>divided</name><memory>65536</memory><vcpu>1</vcpu>"
        f"<os><type>hvm</type></os><cpu>{numa}</cpu></domain>"
    )
    path = pywbem.CIMInstanceName(
        "VirtCIM_MemoryResourceAllocationSettingData",
        {"InstanceID": f"VirtCIM:{domain.UUIDString()}/memory"},
        namespace=NAMESPACE,
    )
    wait_for(lambda: find_system(cim, "divided"), bool, "the machine")
    memory = cim.GetInstance(path)
    memory["Limit"] = pywbem.Uint64(128 << 20)
    memory["VirtualQuantity"] = pywbem.Uint64(128 << 20)
    with pytest.raises(pywbem.CIMError) as caught:
        cim.InvokeMethod("ModifyResourceSettings", service_path(cim), ResourceSettings=[memory])
    assert code_of(caught.value) == "ERR_OPERATION_FAILED"
    assert "NUMA nodes" in caught.value.status_description

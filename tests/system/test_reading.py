"""Reading costs the hypervisor nothing, and shows whole objects only, whoever changes them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import pywbem

from tests.system.cim import NAMESPACE, associated, define, destroy, find_system, system_path
from tests.system.machines import machine_name, machine_uuid, simulated_host_xml
from tests.system.parts import parts_by_system
from tests.system.stack import Stack, running_stack, toolstack_counters, xenapi_session
from tests.system.waiting import wait_for

_MACHINES = 100
_ROUNDS = 4
_DEFINITIONS = 15
_BRIEF_PARTS = ["disk", "disk", "memory", "network", "processor"]


@pytest.fixture(scope="module")
def simulated(stack_directory: Path) -> Iterator[Stack]:
    """Both daemons over a simulated host with many virtual machines."""
    description = stack_directory / "reading.xml"
    description.write_text(simulated_host_xml(_MACHINES))
    with running_stack(f"test://{description}", stack_directory) as running:
        yield running


@pytest.fixture
def cim(simulated: Stack) -> Iterator[pywbem.WBEMConnection]:
    with simulated.connect() as connection:
        yield connection


def test_thousands_of_reads_make_no_call_to_the_hypervisor(
    cim: pywbem.WBEMConnection, simulated: Stack
) -> None:
    calls_before = simulated.relay.calls.copy()
    with xenapi_session(simulated.toolstack_socket) as session:
        counters_before = toolstack_counters(session)
    reads = 0
    for _ in range(_ROUNDS):
        for class_name in (
            "CIM_ComputerSystem",
            "CIM_VirtualSystemSettingData",
            "CIM_ResourceAllocationSettingData",
            "CIM_ResourcePool",
            "VirtCIM_HostedDependency",
            "VirtCIM_ResourceAllocationFromPool",
        ):
            assert cim.EnumerateInstances(class_name)
            assert cim.EnumerateInstanceNames(class_name)
            reads += 2
        for number in range(_MACHINES):
            path = system_path(machine_uuid(number))
            assert cim.GetInstance(path)["ElementName"] == machine_name(number)
            assert len(associated(cim, path, "VirtCIM_SettingsDefineState")) == 1
            assert cim.ReferenceNames(path)
            # What is not there is not looked for below either.
            with pytest.raises(pywbem.CIMError):
                cim.GetInstance(system_path(f"00000000-0000-0000-0000-{number:012}"))
            reads += 4
    assert reads > 1000
    calls = simulated.relay.calls - calls_before
    # The wait for changes goes on all the time.
    assert set(calls) <= {"event.from"}
    with xenapi_session(simulated.toolstack_socket) as session:
        counters = toolstack_counters(session)
    assert counters["libvirt_calls"] == counters_before["libvirt_calls"]


def test_a_reader_never_sees_a_virtual_system_half_made(
    cim: pywbem.WBEMConnection, simulated: Stack
) -> None:
    bystanders = read_parts(cim)
    assert set(bystanders) == {machine_uuid(number) for number in range(_MACHINES)}
    [network] = {
        str(port["PoolID"]).removeprefix("VirtCIM:").removesuffix("/NetworkPool")
        for port in cim.EnumerateInstances("VirtCIM_NetworkPortResourceAllocationSettingData")
    }
    finished = Event()
    seen: set[str] = set()
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(read_until, simulated, finished, bystanders, seen)
        try:
            for number in range(_DEFINITIONS):
                uuid = define(
                    cim,
                    f"brief-{number}",
                    disks=[Path(f"/images/brief-{number}-{disk}.img") for disk in range(2)],
                    network_uuid=network,
                )
                assert find_system(cim, f"brief-{number}") is not None
                wait_until_seen(uuid, seen, reader)
                destroy(cim, uuid)
                assert find_system(cim, f"brief-{number}") is None
        finally:
            finished.set()
        reader.result()
    assert {system["Name"] for system in cim.EnumerateInstances("VirtCIM_ComputerSystem")} == (
        set(bystanders)
    )


def wait_until_seen(uuid: str, seen: set[str], reader: Future[None]) -> None:
    wait_for(lambda: uuid in seen or reader.done(), bool, "the other client's look")


def read_until(
    stack: Stack, finished: Event, bystanders: dict[str, list[str]], seen: set[str]
) -> None:
    """Read and check all the time; notes in ``seen`` which virtual systems there were."""
    with stack.connect() as cim:
        while not finished.is_set():
            systems = {one["Name"] for one in cim.EnumerateInstances("VirtCIM_ComputerSystem")}
            assert set(bystanders) <= systems
            parts = read_parts(cim)
            assert parts == {**dict.fromkeys(parts, _BRIEF_PARTS), **bystanders}
            for uuid in systems - set(bystanders):
                check_settings(cim, uuid)
            seen |= systems


def read_parts(cim: pywbem.WBEMConnection) -> dict[str, list[str]]:
    settings = cim.EnumerateInstanceNames("CIM_ResourceAllocationSettingData")
    return parts_by_system(one["InstanceID"] for one in settings)


def check_settings(cim: pywbem.WBEMConnection, uuid: str) -> None:
    """All that belongs to a virtual system is there, unless it has been removed meanwhile."""
    path = pywbem.CIMInstanceName(
        "VirtCIM_VirtualSystemSettingData",
        {"InstanceID": f"VirtCIM:{uuid}"},
        namespace=NAMESPACE,
    )
    try:
        found = associated(cim, path, "VirtCIM_VirtualSystemSettingDataComponent")
    except pywbem.CIMError as error:
        if error.status_code != pywbem.CIM_ERR_NOT_FOUND:
            raise
    else:
        # DSP0200 also allows an empty answer for an object that does not exist.
        assert len(found) in (0, len(_BRIEF_PARTS))

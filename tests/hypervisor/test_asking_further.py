"""Asking further: failures whose code hides the reason, and what the server still tells of them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.hypervisor.xenapi_server import (
    EPOCH,
    GIB,
    Refusal,
    XenApiServer,
    endpoint_of,
    eventually,
)
from tests.wire.serving import DEADLINE_S
from virtcim.errormap import ErrorCode, Fault, HypervisorError, cim_message, translate
from virtcim.hypervisor import DiskSpec, PowerOperation, VirtualSystemSpec, XenApiEndpoint
from virtcim.hypervisor.credentials import Credentials
from virtcim.hypervisor.inventory import InventoryStore
from virtcim.hypervisor.xenapi.inquiry import Inquirer
from virtcim.hypervisor.xenapi.session import XenApiSession, connector
from virtcim.wire import parse_endpoint_url

ONE, NORTH, SOUTH, WEST = (f"OpaqueRef:{name}" for name in ("one", "host", "south", "west"))
ASSERT = "VM.assert_can_boot_here"
Answers = dict[str, tuple[str, ...]]


@pytest.fixture
def server() -> XenApiServer:
    """A pool of three hosts."""
    server = XenApiServer()
    server.furnish()
    for name in ("south", "west"):
        server.put("host", f"OpaqueRef:{name}", name_label=name, metrics="OpaqueRef:hm")
    server.put("SR", "OpaqueRef:sr", PBDs=["OpaqueRef:pbd"], physical_utilisation=str(GIB))
    return server


@pytest.fixture
def endpoint(server: XenApiServer) -> Iterator[XenApiEndpoint]:
    with server.running() as port, endpoint_of(port) as endpoint:
        yield endpoint


def hosts_answer(server: XenApiServer, answers: Answers) -> None:
    """Let the hosts refuse with these descriptions; the others would take the machine."""

    def answer(vm: str, host: str) -> str:
        assert vm == ONE
        if host in answers:
            raise Refusal(*answers[host])
        return ""

    server.orders[ASSERT] = answer


def failed_start(server: XenApiServer, endpoint: XenApiEndpoint, *description: str) -> Fault:
    """The fault that a start ends with if its task fails so."""
    server.task("VM.start", lambda task, *_: server.end_task(task, *description))
    with pytest.raises(HypervisorError) as raised:
        endpoint.change_power("one", PowerOperation.START)
    return raised.value.fault


def code(fault: Fault) -> ErrorCode:
    return translate(fault).code


NEEDED, FREE = str(8 * GIB), str(GIB)
NO_MEMORY = ("HOST_NOT_ENOUGH_FREE_MEMORY", NEEDED, FREE)


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (NO_MEMORY, ErrorCode.ERR_OUT_OF_MEMORY),
        (("VM_REQUIRES_SR", ONE, "OpaqueRef:sr"), ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE),
        (("VM_HVM_REQUIRED", ONE), ErrorCode.ERR_OS_NOT_SUPPORTED),
        (("HOST_NOT_ENOUGH_PCPUS", "8", "4"), ErrorCode.ERR_BAD_PARAMETER),
        (("VM_REQUIRES_NETWORK", ONE, "OpaqueRef:net"), ErrorCode.ERR_VM_CONTROL_OP_FAILED),
        (("HOST_DISABLED", NORTH), ErrorCode.ERR_WRONG_STATE_FOR_OP),
        (("HOST_NOT_LIVE",), ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_every_host_lacks_is_why_no_host_is_available(
    server: XenApiServer,
    endpoint: XenApiEndpoint,
    refusal: tuple[str, ...],
    expected: ErrorCode,
) -> None:
    hosts_answer(server, dict.fromkeys((NORTH, SOUTH, WEST), refusal))
    fault = failed_start(server, endpoint, "NO_HOSTS_AVAILABLE")
    assert code(fault) is expected
    assert (fault.code, fault.arguments, fault.operation) == ("NO_HOSTS_AVAILABLE", (), "VM.start")
    assert fault.cause is not None
    assert (fault.cause.code, *fault.cause.arguments) == refusal
    assert server.calls[ASSERT] == 3


def test_the_answer_of_every_host_is_shown_with_names(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    hosts_answer(
        server,
        {
            NORTH: ("HOST_DISABLED", NORTH),
            SOUTH: NO_MEMORY,
            WEST: ("VM_REQUIRES_SR", ONE, "OpaqueRef:sr"),
        },
    )
    message = cim_message(translate(failed_start(server, endpoint, "NO_HOSTS_AVAILABLE")))
    for part in (
        "NO_HOSTS_AVAILABLE",
        "north: HOST_DISABLED north",
        f"south: HOST_NOT_ENOUGH_FREE_MEMORY {NEEDED} {FREE}",
        "west: VM_REQUIRES_SR one store",
    ):
        assert part in message
    assert "OpaqueRef" not in message


def test_what_the_machine_lacks_explains_more_than_hosts_in_maintenance(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    disabled = ("HOST_DISABLED", NORTH)
    hosts_answer(server, {NORTH: disabled, SOUTH: NO_MEMORY, WEST: disabled})
    fault = failed_start(server, endpoint, "NO_HOSTS_AVAILABLE")
    assert code(fault) is ErrorCode.ERR_OUT_OF_MEMORY


def test_the_most_frequent_reason_of_the_hosts_decides(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    hosts_answer(server, {NORTH: ("VM_HVM_REQUIRED", ONE), SOUTH: NO_MEMORY, WEST: NO_MEMORY})
    fault = failed_start(server, endpoint, "NO_HOSTS_AVAILABLE")
    assert code(fault) is ErrorCode.ERR_OUT_OF_MEMORY


def test_where_a_host_would_do_by_now_nothing_is_made_up(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    hosts_answer(server, {NORTH: NO_MEMORY, SOUTH: NO_MEMORY})
    fault = failed_start(server, endpoint, "NO_HOSTS_AVAILABLE")
    assert code(fault) is ErrorCode.ERR_VM_CONTROL_OP_FAILED
    assert fault.cause is None
    assert "west: can run it" in fault.text


@pytest.mark.parametrize(
    "refusal",
    [
        ("MESSAGE_METHOD_UNKNOWN", ASSERT),
        ("MESSAGE_PARAMETER_COUNT_MISMATCH", ASSERT, "2", "3"),
        ("RBAC_PERMISSION_DENIED", "vm.assert_can_boot_here", "No permission in user session."),
        ("NO_HOSTS_AVAILABLE",),
    ],
    ids=lambda value: value[0],
)
def test_a_question_that_is_refused_is_no_new_error(
    server: XenApiServer, endpoint: XenApiEndpoint, refusal: tuple[str, ...]
) -> None:
    hosts_answer(server, dict.fromkeys((NORTH, SOUTH, WEST), refusal))
    fault = failed_start(server, endpoint, "NO_HOSTS_AVAILABLE")
    assert fault == Fault(source="xapi", operation="VM.start", code="NO_HOSTS_AVAILABLE")


def test_a_server_that_breaks_at_the_questions_is_no_new_error(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def broken(*_params: object) -> object:
        raise RuntimeError("the server answers HTTP 500")

    server.orders[ASSERT] = broken
    fault = failed_start(server, endpoint, "NO_HOSTS_AVAILABLE")
    assert fault == Fault(source="xapi", operation="VM.start", code="NO_HOSTS_AVAILABLE")


@pytest.mark.parametrize("reason", ["INTERNAL_ERROR", "INTERNAL ERROR"])
def test_an_internal_error_of_a_start_is_explained_by_the_hosts(
    server: XenApiServer, endpoint: XenApiEndpoint, reason: str
) -> None:
    hosts_answer(server, dict.fromkeys((NORTH, SOUTH, WEST), NO_MEMORY))
    fault = failed_start(server, endpoint, reason, "Not_found")
    assert code(fault) is ErrorCode.ERR_OUT_OF_MEMORY
    assert fault.arguments == ("Not_found",)
    assert "Not_found" in cim_message(translate(fault))


def test_an_internal_error_that_names_its_cause_leads_to_no_question(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    hosts_answer(server, {})
    text = "there was not enough memory (needed 8589934592 bytes)"
    fault = failed_start(server, endpoint, "INTERNAL_ERROR", text)
    assert code(fault) is ErrorCode.ERR_OUT_OF_MEMORY
    assert (fault.text, fault.cause) == ("", None)
    assert server.calls[ASSERT] == 0


def test_clear_codes_lead_to_no_question(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    hosts_answer(server, {})
    for description in (
        ("VM_BAD_POWER_STATE", ONE, "halted", "running"),
        ("SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""),
        ("VM_REQUIRES_NETWORK", ONE, "OpaqueRef:net"),
    ):
        before = server.calls.copy()
        fault = failed_start(server, endpoint, *description)
        assert (fault.text, fault.cause) == ("", None)
        asked = server.calls - before
        assert not [each for each in asked if each == ASSERT or each.endswith("get_record")]


def test_a_part_of_the_task_tells_what_its_whole_does_not(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def fail(task: str, *_params: object) -> None:
        part = server.put(
            "task",
            "OpaqueRef:part",
            name_label="VBD.plug",
            status="failure",
            progress=1.0,
            created=EPOCH,
            finished=EPOCH,
            error_info=["SR_BACKEND_FAILURE_46", "", "[opterr=VDI x already attached RW]", ""],
        )
        server.put("task", task, subtasks=[part])
        server.end_task(task, "INTERNAL_ERROR", "Subprocess failed")

    hosts_answer(server, {})
    server.task("VM.start", fail)
    with pytest.raises(HypervisorError) as raised:
        endpoint.change_power("one", PowerOperation.START)
    assert code(raised.value.fault) is ErrorCode.ERR_FILE_IN_USE
    assert "VBD.plug: SR_BACKEND_FAILURE_46" in raised.value.fault.text
    assert set(server.tables["task"]) == {"OpaqueRef:part"}


def detach(server: XenApiServer) -> None:
    server.put("PBD", "OpaqueRef:pbd", currently_attached=False)


def unplug(server: XenApiServer) -> None:
    server.put("SR", "OpaqueRef:sr", PBDs=[])


def fill(server: XenApiServer) -> None:
    server.put("SR", "OpaqueRef:sr", physical_utilisation=str(100 * GIB - 4096))


def lose_disk(server: XenApiServer) -> None:
    server.put("VDI", "OpaqueRef:vdi", missing=True)


STORAGE_STATES = [
    (detach, "SR_NOT_ATTACHED", ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE),
    (unplug, "SR_HAS_NO_PBDS", ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE),
    (fill, "SR_FULL", ErrorCode.ERR_OUT_OF_DISK_SPACE),
    (lose_disk, "VDI_MISSING", ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE),
]


@pytest.mark.parametrize(("spoil", "cause", "expected"), STORAGE_STATES)
@pytest.mark.parametrize(
    "description",
    [
        ("VDI_IO_ERROR", "Device I/O errors"),
        ("SR_BACKEND_FAILURE_1200", "", "", ""),
        ("INTERNAL_ERROR", "Not_found"),
    ],
    ids=lambda value: value[0],
)
def test_storage_without_a_reason_is_explained_by_its_record(
    server: XenApiServer,
    endpoint: XenApiEndpoint,
    description: tuple[str, ...],
    spoil: Callable[[XenApiServer], None],
    cause: str,
    expected: ErrorCode,
) -> None:
    spoil(server)
    server.unknown.add("VM.assert_can_boot_here")
    fault = failed_start(server, endpoint, *description)
    assert fault.cause is not None
    assert fault.cause.code == cause
    assert code(fault) is expected
    assert (fault.code, *fault.arguments) == description
    assert f"storage store: {cause}" in fault.text or f"disk disk: {cause}" in fault.text


@pytest.mark.parametrize("sr_type", ["lvm", "lvmoiscsi", "iso"])
def test_storage_that_is_given_away_as_a_whole_is_not_taken_for_full(
    server: XenApiServer, endpoint: XenApiEndpoint, sr_type: str
) -> None:
    fill(server)
    server.put("SR", "OpaqueRef:sr", type=sr_type)
    fault = failed_start(server, endpoint, "VDI_IO_ERROR", "Device I/O errors")
    assert fault.cause is None
    assert code(fault) is ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE


def test_storage_that_some_hosts_lack_is_said_but_decides_nothing(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.put("PBD", "OpaqueRef:pbd2", SR="OpaqueRef:sr", host=SOUTH, currently_attached=False)
    server.put("SR", "OpaqueRef:sr", PBDs=["OpaqueRef:pbd", "OpaqueRef:pbd2"])
    fault = failed_start(server, endpoint, "SR_BACKEND_FAILURE_1200", "", "", "")
    assert fault.text == "storage store: not attached to south"
    assert fault.cause is None


def test_a_disk_that_is_gone_from_the_inventory_of_the_server_is_the_cause(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def gone(ref: str) -> object:
        raise Refusal("HANDLE_INVALID", "VDI", ref)

    server.orders["VDI.get_record"] = gone
    fault = failed_start(server, endpoint, "VDI_IO_ERROR", "Device I/O errors")
    assert fault.cause is not None
    assert (fault.cause.code, fault.cause.arguments) == (
        "HANDLE_INVALID",
        ("VDI", "OpaqueRef:vdi"),
    )


@pytest.mark.parametrize(
    "record",
    [
        {"PBDs": "none", "physical_size": "much"},
        {"physical_size": "1", "physical_utilisation": None},
        "no record",
    ],
)
def test_records_that_are_no_records_teach_nothing(
    server: XenApiServer, endpoint: XenApiEndpoint, record: Any
) -> None:
    server.orders["SR.get_record"] = server.orders["VDI.get_record"] = lambda _ref: record
    fault = failed_start(server, endpoint, "VDI_IO_ERROR", "Device I/O errors")
    assert fault == Fault(
        source="xapi", operation="VM.start", code="VDI_IO_ERROR", arguments=("Device I/O errors",)
    )


def test_a_call_that_fails_at_once_is_explained_too(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def refuse(*_params: object) -> object:
        raise Refusal("SR_BACKEND_FAILURE_1200", "", "", "")

    detach(server)
    server.orders["VM.create"] = lambda _record: ONE
    server.orders["VM.destroy"] = lambda _ref: ""
    server.orders["VBD.create"] = refuse
    spec = VirtualSystemSpec(
        name_label="fresh",
        memory_static_max_bytes=GIB,
        memory_dynamic_max_bytes=GIB,
        vcpus_max=1,
        vcpus_at_startup=1,
        disks=(DiskSpec(image_uuid="vdi"),),
    )
    with pytest.raises(HypervisorError) as raised:
        endpoint.define(spec)
    assert raised.value.fault.operation == "VBD.create"
    assert code(raised.value.fault) is ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE
    assert "storage store: SR_NOT_ATTACHED store" in raised.value.fault.text


def test_a_lack_of_memory_is_told_with_what_the_hosts_have(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.orders["host.compute_free_memory"] = lambda host: str(GIB if host == NORTH else 2 * GIB)
    fault = failed_start(server, endpoint, "VMS_FAILED_TO_COOPERATE", ONE)
    assert fault.text == "north: 1024 MiB free; south: 2048 MiB free; west: 2048 MiB free"
    assert code(fault) is ErrorCode.ERR_OUT_OF_MEMORY


def test_a_code_that_says_enough_keeps_its_own_words(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    hosts_answer(server, dict.fromkeys((NORTH, SOUTH, WEST), NO_MEMORY))
    fault = failed_start(server, endpoint, "VM_HOST_INCOMPATIBLE_VERSION", ONE, NORTH)
    assert code(fault) is ErrorCode.ERR_OS_NOT_SUPPORTED
    assert fault.cause is None
    assert "south: HOST_NOT_ENOUGH_FREE_MEMORY" in fault.text


def test_a_general_answer_does_not_displace_a_special_code(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def refuse(_ref: str) -> object:
        raise Refusal("XAPI_HOOK_FAILED", "hook", "", "", "1")

    server.orders["SR.get_record"] = refuse
    fault = failed_start(server, endpoint, "VDI_IO_ERROR", "Device I/O errors")
    assert code(fault) is ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE
    assert fault.cause is None
    assert "storage store: XAPI_HOOK_FAILED hook 1" in fault.text


def test_only_reading_calls_are_made(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    hosts_answer(server, dict.fromkeys((NORTH, SOUTH, WEST), NO_MEMORY))
    eventually(endpoint, lambda now: len(now.hosts) == 3)
    before = server.calls.copy()
    failed_start(server, endpoint, "INTERNAL_ERROR", "Not_found")
    asked = set(server.calls - before) - {"Async.VM.start", "event.from", "task.destroy"}
    assert asked == {ASSERT, "VDI.get_record", "SR.get_record", "PBD.get_record", "task.get_record"}


def test_failing_reads_lead_to_no_question(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    def refuse(*_params: object) -> object:
        raise Refusal("INTERNAL_ERROR", "Not_found")

    hosts_answer(server, {})
    server.orders["VM.get_by_uuid"] = refuse
    with pytest.raises(HypervisorError) as raised:
        endpoint.change_power("nobody", PowerOperation.START)
    assert (raised.value.fault.text, raised.value.fault.cause) == ("", None)
    assert server.calls[ASSERT] == 0


def test_hosts_that_do_not_answer_in_time_are_not_waited_for(
    server: XenApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    released = threading.Event()

    async def answer(_vm: str, host: str) -> str:
        if host != SOUTH:
            await asyncio.to_thread(released.wait, DEADLINE_S)
        raise Refusal(*NO_MEMORY)

    server.orders[ASSERT] = answer
    fault = Fault(source="xapi", operation="VM.start", code="NO_HOSTS_AVAILABLE")
    caplog.set_level(logging.DEBUG, logger="virtcim.hypervisor")
    with server.running() as port, endpoint_of(port) as endpoint:
        store = InventoryStore()
        store.publish(eventually(endpoint, lambda now: len(now.hosts) == 3), "1")
        url = parse_endpoint_url(f"xapi+http://127.0.0.1:{port}")
        session = XenApiSession(url, Credentials(), connector())
        began = time.monotonic()
        try:
            found = Inquirer(session, store, budget_s=2.0).asked_further(fault, (ONE,))
            took_s = time.monotonic() - began
        finally:
            released.set()
            session.close()
    assert took_s < DEADLINE_S / 2
    assert found.text == f"south: HOST_NOT_ENOUGH_FREE_MEMORY {NEEDED} {FREE}"
    assert code(found) is ErrorCode.ERR_OUT_OF_MEMORY


def test_without_an_inventory_nobody_is_asked(server: XenApiServer) -> None:
    fault = Fault(source="xapi", operation="VM.start", code="NO_HOSTS_AVAILABLE")
    with server.running() as port:
        url = parse_endpoint_url(f"xapi+http://127.0.0.1:{port}")
        session = XenApiSession(url, Credentials(), connector())
        found = Inquirer(session, InventoryStore()).asked_further(fault, (ONE,))
        session.close()
    assert found is fault
    assert not server.calls


def test_large_pools_are_not_asked_as_a_whole(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    for number in range(40):
        ref = f"OpaqueRef:spare{number}"
        server.put("host", ref, name_label=f"spare{number}", metrics="OpaqueRef:hm", enabled=False)
    eventually(endpoint, lambda now: len(now.hosts) == 43)
    hosts_answer(server, dict.fromkeys((NORTH, SOUTH, WEST), NO_MEMORY))
    fault = failed_start(server, endpoint, "NO_HOSTS_AVAILABLE")
    assert server.calls[ASSERT] == 16
    for name in ("north", "south", "west"):
        assert f"{name}: HOST_NOT_ENOUGH_FREE_MEMORY" in fault.text

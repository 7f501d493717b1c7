"""Operations: what they ask of the XenAPI, what readers see after them, and how they fail."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.hypervisor.xenapi_server import (
    GIB,
    NULL,
    Refusal,
    XenApiServer,
    endpoint_of,
    eventually,
)
from tests.wire.serving import DEADLINE_S
from virtcim.errormap import ErrorCode, Fault, HypervisorError, from_transport, translate
from virtcim.hypervisor import (
    DiskSpec,
    NetworkPortSpec,
    PowerOperation,
    PowerState,
    PowerStateError,
    VirtualSystemSpec,
    XenApiEndpoint,
)
from virtcim.hypervisor.inventory import InventoryStore
from virtcim.hypervisor.xenapi.assembly import Assembly
from virtcim.hypervisor.xenapi.define import UnfinishedNames
from virtcim.hypervisor.xenapi.records import PARTS

ONE = "OpaqueRef:one"
SPEC = VirtualSystemSpec(
    name_label="fresh",
    memory_static_max_bytes=2 * GIB,
    memory_dynamic_max_bytes=GIB,
    vcpus_max=2,
    vcpus_at_startup=1,
    auto_start=True,
)


class _Witness:
    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.fractions: list[float] = []

    def task(self, ref: str, *, decisive: bool = False) -> None:
        self.tasks.append(ref)

    def progress(self, fraction: float) -> None:
        self.fractions.append(fraction)


@pytest.fixture
def server() -> XenApiServer:
    server = XenApiServer()
    server.furnish()
    return server


@pytest.fixture
def endpoint(server: XenApiServer) -> Iterator[XenApiEndpoint]:
    with server.running() as port, endpoint_of(port) as endpoint:
        yield endpoint


def _code(error: HypervisorError) -> ErrorCode:
    return translate(error.fault).code


def test_a_state_change_is_seen_by_the_next_read(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    def start(task: str, *params: object) -> None:
        assert params == (ONE, False, False)
        server.put("VM", ONE, power_state="Running")
        server.end_task(task)

    def shut_down(task: str, *params: object) -> None:
        assert params == (ONE,)
        server.put("VM", ONE, power_state="Halted")
        server.end_task(task)

    server.task("VM.start", start)
    server.task("VM.hard_shutdown", shut_down)
    for _ in range(20):
        endpoint.change_power("one", PowerOperation.START)
        assert endpoint.inventory().virtual_systems["one"].power_state is PowerState.RUNNING
        endpoint.change_power("one", PowerOperation.HARD_SHUTDOWN)
        assert endpoint.inventory().virtual_systems["one"].power_state is PowerState.HALTED
    assert not server.tables["task"]


def test_a_change_is_waited_for_even_if_events_are_late(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    injected = threading.Event()

    def rename(task: str, *_params: object) -> None:
        server.end_task(task)

    def inject(class_name: str, ref: str) -> str:
        server.frozen = True
        server.put("VM", ONE, power_state="Running")
        server._happened(class_name, "mod", ref)
        injected.set()
        return f"{server.token:020}"

    server.task("VM.start", rename)
    server.orders["event.inject"] = inject
    done = threading.Event()

    def work() -> None:
        endpoint.change_power("one", PowerOperation.START)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert injected.wait(DEADLINE_S)
    assert not done.wait(0.1)
    server.frozen = False
    assert done.wait(DEADLINE_S)
    thread.join()
    assert endpoint.inventory().virtual_systems["one"].power_state is PowerState.RUNNING


def test_a_failed_task_is_the_fault_that_it_carries(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.task(
        "VM.start",
        lambda task, *_: server.end_task(
            task, "VM_BAD_POWER_STATE", "OpaqueRef:one", "halted", "running"
        ),
    )
    with pytest.raises(HypervisorError) as raised:
        endpoint.change_power("one", PowerOperation.START)
    fault = raised.value.fault
    assert (fault.code, fault.operation) == ("VM_BAD_POWER_STATE", "VM.start")
    assert _code(raised.value) is ErrorCode.ERR_WRONG_STATE_FOR_OP
    assert isinstance(raised.value, PowerStateError)
    assert raised.value.present is PowerState.RUNNING


def test_a_libvirt_fault_in_a_task_travels_whole(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    message = "Cannot access storage file '/x' (as uid:0): No such file or directory"
    error = ("LIBVIRT_ERROR", "38", "VIR_ERR_SYSTEM_ERROR", "VIR_FROM_STORAGE", message, "", "2")
    server.task("VM.start", lambda task, *_: server.end_task(task, *error))
    with pytest.raises(HypervisorError) as raised:
        endpoint.change_power("one", PowerOperation.START)
    assert _code(raised.value) is ErrorCode.ERR_CANNOT_ACCESS_DISK_FILE
    assert message in str(translate(raised.value.fault).message)


def test_a_cancelled_task_is_a_failure(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    server.task("VM.suspend", lambda task, *_: server.put("task", task, status="cancelled"))
    with pytest.raises(HypervisorError) as raised:
        endpoint.change_power("one", PowerOperation.SUSPEND)
    assert raised.value.fault.code == "TASK_CANCELLED"


def test_progress_is_told(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    witness = _Witness()
    halfway = threading.Event()

    class _Watching(_Witness):
        def progress(self, fraction: float) -> None:
            witness.progress(fraction)
            if fraction == 0.5:
                halfway.set()
                server.end_task(witness.tasks[0])

    watching = _Watching()
    watching.tasks = witness.tasks
    server.task("VM.suspend", lambda task, *_: server.put("task", task, progress=0.5))
    endpoint.change_power("one", PowerOperation.SUSPEND, watching)
    assert halfway.is_set()
    assert len(witness.tasks) == 1
    assert witness.fractions[-1] == 1.0
    assert witness.fractions == sorted(witness.fractions)


def test_a_task_can_be_cancelled(server: XenApiServer, endpoint: XenApiEndpoint) -> None:
    def cancel(ref: str) -> str:
        server.put("task", ref, status="cancelled")
        return ""

    class _Cancelling(_Witness):
        def task(self, ref: str, *, decisive: bool = False) -> None:
            endpoint.cancel(ref)

    server.orders["task.cancel"] = cancel
    server.task("VM.suspend", lambda *_: None)
    with pytest.raises(HypervisorError):
        endpoint.change_power("one", PowerOperation.SUSPEND, _Cancelling())


def test_a_task_that_nobody_knows_is_not_waited_for(
    endpoint: XenApiEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtcim.hypervisor.xenapi.operations._ASK_AFTER_S", 2 * DEADLINE_S)
    failure = _failure_in_time(lambda: endpoint.follow("OpaqueRef:of-nothing", "VM.start"))
    assert translate(failure.fault).code is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE


def test_a_closed_endpoint_waits_for_no_task(
    server: XenApiServer, endpoint: XenApiEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtcim.hypervisor.xenapi.operations._ASK_AFTER_S", 2 * DEADLINE_S)
    begun = threading.Event()
    server.task("VM.start", lambda *_: begun.set())

    def close() -> None:
        assert begun.wait(DEADLINE_S)
        endpoint.close()

    closing = threading.Thread(target=close)
    closing.start()
    failure = _failure_in_time(lambda: endpoint.change_power("one", PowerOperation.START))
    closing.join(DEADLINE_S)
    assert translate(failure.fault).code is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
    with pytest.raises(HypervisorError, match="closed"):
        endpoint.inventory()


def _failure_in_time(operation: Callable[[], object]) -> HypervisorError:
    """What an operation raises, if it does before the time is over."""
    with ThreadPoolExecutor(1) as executor:
        failure = executor.submit(operation).exception(DEADLINE_S)
    assert isinstance(failure, HypervisorError)
    return failure


def test_a_machine_that_is_not_there_is_not_found(endpoint: XenApiEndpoint) -> None:
    with pytest.raises(HypervisorError) as raised:
        endpoint.change_power("nobody", PowerOperation.START)
    assert _code(raised.value) is ErrorCode.ERR_VM_NOT_FOUND


def test_operations_without_a_connection_fail_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with endpoint_of(port) as endpoint:
        for operate in (
            lambda: endpoint.change_power("one", PowerOperation.START),
            lambda: endpoint.destroy("one"),
            lambda: endpoint.define(SPEC),
        ):
            with pytest.raises(HypervisorError) as raised:
                operate()
            assert _code(raised.value) is ErrorCode.ERR_COMMUNICATION_NOT_ESTABLISHED


def test_a_task_whose_end_cannot_be_learned_is_unverified(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.task("VM.start", lambda task, *_: server.tables["task"].pop(task))

    def lost(*_params: object) -> object:
        raise Refusal("LIBVIRT_ERROR", "38", "VIR_ERR_SYSTEM_ERROR", "VIR_FROM_RPC", "gone")

    server.orders["event.from"] = lost
    with pytest.raises(HypervisorError) as raised:
        endpoint.change_power("one", PowerOperation.START)
    assert raised.value.fault.sent
    assert raised.value.fault.operation == "VM.start"
    assert _code(raised.value) is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE


def test_a_session_that_expired_is_renewed_for_an_operation(
    server: XenApiServer, endpoint: XenApiEndpoint
) -> None:
    server.task("VM.start", lambda task, *_: server.end_task(task))
    server.sessions.clear()
    endpoint.change_power("one", PowerOperation.START)
    assert server.calls["Async.VM.start"] <= 2


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


def test_waiting_for_a_token_ends_with_it_with_a_resynchronisation_or_with_a_disconnection(
    endpoint: XenApiEndpoint,
) -> None:
    inventory = endpoint.inventory()
    endings = (
        lambda store: store.publish(inventory, "0005"),
        lambda store: store.publish(inventory, "0000", resynchronised=True),
        lambda store: store.disconnect(_refused()),
    )
    for end in endings:
        store = InventoryStore()
        store.publish(inventory, "0001")
        assert store.wait_for("0001", 0)
        assert not store.wait_for("0005", 0.01)
        timer = threading.Timer(0.05, end, [store])
        timer.start()
        assert store.wait_for("0005", DEADLINE_S)
        timer.join()


def _refused() -> Fault:
    return from_transport(phase="connect", exception="ConnectionRefusedError", errno=111)


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

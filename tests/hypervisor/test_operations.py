"""Operations: what they ask of the XenAPI, what readers see after them, and how they fail."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hypervisor.xenapi_server import (
    GIB,
    Refusal,
    XenApiServer,
    endpoint_of,
)
from tests.wire.serving import DEADLINE_S
from virtcim.errormap import ErrorCode, Fault, HypervisorError, from_transport, translate
from virtcim.hypervisor import (
    PowerOperation,
    PowerState,
    PowerStateError,
    VirtualSystemSpec,
    XenApiEndpoint,
)
from virtcim.hypervisor.inventory import InventoryStore

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
    server.task("VM.start", lambda *_: None)

    class Begun(_Witness):
        def task(self, ref: str, *, decisive: bool = False) -> None:
            begun.set()

    def close() -> None:
        assert begun.wait(DEADLINE_S)
        endpoint.close()

    closing = threading.Thread(target=close)
    closing.start()
    failure = _failure_in_time(lambda: endpoint.change_power("one", PowerOperation.START, Begun()))
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

"""Operations over a XenServer that nobody finished: the next process takes all of them back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hypervisor.working_server import MortalLog, WorkingServer
from tests.hypervisor.xenapi_server import GIB, Refusal, endpoint_of, eventually
from tests.wire.serving import DEADLINE_S
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import (
    DiskKind,
    DiskSpec,
    MediumChange,
    NetworkPortSpec,
    RolledBackError,
    VirtualSystemChange,
    VirtualSystemSpec,
    XenApiEndpoint,
)
from virtcim.hypervisor.undo import MemoryUndoLog, UndoLog
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.undo_store import UndoStore

Operation = Callable[[XenApiEndpoint], object]


def define(endpoint: XenApiEndpoint) -> object:
    return endpoint.define(
        VirtualSystemSpec(
            name_label="fresh",
            memory_static_max_bytes=GIB,
            memory_dynamic_max_bytes=GIB,
            vcpus_max=1,
            vcpus_at_startup=1,
            disks=(
                DiskSpec(id="vda", sr_uuid="sr", size_bytes=GIB),
                DiskSpec(id="vdb", image_uuid="vdi", read_only=True),
                DiskSpec(id="vdc", sr_uuid="sr", size_bytes=GIB),
            ),
            network_ports=(NetworkPortSpec(id="0", network_uuid="net"),),
        )
    )


def modify(endpoint: XenApiEndpoint) -> object:
    return endpoint.modify(
        "one",
        VirtualSystemChange(
            name_description="changed",
            memory_dynamic_max_bytes=GIB,
            vcpus_max=4,
            removed_disks=("vda",),
            added_disks=(
                DiskSpec(id="vda", sr_uuid="sr", size_bytes=GIB),
                DiskSpec(id="vdb", sr_uuid="sr", size_bytes=GIB),
            ),
            removed_network_ports=("0",),
            added_network_ports=(NetworkPortSpec(id="1", network_uuid="net"),),
            media=(MediumChange(id="vdd", medium=DiskSpec(kind=DiskKind.CD, image_uuid="iso")),),
        ),
    )


def running(server: WorkingServer) -> None:
    """The machine runs, with its devices plugged."""
    server.put("VM", "OpaqueRef:one", power_state="Running")
    server.put("VBD", "OpaqueRef:vbd", currently_attached=True)
    server.put("VIF", "OpaqueRef:vif", currently_attached=True)


OPERATIONS: dict[str, tuple[Operation, Callable[[WorkingServer], None]]] = {
    "define": (define, lambda _: None),
    "modify": (modify, lambda _: None),
    "modify running": (
        lambda endpoint: endpoint.modify(
            "one",
            VirtualSystemChange(
                name_description="changed",
                removed_disks=("vda",),
                added_disks=(DiskSpec(id="vda", sr_uuid="sr", size_bytes=GIB),),
                removed_network_ports=("0",),
                added_network_ports=(NetworkPortSpec(id="0", network_uuid="net"),),
            ),
        ),
        running,
    ),
}


@contextlib.contextmanager
def store_in(directory: Path) -> Iterator[UndoLog]:
    database = StateDatabase(str(directory))
    try:
        yield UndoStore(database, "root/virt")
    finally:
        database.close()


def ended(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def taken_back(log: UndoLog) -> None:
    ended(lambda: not log.unfinished())


def die(server: WorkingServer, log: UndoLog, port: int, operation: Operation) -> bool:
    """Do an operation until the process dies of it; False where it did not."""
    with endpoint_of(port, own_calls=False) as endpoint:
        endpoint.keep_undo_steps(MortalLog(log, lambda: server.dead))
        try:
            operation(endpoint)
        except HypervisorError:
            assert server.dead
    return server.dead


@pytest.mark.parametrize("dies_before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_whoever_dies_at_any_step_leaves_nothing_that_the_next_does_not_take_back(
    tmp_path: Path, name: str, dies_before: bool, caplog: pytest.LogCaptureFixture
) -> None:
    operation, prepare = OPERATIONS[name]
    server = WorkingServer()
    prepare(server)
    before = server.content()
    server.dies_before = dies_before
    with server.running() as port, store_in(tmp_path) as log:
        for step in itertools.count():
            server.die_after(step)
            if not die(server, log, port, operation):
                assert log.unfinished() == ()
                break
            assert log.unfinished(), f"nothing is known of step {step}, {server.changes[-1]}"
            server.revive()
            with endpoint_of(port, own_calls=False) as endpoint:
                endpoint.keep_undo_steps(log)
                taken_back(log)
            assert server.content() == before, f"died at step {step}"
    assert step > 5
    assert (
        f"nothing is left of the unfinished VM.{name.split()[0]}".replace("VM.define", "VM.create")
        in caplog.text
    )


def test_whoever_dies_while_taking_back_is_continued(tmp_path: Path) -> None:
    server = WorkingServer()
    before = server.content()
    with server.running() as port, store_in(tmp_path) as log:
        for second in itertools.count():
            server.die_after(8)
            assert die(server, log, port, modify)
            server.revive()
            server.die_after(second)
            with endpoint_of(port, own_calls=False) as endpoint:
                endpoint.keep_undo_steps(MortalLog(log, lambda: server.dead))
                ended(lambda: server.dead or not log.unfinished())
            if not server.dead:
                break
            server.revive()
            with endpoint_of(port, own_calls=False) as endpoint:
                endpoint.keep_undo_steps(log)
                taken_back(log)
            assert server.content() == before, f"died at the undo step {second}"
    assert server.content() == before
    assert second > 3


def test_what_is_still_being_made_when_the_process_dies_is_waited_for(tmp_path: Path) -> None:
    server = WorkingServer()
    before = server.content()
    asked: list[tuple[str, dict[str, object]]] = []
    server.task("VDI.create", lambda task, record: asked.append((task, record)))
    cancelled = threading.Event()
    server.orders["task.cancel"] = lambda _: cancelled.set() or ""
    with server.running() as port, store_in(tmp_path) as log:
        with endpoint_of(port, own_calls=False) as endpoint:
            endpoint.keep_undo_steps(MortalLog(log, lambda: server.dead))
            thread = threading.Thread(target=_tried, args=(endpoint,))
            thread.start()
            ended(lambda: any(step.tasks for one in log.unfinished() for step in one.steps))
            server.dead = True
        thread.join(DEADLINE_S)
        server.revive()
        with endpoint_of(port, own_calls=False) as endpoint:
            endpoint.keep_undo_steps(log)
            assert cancelled.wait(DEADLINE_S)
            # It cannot be cancelled, and comes to its end.
            [(task, record)] = asked
            made = server.make("VDI", record)
            assert log.unfinished()
            server.end_task(task, result=f"<value>{made}</value>")
            taken_back(log)
    assert server.content() == before


def _tried(endpoint: XenApiEndpoint) -> None:
    with contextlib.suppress(HypervisorError):
        define(endpoint)


def test_what_cannot_be_taken_back_without_a_connection_is_when_there_is_one_again() -> None:
    server = WorkingServer()
    before = server.content()
    server.die_after(4)
    log = MemoryUndoLog()
    with server.running() as port, endpoint_of(port, own_calls=False) as endpoint:
        endpoint.keep_undo_steps(log)
        with pytest.raises(HypervisorError) as raised:
            define(endpoint)
        assert not isinstance(raised.value, RolledBackError)
        assert raised.value.fault.code == "ROLLBACK_FAILED"
        # It is not known what remains; that there is no connection is not the point.
        assert translate(raised.value.fault).code is ErrorCode.ERR_UNABLE_TO_VERIFY_STATE
        assert log.unfinished()
        server.revive()
        taken_back(log)
    assert server.content() == before


def test_what_somebody_else_has_changed_since_is_left_as_it_is(tmp_path: Path) -> None:
    server = WorkingServer()
    server.die_after(1)
    with server.running() as port, store_in(tmp_path) as log:
        assert die(server, log, port, modify)
        server.put("VM", "OpaqueRef:one", name_description="by somebody else")
        server.revive()
        with endpoint_of(port, own_calls=False) as endpoint:
            endpoint.keep_undo_steps(log)
            taken_back(log)
    assert server.tables["VM"]["OpaqueRef:one"]["name_description"] == "by somebody else"


def test_what_was_removed_meanwhile_needs_no_taking_back(tmp_path: Path) -> None:
    server = WorkingServer()
    server.die_after(6)
    with server.running() as port, store_in(tmp_path) as log:
        assert die(server, log, port, modify)
        server.unmake("VM", "OpaqueRef:one")
        server.revive()
        with endpoint_of(port, own_calls=False) as endpoint:
            endpoint.keep_undo_steps(log)
            taken_back(log)
    assert "OpaqueRef:one" not in server.tables["VM"]
    assert set(server.tables["VDI"]) == {"OpaqueRef:vdi", "OpaqueRef:iso"}


def test_nothing_is_done_that_cannot_be_written_down_first() -> None:
    server = WorkingServer()

    with server.running() as port, endpoint_of(port, own_calls=False) as endpoint:
        full = threading.Event()
        endpoint.keep_undo_steps(MortalLog(MemoryUndoLog(), full.is_set))
        full.set()
        with pytest.raises(RolledBackError):
            define(endpoint)
    assert server.changes == []


def test_the_next_read_shows_nothing_of_a_definition_that_was_taken_back() -> None:
    server = WorkingServer()
    spec = VirtualSystemSpec(
        name_label="fresh",
        memory_static_max_bytes=GIB,
        memory_dynamic_max_bytes=GIB,
        vcpus_max=1,
        vcpus_at_startup=1,
        disks=(
            DiskSpec(id="vda", sr_uuid="sr", size_bytes=GIB),
            DiskSpec(id="vda", image_uuid="vdi"),
        ),
    )
    with server.running() as port, endpoint_of(port, own_calls=False) as endpoint:
        before = endpoint.inventory().disk_images

        async def remove_when_seen(ref: str) -> str:
            await asyncio.to_thread(
                *(eventually, endpoint),
                lambda seen: ref in {image.ref for image in seen.disk_images.values()},
            )
            server.frozen = True  # the event of the removal is late
            return server.unmake("VDI", ref)

        def inject(class_name: str, ref: str) -> str:
            server.frozen = False
            server.put(class_name, ref)
            return f"{server.token:020}"

        server.orders |= {"VDI.destroy": remove_when_seen, "event.inject": inject}
        with pytest.raises(RolledBackError):
            endpoint.define(spec)
        assert endpoint.inventory().disk_images.keys() == before.keys()


def test_what_is_refused_again_and_again_is_said_once_and_forgotten_when_it_is_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = WorkingServer()
    before = server.content()
    server.die_after(4)
    tries: list[str] = []

    def refuse(vdi: str) -> object:
        tries.append(vdi)
        raise Refusal("SR_BACKEND_FAILURE", f"try {len(tries)}")

    with server.running() as port, endpoint_of(port, own_calls=False) as endpoint:
        endpoint.keep_undo_steps(log := MemoryUndoLog())
        with pytest.raises(HypervisorError):
            define(endpoint)
        server.orders["VDI.destroy"] = refuse
        server.revive()
        ended(lambda: len(tries) >= 2 * 3)
        assert len(set(tries)) == 2
        said = [one for one in caplog.messages if "SR_BACKEND_FAILURE try" in one]
        assert len(said) == 2
        recovery = endpoint._recovery
        assert recovery._told
        del server.orders["VDI.destroy"]
        taken_back(log)
        ended(lambda: not recovery._told)
    assert server.content() == before

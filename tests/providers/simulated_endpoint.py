"""An endpoint in memory: the provider boundary without a hypervisor below it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.providers.simulated_devices import Devices, refused
from tests.providers.simulated_host import SimulatedHost, SimulatedTask
from tests.providers.simulated_population import HOST, STARTED, identity
from tests.providers.simulated_storage import SimulatedStorage
from tests.providers.simulated_undo import SimulatedUndo
from virtcim.errormap import Fault, HypervisorError, from_libvirt, from_transport, from_xapi
from virtcim.hypervisor.change import AddedDevices, Made, RolledBackError, VirtualSystemChange
from virtcim.hypervisor.endpoint import Monitor, PowerStateError
from virtcim.hypervisor.inventory import Watcher
from virtcim.hypervisor.model import (
    Inventory,
    PowerOperation,
    PowerState,
    VirtualDiskImage,
    VirtualSystem,
    VirtualSystemSpec,
)
from virtcim.hypervisor.undo import UndoLog

__all__ = ["SimulatedEndpoint"]

_ALLOWED: Mapping[PowerOperation, tuple[tuple[PowerState, ...], PowerState]] = {
    PowerOperation.START: ((PowerState.HALTED,), PowerState.RUNNING),
    PowerOperation.PAUSE: ((PowerState.RUNNING,), PowerState.PAUSED),
    PowerOperation.UNPAUSE: ((PowerState.PAUSED,), PowerState.RUNNING),
    PowerOperation.SUSPEND: ((PowerState.RUNNING,), PowerState.SUSPENDED),
    PowerOperation.RESUME: ((PowerState.SUSPENDED,), PowerState.RUNNING),
    PowerOperation.CLEAN_SHUTDOWN: ((PowerState.RUNNING,), PowerState.HALTED),
    PowerOperation.HARD_SHUTDOWN: (
        (PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED),
        PowerState.HALTED,
    ),
    PowerOperation.CLEAN_REBOOT: ((PowerState.RUNNING,), PowerState.RUNNING),
    PowerOperation.HARD_REBOOT: ((PowerState.RUNNING, PowerState.PAUSED), PowerState.RUNNING),
}

_FIELDS = (
    *("name_label", "name_description", "boot_order", "auto_start", "actions_after_crash"),
    *("memory_static_max_bytes", "memory_dynamic_max_bytes", "vcpus_max", "vcpus_at_startup"),
)


def _now_in(system: VirtualSystem, state: PowerState) -> VirtualSystem:
    """The system after its state has changed; what has halted or sleeps is on no host."""
    if state in {PowerState.RUNNING, PowerState.PAUSED}:
        return replace(
            system,
            power_state=state,
            stop=None,
            resident_on=system.resident_on or HOST.uuid,
            start_time=system.start_time or STARTED,
        )
    return replace(
        system, power_state=state, stop=None, resident_on="", start_time=None, consoles=()
    )


def _with_image(system: VirtualSystem, image: VirtualDiskImage) -> VirtualSystem:
    """The system with what an image has become; the very same one where it has not the image."""
    disks = tuple(
        replace(disk, image=image)
        if disk.image is not None and disk.image.uuid == image.uuid
        else disk
        for disk in system.disks
    )
    return system if disks == system.disks else replace(system, disks=disks)


class SimulatedEndpoint:
    """An Endpoint over a hypervisor in memory, its own one or one that it has with others.

    ``gate`` holds operations back until it is set; ``refusal`` is raised by the next operation;
    ``disconnected`` makes everything fail as a lost connection does, ``reads_fail_with`` is raised
    by every read when it is set. ``held`` is how many operations wait at the gate. It keeps the
    contract that tests/hypervisor/contract asks of every endpoint.
    """

    def __init__(self, systems: int = 4, name: str = "", host: SimulatedHost | None = None) -> None:
        self.name = name
        self.url = "simulated:///"
        self.host = host or SimulatedHost(systems)
        self.gate = threading.Event()
        self.gate.set()
        self.refusal: Exception | None = None
        self.disconnected = False
        self.reads_fail_with: Exception | None = None
        self.held = 0
        self.task_ref = "OpaqueRef:task"
        self.decisive = True
        self.cancelled: list[str] = []
        self.inventories_read = 0
        self.powered: list[PowerOperation] = []
        self.meanwhile: list[Callable[[], None]] = []
        self.defined: list[VirtualSystemSpec] = []
        self.modified: list[tuple[str, VirtualSystemChange]] = []
        self.monitor: Monitor | None = None
        self.storage = SimulatedStorage(self)
        self.known_tasks: dict[str, HypervisorError | Made] = {}
        self.followed: list[str] = []
        self._undo = SimulatedUndo(self)
        self._loses: bool | None = None
        self._watchers: list[Watcher] = []
        self._told: Inventory | Fault | None = None
        self.host.watchers.append(self._tell_watchers)

    @property
    def current(self) -> Inventory:
        """What the hypervisor holds now."""
        return self.host.inventory

    @current.setter
    def current(self, inventory: Inventory) -> None:
        self.host.put(inventory)

    def inventory(self) -> Inventory:
        self.inventories_read += 1
        self._check_connection()
        if self.reads_fail_with is not None:
            raise self.reads_fail_with
        return self.current

    def change_power(
        self, uuid: str, operation: PowerOperation, monitor: Monitor | None = None
    ) -> None:
        with self.operation(f"VM.{operation}", monitor) as task:
            if self.meanwhile:
                self.meanwhile.pop(0)()
            system = self._system(uuid)
            allowed, after = _ALLOWED[operation]
            if system.power_state not in allowed:
                expected = allowed[0].value.lower()
                raise PowerStateError(
                    from_xapi(
                        ["VM_BAD_POWER_STATE", system.ref, expected, system.power_state.lower()],
                        operation=f"VM.{operation.value}",
                    ),
                    system.power_state,
                )
            if self.host.guests_are_deaf and operation is PowerOperation.CLEAN_SHUTDOWN:
                self.host.ask_guest(task, system.uuid, operation)
                self._end(task, f"VM.{operation}")
                return
            self.powered.append(operation)
            self.replace(_now_in(system, after))

    def define(self, spec: VirtualSystemSpec, monitor: Monitor | None = None) -> str:
        with self.operation("VM.create", monitor) as task:
            if any(each.name_label == spec.name_label for each in self.systems):
                raise RolledBackError(
                    from_libvirt(
                        code=9,
                        code_name="VIR_ERR_OPERATION_FAILED",
                        message=f"operation failed: domain '{spec.name_label}' already exists",
                        operation="VM.create",
                    )
                )
            if spec.uuid.lower() in self.current.virtual_systems:
                raise refused("VM.create", "UUID_ALREADY_EXISTS", "VM", spec.uuid)
            made = VirtualSystem(
                ref=f"ref-{spec.name_label}",
                uuid=spec.uuid.lower() or self._free_identity(spec.name_label),
                name_label=spec.name_label,
                name_description=spec.name_description,
                power_state=PowerState.HALTED,
                memory_static_max_bytes=spec.memory_static_max_bytes,
                memory_dynamic_max_bytes=spec.memory_dynamic_max_bytes,
                vcpus_max=spec.vcpus_max,
                vcpus_at_startup=spec.vcpus_at_startup,
                os_type=spec.os_type,
                boot_order=spec.boot_order,
                auto_start=spec.auto_start,
                actions_after_shutdown=spec.actions_after_shutdown,
                actions_after_reboot=spec.actions_after_reboot,
                actions_after_crash=spec.actions_after_crash,
                other_config=spec.other_config,
            )
            devices = self._devices(made, "VM.create")
            devices.add(spec.disks, spec.network_ports)
            self.defined.append(spec)
            self._publish_with(devices, devices.system)
            task.made = Made(system=made.uuid)
        return made.uuid

    def modify(
        self, uuid: str, change: VirtualSystemChange, monitor: Monitor | None = None
    ) -> AddedDevices:
        """What was asked for is kept in ``modified``, also where it was nothing."""
        if change.is_empty:
            self.modified.append((uuid, change))
            return AddedDevices()
        with self.operation("VM.modify", monitor) as task:
            system = self._system(uuid)
            devices = self._devices(system, "VM.modify")
            added = devices.apply(change)
            self.modified.append((uuid, change))
            fields = {one: value for one in _FIELDS if (value := getattr(change, one)) is not None}
            self._publish_with(devices, replace(devices.system, **fields))
            if added != AddedDevices():
                task.made = Made(changed_system=system.uuid, devices=added)
        return added

    def destroy(self, uuid: str, monitor: Monitor | None = None) -> None:
        with self.operation("VM.destroy", monitor):
            remaining = dict(self.current.virtual_systems)
            del remaining[self._system(uuid).uuid]
            self.publish(virtual_systems=remaining)

    def keep_undo_steps(self, log: UndoLog) -> None:
        """Everything here is done in one step: there is nothing to keep, but to take back."""
        self._undo.keep_in(log)

    def follow(self, task_ref: str, operation: str, monitor: Monitor | None = None) -> Made:
        self.followed.append(operation)
        self.monitor = monitor
        self._pass_gate()
        if self.disconnected:
            raise _lost(operation, "TaskLost")
        if task_ref in self.known_tasks:
            outcome = self.known_tasks[task_ref]
            if isinstance(outcome, HypervisorError):
                raise outcome
            return outcome
        task = self.host.task(task_ref)
        if task is None:
            unknown = from_xapi(["HANDLE_INVALID", "task", task_ref], operation="task.get_record")
            raise _lost(operation, "TaskLost", unknown)
        try:
            self._end(task, operation)
        finally:
            if task.outcome is not None:
                self.host.forget_task(task)
        if monitor is not None:
            monitor.progress(1.0)
        return task.made

    def cancel(self, task_ref: str) -> None:
        self._check_connection()
        task = self.host.task(task_ref)
        if task is None and task_ref not in self.known_tasks:
            fault = from_xapi(["HANDLE_INVALID", "task", task_ref], operation="task.cancel")
            raise HypervisorError(fault)
        self.cancelled.append(task_ref)
        if task is not None:
            self.host.cancel_task(task)
        if not self.gate.is_set():
            cancelled = ["TASK_CANCELLED", task_ref]
            self.refusal = HypervisorError(
                from_xapi(cancelled, operation="VM.start", task_status="cancelled")
            )
            self.gate.set()

    def is_cancellation(self, fault: Fault) -> bool:
        while fault.code != "TASK_CANCELLED" and fault.cause is not None:
            fault = fault.cause
        return fault.code == "TASK_CANCELLED"

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        with self.host.changed:
            self._tell_watchers()
            self._watchers.append(watcher)
            assert self._told is not None
            watcher(self._told)
        return lambda: self._unwatch(watcher)

    def _unwatch(self, watcher: Watcher) -> None:
        with self.host.changed:
            if watcher in self._watchers:  # nobody is told anything after ``close``
                self._watchers.remove(watcher)

    def _tell_watchers(self) -> None:
        with self.host.changed:
            told = _NOT_CONNECTED if self.disconnected else self.current
            if told is not self._told:
                self._told = told
                for watcher in [*self._watchers]:
                    watcher(told)

    @property
    def age_s(self) -> float:
        """What is in memory is always complete."""
        return 0.0

    @property
    def position(self) -> str:
        """What is in memory is of now."""
        return ""

    def has_reached(self, position: str) -> bool:
        return True

    def reach(self, position: str, timeout_s: float) -> bool:
        return True

    def wait_attempted(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        self._undo.stop()
        self._watchers.clear()
        self.lose_connection()

    @property
    def systems(self) -> tuple[VirtualSystem, ...]:
        return tuple(self.current.virtual_systems.values())

    def replace(self, system: VirtualSystem) -> None:
        self.publish(virtual_systems={**self.current.virtual_systems, system.uuid: system})

    def lose_connection(self) -> None:
        with self.host.changed:
            self.disconnected = True
            self.host.changed.notify_all()
            self._tell_watchers()

    def restore_connection(self) -> None:
        self.disconnected = False
        self._tell_watchers()
        self._undo.take_back()

    def lose_at_next_change(self, *, arrives: bool) -> None:
        """Lose the connection before the next operation arrives, or before it is answered."""
        self._loses = arrives

    @contextmanager
    def operation(self, name: str, monitor: Monitor | None) -> Iterator[SimulatedTask]:
        """What every operation has: a task that carries it, and somebody to tell of it."""
        self._check_connection()
        self.monitor = monitor
        if self._loses is False:
            self._lose(name)
        task = self.host.begin_task(self.task_ref)
        try:
            if monitor is not None and self.task_ref:
                monitor.task(task.ref, decisive=self.decisive)
                monitor.progress(0.25)
            self._pass_gate()
            with self.host.changed:
                yield task
        except HypervisorError as exc:
            if task.outcome is None and isinstance(exc, _LostError):
                raise  # it goes on
            self.host.end_task(task, exc)
            self._require_answer(name)
            self.host.forget_task(task)
            raise
        except BaseException:
            self.host.forget_task(task)
            raise
        self.host.end_task(task, task.made)
        self._require_answer(name)
        self.host.forget_task(task)

    def publish(self, **parts: Mapping[str, Any]) -> None:
        """Another inventory, with other objects of some kinds."""
        self.host.publish(**parts)

    def put_image(self, image: VirtualDiskImage) -> None:
        """An image that has changed, also in the disks that it is in."""
        self.publish(
            disk_images={**self.current.disk_images, image.uuid: image},
            virtual_systems={each.uuid: _with_image(each, image) for each in self.systems},
        )

    def _system(self, uuid: str) -> VirtualSystem:
        system = self.current.virtual_systems.get(uuid.lower())
        if system is None:
            fault = from_xapi(["UUID_INVALID", "VM", uuid], operation="VM.get_by_uuid")
            raise HypervisorError(fault)
        return system

    def _free_identity(self, name: str) -> str:
        """A UUID after the name; another one where the first of that name has been renamed."""
        made = identity("defined", name)
        while made in self.current.virtual_systems:
            made = identity(made)
        return made

    def _devices(self, system: VirtualSystem, operation: str) -> Devices:
        return Devices(
            inventory=self.current, identity=identity, operation=operation, before=system
        )

    def _publish_with(self, devices: Devices, system: VirtualSystem) -> None:
        self.publish(
            virtual_systems={**self.current.virtual_systems, system.uuid: system},
            disk_images=devices.images,
            storage_repositories=devices.repositories,
        )

    def _pass_gate(self) -> None:
        with self.host.changed:
            self.held += 1
        try:
            if not self.gate.wait(timeout=120):
                raise AssertionError("the test forgot to open the gate")
        finally:
            with self.host.changed:
                self.held -= 1
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            raise refusal

    def _end(self, task: SimulatedTask, name: str) -> None:
        """Wait for the end of a task; raises what it ended with."""
        self.host.wait_for(lambda: task.outcome is not None or self.disconnected)
        if task.outcome is None:
            raise _lost(name, "TaskLost")
        if isinstance(task.outcome, HypervisorError):
            raise task.outcome

    def _require_answer(self, name: str) -> None:
        """The task has ended; raises where nobody can say so any more."""
        if self._loses:
            self._lose(name)
        if self.disconnected:
            raise _lost(name, "ConnectionLost")

    def _lose(self, name: str) -> None:
        self._loses = None
        self.lose_connection()
        raise _lost(name, "ConnectionLost")

    def _check_connection(self) -> None:
        if self.disconnected:
            raise HypervisorError(_NOT_CONNECTED)


_NOT_CONNECTED = from_transport(
    phase="connect",
    exception="ConnectionRefusedError",
    errno=111,
    message="Connection refused",
)


class _LostError(HypervisorError):
    """Nobody knows how the operation ends."""


def _lost(operation: str, exception: str, cause: Fault | None = None) -> HypervisorError:
    fault = from_transport(
        phase="after_send",
        exception=exception,
        message="the operation was begun, but how it ended cannot be learned",
        operation=operation,
    )
    return _LostError(replace(fault, cause=cause))

"""An endpoint in memory: the provider boundary without a hypervisor below it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tests.providers.simulated_devices import Devices, refused
from tests.providers.simulated_storage import SimulatedStorage
from virtcim.errormap import Fault, HypervisorError, from_libvirt, from_transport, from_xapi
from virtcim.hypervisor.change import AddedDevices, Made, RolledBackError, VirtualSystemChange
from virtcim.hypervisor.endpoint import Monitor, PowerStateError
from virtcim.hypervisor.model import (
    Console,
    DiskKind,
    Host,
    Inventory,
    Network,
    PowerOperation,
    PowerState,
    StorageRepository,
    VirtualDisk,
    VirtualDiskImage,
    VirtualNetworkPort,
    VirtualSystem,
    VirtualSystemSpec,
)
from virtcim.hypervisor.undo import UndoLog
from virtcim.hypervisor.xenapi.words import console_kind

NAMES = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
STARTED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
GIB = 2**30


def identity(*names: object) -> str:
    """A UUID that is the same in every run."""
    return str(uuid.uuid5(NAMES, "/".join(map(str, names))))


HOST = Host(
    ref="ref-host",
    uuid=identity("host"),
    name_label="hv1",
    hostname="hv1.example",
    address="192.0.2.1",
    memory_total_bytes=64 * GIB,
    memory_free_bytes=48 * GIB,
    cpu_count=16,
    cpu_model="EPYC",
    cpu_vendor="AMD",
    software_version={"libvirt": "9.0.0"},
)
REPOSITORY = StorageRepository(
    ref="ref-sr",
    uuid=identity("sr"),
    name_label="default",
    type="dir",
    location="/images",
    physical_size_bytes=100 * GIB,
    physical_utilisation_bytes=30 * GIB,
)
NETWORK = Network(ref="ref-net", uuid=identity("network"), name_label="default", bridge="virbr0")
USER_NETWORK = Network(
    ref="ref-user", uuid=identity("user"), name_label="each for itself", user_mode=True
)

_STATES = (PowerState.RUNNING, PowerState.HALTED, PowerState.PAUSED, PowerState.SUSPENDED)
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


@cache
def image(name: str) -> VirtualDiskImage:
    return VirtualDiskImage(
        ref=f"ref-{name}",
        uuid=identity("image", name),
        name_label=name,
        sr_uuid=REPOSITORY.uuid,
        virtual_size_bytes=10 * GIB,
        location=f"/images/{name}",
        format="qcow2",
    )


def consoles(number: int) -> tuple[Console, ...]:
    return tuple(
        Console(
            ref=f"ref-console-{number}-{protocol}",
            uuid=identity("console", number, protocol),
            id=f"{protocol}-0",
            kind=console_kind(protocol),
            protocol=protocol,
            location=f"{protocol}://127.0.0.1:{5900 + number}",
        )
        for protocol in ("rfb", "vt100")
    )


def virtual_system(number: int) -> VirtualSystem:
    """One of a varied population: state, size, disks and ports depend on ``number``."""
    disks = tuple(
        VirtualDisk(
            ref=f"ref-disk-{number}-{position}",
            uuid=identity("disk", number, position),
            id=f"vd{chr(ord('a') + position)}",
            number=str(position),
            image=image(f"vm{number}-{position}.qcow2"),
            read_only=position == 1,
        )
        for position in range(number % 3)
    )
    drive = VirtualDisk(
        ref=f"ref-cd-{number}",
        uuid=identity("cd", number),
        id="sda",
        number="2",
        kind=DiskKind.CD,
        empty=True,
        read_only=True,
    )
    floppy = VirtualDisk(
        ref=f"ref-floppy-{number}",
        uuid=identity("floppy", number),
        id="fda",
        kind=DiskKind.FLOPPY,
        image=image(f"vm{number}-floppy.img"),
        attached=True,
    )
    inserted = replace(drive, empty=False, image=image("tools.iso"), attached=True)
    drives = {0: (drive,), 3: (inserted, floppy)}.get(number % 5, ())
    ports = tuple(
        VirtualNetworkPort(
            ref=f"ref-port-{number}-{position}",
            uuid=identity("port", number, position),
            id=str(position),
            mac_address=f"52:54:00:00:{number % 256:02x}:{position:02x}",
            network_uuid=NETWORK.uuid if position == 0 else "",
            model="virtio",
        )
        for position in range(number % 4 % 3)
    )
    state = _STATES[number % 4]
    return VirtualSystem(
        ref=f"ref-vm-{number}",
        uuid=identity("vm", number),
        name_label=f"vm{number}",
        name_description="" if number % 2 else f"Number {number}, <&\"'> \u00e9\u4e2d",
        power_state=state,
        memory_static_max_bytes=2 * GIB,
        memory_dynamic_max_bytes=GIB,
        vcpus_max=4,
        vcpus_at_startup=1 + number % 4,
        disks=(*disks, *drives),
        network_ports=ports,
        consoles=consoles(number) if state is PowerState.RUNNING else (),
        resident_on=HOST.uuid if state in {PowerState.RUNNING, PowerState.PAUSED} else "",
        start_time=STARTED if state in {PowerState.RUNNING, PowerState.PAUSED} else None,
        state_since=STARTED if state is PowerState.RUNNING else None,
        os_type="hvm",
        boot_order="cdn",
        auto_start=number % 2 == 0,
        actions_after_crash="restart",
    )


def inventory(systems: int) -> Inventory:
    population = [virtual_system(number) for number in range(systems)]
    images = [disk.image for each in population for disk in each.disks if disk.image]
    return Inventory(
        generation=1,
        hosts={HOST.uuid: HOST},
        virtual_systems={each.uuid: each for each in population},
        storage_repositories={REPOSITORY.uuid: REPOSITORY},
        disk_images={each.uuid: each for each in images},
        networks={each.uuid: each for each in (NETWORK, USER_NETWORK)},
    )


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


class SimulatedEndpoint:
    """An Endpoint whose hypervisor is a dictionary.

    ``gate`` holds operations back until it is set; ``refusal`` is raised by the next operation;
    ``disconnected`` makes everything fail as a lost connection does. It keeps the contract that
    tests/hypervisor/contract asks of every endpoint.
    """

    def __init__(self, systems: int = 4, name: str = "") -> None:
        self.name = name
        self.url = "simulated:///"
        self.current = inventory(systems)
        self.gate = threading.Event()
        self.gate.set()
        self.refusal: Exception | None = None
        self.disconnected = False
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

    def inventory(self) -> Inventory:
        self.inventories_read += 1
        self._check_connection()
        return self.current

    def change_power(
        self, uuid: str, operation: PowerOperation, monitor: Monitor | None = None
    ) -> None:
        self._begin(monitor)
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
        self.powered.append(operation)
        self.replace(_now_in(system, after))

    def define(self, spec: VirtualSystemSpec, monitor: Monitor | None = None) -> str:
        self._begin(monitor)
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
        return made.uuid

    def modify(
        self, uuid: str, change: VirtualSystemChange, monitor: Monitor | None = None
    ) -> AddedDevices:
        """What was asked for is kept in ``modified``, also where it was nothing."""
        if change.is_empty:
            self.modified.append((uuid, change))
            return AddedDevices()
        self._begin(monitor)
        devices = self._devices(self._system(uuid), "VM.modify")
        added = devices.apply(change)
        self.modified.append((uuid, change))
        fields = {name: value for name in _FIELDS if (value := getattr(change, name)) is not None}
        self._publish_with(devices, replace(devices.system, **fields))
        return added

    def destroy(self, uuid: str, monitor: Monitor | None = None) -> None:
        self._begin(monitor)
        remaining = dict(self.current.virtual_systems)
        del remaining[self._system(uuid).uuid]
        self._publish(remaining)

    def keep_undo_steps(self, log: UndoLog) -> None:
        """Everything here is done in one step."""
        assert log.unfinished() == ()

    def follow(self, task_ref: str, operation: str, monitor: Monitor | None = None) -> Made:
        self.followed.append(operation)
        self._begin(monitor, begins=False)
        if task_ref not in self.known_tasks:
            fault = from_xapi(["HANDLE_INVALID", "task", task_ref], operation="task.get_record")
            raise HypervisorError(fault)
        outcome = self.known_tasks[task_ref]
        if isinstance(outcome, HypervisorError):
            raise outcome
        return outcome

    def cancel(self, task_ref: str) -> None:
        assert task_ref in {self.task_ref, *self.known_tasks}
        self.cancelled.append(task_ref)
        self.refusal = HypervisorError(
            from_xapi(["TASK_CANCELLED", task_ref], operation="VM.start", task_status="cancelled")
        )
        self.gate.set()

    def is_cancellation(self, fault: Fault) -> bool:
        while fault.code != "TASK_CANCELLED" and fault.cause is not None:
            fault = fault.cause
        return fault.code == "TASK_CANCELLED"

    def wait_attempted(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        pass

    @property
    def systems(self) -> tuple[VirtualSystem, ...]:
        return tuple(self.current.virtual_systems.values())

    def replace(self, system: VirtualSystem) -> None:
        self._publish({**self.current.virtual_systems, system.uuid: system})

    def lose_connection(self) -> None:
        self.disconnected = True

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

    def _publish(self, systems: Mapping[str, VirtualSystem]) -> None:
        self.publish(virtual_systems=systems)

    def publish(self, **parts: Mapping[str, Any]) -> None:
        """Another inventory, with other objects of some kinds."""
        self.current = replace(self.current, generation=self.current.generation + 1, **parts)

    @staticmethod
    def identity(*names: object) -> str:
        return identity(*names)

    def begin(self, monitor: Monitor | None) -> None:
        """What every operation begins with."""
        self._begin(monitor)

    def _begin(self, monitor: Monitor | None, *, begins: bool = True) -> None:
        self.monitor = monitor
        if monitor is not None and self.task_ref and begins:
            monitor.task(self.task_ref, decisive=self.decisive)
            monitor.progress(0.25)
        if not self.gate.wait(timeout=120):
            raise AssertionError("the test forgot to open the gate")
        self._check_connection()
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            raise refusal

    def _check_connection(self) -> None:
        if self.disconnected:
            raise HypervisorError(
                from_transport(
                    phase="connect",
                    exception="ConnectionRefusedError",
                    errno=111,
                    message="Connection refused",
                )
            )

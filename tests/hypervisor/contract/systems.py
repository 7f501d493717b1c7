"""What the contract tests ask for, and where they look for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import uuid4

from tests.wire.serving import DEADLINE_S
from virtcim.errormap import ErrorCode, HypervisorError, translate
from virtcim.hypervisor import Endpoint, Inventory, VirtualSystem, VirtualSystemSpec

__all__ = [
    "DEADLINE_S",
    "MIB",
    "NOBODY",
    "Begun",
    "Witness",
    "code_of",
    "disconnected",
    "eventually",
    "media_of",
    "network_of",
    "pool_of",
    "specification",
    "system_of",
    "until",
]

MIB = 1 << 20

#: The UUID of nothing at all.
NOBODY = "00000000-0000-4000-8000-000000000000"


def specification(**fields: object) -> VirtualSystemSpec:
    """The least that a virtual system needs, and what the test wants."""
    least = VirtualSystemSpec(
        name_label=f"vm-{uuid4()}",
        memory_static_max_bytes=64 * MIB,
        memory_dynamic_max_bytes=64 * MIB,
        vcpus_max=2,
        vcpus_at_startup=1,
    )
    return replace(least, **fields)  # type: ignore[arg-type]


def system_of(endpoint: Endpoint, uuid: str) -> VirtualSystem:
    """What the next read shows of a virtual system."""
    return endpoint.inventory().virtual_systems[uuid]


def network_of(endpoint: Endpoint) -> str:
    """One that QEMU without rights can connect a port to, where there is a choice."""
    networks = endpoint.inventory().networks.values()
    return next(one.uuid for one in sorted(networks, key=lambda one: not one.user_mode))


def pool_of(endpoint: Endpoint) -> str:
    """A storage repository that makes images."""
    repositories = endpoint.inventory().storage_repositories.values()
    return next(one.uuid for one in repositories if one.name_label == "default")


def media_of(system: VirtualSystem) -> dict[str, str]:
    """The location of what is in each disk and drive, empty for nothing."""
    return {disk.id: disk.image.location if disk.image else "" for disk in system.disks}


def code_of(error: HypervisorError) -> ErrorCode:
    """What a client is told."""
    return translate(error.fault).code


@dataclass
class Witness:
    """A monitor that keeps what it was told, and calls ``on_task`` when it was of a task."""

    tasks: list[tuple[str, bool]] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)
    on_task: Callable[[], None] = lambda: None

    def task(self, ref: str, *, decisive: bool = False) -> None:
        self.tasks.append((ref, decisive))
        self.on_task()

    def progress(self, fraction: float) -> None:
        self.fractions.append(fraction)


class Begun:
    """An operation that a thread of its own waits for; ``witness`` is its monitor."""

    def __init__(self, operation: Callable[[Witness], object]) -> None:
        self.witness = Witness()
        self._operation = operation
        self._result: object = None
        self._error: HypervisorError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._operation(self.witness)
        except HypervisorError as exc:
            self._error = exc

    @property
    def task(self) -> str:
        """The task that carries it, as soon as there is one."""
        until(lambda: self.witness.tasks)
        return self.witness.tasks[0][0]

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> object:
        """Wait for its end; raises what it raised."""
        self._thread.join(DEADLINE_S)
        assert self.has_ended
        if self._error is not None:
            raise self._error
        return self._result


def eventually(endpoint: Endpoint, holds: Callable[[Inventory], object]) -> Inventory:
    """Wait until the inventory is as wanted, over a lost connection, too."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        with suppress(HypervisorError):
            inventory = endpoint.inventory()
            if holds(inventory):
                return inventory
        assert time.monotonic() < deadline, "the inventory never became so"
        threading.Event().wait(0.005)


def until(holds: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it never became so"
        threading.Event().wait(0.005)


def disconnected(endpoint: Endpoint) -> HypervisorError:
    """Wait until reads fail, and give the failure."""
    failures: list[HypervisorError] = []

    def fails() -> bool:
        try:
            endpoint.inventory()
        except HypervisorError as exc:
            failures.append(exc)
        return bool(failures)

    until(fails)
    return failures[-1]

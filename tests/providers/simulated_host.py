"""What endpoints in memory have in common: the inventory, and the tasks that carry operations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.providers.simulated_population import inventory
from virtcim.errormap import HypervisorError, from_xapi
from virtcim.hypervisor.change import Made
from virtcim.hypervisor.model import Inventory, PowerOperation, PowerState

__all__ = ["SimulatedHost", "SimulatedTask"]

_DEADLINE_S = 120.0


@dataclass(kw_only=True)
class SimulatedTask:
    """A task; ``outcome`` is None until it has ended."""

    ref: str
    made: Made = field(default_factory=Made)
    outcome: Made | HypervisorError | None = None
    cancelled: bool = False


class SimulatedHost:
    """A hypervisor that is a dictionary.

    ``guests_are_deaf``: no guest follows when it is asked to shut down. ``on_change`` is called
    after each change, ``watchers`` within it. Everything is safe to use from many threads, under
    ``changed``.
    """

    def __init__(self, systems: int) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.inventory: Inventory = inventory(systems)
        self.guests_are_deaf = False
        self.on_change: list[Callable[[], None]] = []
        self.watchers: list[Callable[[], None]] = []
        self._tasks: dict[str, SimulatedTask] = {}

    def publish(self, **parts: Mapping[str, Any]) -> None:
        """Another inventory, with other objects of some kinds."""
        with self.changed:
            generation = self.inventory.generation + 1
            self.put(replace(self.inventory, generation=generation, **parts))
        for call in self.on_change:
            call()

    def put(self, inventory: Inventory) -> None:
        """Another inventory."""
        with self.changed:
            self.inventory = inventory
            self.changed.notify_all()
            for call in [*self.watchers]:
                call()

    def begin_task(self, wanted_ref: str) -> SimulatedTask:
        """A new task; it gets another reference where that one is taken."""
        with self.changed:
            ref = wanted_ref
            while ref in self._tasks:
                ref += "+"
            self._tasks[ref] = SimulatedTask(ref=ref)
            return self._tasks[ref]

    def task(self, ref: str) -> SimulatedTask | None:
        """A task that nobody has forgotten yet."""
        return self._tasks.get(ref)

    def end_task(self, task: SimulatedTask, outcome: Made | HypervisorError) -> None:
        """Let everybody know how a task ended."""
        with self.changed:
            task.outcome = outcome
            self.changed.notify_all()

    def forget_task(self, task: SimulatedTask) -> None:
        """As whoever has waited for its end does (XenAPI ``task.destroy``)."""
        with self.changed:
            self._tasks.pop(task.ref, None)

    def cancel_task(self, task: SimulatedTask) -> None:
        """Ask a task to stop; one that has ended stays as it is."""
        with self.changed:
            task.cancelled = task.outcome is None
            self.changed.notify_all()

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so."""
        with self.changed:
            if not self.changed.wait_for(holds, _DEADLINE_S):
                raise AssertionError("what the test waits for never happened")

    def ask_guest(self, task: SimulatedTask, uuid: str, operation: PowerOperation) -> None:
        """Ask a guest for something: the task ends when somebody else ends the guest, or it."""
        work = threading.Thread(
            target=self._wait_for_guest, args=(task, uuid, operation), daemon=True
        )
        work.start()

    def _wait_for_guest(self, task: SimulatedTask, uuid: str, operation: PowerOperation) -> None:
        with self._in_transition(uuid, operation):
            self.wait_for(lambda: task.cancelled or self._is_off(uuid))
        if task.cancelled:
            fault = from_xapi(
                ["TASK_CANCELLED", task.ref], operation=f"VM.{operation}", task_status="cancelled"
            )
            self.end_task(task, HypervisorError(fault))
        else:
            self.end_task(task, Made())

    @contextmanager
    def _in_transition(self, uuid: str, operation: PowerOperation) -> Iterator[None]:
        for transition in (operation, None):
            with self.changed:
                systems = self.inventory.virtual_systems
                if uuid in systems:
                    system = replace(systems[uuid], transition=transition)
                    self.publish(virtual_systems={**systems, uuid: system})
            if transition is not None:
                yield

    def _is_off(self, uuid: str) -> bool:
        system = self.inventory.virtual_systems.get(uuid)
        return system is None or system.power_state is PowerState.HALTED

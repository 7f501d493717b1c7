"""What the steps of one operation are done with."""

from __future__ import annotations

from dataclasses import dataclass

from virtcim.hypervisor.model import Inventory
from virtcim.hypervisor.monitor import Monitor
from virtcim.hypervisor.xenapi.operations import TaskRunner
from virtcim.hypervisor.xenapi.rollback import Rollback, Step
from virtcim.hypervisor.xenapi.session import XenApiSession

__all__ = ["Steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """One operation under way: how it calls, what it began with, and how it is taken back.

    ``inventory`` is the state of everything when it began; ``monitor`` is told the tasks.
    """

    session: XenApiSession
    tasks: TaskRunner
    inventory: Inventory
    rollback: Rollback
    monitor: Monitor | None

    def run(self, step: Step, call: str, *params: object) -> str:
        """Do a step by a task, and give the task's result. Raises HypervisorError."""
        return self.tasks.run(call, *params, monitor=step.watched_by(self.monitor))

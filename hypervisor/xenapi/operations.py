"""Operations of the XenAPI: tasks, and what is known when they fail or the way to them breaks."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from html import unescape
from typing import Any

from virtcim.errormap import Fault, HypervisorError, from_transport
from virtcim.hypervisor.endpoint import Monitor
from virtcim.hypervisor.model import Task, TaskStatus
from virtcim.hypervisor.xenapi.fields import RecordError
from virtcim.hypervisor.xenapi.follower import Follower
from virtcim.hypervisor.xenapi.inquiry import Inquirer
from virtcim.hypervisor.xenapi.records import task_from_record
from virtcim.hypervisor.xenapi.session import XenApiSession

__all__ = ["TaskRunner"]

# Events tell of a task's end at once; asking is for the time without events.
_ASK_AFTER_S = 10.0
_ENDED = (TaskStatus.SUCCESS, TaskStatus.FAILURE, TaskStatus.CANCELLED)
# XAPI gives the result of an asynchronous call as XML-RPC text.
_RESULT = re.compile(r"<value>(?:<string>)?([^<]*)(?:</string>)?</value>")


class TaskRunner:
    """Runs operations to their end, asynchronous ones by their task."""

    def __init__(self, session: XenApiSession, follower: Follower, inquirer: Inquirer) -> None:
        self._session = session
        self._follower = follower
        self._inquirer = inquirer

    def call(self, method: str, *params: object) -> Any:
        """Call ``method``, which ends at once, and give its value.

        Raises HypervisorError with what can still be learned of the failure.
        """
        try:
            return self._session.call(method, *params)
        except HypervisorError as exc:
            fault = self._inquirer.asked_further(exc.fault, params)
            raise HypervisorError(fault) from exc

    def run(
        self,
        method: str,
        *params: object,
        monitor: Monitor | None = None,
        decisive: bool = False,
    ) -> str:
        """Call ``Async.<method>``, wait for the end of its task and give its result.

        ``decisive``: it is the last step of the operation, so that the operation has succeeded
        where the task has. Raises HypervisorError with what made the task fail and what can still
        be learned of it; if the connection breaks meanwhile, with a fault that says that the
        request had been sent.
        """
        ref = str(self.call(f"Async.{method}", *params))
        if monitor is not None:
            monitor.task(ref, decisive=decisive)
        return self._end(ref, method, params, monitor)

    def follow(self, ref: str, operation: str, monitor: Monitor | None = None) -> str:
        """Wait for the end of a task that an earlier process began, and give its result.

        Raises HypervisorError as ``run`` does, also where the task is not known any more.
        """
        # No event will tell of one that has gone already, or ended before anybody listened.
        known = self._follower.task(ref) or self._ask(ref, operation)
        return self._end(ref, operation, (), monitor, known)

    def _end(
        self,
        ref: str,
        method: str,
        params: tuple[object, ...],
        monitor: Monitor | None,
        known: Task | None = None,
    ) -> str:
        task = self._wait(ref, method, monitor, known or self._follower.task(ref))
        try:
            if task.status is not TaskStatus.SUCCESS:
                fault = task.fault or Fault(source="xapi", operation=method)
                fault = replace(fault, operation=method)
                raise HypervisorError(self._inquirer.asked_further(fault, params, ref))
        finally:
            with contextlib.suppress(HypervisorError):  # the server drops ended tasks itself
                self._session.call("task.destroy", ref)
        found = _RESULT.fullmatch(task.result)
        return unescape(found[1]) if found else task.result

    def _wait(self, ref: str, method: str, monitor: Monitor | None, known: Task | None) -> Task:
        while True:
            if known is not None:
                if monitor is not None:
                    monitor.progress(known.progress)
                if known.status in _ENDED:
                    return known
            newer = self._follower.wait_task_change(ref, known, _ASK_AFTER_S)
            if self._follower.stopping:
                raise HypervisorError(_lost_task(method, "the endpoint has been closed"))
            # No news, or no events at present: ask.
            known = newer if newer is not None and newer != known else self._ask(ref, method)

    def _ask(self, ref: str, method: str) -> Task:
        try:
            return task_from_record(ref, self._session.call("task.get_record", ref))
        except HypervisorError as exc:
            raise HypervisorError(replace(_lost_task(method, str(exc)), cause=exc.fault)) from exc
        except RecordError as exc:
            raise HypervisorError(_lost_task(method, str(exc))) from exc


def _lost_task(method: str, reason: str) -> Fault:
    """The operation was accepted; that its end cannot be learned says nothing about it."""
    return from_transport(
        phase="after_send",
        exception="TaskLost",
        message=f"the operation was begun, but how it ended cannot be learned: {reason}",
        operation=method,
    )

"""Doing what takes an unfinished operation back (XenAPI), also when another process began it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from virtcim.errormap import Fault, HypervisorError, from_xapi
from virtcim.hypervisor.undo import UndoLog, UndoLogError, UndoStep, UnfinishedOperation
from virtcim.hypervisor.xenapi.session import XenApiSession

__all__ = ["NotTakenBack", "is_unknown", "may_have_happened", "take_back"]

_log = logging.getLogger(__name__)

# Calls that take something back, and the refusals that mean that it is so already.
_AS_BEFORE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "plug": frozenset({"DEVICE_ALREADY_ATTACHED"}),
        "unplug": frozenset({"DEVICE_ALREADY_DETACHED", "HANDLE_INVALID"}),
        "destroy": frozenset({"HANDLE_INVALID"}),
        "forget": frozenset({"HANDLE_INVALID"}),
        "eject": frozenset({"VBD_IS_EMPTY"}),
    }
)
# Calls about nothing that lasts beyond the running of a machine.
_LIVE_ONLY = frozenset({"plug", "unplug", "set_VCPUs_number_live"})
_REMOVALS = frozenset({"destroy", "forget"})
# The server itself does not know how far it came.
_UNFORESEEN = frozenset({"INTERNAL_ERROR", "INTERNAL ERROR"})
_PENDING = frozenset({"pending", "cancelling"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTakenBack:
    """A step that could not be taken back, and why."""

    step: UndoStep
    error: HypervisorError


def is_unknown(fault: Fault) -> bool:
    """Whether nobody knows if what failed so took effect."""
    return fault.source == "transport" and fault.sent


def may_have_happened(fault: Fault) -> bool:
    """Whether what failed so may have been done nevertheless, wholly or in part."""
    return is_unknown(fault) or fault.code in _UNFORESEEN


def take_back(
    session: XenApiSession,
    log: UndoLog,
    operation: UnfinishedOperation,
    *,
    begun_elsewhere: bool,
    told: Callable[[UndoStep], None] = lambda _: None,
) -> list[NotTakenBack]:
    """Take back an operation, the last step first, and give what is left of it.

    What was taken back is forgotten at once. ``begun_elsewhere``: nobody knows how far it had come,
    so that whether there is something to take back is looked at first. ``told`` is called with each
    step that was taken back.
    """
    undoing = _Undoing(session, log, operation, begun_elsewhere)
    return undoing.run(told)


class _Undoing:
    def __init__(
        self,
        session: XenApiSession,
        log: UndoLog,
        operation: UnfinishedOperation,
        begun_elsewhere: bool,
    ) -> None:
        self._session = session
        self._log = log
        self._operation = operation
        self._begun_elsewhere = begun_elsewhere

    def run(self, told: Callable[[UndoStep], None]) -> list[NotTakenBack]:
        failed: list[NotTakenBack] = []
        for index in reversed(range(len(self._operation.steps))):
            try:
                if self._undo(index):
                    told(self._operation.steps[index])
            except HypervisorError as exc:
                failed.append(NotTakenBack(step=self._operation.steps[index], error=exc))
            else:
                steps = self._operation.steps
                self._keep((*steps[:index], *steps[index + 1 :]))
        if not self._operation.steps:
            self._keep(())
        return failed

    def _keep(self, steps: tuple[UndoStep, ...]) -> None:
        """Write down what is still to be taken back.

        Where that fails it is tried again with the next step: each can be done twice.
        """
        self._operation = replace(self._operation, steps=steps)
        try:
            if steps:
                self._log.put(self._operation)
            else:
                self._log.remove(self._operation.id)
        except UndoLogError as exc:
            _log.error("what was taken back of %s cannot be noted: %s", self._operation.name, exc)

    def _put(self, index: int, step: UndoStep) -> UndoStep:
        steps = self._operation.steps
        self._keep((*steps[:index], step, *steps[index + 1 :]))
        return step

    def _undo(self, index: int) -> bool:
        """Take one step back; False where there was nothing to take back."""
        step = self._operation.steps[index]
        certain = step.done and not self._begun_elsewhere
        if not step.done:
            step = self._settled(index)
        try:
            if step.replaces:
                return self._make_again(index, step, certain)
            if step.verb in _REMOVALS and step.found_by:
                ref = step.ref or self._find(step)
                if not ref:
                    return False
                self._session.call(step.call, ref, *step.params)
                return True
            if not certain and step.expects and not self._is_as_left(step):
                return False
            self._session.call(step.call, *step.params)
        except HypervisorError as exc:
            if not _is_as_before(step, exc.fault, certain):
                raise
            return False
        return True

    def _settled(self, index: int) -> UndoStep:
        """Wait for no task, but see that none carries the step any more.

        Raises HypervisorError where one does: the step may take effect later.
        """
        step = self._operation.steps[index]
        for ref in step.tasks:
            if self._is_pending(ref):
                with contextlib.suppress(HypervisorError):  # not every task can be cancelled
                    self._session.call("task.cancel", ref)
                raise _still_running(step, ref)
        if step.tasks:
            return step
        if step.suspects is None:
            records: Mapping[str, Any] = self._session.call("task.get_all_records")
            names = {step.does, f"Async.{step.does}"}
            found = tuple(
                ref
                for ref, record in records.items()
                if record.get("name_label") in names and record.get("status") in _PENDING
            )
            step = self._put(index, replace(step, suspects=found))
        for ref in step.suspects or ():
            if self._is_pending(ref):
                raise _still_running(step, ref)
        return step

    def _is_pending(self, ref: str) -> bool:
        try:
            return str(self._session.call("task.get_status", ref)) in _PENDING
        except HypervisorError as exc:
            if exc.fault.code == "HANDLE_INVALID":
                return False
            raise

    def _find(self, step: UndoStep) -> str:
        """The object that the step made, empty where there is none."""
        records: Mapping[str, Any] = self._session.call(f"{step.class_name}.get_all_records")
        for ref, record in records.items():
            if all(_holds(record.get(name), value) for name, value in step.found_by.items()):
                return ref
        return ""

    def _make_again(self, index: int, step: UndoStep, certain: bool) -> bool:
        """Make an object again, and let the steps before it be about the new one."""
        found = "" if certain else self._present(step)
        ref = found or str(self._session.call(step.call, *step.params))
        before = tuple(
            replace(
                one, params=tuple(ref if each == step.replaces else each for each in one.params)
            )
            for one in self._operation.steps[:index]
        )
        self._operation = replace(self._operation, steps=(*before, *self._operation.steps[index:]))
        return not found

    def _present(self, step: UndoStep) -> str:
        """The object as it was, or as another process has made it again."""
        try:
            self._session.call(f"{step.class_name}.get_record", step.replaces)
        except HypervisorError as exc:
            if exc.fault.code != "HANDLE_INVALID":
                raise
            return self._find(step)
        return step.replaces

    def _is_as_left(self, step: UndoStep) -> bool:
        record: Mapping[str, Any] = self._session.call(
            f"{step.class_name}.get_record", step.params[0]
        )
        return all(_holds(record.get(name), value) for name, value in step.expects.items())


def _holds(value: object, wanted: object) -> bool:
    if isinstance(value, Mapping) and isinstance(wanted, Mapping):
        return all(value.get(key) == one for key, one in wanted.items())
    return value == wanted


def _is_as_before(step: UndoStep, fault: Fault, certain: bool) -> bool:
    """Whether a refusal means that there is nothing to take back any more."""
    if fault.code in _AS_BEFORE.get(step.verb, ()):
        return True
    if step.verb in _LIVE_ONLY and fault.code == "VM_BAD_POWER_STATE":
        return fault.arguments[-1:] == ("halted",)
    # Whatever was to be taken back has gone with what it was on.
    gone = fault.code == "HANDLE_INVALID" and fault.arguments[-1:] == (step.subject,)
    return gone and not certain


def _still_running(step: UndoStep, task: str) -> HypervisorError:
    description = ["OTHER_OPERATION_IN_PROGRESS", "task", task]
    return HypervisorError(from_xapi(description, operation=step.does))

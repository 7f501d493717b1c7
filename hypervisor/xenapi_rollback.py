"""Taking back the steps of an operation that failed half-way."""

from __future__ import annotations

import logging
from collections.abc import Callable

from virtcim.errormap import Fault, HypervisorError
from virtcim.hypervisor.change import RolledBackError
from virtcim.hypervisor.xenapi_session import XenApiSession

__all__ = ["Rollback"]

_log = logging.getLogger(__name__)


class Rollback:
    """What has to be done to take back what was done so far."""

    def __init__(self, session: XenApiSession) -> None:
        self._session = session
        self._steps: list[tuple[str, str, Callable[[], object]]] = []

    def add(self, call: str, *params: object) -> None:
        """A management call that takes back the step just done; its first parameter is on what."""
        self.add_step(call, str(params[0]), lambda: self._session.call(call, *params))

    def add_step(self, name: str, subject: str, undo: Callable[[], object]) -> None:
        """A function that takes back the step just done; it raises HypervisorError."""
        self._steps.append((name, subject, undo))

    def failure(self, error: HypervisorError) -> HypervisorError:
        """Take everything back, the last step first, and give what is to be raised.

        That is RolledBackError with the same fault, unless it is unknown whether the failed step
        took effect; and if something could not be taken back, a fault ROLLBACK_FAILED that names
        it, with what failed as its cause.
        """
        fault = error.fault
        remaining: list[str] = []
        for name, subject, undo in reversed(self._steps):
            try:
                undo()
            except HypervisorError as exc:
                _log.error("%s of %s, after a failed operation: %s", name, subject, exc)
                remaining += [name, subject, str(exc)]
        if remaining:
            return HypervisorError(
                Fault(
                    source="xapi",
                    operation=fault.operation,
                    code="ROLLBACK_FAILED",
                    arguments=tuple(remaining),
                    text=f"{error}; what had been done before could not be taken back",
                    sent=fault.sent,
                    cause=fault,
                )
            )
        unknown = fault.source == "transport" and fault.sent
        return HypervisorError(fault) if unknown else RolledBackError(fault)

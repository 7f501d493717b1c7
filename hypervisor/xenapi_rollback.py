"""Taking back the steps of an operation that failed half-way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType

from virtcim.errormap import Fault, HypervisorError
from virtcim.hypervisor.change import RolledBackError
from virtcim.hypervisor.xenapi_session import XenApiSession

__all__ = ["Rollback"]

_log = logging.getLogger(__name__)

# Calls that take something back, and the refusals that mean that it is so already.
_AS_BEFORE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "plug": frozenset({"DEVICE_ALREADY_ATTACHED"}),
        "unplug": frozenset({"DEVICE_ALREADY_DETACHED", "HANDLE_INVALID"}),
        "destroy": frozenset({"HANDLE_INVALID"}),
        "forget": frozenset({"HANDLE_INVALID"}),
    }
)
# Calls about nothing that lasts beyond the running of a machine.
_LIVE_ONLY = frozenset({"plug", "unplug", "set_VCPUs_number_live"})


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
                if _is_as_before(name, exc.fault):
                    continue
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


def _is_as_before(name: str, fault: Fault) -> bool:
    """Whether a refusal means that there is nothing to take back any more."""
    verb = name.rpartition(".")[2]
    switched_off = fault.code == "VM_BAD_POWER_STATE" and fault.arguments[-1:] == ("halted",)
    return fault.code in _AS_BEFORE.get(verb, ()) or (verb in _LIVE_ONLY and switched_off)

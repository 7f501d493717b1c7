"""What takes unfinished operations back in the endpoint in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from virtcim.errormap import HypervisorError, from_xapi
from virtcim.hypervisor.undo import UndoLog, UndoStep, UnfinishedOperation

if TYPE_CHECKING:
    from tests.providers.simulated_endpoint import SimulatedEndpoint

__all__ = ["SimulatedUndo"]


class SimulatedUndo:
    """Takes back what an earlier process left, as soon as that can be done.

    The operations of the endpoint itself leave nothing: each is one step.
    """

    def __init__(self, endpoint: SimulatedEndpoint) -> None:
        self._endpoint = endpoint
        self._log: UndoLog | None = None
        self._working = False
        endpoint.host.on_change.append(self.take_back)
        self._calls: dict[str, Callable[[str], None]] = {
            "VDI.destroy": self._destroy_image,
            "VM.destroy": self._destroy_system,
        }

    def keep_in(self, log: UndoLog) -> None:
        """Take back what the log holds."""
        self._log = log
        self.take_back()

    def stop(self) -> None:
        """Take nothing back any more."""
        self._log = None
        if self.take_back in self._endpoint.host.on_change:
            self._endpoint.host.on_change.remove(self.take_back)

    def take_back(self) -> None:
        """Try to take back what is left; what cannot be is tried again after the next change."""
        if self._log is None or self._working or self._endpoint.disconnected:
            return
        self._working = True
        try:
            for operation in self._log.unfinished():
                self._take_back(self._log, operation)
        finally:
            self._working = False

    def _take_back(self, log: UndoLog, operation: UnfinishedOperation) -> None:
        left: list[UndoStep] = []
        for step in reversed(operation.steps):
            try:
                self._calls[step.call](step.ref)
            except HypervisorError:
                left.insert(0, step)
        if left:
            log.put(replace(operation, steps=tuple(left)))
        else:
            log.remove(operation.id)

    def _destroy_image(self, ref: str) -> None:
        images = self._endpoint.current.disk_images
        for image in images.values():
            if image.ref == ref:
                self._endpoint.storage.require_unused(image, "destroy")
                self._endpoint.publish(
                    disk_images={key: one for key, one in images.items() if one is not image}
                )
                return

    def _destroy_system(self, ref: str) -> None:
        systems = self._endpoint.current.virtual_systems
        for system in systems.values():
            if system.ref == ref:
                if system.resident_on:
                    state = system.power_state.lower()
                    description = ["VM_BAD_POWER_STATE", ref, "halted", state]
                    raise HypervisorError(from_xapi(description, operation="VM.destroy"))
                self._endpoint.publish(
                    virtual_systems={key: one for key, one in systems.items() if one is not system}
                )
                return

"""Which operations are in progress on virtual machines (XenAPI ``VM.current_operations``)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from virtcim.toolstack.database import Database
from virtcim.toolstack.records.identity import vm_ref
from virtcim.toolstack.records.together_lock import TogetherLock

__all__ = ["CurrentOperations"]

_NOTHING: Mapping[str, str] = MappingProxyType({})


class CurrentOperations:
    """The operations in progress, by the UUID of the machine; ``lock`` is that of the records."""

    def __init__(self, database: Database, lock: TogetherLock) -> None:
        self._database = database
        self._lock = lock
        self._operations: dict[str, dict[str, str]] = {}

    def of(self, uuid: str) -> Mapping[str, str]:
        """Give those of a machine."""
        return self._operations.get(uuid, _NOTHING)

    def set(self, uuid: str, key: str, operation: str | None) -> None:
        """Show an operation as in progress, or (None) as ended."""
        with self._lock:
            operations = dict(self.of(uuid))
            if operation is None:
                operations.pop(key, None)
            else:
                operations[key] = operation
            if operations:
                self._operations[uuid] = operations
            else:
                self._operations.pop(uuid, None)
            record = self._database.get("VM", vm_ref(uuid))
            if record is not None:
                self._database.publish(
                    "VM", vm_ref(uuid), {**record, "current_operations": operations}
                )

    def forget(self, uuid: str) -> None:
        """Forget those of a machine that is gone; with the lock held."""
        self._operations.pop(uuid, None)

"""How far reading everything has come, counted in virtual systems.

What belongs to virtual systems is read class by class. How many objects there are of a class is
known from what was read before, without a call: repositories name their images, machines their
devices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from virtcim.hypervisor.loading import Loading

__all__ = ["ReadingProgress"]

# The classes with several objects for each virtual system, which take nearly all of the time.
_COUNTED = ("VDI", "VM", "VM_metrics", "VBD", "VIF")
# Which fields of a class name the objects of others.
_NAMED: Mapping[str, Mapping[str, str]] = {
    "SR": {"VDI": "VDIs"},
    "VM": {"VBD": "VBDs", "VIF": "VIFs"},
}


class ReadingProgress:
    """Counts what one synchronisation has read, and tells ``report``."""

    def __init__(self, systems: int, report: Callable[[Loading], None]) -> None:
        self._systems = systems
        self._report = report
        self._expected = {"VM": systems, "VM_metrics": systems}
        self._done = 0.0
        report(Loading(0, systems))

    def arrived(self, class_name: str, records: int) -> None:
        """So many records of the class that is being read have arrived."""
        expected = self._expected.get(class_name, 0)
        if class_name in _COUNTED and expected:
            self._tell(self._done + min(1.0, records / expected))

    def arrived_of(self, class_name: str, records: int, total: int) -> None:
        """The same, where the server says how many there are."""
        self._expected[class_name] = total
        self.arrived(class_name, records)

    def finished(self, class_name: str, records: Mapping[str, Any]) -> None:
        """All records of a class that can be read have been."""
        for other, field in _NAMED.get(class_name, {}).items():
            self._expected[other] = sum(_length(record, field) for record in records.values())
        if class_name in _COUNTED:
            self._done += 1
            self._tell(self._done)

    def _tell(self, classes: float) -> None:
        self._report(Loading(int(self._systems * classes / len(_COUNTED)), self._systems))


def _length(record: object, field: str) -> int:
    value = record.get(field) if isinstance(record, dict) else None
    return len(value) if isinstance(value, list) else 0

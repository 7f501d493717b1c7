"""A sink that keeps in memory what it is told, and in the database what is to be remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

import sqlalchemy as sa

from virtcim.cim.records import Record
from virtcim.mof import Schema
from virtcim.providers import INDICATION_CLASSES, Indication, StateDatabase, StateError

__all__ = ["RecordingSink"]

_DEADLINE_S = 60.0
# What belongs to a delivery.
_NOT_OURS = {"SequenceContext", "SequenceNumber", "IndicationFilterName"}


class RecordingSink:
    """Keeps all or nothing of what it is told, as the contract says.

    ``wants``: whether anybody wants anything. ``fails_before`` and ``fails_after`` are how often a
    transaction fails before it is kept, and how often nobody hears that it has been.
    """

    def __init__(self, database: StateDatabase, schema: Schema) -> None:
        self._database = database
        self._schema = schema
        self._changed = threading.Condition()
        self.told: list[Indication] = []
        self.transactions = 0
        self.wants = True
        self.fails_before = 0
        self.fails_after = 0
        self.refused = 0
        self.asked = 0

    def tell(
        self, indications: Sequence[Indication], remember: Callable[[sa.Connection], None]
    ) -> None:
        for indication in indications:
            self._check(indication)
        with self._changed:
            try:
                with self._database.lock, self._database.engine.begin() as connection:
                    remember(connection)
                    if self.fails_before:
                        self.fails_before -= 1
                        raise StateError("the disk is full")
            except StateError:
                self.refused += 1
                self._changed.notify_all()
                raise
            self.told += indications
            self.transactions += 1
            self._changed.notify_all()
            if self.fails_after:
                self.fails_after -= 1
                self.refused += 1
                raise StateError("the connection with the database was lost")

    def wanted(self, namespace: str) -> Collection[str]:
        assert namespace.startswith("root/virt")
        with self._changed:
            self.asked += 1
            self._changed.notify_all()
        return INDICATION_CLASSES if self.wants else ()

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so that changes with what is told."""
        with self._changed:
            assert self._changed.wait_for(holds, _DEADLINE_S), f"only this was told: {self.told}"

    def wait_for_told(self, number: int) -> list[Indication]:
        """Wait until so many indications were told; gives all of them."""
        self.wait_for(lambda: len(self.told) >= number)
        return [*self.told]

    def _check(self, indication: Indication) -> None:
        record = indication.record
        assert record.class_name in INDICATION_CLASSES
        assert record.path is None
        declared = self._schema.find(record.class_name)
        assert declared is not None
        assert set(record.values) <= set(declared.properties) - _NOT_OURS
        required = {
            name for name, each in declared.properties.items() if "Required" in each.qualifiers
        }
        assert required <= {name for name, value in record.values.items() if value is not None}
        for name in ("SourceInstance", "PreviousInstance"):
            instance = record.values.get(name)
            assert instance is None or (isinstance(instance, Record) and instance.path is not None)

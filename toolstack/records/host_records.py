"""The records of the host and its pool, and how often their change is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from virtcim.toolstack.database import Database
from virtcim.toolstack.datamodel import Record
from virtcim.toolstack.reading.views import HostView
from virtcim.toolstack.records.host import (
    host_cpu_values,
    host_metrics_values,
    host_values,
    pool_values,
)
from virtcim.toolstack.records.identity import pool_uuid, vm_ref
from virtcim.toolstack.records.storage_index import StorageIndex
from virtcim.toolstack.records.storage_records import StorageRecords
from virtcim.toolstack.refs import reference

__all__ = ["HostRecords"]

# resident_VMs names thousands of machines, and each of these has events of its own.
_RESIDENTS_TOLD_S = 1.0

Values = Callable[[], dict[str, object]]
Publish = Callable[[str, str, dict[str, object]], None]
# By class and reference, with the UUID.
Announce = Callable[[dict[tuple[str, str], tuple[str, Values]]], None]
Make = Callable[[str, str, Values], Callable[[], Record]]


class HostRecords:
    """What is to be written of the host by ``flush``; called with the lock of the records held.

    Which machines run on it is read as it is at each moment. Who follows events is told of that at
    once when nothing was told for a second, else when the second is over: ``pause_s`` says when.
    """

    def __init__(
        self,
        database: Database,
        uri: str,
        storage: StorageIndex,
        storage_records: StorageRecords,
        publish: Publish,
        announce: Announce,
        make: Make,
    ) -> None:
        self._database = database
        self._uri = uri
        self._storage = storage
        self._storage_records = storage_records
        self._publish = publish
        self._announce = announce
        self._make = make
        self._host: HostView | None = None
        self._residents: set[str] = set()
        self._changed = False
        self._residents_changed = False
        self._untold = False
        self._told_s = -_RESIDENTS_TOLD_S

    def host_changed(self, host: HostView) -> None:
        """Publish what is part of the host, and collect the host itself."""
        self._host = host
        self._publish(
            "host_metrics", reference("host_metrics", host.uuid), host_metrics_values(host)
        )
        for ref, values in host_cpu_values(host):
            self._publish("host_cpu", ref, values)
        self.changed()

    def changed(self) -> None:
        """Collect the host: something else that its record names has changed."""
        self._changed = True

    def set_resident(self, uuid: str, *, resident: bool) -> None:
        """Collect whether a domain runs on the host."""
        if resident != (uuid in self._residents):
            (self._residents.add if resident else self._residents.discard)(uuid)
            self._residents_changed = True

    def pause_s(self) -> float | None:
        """In how many seconds ``flush`` has something to tell that waits; None: nothing waits."""
        if not self._untold:
            return None
        return max(0.0, self._told_s + _RESIDENTS_TOLD_S - time.monotonic())

    def flush(self) -> None:
        """Publish what was collected, or tell what has waited long enough."""
        host = self._host
        if host is None:
            return
        ref = reference("host", host.uuid)
        values = partial(self._values, host)
        if self._changed:
            self._changed = False
            pool, default = pool_uuid(host.uuid), self._storage.pool_named("default")
            default_sr = "" if default is None else reference("SR", default.uuid)
            self._announce(
                {
                    ("host", ref): (host.uuid, values),
                    ("pool", reference("pool", pool)): (
                        pool,
                        partial(pool_values, host, default_sr),
                    ),
                }
            )
        elif self._residents_changed:
            self._database.renew("host", ref, self._make("host", host.uuid, values))
            self._untold = True
        self._residents_changed = False
        if self.pause_s() == 0.0:
            self._untold = False
            self._told_s = time.monotonic()
            self._database.touch("host", ref)

    def _values(self, host: HostView) -> dict[str, object]:
        # Whoever reads may be another thread than the one that changes: a copy is made at once.
        residents = tuple(self._residents)
        srs = self._storage_records.sr_uuids()
        return host_values(host, self._uri, sorted(map(vm_ref, residents)), srs)

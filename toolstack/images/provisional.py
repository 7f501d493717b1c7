"""What is made for a machine before the machine has it, kept in the state database.

It is written down before it is made. Who dies in between leaves nothing that nobody knows of.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from typing import NamedTuple

from virtcim.toolstack.state import StateDatabase

__all__ = ["Provisional", "ProvisionalVolume"]


class ProvisionalVolume(NamedTuple):
    """A volume (UUID of its pool, name there) that is made for the machine of a UUID."""

    pool: str
    name: str
    machine: str


class Provisional:
    """The volumes that belong to no machine yet; safe to use from many threads.

    Those that no operation works on (any more) are left over. Everything that changes raises
    StateError where the state directory cannot be used.
    """

    def __init__(self, database: StateDatabase) -> None:
        self._database = database
        self._lock = threading.Lock()
        rows = database.query("select pool, volume, machine from provisional_volume")
        self._volumes = {ProvisionalVolume(*row) for row in rows}
        self._machines: dict[str, int] = dict(
            database.query("select uuid, autostart from provisional_machine")
        )
        self._worked_on: set[ProvisionalVolume | str] = set()

    def begin(self, volume: ProvisionalVolume) -> None:
        """A volume is about to be made."""
        self._database.query(
            "insert or replace into provisional_volume values (?, ?, ?, ?)",
            *(volume.pool, volume.name, volume.machine, int(time.time())),
        )
        with self._lock:
            self._volumes.add(volume)
            self._worked_on.add(volume)

    def begin_machine(self, uuid: str, *, autostart: bool) -> None:
        """A machine is about to be defined, and to be started with the host if ``autostart``."""
        self._database.query(
            "insert or replace into provisional_machine values (?, ?)", uuid, int(autostart)
        )
        with self._lock:
            self._machines[uuid] = int(autostart)
            self._worked_on.add(uuid)

    def end(self, volumes: Collection[ProvisionalVolume], machine: str = "") -> None:
        """The volumes are there for good, or gone; the machine is whole, or not there."""
        with self._database.transaction() as query:
            for volume in volumes:
                query(
                    "delete from provisional_volume where pool = ? and volume = ?",
                    *(volume.pool, volume.name),
                )
            query("delete from provisional_machine where uuid = ?", machine)
        with self._lock:
            self._volumes.difference_update(volumes)
            self._machines.pop(machine, None)
        self.leave(volumes, machine)

    def leave(self, volumes: Collection[ProvisionalVolume], machine: str = "") -> None:
        """Nobody works on them any more, and what is still provisional is left over."""
        with self._lock:
            self._worked_on.difference_update(volumes)
            self._worked_on.discard(machine)

    def names(self, pool: str) -> frozenset[str]:
        """Give the names of the volumes of a pool that are to be shown with their machine only."""
        with self._lock:
            if not self._volumes:
                return frozenset()
            return frozenset(volume.name for volume in self._volumes if volume.pool == pool)

    def left_volumes(self) -> list[ProvisionalVolume]:
        """Give the volumes that are left over."""
        with self._lock:
            return sorted(self._volumes - self._worked_on)

    def left_machines(self) -> dict[str, bool]:
        """Give the machines whose definition nobody saw end, and whether they autostart."""
        with self._lock:
            left = self._machines.items()
            return {uuid: bool(on) for uuid, on in left if uuid not in self._worked_on}

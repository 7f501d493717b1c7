"""Which of several deliverers on one database delivers: one at a time, whatever dies or hangs.

The owner's beat counts while there is something to send. Whoever has seen the same beat for a
while, by a clock of its own, takes over; the owner, who may have been asleep, stops sending long
before. Nobody's time of day matters. What a server holds that is known to have ended is free at
once (``providers.state.servers``).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from virtcim.cimserver.indications.delivery.tables import DELIVERER, DELIVERY
from virtcim.providers.state.clock import uptime_s
from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.polling import Polling

__all__ = ["Ownership", "Patience"]

_NOBODY = ""
# Made once: they are executed each second.
_SEEN = sa.select(DELIVERER.c.owner, DELIVERER.c.beat)
_BEAT = (
    sa.update(DELIVERER)
    .where(DELIVERER.c.owner == sa.bindparam("of_owner"))
    .values(beat=DELIVERER.c.beat + 1)
    .returning(sa.exists(sa.select(DELIVERY.c.number)))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """For how long an owner sends after its last beat, and after how long another takes over."""

    owner_s: float = 3.0
    heir_s: float = 5.0


class Ownership:
    """The claim of one deliverer. Raises SQLAlchemyError where the database fails."""

    def __init__(
        self,
        database: StateDatabase,
        *,
        polling: Polling | None = None,
        patience: Patience | None = None,
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self._database = database
        self._polling = polling or Polling(database)
        self._patience = patience or Patience()
        self._clock = clock
        self._name = str(uuid.uuid4()) if database.servers is None else database.servers.claimant()
        self._until = 0.0
        self._term = 0
        self._something_waits = True
        # What was last seen of another owner, and since when.
        self._seen = _NOBODY, -1
        self._seen_at = 0.0

    @property
    def is_held(self) -> bool:
        """Whether anything may be sent now; it says so without asking the database."""
        return self._clock() < self._until

    @property
    def something_waits(self) -> bool:
        """Whether anything was to be sent at the last beat; that costs no question of its own."""
        return self._something_waits

    @property
    def term(self) -> int:
        """How often it has begun to hold it: again, too, where a beat came late."""
        return self._term

    def hold(self) -> bool:
        """Beat as the owner, or become it where nobody is: whether anything may be sent."""
        began = self._clock()
        if self._polling.change(self._beat) or self._inherits():
            before, self._until = self._until, began + self._patience.owner_s
            # Asked last: whoever has seen that it was not held is told that it is again.
            if self._clock() >= before:
                self._term += 1
            return True
        self._until = 0.0
        return False

    def release(self) -> None:
        """Send no more, and let another deliverer begin at once."""
        self._until = 0.0
        self._become(_NOBODY, DELIVERER.c.owner == self._name)

    def _inherits(self) -> bool:
        owner, beat = self._polling.read(lambda connection: connection.execute(_SEEN).one())
        if (owner, beat) != self._seen:
            self._seen, self._seen_at = (owner, beat), self._clock()
        waited_s = self._clock() - self._seen_at
        if owner != _NOBODY and waited_s < self._patience.heir_s:
            return False
        is_so = (DELIVERER.c.owner == owner) & (DELIVERER.c.beat == beat)
        return self._become(self._name, is_so)

    def _beat(self, connection: sa.Connection) -> bool:
        """Count where it is still this one's: whether it is."""
        waits = connection.execute(_BEAT, {"of_owner": self._name}).scalar_one_or_none()
        self._something_waits = waits is None or bool(waits)
        return waits is not None

    def _become(self, owner: str, is_so: sa.ColumnElement[bool]) -> bool:
        """Have it be somebody's where something still is so: whether it was."""
        statement = sa.update(DELIVERER).where(is_so)
        with self._database.lock, self._database.engine.begin() as connection:
            changed = connection.execute(statement.values(owner=owner, beat=DELIVERER.c.beat + 1))
            return changed.rowcount == 1

"""How much waits for all listeners together: beyond the bound the oldest is dropped."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from virtcim.cimserver.indications.delivery.statements import (
    DROP_OLDEST_DELIVERIES,
    DROP_OLDEST_PAYLOADS,
    OLDEST_OF_SUBSCRIPTIONS,
    OLDEST_SIZES,
    STORED,
)

__all__ = ["KEPT_SHARE", "ROW_BYTES", "Room"]

# What a row takes beside its payload, with its indexes.
ROW_BYTES = 256
# Where too much is kept, so much is dropped that it does not happen for each that comes.
KEPT_SHARE = 0.95
_AT_ONCE = 1000


class Room:
    """What may still be put into a queue that holds ``most`` bytes; for one thread at a time.

    What is there is added up only when it could be too much since it last was. What others put into
    the same database is known then: ``look`` now and then.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = 0

    def make(self, connection: sa.Connection, added: int) -> Mapping[str, int]:
        """Where too much may be stored since ``added`` bytes were: ``look``."""
        self._left -= added
        return {} if self._left >= 0 else self.look(connection)

    def look(self, connection: sa.Connection) -> Mapping[str, int]:
        """Add up what is stored, and drop the oldest where it is too much.

        Gives how many were dropped of which subscriptions.
        """
        payloads, deliveries = connection.execute(STORED).one()
        stored = payloads + deliveries * ROW_BYTES
        self._left = max(self._most - stored, 0)
        if stored <= self._most:
            return {}
        # Nothing is left, so that it is added up again: this may not be committed.
        newest = _newest_of_oldest(connection, stored - int(self._most * KEPT_SHARE))
        parameters = {"newest": newest}
        counts = connection.execute(OLDEST_OF_SUBSCRIPTIONS, parameters).all()
        connection.execute(DROP_OLDEST_DELIVERIES, parameters)
        connection.execute(DROP_OLDEST_PAYLOADS, parameters)
        return {one.subscription: one.many for one in counts}


def _newest_of_oldest(connection: sa.Connection, excess: int) -> int:
    """Up to which payload so many bytes are stored."""
    newest = -1
    while excess > 0:
        parameters = {"after": newest, "most": _AT_ONCE}
        sizes = connection.execute(OLDEST_SIZES, parameters).all()
        if not sizes:
            break
        for payload, size, deliveries in sizes:
            newest = payload
            excess -= size + deliveries * ROW_BYTES
            if excess <= 0:
                break
    return newest

"""The board of servers that share a PostgreSQL database.

Each has a row as long as it listens (LISTEN). Everything said is a notification (NOTIFY), which
PostgreSQL gives to all who listened when its transaction was committed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from virtcim.providers.peers.board import Present, Said

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresqlBoard", "UnheardError"]

_CHANNEL = "SELECT 'virtcim_' || 'peer'::regclass::oid"
_JOIN = "INSERT INTO peer (id, name, beat) VALUES (%(peer)s, %(name)s, 0)"
_LEAVE = "DELETE FROM peer WHERE id = %(peer)s"
# One statement, as it is what an idle server does each second;
# its own row is among them where there is one.
_BEAT = """
    WITH mine AS (UPDATE peer SET beat = %(beat)s WHERE id = %(peer)s RETURNING id)
    SELECT id, '', 0, pg_notify(%(channel)s, %(said)s) FROM mine
    UNION ALL SELECT id, name, beat, NULL FROM peer WHERE id <> %(peer)s
"""
_STRIKE_OFF = "DELETE FROM peer WHERE id = %(peer)s AND beat = %(beat)s"
_TELL = "SELECT id, name, pg_notify(%(channel)s, %(said)s) FROM peer WHERE id <> %(peer)s"
_SAY = "SELECT pg_notify(%(channel)s, %(said)s)"


class UnheardError(OSError):
    """There is no connection, or nothing comes through it."""


class PostgresqlBoard:
    """Implements ``Board``, from ``use`` to ``close``; safe to use from many threads.

    Everything raises ``psycopg.Error``, and UnheardError while there is no connection.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._saying: psycopg.Connection[Any] | None = None
        self._channel = ""

    def use(self, saying: psycopg.Connection[Any]) -> str:
        """Say everything through this connection; gives the channel on which it is heard."""
        [[channel]] = saying.execute(_CHANNEL).fetchall()
        with self._lock:
            self._saying, self._channel = saying, str(channel)
        return str(channel)

    def close(self) -> None:
        """Use the connection no more."""
        with self._lock:
            self._saying = None

    def join(self, peer: str, name: str) -> None:
        """Insert the row."""
        self._execute(_JOIN, peer, name=name)

    def leave(self, peer: str) -> None:
        """Delete the row."""
        self._execute(_LEAVE, peer)

    def beat(self, peer: str, beat: int) -> Sequence[Present] | None:
        """Count in the row, notify all, and give the other rows; None where there is no row."""
        rows = [Present(*row[:3]) for row in self._execute(_BEAT, peer, {"beat": beat}, beat=beat)]
        others = [one for one in rows if one.id != peer]
        return others if len(others) < len(rows) else None

    def strike_off(self, peer: str, beat: int) -> None:
        """Delete the row of another one, unless that has counted since."""
        self._execute(_STRIKE_OFF, peer, beat=beat)

    def tell(self, peer: str, said: Said) -> Mapping[str, str]:
        """Notify all where there are other rows; gives the names in these."""
        return {row[0]: row[1] for row in self._execute(_TELL, peer, said)}

    def say(self, peer: str, said: Said) -> None:
        """Notify all."""
        self._execute(_SAY, peer, said)

    def _execute(
        self, statement: str, peer: str, said: Said | None = None, **values: object
    ) -> list[tuple[Any, ...]]:
        """Execute a statement by itself, and give its rows."""
        values |= {"peer": peer, "said": json.dumps({**(said or {}), "by": peer})}
        with self._lock:
            if self._saying is None:
                raise UnheardError("there is no connection to the database")
            cursor = self._saying.execute(statement.encode(), {**values, "channel": self._channel})
            return cursor.fetchall() if cursor.description else []

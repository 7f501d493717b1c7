"""What a thread asks a database again and again, also while nobody uses the server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import sqlalchemy as sa

from virtcim.providers.state.database import StateDatabase

__all__ = ["Polling"]

_Result = TypeVar("_Result")
_Ask = Callable[[sa.Connection], _Result]


class Polling:
    """Asks for one thread; raises SQLAlchemyError where the database fails.

    A connection to PostgreSQL is kept, and each statement is a transaction of its own: to take a
    connection out of the pool and to begin and end a transaction takes several times as long as
    what is asked.
    """

    def __init__(self, database: StateDatabase) -> None:
        self._database = database
        self._keeps = not database.is_here
        self._kept: sa.Connection | None = None

    def read(self, ask: _Ask[_Result]) -> _Result:
        """What ``ask`` finds with a connection."""
        if self._keeps:
            return self._asked(ask)
        with self._database.reading() as connection:
            return ask(connection)

    def change(self, ask: _Ask[_Result]) -> _Result:
        """What ``ask`` finds with a connection that may change something, and a second time, too.

        All of it or nothing is done with SQLite, each statement by itself with PostgreSQL.
        """
        if self._keeps:
            return self._asked(ask)
        with self._database.lock, self._database.engine.begin() as connection:
            return ask(connection)

    def close(self) -> None:
        """Let go of the connection; it is made again when something is asked."""
        kept, self._kept = self._kept, None
        if kept is not None:
            with suppress(sa.exc.SQLAlchemyError):
                kept.close()

    def _asked(self, ask: _Ask[_Result]) -> _Result:
        was_kept = self._kept is not None
        try:
            return self._ask(ask)
        except sa.exc.DBAPIError as error:
            if not (was_kept and error.connection_invalidated):
                raise
        # It was closed while nothing was asked.
        return self._ask(ask)

    def _ask(self, ask: _Ask[_Result]) -> _Result:
        if self._kept is None:
            connection = self._database.engine.connect()
            self._kept = connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            return ask(self._kept)
        except BaseException:
            self.close()
            raise

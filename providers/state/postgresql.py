"""How the state is kept in PostgreSQL, where several servers share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    import psycopg

__all__ = ["is_postgresql", "lock_migrations", "open_postgresql"]

_DRIVER = "postgresql+psycopg"
_SCHEMES = ("postgresql", "postgres", _DRIVER)
_CONNECT_S = 10
# A statement takes milliseconds; one that takes so long waits for something that will not come.
_STATEMENT_MS = 30_000
# One that is suspended within a transaction keeps others from what it has locked no longer.
_IDLE_IN_TRANSACTION_MS = 5_000
# A computer that vanishes without a word is given up after about ten seconds, by either end.
_KEEPALIVE: dict[str, object] = {
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SETTINGS = (
    f"-c statement_timeout={_STATEMENT_MS}"
    f" -c idle_in_transaction_session_timeout={_IDLE_IN_TRANSACTION_MS}"
    " -c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
)
# Any number that nothing else in the database locks.
_MIGRATIONS_LOCK = 0x76697274


def is_postgresql(url: sa.URL) -> bool:
    """Whether a URL names a PostgreSQL database, whichever driver it asks for."""
    return url.drivername in _SCHEMES


def open_postgresql(url: sa.URL) -> sa.Engine:
    """An engine for a PostgreSQL database; it connects when it is first used.

    What the query of the URL says goes before what is set here. Raises ValueError for a host that
    is none, ImportError where the driver is not installed.
    """
    if "@" in (url.host or ""):
        # Its password would be told as a part of the host.
        raise ValueError("a password with @ in it must be written with %40 in a URL")
    try:
        import psycopg  # noqa: F401 - only who shares the state needs it
    except ImportError as error:
        raise ImportError(
            "PostgreSQL needs the Python package psycopg: pip install 'virtcim[postgresql]'"
        ) from error
    settings = {
        "connect_timeout": _CONNECT_S,
        "application_name": "virtcim",
        "options": _SETTINGS,
        **_KEEPALIVE,
    }
    engine = sa.create_engine(
        url.set(drivername=_DRIVER),
        # A connection that PostgreSQL has closed meanwhile is replaced before it is used.
        pool_pre_ping=True,
        # Parameters are what clients said.
        hide_parameters=True,
        connect_args={key: value for key, value in settings.items() if key not in url.query},
    )
    # Many rows are inserted by one statement, as far as it takes them.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    sa.event.listen(engine, "do_executemany", _one_after_the_other)
    return engine


def _one_after_the_other(
    cursor: psycopg.Cursor[object],
    statement: str,
    parameters: Sequence[Mapping[str, object]],
    _context: object,
) -> bool:
    """Send a statement for each row by itself, not many as the driver's pipeline.

    Within a pipeline PostgreSQL counts neither how long a transaction is idle nor how long a
    statement takes: a server that is suspended there keeps the others from its rows for ever.
    """
    for row in parameters:
        cursor.execute(statement, row)
    return True


def lock_migrations(connection: sa.Connection) -> None:
    """Let one server at a time change the tables, until its transaction ends."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATIONS_LOCK)))

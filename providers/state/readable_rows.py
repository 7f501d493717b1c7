"""Rows of which one may be unreadable: it costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa

__all__ = ["read_each"]

T = TypeVar("T")

_UNREADABLE = (ValueError, TypeError, KeyError, OverflowError, OSError, AttributeError)


def read_each(
    connection: sa.Connection,
    query: sa.Select[Any],
    key: sa.Column[str],
    read: Callable[[Mapping[str, Any]], T],
    unreadable: Callable[[str, Exception], None],
) -> list[T]:
    """What ``read`` makes of each row, and ``unreadable`` is told of those that it cannot read.

    ``key`` tells the rows apart. Raises SQLAlchemyError where the database itself fails.
    """
    try:
        rows = connection.execute(query).mappings().all()
    except (sa.exc.SQLAlchemyError, *_UNREADABLE) as error:
        _raise_of_database(error)
        rows = _one_by_one(connection, query, key, unreadable)
    found = []
    for row in rows:
        try:
            found.append(read(dict(row)))
        except _UNREADABLE as error:
            unreadable(str(row[key.name]), error)
    return found


def _one_by_one(
    connection: sa.Connection,
    query: sa.Select[Any],
    key: sa.Column[str],
    unreadable: Callable[[str, Exception], None],
) -> list[sa.RowMapping]:
    """The driver reads texts and JSON of all rows at once, and gives none where one is bad."""
    rows: list[sa.RowMapping] = []
    for one in connection.execute(query.with_only_columns(key)).scalars().all():
        try:
            rows += connection.execute(query.where(key == one)).mappings().all()
        except (sa.exc.SQLAlchemyError, *_UNREADABLE) as error:
            _raise_of_database(error)
            unreadable(str(one), error)
    return rows


def _raise_of_database(error: Exception) -> None:
    """What SQLite says has a code; what its driver cannot make a text of has none."""
    if not isinstance(error, sa.exc.SQLAlchemyError):
        return
    reason = getattr(error, "orig", None)
    if reason is None or hasattr(reason, "sqlite_errorcode") or hasattr(reason, "sqlstate"):
        raise error

"""What servers have to know of each other where they share a database, as it first was."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

__all__ = ["make_peers", "share_state"]


def share_state(connection: sa.Connection, add_columns: Callable[..., None]) -> None:
    """Who runs which job and has which undo steps; ``shared_jobs`` and ``servers`` use it."""
    metadata = sa.MetaData()
    sa.Table(
        "server",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("beat", sa.BigInteger, nullable=False),
    )
    # One row: a change of any job raises its revision first, so one comes after the other.
    revision = sa.Table(
        "job_revision",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    sa.Table(
        "job_request",
        metadata,
        sa.Column("job", sa.String(36), primary_key=True),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("forget", sa.Integer, nullable=False),
        sa.Column("answered", sa.Integer, nullable=False),
        sa.Column("failure", sa.JSON, nullable=True),
    )
    metadata.create_all(connection)
    connection.execute(sa.insert(revision).values(id=1, revision=0))
    add_columns(
        connection,
        "job",
        sa.Column("server", sa.String(36), nullable=False, server_default=""),
        sa.Column("is_shown", sa.Integer, nullable=False, server_default="1"),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
    )
    add_columns(
        connection,
        "undo",
        sa.Column("server", sa.String(36), nullable=False, server_default=""),
    )


def make_peers(connection: sa.Connection) -> None:
    """Who is told of writes, and waited for; ``virtcim.providers.peers`` uses it."""
    sa.Table(
        "peer",
        sa.MetaData(),
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
    ).create(connection)

"""The versions of the tables of the state database, and the way from each to the next."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from virtcim.errormap.state_remedy import newer
from virtcim.providers.state.clock import make_clock
from virtcim.providers.state.errors import StateError
from virtcim.providers.state.indication_queue import make_indication_queue
from virtcim.providers.state.postgresql import lock_migrations
from virtcim.providers.state.several_processes import in_transaction
from virtcim.providers.state.sharing_tables import make_peers, share_state

__all__ = ["MIGRATIONS", "is_of_today", "migrate"]

_VERSION = sa.Table(
    "schema_version", sa.MetaData(), sa.Column("version", sa.Integer, nullable=False)
)


def _make_jobs(connection: sa.Connection) -> None:
    sa.Table(
        "job",
        sa.MetaData(),
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("percent_complete", sa.Integer, nullable=False),
        sa.Column("submitted", sa.Float, nullable=False),
        sa.Column("changed", sa.Float, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
        sa.Column("error_code", sa.Integer, nullable=False),
        sa.Column("error", sa.JSON, nullable=True),
    ).create(connection)


def _tell_what_jobs_are_about(connection: sa.Connection) -> None:
    _add_columns(
        connection,
        "job",
        sa.Column("task_ref", sa.Text, nullable=False, server_default=""),
        sa.Column("decides", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner", sa.JSON, nullable=True),
        sa.Column("affected", sa.JSON, nullable=True),
        sa.Column("created", sa.JSON, nullable=True),
    )


def _make_undo(connection: sa.Connection) -> None:
    sa.Table(
        "undo",
        sa.MetaData(),
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("begun", sa.Float, nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
    ).create(connection)


def _keep_failures_instead_of_texts(connection: sa.Connection) -> None:
    """What was the CIM_Error of a failed job becomes its failure, in the words of then."""
    jobs = sa.Table(
        "job", sa.MetaData(), sa.Column("uuid", sa.String(36)), sa.Column("error", sa.JSON)
    )
    # Not every database compares JSON, and few jobs are kept.
    for uuid, error in connection.execute(sa.select(jobs)).all():
        if not error:
            continue
        code = str(error.get("MessageID", ""))
        kept = {
            "code": code,
            "text": str(error.get("Message", "")).removeprefix(f"{code}: "),
            "source": str(error.get("ErrorSource", "")),
            "status_code": int(error.get("CIMStatusCode", 0)),
        }
        kept = {name: value for name, value in kept.items() if value}
        connection.execute(sa.update(jobs).where(jobs.c.uuid == uuid).values(error=kept))


def _make_what_was_told_of(connection: sa.Connection) -> None:
    sa.Table(
        "indication_source",
        sa.MetaData(),
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("complete", sa.Integer, nullable=False),
    ).create(connection)
    sa.Table(
        "indication_told",
        sa.MetaData(),
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("object", sa.LargeBinary, nullable=False),
    ).create(connection)


def _make_subscriptions(connection: sa.Connection) -> None:
    metadata = sa.MetaData()
    # Filters and listener destinations.
    sa.Table(
        "indication_element",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("class_name", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("properties", sa.JSON, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    ).create(connection)
    sa.Table(
        "indication_subscription",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("class_name", sa.Text, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("handler", sa.String(64), nullable=False),
        sa.Column("properties", sa.JSON, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("changed", sa.Float, nullable=False),
    ).create(connection)
    # One row: a change of anything above raises its revision first, so one comes after the other.
    service = sa.Table(
        "indication_service",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("properties", sa.JSON, nullable=False),
    )
    service.create(connection)
    connection.execute(sa.insert(service).values(id=1, revision=0, properties={}))


# The step at index n makes version n + 1 of version n. Those of a released version are never
# changed: they are what its databases were made by.
MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (
    _make_jobs,
    _tell_what_jobs_are_about,
    _make_undo,
    _keep_failures_instead_of_texts,
    _make_what_was_told_of,
    make_indication_queue,
    _make_subscriptions,
    lambda connection: share_state(connection, _add_columns),
    make_peers,
    make_clock,
)


def migrate(connection: sa.Connection, shown: str) -> None:
    """Bring an older database to the version of today, all of the way or not at all."""
    if connection.dialect.name == "sqlite":
        if not in_transaction(connection):
            # Its driver begins a transaction only before rows change, not before tables do.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "postgresql":
        lock_migrations(connection)
    recorded = _recorded_version(connection)
    version = _unrecorded_version(connection) if recorded is None else recorded
    if version > len(MIGRATIONS):
        raise StateError(
            f"the state in {shown} was made by a newer version of virtcim: its database has "
            f"version {version}, and this one knows {len(MIGRATIONS)}; {newer(shown)}"
        )
    for step in MIGRATIONS[version:]:
        step(connection)
    if recorded is None:
        _VERSION.create(connection, checkfirst=True)
        connection.execute(sa.insert(_VERSION).values(version=len(MIGRATIONS)))
    elif recorded < len(MIGRATIONS):
        connection.execute(sa.update(_VERSION).values(version=len(MIGRATIONS)))


def is_of_today(connection: sa.Connection) -> bool:
    """Whether a database has the tables of today, and no others."""
    return _recorded_version(connection) == len(MIGRATIONS)


def _recorded_version(connection: sa.Connection) -> int | None:
    if not sa.inspect(connection).has_table(_VERSION.name):
        return None
    version: int | None = connection.execute(sa.select(_VERSION.c.version)).scalar_one_or_none()
    return version


def _unrecorded_version(connection: sa.Connection) -> int:
    """The version of a database of before versions were kept: its columns tell."""
    if not sa.inspect(connection).has_table("job"):
        return 0
    columns = {column["name"] for column in sa.inspect(connection).get_columns("job")}
    return 2 if "task_ref" in columns else 1


def _add_columns(connection: sa.Connection, table: str, *columns: sa.Column[object]) -> None:
    for column in columns:
        declared = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {declared}"))

"""The rows of jobs that several servers share: who runs which, and what has changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from virtcim.providers.state.servers import Servers, is_nobodys

__all__ = ["ChangedRows", "SharedJobRows"]

Row = Mapping[str, Any]


class ChangedRows(NamedTuple):
    """What is shown at a revision: the rows that came after another one, and who is there."""

    revision: int
    rows: Sequence[Row]
    uuids: frozenset[str]


class SharedJobRows:
    """The table of jobs for one of several servers; whoever calls holds the database's lock.

    A server changes only the rows that are its own: one that was taken for dead finds out, and
    what it says then of its former jobs is not written.
    """

    def __init__(self, jobs: sa.Table, servers: Servers) -> None:
        self._servers = servers
        self._jobs = sa.Table(
            jobs.name,
            sa.MetaData(),
            *(
                sa.Column(each.name, each.type, primary_key=each.primary_key)
                for each in jobs.columns
            ),
            sa.Column("server", sa.String(36)),
            sa.Column("is_shown", sa.Integer),
            sa.Column("revision", sa.BigInteger),
        )
        self._columns = [self._jobs.c[each.name] for each in jobs.columns]
        self._revision = sa.Table(
            "job_revision",
            sa.MetaData(),
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("revision", sa.BigInteger),
        )
        self.mine: set[str] = set()
        self.lost: set[str] = set()

    def write(
        self, connection: sa.Connection, rows: Mapping[str, Row | None], *, shown: bool
    ) -> None:
        """Write rows by their UUID; None deletes one, whoever has it."""
        revision = self._next_revision(connection)
        for uuid, row in rows.items():
            this = self._jobs.c.uuid == uuid
            if row is None:
                connection.execute(sa.delete(self._jobs).where(this))
                self.mine.discard(uuid)
                continue
            if uuid in self.lost:
                continue
            values = {**row, "is_shown": int(shown), "revision": revision}
            if uuid in self.mine:
                is_mine = this & (self._jobs.c.server == self._servers.id)
                changed = connection.execute(sa.update(self._jobs).where(is_mine).values(values))
                if not changed.rowcount:
                    self.lose(uuid)
            else:
                self._servers.be_there(connection)
                values["server"] = self._servers.id
                connection.execute(sa.insert(self._jobs).values(values))

    def written(self, rows: Mapping[str, Row | None]) -> None:
        """What ``write`` was given is durable."""
        self.mine |= {uuid for uuid, row in rows.items() if row is not None} - self.lost

    def lose(self, uuid: str) -> None:
        """Another server has this job now."""
        self.mine.discard(uuid)
        self.lost.add(uuid)

    def changes(self, connection: sa.Connection, since: int) -> ChangedRows | None:
        """What has changed since a revision; None where nothing has."""
        revision: int = connection.execute(sa.select(self._revision.c.revision)).scalar_one()
        if revision == since:
            return None
        is_shown = self._jobs.c.is_shown == 1
        rows = connection.execute(
            sa.select(*self._columns, self._jobs.c.server).where(
                is_shown, self._jobs.c.revision > since
            )
        ).mappings()
        changed = []
        for row in rows:
            values = dict(row)
            if values.pop("server") != self._servers.id and values["uuid"] in self.mine:
                self.lose(values["uuid"])
            changed.append(values)
        uuids = connection.execute(sa.select(self._jobs.c.uuid).where(is_shown)).scalars()
        return ChangedRows(revision, changed, frozenset(uuids))

    def adopt(self, connection: sa.Connection, running: Sequence[int]) -> Sequence[Row]:
        """Take over the jobs in the states ``running`` that no server has; gives them."""
        is_left = self._jobs.c.state.in_(running) & is_nobodys(self._jobs.c.server)
        if connection.execute(sa.select(self._jobs.c.uuid).where(is_left)).first() is None:
            return ()
        self._servers.be_there(connection)
        values = {
            "server": self._servers.id,
            "is_shown": 1,
            "revision": self._next_revision(connection),
        }
        adopted = connection.execute(
            sa.update(self._jobs).where(is_left).values(values).returning(*self._columns)
        )
        return [dict(row) for row in adopted.mappings()]

    def _next_revision(self, connection: sa.Connection) -> int:
        raised = sa.update(self._revision).values(revision=self._revision.c.revision + 1)
        revision: int = connection.execute(raised.returning(self._revision.c.revision)).scalar_one()
        return revision

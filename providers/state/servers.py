"""The servers on one database: each counts a beat, and one that counts no more is struck off.

What a server had that is struck off, or has ended, is adopted by another. Nobody's time of day
matters: each measures the others' silence by a clock of its own. Processes of one server need no
beat: who has started them says which are gone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from virtcim.providers.state.clock import uptime_s
from virtcim.providers.state.several_processes import Colleagues

__all__ = ["HEIR_S", "Round", "Servers", "is_nobodys"]

# A server that has not counted for so long is taken for dead.
HEIR_S = 5.0

_SERVER = sa.Table(
    "server",
    sa.MetaData(),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("beat", sa.BigInteger, nullable=False),
)
# Count, and see the others as they were before: one statement for what is done each second.
_BEAT = sa.text(
    "WITH beat AS (INSERT INTO server (id, beat) VALUES (:mine, 0)"
    " ON CONFLICT (id) DO UPDATE SET beat = server.beat + 1)"
    " SELECT revision, server.id, beat FROM job_revision LEFT JOIN server ON server.id <> :mine"
)
# One row: who delivers indications, as ``claimant`` names it.
_DELIVERER = sa.Table("indication_deliverer", sa.MetaData(), sa.Column("owner", sa.Text))


class Round(NamedTuple):
    """What is seen with a beat: whether a server that was there is gone, and the jobs' revision."""

    is_one_gone: bool
    jobs_revision: int


class Servers:
    """This server, ``id``, among those on a database. Raises SQLAlchemyError where that fails."""

    def __init__(
        self,
        engine: sa.Engine,
        colleagues: Colleagues | None = None,
        *,
        heir_s: float = HEIR_S,
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        self.id = str(uuid.uuid4()) if colleagues is None else colleagues.id
        self._engine = engine
        for one in () if colleagues is None else colleagues.dead:
            self.strike_off(one)
        self._heir_s = heir_s
        self._clock = clock
        # The beat of each other server as it was last seen, and since when.
        self._seen: dict[str, tuple[int, float]] = {}

    def be_there(self, connection: sa.Connection) -> None:
        """Be one of the servers, before anything is this one's; it may have been struck off."""
        row = postgresql.insert(_SERVER).values(id=self.id, beat=0)
        connection.execute(row.on_conflict_do_nothing())

    def beat(self, connection: sa.Connection) -> Round:
        """Count, and strike off those that count no more."""
        rows = connection.execute(_BEAT, {"mine": self.id}).all()
        now = self._clock()
        seen = {}
        for _, server, beat in rows:
            if server is None:
                continue
            before = self._seen.get(server, (beat, now))
            seen[server] = before if before[0] == beat else (beat, now)
        is_gone = not self._seen.keys() <= seen.keys()
        self._seen = seen
        for server, (beat, since) in seen.items():
            if now - since >= self._heir_s:
                self._strike_off(server, beat)
                is_gone = True
        return Round(is_gone, rows[0].revision)

    def leave(self) -> None:
        """Leave everything to the others, at once."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_SERVER).where(_SERVER.c.id == self.id))

    def claimant(self) -> str:
        """A new name for what claims something for this server, and loses it with it."""
        return f"{self.id}/{uuid.uuid4()}"

    def strike_off(self, server: str) -> None:
        """One that has ended has nothing any more, and delivers nothing."""
        self._remove(_SERVER.c.id == server, _DELIVERER.c.owner.startswith(f"{server}/"))

    def strike_off_all(self) -> None:
        """Nobody is there yet."""
        self._remove(sa.true(), sa.true())

    def _remove(self, server: sa.ColumnElement[bool], owner: sa.ColumnElement[bool]) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_SERVER).where(server))
            connection.execute(sa.update(_DELIVERER).where(owner).values(owner=""))

    def _strike_off(self, server: str, beat: int) -> None:
        is_silent = (_SERVER.c.id == server) & (_SERVER.c.beat == beat)
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_SERVER).where(is_silent))


def is_nobodys(server: sa.Column[str]) -> sa.ColumnElement[bool]:
    """Whether something belongs to no server that is there."""
    return server.not_in(sa.select(_SERVER.c.id))

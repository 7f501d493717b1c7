"""Servers that tell each other of writes through the PostgreSQL database that they share.

Each has a row as long as it listens (LISTEN), and counts a beat in it. Everything said is a
notification (NOTIFY), which PostgreSQL gives to all who listened when its transaction was
committed. A writer asks in one statement who is there and notifies them: whoever joins later has
its row committed later, and looks itself at what was written before.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from virtcim.providers.peers.awaited import Awaited
from virtcim.providers.peers.contract import EVERYTHING, Shows, Written
from virtcim.providers.peers.standing import SILENCE_S, Standing
from virtcim.providers.state.database import StateDatabase

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresqlPeers"]

_log = logging.getLogger(__name__)
_BEAT_S = 1.0
# A connection on which not even the own beat is heard for so long is broken.
_DEAF_S = 5.0
# How soon a database that fails is tried again, and how often a writer says the same again.
_AGAIN_S = 0.5
_STATEMENT_MS = 5_000
# How long a writer waits where nobody can be asked who is there. A server sees within 10 s that a
# hypervisor does not answer, and one event.from later what has happened; or it shows nothing.
_LONGEST_S = 20.0
_JOIN_S = 15.0

_CHANNEL = "SELECT 'virtcim_' || 'peer'::regclass::oid"
_JOIN = "INSERT INTO peer (id, name, beat) VALUES (%(id)s, %(name)s, 0)"
_LEAVE = "DELETE FROM peer WHERE id = %(id)s"
_BEAT = """
    WITH mine AS (UPDATE peer SET beat = %(beat)s WHERE id = %(id)s RETURNING id)
    SELECT pg_notify(%(channel)s, %(said)s) FROM mine
"""
_OTHERS = "SELECT id, name, beat FROM peer WHERE id <> %(id)s"
_STRIKE_OFF = "DELETE FROM peer WHERE id = %(other)s AND beat = %(beat)s"
_TELL = "SELECT id, name, pg_notify(%(channel)s, %(said)s) FROM peer WHERE id <> %(id)s"
_SAY = "SELECT pg_notify(%(channel)s, %(said)s)"


class _UnheardError(OSError):
    """There is no connection, or nothing comes through it."""


class _Life:
    """One life among the peers: a name that is never used again, and the beats that were sent."""

    def __init__(self, number: int, born_s: float) -> None:
        self.id = str(uuid.uuid4())
        self.number = number
        self.born_s = born_s
        self.sent_s: dict[int, float] = {}
        self.beat = 0


class PostgresqlPeers:
    """Implements ``Peers`` over a database of PostgreSQL, in a thread of its own."""

    def __init__(self, database: StateDatabase, standing: Standing | None = None) -> None:
        import psycopg

        self._errors = (psycopg.Error, sa.exc.SQLAlchemyError, OSError)
        self._database = database
        self._standing = standing or Standing()
        self._awaited = Awaited()
        self._name = f"{socket.gethostname()}, process {os.getpid()}"
        self._stopping = threading.Event()
        self._woken, self._waking = socket.socketpair()
        # What is said is said through one connection; through the other one it is only listened.
        self._lock = threading.Lock()
        self._saying: psycopg.Connection[Any] | None = None
        self._channel = ""
        self._life = _Life(0, 0.0)
        # The beat of each other server as it was last seen, and since when.
        self._seen: dict[str, tuple[int, float]] = {}
        self._is_failing = False
        self._shows: Shows | None = None
        self._thread = threading.Thread(target=self._run, name="virtcim-peers", daemon=True)

    def start(self, shows: Shows) -> None:
        """Join as soon as the database can be reached, and again whenever it can."""
        self._shows = shows
        self._thread.start()

    @property
    def is_waited_for(self) -> bool:
        """Whether the lease of this server runs."""
        return self._standing.is_waited_for

    def announce(self, written: Sequence[Written]) -> None:
        """Tell the others, and wait until all of them have reached it (``Peers``)."""
        deadline = time.monotonic() + _LONGEST_S
        number = self._awaited.begin()
        said = {"wrote": number, "what": [[each.namespace, each.position] for each in written]}
        try:
            while not self._stopping.is_set():
                missing = self._ask(number, said)
                if not missing:
                    return
                if time.monotonic() > deadline:
                    _log.error(
                        "a change may not be seen at %s yet, after %g s",
                        *(" and ".join(missing), _LONGEST_S),
                    )
                    return
        finally:
            self._awaited.end(number)

    def _ask(self, number: int, said: Mapping[str, object]) -> Sequence[str]:
        """Tell those that are there; gives who of them has not reached it within a moment.

        They are told again and again: a connection may have been lost with the answer.
        """
        try:
            rows = self._execute(_TELL, said=said)
        except self._errors:
            self._stopping.wait(_AGAIN_S)
            return ["another server: the database cannot be asked"]
        names = {row[0]: row[1] for row in rows}
        self._awaited.expect(number, names)
        return [names[each] for each in self._awaited.wait(number, _AGAIN_S)]

    def stop(self) -> None:
        """Leave (``Peers``)."""
        self._stopping.set()
        self._waking.send(b"x")
        self._awaited.close()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)
        self._woken.close()
        self._waking.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._take_part()
            except self._errors as error:
                if not self._is_failing:
                    _log.error(
                        "what other servers write is not heard of; each read asks the hypervisor "
                        "until it is: %s",
                        self._database.reason(error),
                    )
                self._is_failing = True
            except Exception:  # noqa: BLE001 - the thread's boundary; reads ask the hypervisor
                _log.exception("what other servers write cannot be followed")
            self._stopping.wait(_AGAIN_S)

    def _take_part(self) -> None:
        """Be a peer until that is to end, or the database fails."""
        try:
            with self._connection() as listening, self._connection() as saying:
                [[channel]] = saying.execute(_CHANNEL).fetchall()
                listening.execute(f"LISTEN {channel}".encode())
                with self._lock:
                    self._saying, self._channel = saying, channel
                try:
                    self._join()
                    self._listen(listening)
                finally:
                    self._leave()
        finally:
            with self._lock:
                self._saying = None

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        """One of the driver's own, which is not shared with anybody."""
        connection = self._database.engine.raw_connection()
        driver: psycopg.Connection[Any] = connection.driver_connection  # type: ignore[assignment]
        connection.detach()
        try:
            driver.autocommit = True
            driver.execute(f"SET statement_timeout = {_STATEMENT_MS}".encode())
            # Whatever is lost with the computer of the database, its connections are, too.
            driver.execute("SET synchronous_commit TO off")
            yield driver
        finally:
            driver.close()

    def _join(self) -> None:
        """Begin a life: be waited for, and find out what was written before."""
        assert self._shows is not None
        self._life = _Life(self._standing.join(), self._standing.now())
        self._execute(_JOIN, name=self._name)
        self._shows.catch_up(EVERYTHING, partial(self._standing.caught_up, self._life.number))

    def _leave(self) -> None:
        """Be waited for no more."""
        self._standing.leave()
        with suppress(*self._errors):
            self._execute(_LEAVE)

    def _listen(self, listening: psycopg.Connection[Any]) -> None:
        next_beat = 0.0
        with DefaultSelector() as selector:
            selector.register(listening.fileno(), EVENT_READ)
            selector.register(self._woken, EVENT_READ)
            while not self._stopping.is_set():
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + _BEAT_S
                    self._beat()
                selector.select(max(next_beat - time.monotonic(), 0.0))
                listening.pgconn.consume_input()
                while (notification := listening.pgconn.notifies()) is not None:
                    self._hear(json.loads(notification.extra))

    def _beat(self) -> None:
        life, now = self._life, self._standing.now()
        if now - max(life.born_s, self._standing.heard_s) > _DEAF_S:
            raise _UnheardError("nothing is heard through the connection")
        life.beat += 1
        life.sent_s[life.beat] = now
        if not self._execute(_BEAT, beat=life.beat, said={"beat": life.beat}):
            _log.warning("the other servers have taken this one for dead")
            self._join()
            return
        self._strike_off_the_silent()

    def _strike_off_the_silent(self) -> None:
        rows = self._execute(_OTHERS)
        now = self._standing.now()
        before = self._seen
        self._seen = {}
        for other, name, beat in rows:
            seen = before.get(other, (beat, now))
            self._seen[other] = seen if seen[0] == beat else (beat, now)
            if now - self._seen[other][1] >= SILENCE_S:
                _log.warning("nobody waits for %s any more: it is silent", name)
                self._execute(_STRIKE_OFF, other=other, beat=beat)

    def _hear(self, said: Mapping[str, Any]) -> None:
        match said:
            case {"beat": int(beat), "by": str(by)} if by == self._life.id:
                self._is_failing = False
                self._standing.confirm(self._life.number, self._life.sent_s.pop(beat))
            case {"reached": int(number), "of": str(of), "by": str(by)} if of == self._life.id:
                self._awaited.reached(number, by)
            case {"wrote": int(number), "what": [*what], "by": str(by)} if by != self._life.id:
                assert self._shows is not None
                written = [Written(namespace, position) for namespace, position in what]
                answer = {"reached": number, "of": by}
                self._shows.catch_up(written, partial(self._answer, answer))

    def _answer(self, said: Mapping[str, object]) -> None:
        try:
            self._execute(_SAY, said=said)
        except self._errors as error:
            # Whoever waits for it asks again.
            _log.info("another server waits longer: %s", self._database.reason(error))

    def _execute(
        self, statement: str, *, said: Mapping[str, object] | None = None, **values: object
    ) -> list[tuple[Any, ...]]:
        """Execute a statement by itself, and give its rows. Raises what ``_errors`` holds."""
        with self._lock:
            if self._saying is None:
                raise _UnheardError("there is no connection to the database")
            by = self._life.id
            values |= {"id": by, "channel": self._channel}
            if said is not None:
                values["said"] = json.dumps({**said, "by": by})
            cursor = self._saying.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

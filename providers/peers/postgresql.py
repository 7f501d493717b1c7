"""Servers that tell each other of writes through the PostgreSQL database that they share.

Each listens through a connection of its own, and speaks through another one.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from virtcim.providers.peers.contract import Reached, Shows, Written
from virtcim.providers.peers.peer import Peer
from virtcim.providers.peers.postgresql_board import PostgresqlBoard, UnheardError
from virtcim.providers.peers.standing import Standing
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


class PostgresqlPeers:
    """Implements ``Peers`` over a database of PostgreSQL, in a thread of its own."""

    def __init__(self, database: StateDatabase, standing: Standing | None = None) -> None:
        import psycopg

        self._errors = (psycopg.Error, sa.exc.SQLAlchemyError, OSError)
        self._database = database
        self._board = PostgresqlBoard()
        self._standing = standing or Standing()
        self._peer: Peer | None = None
        self._shows: Shows | None = None
        self._stopping = threading.Event()
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="virtcim-peers", daemon=True)

    def start(self, shows: Shows) -> None:
        """Join as soon as the database can be reached, and again whenever it can."""
        self._shows = shows
        name = f"{socket.gethostname()}, process {os.getpid()}"
        self._woken, self._waking = socket.socketpair()
        self._peer = Peer(self._board, self, name=name, standing=self._standing)
        self._thread.start()

    def catch_up(self, written: Sequence[Written] | None, reached: Reached) -> None:
        """Pass it on; who waits for an answer that cannot be given asks again (``Shows``)."""

        def reach() -> None:
            try:
                reached()
            except self._errors as error:
                _log.info("another server waits longer: %s", self._database.reason(error))

        assert self._shows is not None
        self._shows.catch_up(written, reach)

    @property
    def is_waited_for(self) -> bool:
        """Whether the lease of this server runs."""
        return self._standing.is_waited_for

    def announce(self, written: Sequence[Written]) -> None:
        """Tell the others, and wait until all of them have reached it (``Peers``)."""
        peer = self._peer
        if peer is None:
            return
        deadline = time.monotonic() + _LONGEST_S
        with peer.awaited.one_more() as number:
            while not self._stopping.is_set():
                missing = self._ask(peer, number, written)
                if not missing:
                    return
                if time.monotonic() > deadline:
                    _log.error(
                        "a change may not be shown yet by %s after %g s", missing, _LONGEST_S
                    )
                    return

    def _ask(self, peer: Peer, number: int, written: Sequence[Written]) -> str:
        """Tell who is there, and wait a moment; says who has not reached it then."""
        try:
            names = peer.ask(number, written)
        except self._errors:
            self._stopping.wait(_AGAIN_S)
            return "other servers, which cannot be told through the database"
        return "" if peer.awaited.wait(number, _AGAIN_S) else " and ".join(sorted(names))

    def stop(self) -> None:
        """Leave (``Peers``)."""
        if self._stopping.is_set() or self._peer is None:
            return
        self._stopping.set()
        self._waking.send(b"x")
        self._peer.awaited.close()
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
        peer = self._peer
        assert peer is not None
        with self._connection() as listening, self._connection() as saying:
            channel = self._board.use(saying)
            listening.execute(f"LISTEN {channel}".encode())
            try:
                peer.join()
                self._listen(listening, peer)
            finally:
                with suppress(*self._errors):
                    peer.leave()
                self._board.close()

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

    def _listen(self, listening: psycopg.Connection[Any], peer: Peer) -> None:
        next_beat = 0.0
        with DefaultSelector() as selector:
            selector.register(listening.fileno(), EVENT_READ)
            selector.register(self._woken, EVENT_READ)
            while not self._stopping.is_set():
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + _BEAT_S
                    if peer.unheard_s > _DEAF_S:
                        raise UnheardError("nothing is heard through the connection")
                    peer.beat()
                selector.select(max(next_beat - time.monotonic(), 0.0))
                listening.pgconn.consume_input()
                while (notification := listening.pgconn.notifies()) is not None:
                    peer.hear(json.loads(notification.extra))
                self._is_failing = self._is_failing and not self.is_waited_for

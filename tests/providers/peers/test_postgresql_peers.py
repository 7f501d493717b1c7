"""Peers on a real PostgreSQL: each statement does what the protocol needs of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from tests.providers.waiting import wait_for
from virtcim.providers.peers.board import Present
from virtcim.providers.peers.contract import Reached, Written
from virtcim.providers.peers.postgresql import PostgresqlPeers
from virtcim.providers.peers.postgresql_board import PostgresqlBoard, UnheardError
from virtcim.providers.state.database import StateDatabase

_WRITTEN = [Written("root/virt", "7")]


class Process:
    """One process on the database; ``holds``: it does not reach what others write."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.database = stack.enter_context(closing(StateDatabase(url)))
        self.peers = PostgresqlPeers(self.database)
        stack.callback(self.peers.stop)
        self.caught_up: list[Sequence[Written] | None] = []
        self.holds = False
        self.held: list[Reached] = []
        self.peers.start(self)

    def catch_up(self, written: Sequence[Written] | None, reached: Reached) -> None:
        self.caught_up.append(written)
        if self.holds:
            self.held.append(reached)
        else:
            reached()

    def rows(self) -> list[tuple[str, int]]:
        with self.database.engine.connect() as connection:
            found = connection.execute(sa.text("SELECT id, beat FROM peer")).all()
        return [(row[0], row[1]) for row in found]


Start = Callable[[], Process]


@pytest.fixture
def start(postgresql_url: str) -> Iterator[Start]:
    with ExitStack() as stack:

        def started() -> Process:
            process = Process(postgresql_url, stack)
            wait_for(lambda: process.peers.is_waited_for)
            return process

        yield started


def test_a_writer_waits_until_the_other_one_has_reached_it(start: Start) -> None:
    writer, other = start(), start()
    other.holds = True
    ended = threading.Event()
    writing = threading.Thread(
        target=lambda: (writer.peers.announce(_WRITTEN), ended.set()), daemon=True
    )
    writing.start()
    # Also when it is asked again.
    wait_for(lambda: len(other.held) > 1)
    assert not ended.is_set()
    other.held[0]()
    assert ended.wait(60)
    assert other.caught_up == [None, *[_WRITTEN] * len(other.held)]
    assert writer.caught_up == [None]


def test_one_that_leaves_is_waited_for_by_nobody(start: Start) -> None:
    writer, other = start(), start()
    other.peers.stop()
    other.holds = True
    writer.peers.announce(_WRITTEN)
    assert other.held == []
    assert len(writer.rows()) == 1


def test_one_that_was_struck_off_joins_again_by_another_name(start: Start) -> None:
    one = start()
    [(name, _)] = one.rows()
    with one.database.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM peer"))
    wait_for(lambda: one.caught_up == [None, None] and one.peers.is_waited_for)
    [(other_name, _)] = one.rows()
    assert other_name != name


@contextmanager
def connected(database: StateDatabase) -> Iterator[psycopg.Connection]:
    connection = database.engine.raw_connection()
    driver = connection.driver_connection
    connection.detach()
    driver.autocommit = True
    with closing(driver):
        yield driver


def test_only_who_has_counted_no_further_is_struck_off(postgresql_url: str) -> None:
    with (
        closing(StateDatabase(postgresql_url)) as database,
        connected(database) as saying,
        connected(database) as listening,
    ):
        board = PostgresqlBoard()
        with pytest.raises(UnheardError):
            board.join("x", "X")
        listening.execute(f"LISTEN {board.use(saying)}")
        board.join("x", "X")
        assert board.beat("x", 3) == []
        board.strike_off("x", 2)
        assert board.tell("y", {"wrote": 1}) == {"x": "X"}
        assert board.tell("x", {"wrote": 2}) == {}
        board.join("y", "Y")
        assert board.beat("y", 1) == [Present("x", "X", 3)]
        board.strike_off("x", 3)
        assert board.beat("x", 4) is None
        assert board.beat("y", 2) == []
        board.say("y", {"reached": 1})
        heard = [json.loads(one.payload) for one in listening.notifies(timeout=60, stop_after=5)]
        expected = [
            {"beat": 3, "by": "x"},
            {"wrote": 1, "by": "y"},
            {"beat": 1, "by": "y"},
            {"beat": 2, "by": "y"},
            {"reached": 1, "by": "y"},
        ]
        assert heard == expected


def test_who_loses_its_connections_joins_again(start: Start) -> None:
    one = start()
    with one.database.engine.begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
            )
        )
    wait_for(lambda: one.caught_up == [None, None] and one.peers.is_waited_for)

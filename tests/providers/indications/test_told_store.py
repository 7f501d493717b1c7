"""What was told of, in either database: one source at a time writes it, and only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa

from virtcim.providers.state.database import StateDatabase
from virtcim.providers.state.told_store import (
    AlreadyToldError,
    SupersededError,
    ToldKey,
    ToldStore,
)

_ONE, _OTHER = ToldKey("system", "1"), ToldKey("system", "\N{EURO SIGN}")
_ANY_BYTES = bytes(range(256))


@pytest.fixture
def databases(shared_state: str) -> Iterator[tuple[StateDatabase, StateDatabase]]:
    first, second = StateDatabase(shared_state), StateDatabase(shared_state)
    with closing(first), closing(second):
        yield first, second


def keep(database: StateDatabase, write: Callable[[sa.Connection], None]) -> None:
    with database.lock, database.engine.begin() as connection:
        write(connection)


def test_the_next_source_goes_on_where_the_last_one_was_and_that_one_finds_out(
    databases: tuple[StateDatabase, StateDatabase],
) -> None:
    first, second = (ToldStore(each, "root/virt") for each in databases)
    assert first.claim() is None
    keep(databases[0], first.begin())
    first.kept()
    keep(databases[0], first.remember({_ONE: b"", _OTHER: _ANY_BYTES}, complete=False))
    first.kept()
    # Of what was not told completely nobody goes on.
    assert ToldStore(databases[1], "root/virt").claim() is None
    with pytest.raises(SupersededError):
        keep(databases[0], first.remember({}))
    assert first.claim() is None
    keep(databases[0], first.remember({}))
    first.kept()
    assert second.claim() == {_ONE: b"", _OTHER: _ANY_BYTES}
    with pytest.raises(SupersededError):
        keep(databases[0], first.remember({_ONE: None}))
    assert second.claim() == {_ONE: b"", _OTHER: _ANY_BYTES}
    keep(databases[1], second.remember({_ONE: None}))
    second.kept()
    assert ToldStore(databases[0], "root/other").claim() is None
    assert ToldStore(databases[0], "root/virt").claim() == {_OTHER: _ANY_BYTES}


def test_one_that_does_not_know_whether_it_was_kept_tells_nothing_twice(
    databases: tuple[StateDatabase, StateDatabase],
) -> None:
    database, _ = databases
    store = ToldStore(database, "root/virt")
    store.claim()
    keep(database, store.remember({_ONE: b"told"}))
    # Nobody heard that it had been kept.
    with pytest.raises(AlreadyToldError):
        keep(database, store.remember({_ONE: b"told"}))
    store.kept()
    keep(database, store.remember({_ONE: b"next"}))
    assert store.claim() == {_ONE: b"next"}


def test_what_nobody_wants_is_forgotten_for_all(
    databases: tuple[StateDatabase, StateDatabase],
) -> None:
    first, second = (ToldStore(each, "root/virt") for each in databases)
    first.claim()
    keep(databases[0], first.remember({_ONE: b"told"}))
    first.kept()
    second.forget()
    with pytest.raises(SupersededError):
        keep(databases[0], first.remember({_OTHER: b"told"}))
    assert second.claim() is None

"""A server that takes subscriptions, new for each test; no database stays open after one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cimserver.indications.subscribing import Subscribing, subscribing
from virtcim.providers.state.database import StateDatabase


@pytest.fixture
def subscriber() -> Iterator[Subscribing]:
    with subscribing() as running:
        yield running


@pytest.fixture(autouse=True)
def _databases_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test has opened, also after it failed: newer Pythons warn of what stays open."""
    opened: list[StateDatabase] = []
    begin = StateDatabase.__init__

    def noted(database: StateDatabase, *given: Any) -> None:
        begin(database, *given)
        opened.append(database)

    monkeypatch.setattr(StateDatabase, "__init__", noted)
    yield
    for database in opened:
        database.close()

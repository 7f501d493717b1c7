"""A server that takes subscriptions, new for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cimserver.indications.subscribing import Subscribing, subscribing


@pytest.fixture
def subscriber() -> Iterator[Subscribing]:
    with subscribing() as running:
        yield running

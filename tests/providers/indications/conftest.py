"""Providers that tell a recording sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.providers.indications.recording_sink import RecordingSink
from tests.providers.indications.single_source import Server
from virtcim.mof import Schema
from virtcim.providers import Providers

Listen = Callable[..., RecordingSink]


@pytest.fixture
def listen(schema: Schema) -> Listen:
    """Begin to record what providers tell; when it gives the sink, everything before is old."""

    def begin(providers: Providers, **options: object) -> RecordingSink:
        sink = RecordingSink(providers.state, schema)
        for name, value in options.items():
            setattr(sink, name, value)
        providers.start_indications(sink)
        return sink

    return begin


@pytest.fixture
def sink(providers: Providers, listen: Listen) -> RecordingSink:
    return listen(providers)


MakeServer = Callable[[], Server]


@pytest.fixture
def make_server(schema: Schema) -> Iterator[MakeServer]:
    """Servers of one source each, over a database of their own."""
    made: list[Server] = []

    def make() -> Server:
        made.append(Server(schema))
        return made[-1]

    yield make
    for one in made:
        one.store.close()

"""Providers that tell a recording sink."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.providers.indications.recording_sink import RecordingSink
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

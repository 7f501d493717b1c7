"""One schema for all tests of the CIM server; providers and a served server for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cimserver.doubles import FixedProviders, extended_schema, host, system
from tests.cimserver.serving import Served, served
from virtcim.cimserver import CimServer
from virtcim.mof import Schema


@pytest.fixture(scope="session")
def schema() -> Schema:
    return extended_schema()


@pytest.fixture
def providers(schema: Schema) -> FixedProviders:
    return FixedProviders(schema, [host(), system(1), system(2), system(3)])


@pytest.fixture
def server(providers: FixedProviders, schema: Schema) -> Iterator[Served]:
    with served(CimServer(providers, schema, authenticate=None)) as running:
        yield running

"""One schema and one served server for all tests of the CIM server; fresh records for each."""

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


@pytest.fixture(scope="session")
def shared_providers(schema: Schema) -> FixedProviders:
    return FixedProviders(schema)


@pytest.fixture
def providers(shared_providers: FixedProviders) -> Iterator[FixedProviders]:
    shared_providers.reset([host(), system(1), system(2), system(3)])
    yield shared_providers
    assert not shared_providers.surprises, f"not expected: {shared_providers.surprises}"


@pytest.fixture(scope="session")
def shared_server(shared_providers: FixedProviders, schema: Schema) -> Iterator[Served]:
    with served(CimServer(shared_providers, schema, authenticate=None)) as running:
        yield running


@pytest.fixture
def server(shared_server: Served, providers: FixedProviders) -> Served:
    return shared_server

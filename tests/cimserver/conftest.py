"""One schema, the real providers and one served server for all tests; fresh systems for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.cim.everything import extended_schema
from tests.cimserver.interposed import Interposed
from tests.cimserver.population import populate, system_path
from tests.cimserver.serving import Served, served
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.waiting import ended, job_of
from virtcim.cim.records import Value
from virtcim.cimserver import CimServer
from virtcim.daemon.incidents import incident
from virtcim.mof import Schema
from virtcim.providers import Providers

#: Nothing here takes that long: methods answer with their outcome, not with a job.
_NO_JOBS_S = 600.0


@pytest.fixture(scope="session")
def schema() -> Schema:
    return extended_schema()


MakeProviders = Callable[..., Providers]


@pytest.fixture
def make_providers(schema: Schema) -> Iterator[MakeProviders]:
    """Real providers over any endpoints, closed at the end."""
    with ExitStack() as stack:

        def make(*endpoints: SimulatedEndpoint, job_after_s: float = _NO_JOBS_S) -> Providers:
            made = Providers(endpoints, schema, job_after_s=job_after_s, incident=incident)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def server_with_jobs(make_providers: MakeProviders, schema: Schema) -> Iterator[Served]:
    """A server of its own, with two jobs that have ended."""
    endpoint = SimulatedEndpoint(0)
    populate(endpoint, (1, 2, 3))
    providers = make_providers(endpoint, job_after_s=0.0)
    pause: dict[str, Value] = {"RequestedState": 9}
    for number in (1, 2):
        endpoint.gate.clear()
        begun = providers.invoke_method(system_path(number), "RequestStateChange", pause)
        endpoint.gate.set()
        ended(providers, job_of(begun))
    with served(CimServer(providers, schema, authenticate=None)) as running:
        yield running


@pytest.fixture(scope="session")
def shared_endpoint() -> SimulatedEndpoint:
    return SimulatedEndpoint(0)


@pytest.fixture(scope="session")
def shared_providers(shared_endpoint: SimulatedEndpoint, schema: Schema) -> Iterator[Interposed]:
    endpoints = (shared_endpoint, SimulatedEndpoint(0, name="other"))
    real = Providers(endpoints, schema, job_after_s=_NO_JOBS_S, incident=incident)
    yield Interposed(real, schema)
    real.close()


@pytest.fixture
def endpoint(shared_endpoint: SimulatedEndpoint) -> Iterator[SimulatedEndpoint]:
    """The hypervisor of the shared providers, with three running virtual systems."""
    populate(shared_endpoint, (1, 2, 3))
    yield shared_endpoint
    refusal, gate_is_open = shared_endpoint.refusal, shared_endpoint.gate.is_set()
    shared_endpoint.reads_fail_with = shared_endpoint.refusal = None
    shared_endpoint.gate.set()
    assert gate_is_open, "the test forgot to open the gate"
    assert refusal is None, "the operation that shall be refused never came"


@pytest.fixture
def providers(shared_providers: Interposed, endpoint: SimulatedEndpoint) -> Iterator[Interposed]:
    shared_providers.reset()
    yield shared_providers
    surprises = shared_providers.surprises
    shared_providers.reset()
    assert not surprises, f"not expected: {surprises}"


@pytest.fixture(scope="session")
def shared_server(shared_providers: Interposed, schema: Schema) -> Iterator[Served]:
    with served(CimServer(shared_providers, schema, authenticate=None)) as running:
        yield running


@pytest.fixture
def server(shared_server: Served, providers: Interposed) -> Served:
    return shared_server

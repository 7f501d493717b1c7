"""The providers over an endpoint in memory, with the real compiled schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.providers.simulated_endpoint import SimulatedEndpoint
from virtcim.daemon.incidents import incident
from virtcim.mof import Schema, ensure_schema, load_schema
from virtcim.providers import Providers


@pytest.fixture(scope="session")
def schema() -> Schema:
    ensure_schema()
    return load_schema()


@pytest.fixture
def endpoint() -> Iterator[SimulatedEndpoint]:
    simulated = SimulatedEndpoint(systems=20)
    yield simulated
    assert simulated.refusal is None, "the operation that shall be refused never came"


MakeProviders = Callable[..., Providers]
#: What tests ask instead of the providers: those themselves, or a client of a host that has them.
AskedThrough = Callable[[Providers], Providers]


@pytest.fixture(scope="session")
def asked_through() -> AskedThrough:
    """Nothing in between; tests/cmpi/providers has a CIM server there."""
    return lambda providers: providers


@pytest.fixture
def make_providers(schema: Schema, asked_through: AskedThrough) -> Iterator[MakeProviders]:
    """Providers over any endpoints, closed at the end."""
    with ExitStack() as stack:

        def make(
            *endpoints: SimulatedEndpoint, state: str = "", job_after_s: float = 30.0
        ) -> Providers:
            made = Providers(
                endpoints, schema, state=state, job_after_s=job_after_s, incident=incident
            )
            stack.callback(made.close)
            return asked_through(made)

        yield make


@pytest.fixture
def providers(endpoint: SimulatedEndpoint, make_providers: MakeProviders) -> Providers:
    return make_providers(endpoint)

"""The tests of the providers, asked through the bridge in each kind of CIM server.

A module here takes the tests of its namesake in tests/providers. What they ask is chosen by
``asked_through``: here it is a client of a server that has loaded the bridge over the providers. A
test that asks no providers stays where it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.cmpi.conftest import FLAVOURS, broker_command, copied
from tests.cmpi.providers.client import Client
from tests.cmpi.providers.differences import difference_of
from tests.cmpi.providers.loaded import LoadedBroker
from tests.cmpi.providers.values import Values
from tests.providers.conftest import endpoint, make_providers, providers, schema
from virtcim.cimserver.declarations import Declarations
from virtcim.mof import Schema
from virtcim.providers import Providers

__all__ = ["endpoint", "make_providers", "providers", "schema"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    items[:] = [
        item
        for item in items
        if item.path.parent != here or "asked_through" in getattr(item, "fixturenames", ())
    ]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """A test of which a difference is known must fail with it."""
    difference = difference_of(pyfuncitem)
    if difference is None:
        return (yield)
    with pytest.raises(BaseException, match=re.escape(difference.instead)):
        yield
    return True


@pytest.fixture(scope="session")
def loaded(
    library: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], LoadedBroker]]:
    """Brokers in this process, one of a kind, each with a library of its own."""
    into = tmp_path_factory.mktemp("loaded")
    built = into / "broker.so"
    subprocess.run(broker_command(built, "-shared", "-fPIC", "-Wl,-Bsymbolic"), check=True)
    host = f"{Client.__module__}:open_host"
    interval = sys.getswitchinterval()

    @cache
    def get(flavour: str) -> LoadedBroker:
        own = into / flavour
        own.mkdir()
        broker = LoadedBroker(Path(shutil.copy(built, own)), flavour)
        found = broker.load(copied(library, own, host=host), is_global=False)
        assert found.status == 0, found.message
        return broker

    yield get
    sys.setswitchinterval(interval)


@pytest.fixture(scope="session", params=FLAVOURS)
def asked_through(
    request: pytest.FixtureRequest, loaded: Callable[[str], LoadedBroker], schema: Schema
) -> Callable[[Providers], Client]:
    broker, values = loaded(request.param), Values(Declarations(schema))
    return lambda providers: Client(broker, values, providers)

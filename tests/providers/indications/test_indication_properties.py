"""Whatever happens to inventories, servers and databases: what is told leads to what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.providers.indications.reading import CREATION, DELETION, previous, source
from tests.providers.indications.recording_sink import RecordingSink
from tests.providers.simulated_endpoint import SimulatedEndpoint
from tests.providers.simulated_population import (
    HOST,
    NETWORK,
    REPOSITORY,
    identity,
    virtual_system,
)
from virtcim.cim.records import ObjectPath, Record
from virtcim.errormap import Fault, from_transport
from virtcim.hypervisor.model import Inventory, PowerState
from virtcim.mof import Schema
from virtcim.providers import IMPLEMENTATION_CLASSES, Indication, StateError
from virtcim.providers.indications.differences import TOLD_CLASSES
from virtcim.providers.indications.source import Source
from virtcim.providers.namespace import Namespace
from virtcim.providers.state.job_store import JobStore

LOST = from_transport(phase="connect", exception="ConnectionRefusedError", message="refused")
HOSTS = (HOST, replace(HOST, uuid=identity("another host"), name_label="hv0"))
_LABELS = st.sampled_from(("one", "two"))


@st.composite
def _systems(draw: st.DrawFn) -> dict[str, Any]:
    found = {}
    for number in draw(st.sets(st.integers(0, 4), max_size=4)):
        system = virtual_system(number)
        found[system.uuid] = replace(
            system,
            name_label=draw(_LABELS),
            power_state=draw(st.sampled_from((PowerState.RUNNING, PowerState.HALTED))),
            resident_on=draw(st.sampled_from(("", *(host.uuid for host in HOSTS)))),
            disks=system.disks[: draw(st.integers(0, 2))],
            auto_start=draw(st.booleans()),
        )
    return found


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """Few objects with few looks, so that they come back."""
    hosts = draw(st.lists(st.sampled_from(HOSTS), unique_by=lambda host: host.uuid))
    repositories = draw(st.sampled_from(((), (REPOSITORY,), (replace(REPOSITORY, type="lvm"),))))
    networks = draw(st.sampled_from(((), (NETWORK,))))
    return Inventory(
        generation=0,
        hosts={host.uuid: replace(host, name_label=draw(_LABELS)) for host in hosts},
        virtual_systems=draw(_systems()),
        storage_repositories={each.uuid: each for each in repositories},
        disk_images={},
        networks={each.uuid: each for each in networks},
        memory_in_use={host.uuid: draw(st.integers(0, 1)) for host in hosts},
    )


@dataclass(frozen=True)
class Happening:
    """Something is heard; then the server may die, or the database may fail."""

    news: Inventory | Fault
    works: bool
    restarts: bool
    fails_before: int
    fails_after: int


happenings = st.builds(
    Happening,
    news=st.one_of(inventories(), inventories(), inventories(), st.just(LOST)),
    works=st.booleans(),
    restarts=st.booleans(),
    fails_before=st.integers(0, 2),
    fails_after=st.integers(0, 1),
)


class Server:
    """The source of one namespace, in the thread of the test; its database outlives it."""

    def __init__(self, schema: Schema) -> None:
        self.store = JobStore()
        self.endpoint = SimulatedEndpoint(systems=0)
        self.namespace = Namespace(
            "root/virt", schema, IMPLEMENTATION_CLASSES, endpoint=self.endpoint, jobs=self.store
        )
        self.sink = RecordingSink(self.store.database, schema)
        self.source = self._source()

    def _source(self) -> Source:
        return Source(self.namespace, self.store, wake=lambda: None, leads=lambda: True)

    def restart(self) -> None:
        """A new source that knows nothing, as after a kill; it sees at once what there is."""
        self.source = self._source()

    def work(self, *, until_done: bool = True) -> None:
        while True:
            try:
                self.source.work(self.sink)
            except StateError:
                if until_done:
                    continue
            return


@pytest.fixture
def make_server(schema: Schema) -> Iterator[Callable[[], Server]]:
    made: list[Server] = []

    def make() -> Server:
        made.append(Server(schema))
        return made[-1]

    yield make
    for one in made:
        with closing(one.store):
            pass


def shown(namespace: Namespace, state: Inventory) -> dict[ObjectPath, dict[str, Any]]:
    view = namespace.view_of(state)
    records = [namespace.former_record(node) for each in TOLD_CLASSES for node in each.all(view)]
    return {path: dict(record.values) for record in records if (path := record.path) is not None}


def replay(state: dict[ObjectPath, Any], told: list[Indication]) -> None:
    """Do to the state what was told, which must fit it."""
    for each in told:
        if "SourceInstance" not in each.record.values:
            continue
        instance: Record = source(each)
        assert instance.path is not None
        if each.record.class_name == CREATION:
            assert instance.path not in state, f"{instance.path} came twice"
            state[instance.path] = dict(instance.values)
        elif each.record.class_name == DELETION:
            assert state.pop(instance.path) == dict(instance.values)
        else:
            assert state[instance.path] == dict(previous(each).values)
            assert dict(previous(each).values) != dict(instance.values)
            state[instance.path] = dict(instance.values)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=inventories(), course=st.lists(happenings, max_size=8))
def test_what_is_told_leads_from_the_first_state_to_the_last(
    make_server: Callable[[], Server], first: Inventory, course: list[Happening]
) -> None:
    server = make_server()
    server.source.hear(first)
    server.work()
    assert not server.sink.told, "what is there at first is no news"
    last = first
    for one in course:
        server.sink.fails_before, server.sink.fails_after = one.fails_before, one.fails_after
        server.source.hear(one.news)
        if isinstance(one.news, Inventory):
            last = one.news
        if one.works:
            server.work(until_done=not one.restarts)
        if one.restarts:
            server.restart()
            server.source.hear(last)
    server.sink.fails_before = server.sink.fails_after = 0
    server.source.hear(last)
    server.work()
    state = shown(server.namespace, first)
    replay(state, server.sink.told)
    assert state == shown(server.namespace, last)
    told = len(server.sink.told)
    server.restart()
    server.source.hear(last)
    server.work()
    assert len(server.sink.told) == told, "nothing is told twice"

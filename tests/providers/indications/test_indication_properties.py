"""Whatever happens to inventories, servers and databases: what is told leads to what there is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.providers.indications.conftest import MakeServer
from tests.providers.indications.single_source import replay, shown
from tests.providers.simulated_population import (
    HOST,
    NETWORK,
    REPOSITORY,
    identity,
    virtual_system,
)
from virtcim.errormap import Fault, from_transport
from virtcim.hypervisor.model import Inventory, PowerState

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


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=inventories(), course=st.lists(happenings, max_size=8))
def test_what_is_told_leads_from_the_first_state_to_the_last(
    make_server: MakeServer, first: Inventory, course: list[Happening]
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
